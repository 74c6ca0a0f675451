"""The languages of a report: words from message catalogues, numbers and dates as each language writes them.

Catalogues are gettext's `locale/LANGUAGE/boneage.po`, read without being compiled first, so that no compiled file can
be out of date. English is the text in the code. docs/how-to/report.md says how to add a language.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from numbers import Real
from pathlib import Path

from ...data.errors import ConfigError
from ...data.remark import Remark, Value

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "ko": "한국어"}
_REGIONS = {"en": "en_GB"}  # region whose dates are used, where a language has several
FOLDER = Path(__file__).parent / "locale"


def preferred_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language that the environment asks for, as gettext looks for it; English where it is not one of LANGUAGES."""
    listed = environment.get("LANGUAGE", "").split(":")
    # of the others the first that is set counts, whether there is a catalogue or not
    first = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    codes = (re.split(r"[_.@-]", wanted)[0].lower() for wanted in (*listed, first))
    return next((code for code in codes if code in LANGUAGES), "en")


class Language:
    """One language, by its code."""

    def __init__(self, code: str = "en") -> None:
        """`code`: one of LANGUAGES, else ConfigError."""
        if code not in LANGUAGES:
            raise ConfigError(f"language is {code!r}, expected one of {', '.join(LANGUAGES)}")
        self.code = code
        self._locale = _REGIONS.get(code, code)
        self._catalogue = _catalogue(code)

    def say(self, value: Value, form: str = "") -> str:
        """A remark in this language with all that is in it, or one value of a remark by its format."""
        if isinstance(value, Remark):
            return value.rendered(self._catalogue.gettext, self.say)
        if isinstance(value, tuple):
            from babel.lists import format_list

            return format_list([self.say(remark) for remark in value], locale=self._locale)
        if isinstance(value, date):
            return self._date(value)
        return self.number(value, form) if isinstance(value, Real) else str(value)

    def number(self, value: float, form: str) -> str:
        """A number by one of Python's formats, with this language's signs: decimal comma, percent, a true minus."""
        from decimal import Decimal

        from babel.numbers import format_decimal, format_percent

        text = format(value, form.replace(",", ""))  # the pattern groups digits
        if not math.isfinite(value):
            return text
        exact = Decimal(text.rstrip("%"))
        if text.endswith("%"):
            return format_percent(exact / 100, locale=self._locale, decimal_quantization=False)
        digits = max(-int(exact.as_tuple().exponent), 0)
        pattern = f"#,##0{'.' if digits else ''}{'0' * digits}"
        plus = "+" if form.startswith("+") and exact else ""
        return format_decimal(exact or 0, f"{plus}{pattern};−{pattern}", self._locale)

    def _date(self, day: date) -> str:
        """The month in words, and after it the time of day, of 24 hours, where there is one."""
        from babel.dates import format_date

        words = format_date(day, "long", self._locale)
        return f"{words}, {day:%H:%M}" if isinstance(day, datetime) else words


@cache
def _catalogue(code: str) -> NullTranslations:
    path = FOLDER / code / "boneage.po"
    if not path.is_file():
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with open(path, "rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return GNUTranslations(compiled)
