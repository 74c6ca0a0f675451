"""The languages of a report: words from message catalogues, numbers, dates and ages as each language writes them.

Catalogues are gettext's `locale/LANGUAGE/boneage.po`, read as they are, so that none is ever compiled from an older
one. English is what stands in the code. docs/how-to/report.md says how to add a language.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any

from ...data.errors import ConfigError
from .sentences import SENTENCES

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "ko": "한국어"}
_REGIONS = {"en": "en_GB"}  # whose way to write dates, where a language has several
FOLDER = Path(__file__).parent / "locale"
_AGE = re.compile(r"(\d+) y (\d+) m")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?%?")


def preferred_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language that the environment asks for, as gettext looks for it; English where it is not one of LANGUAGES."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for wanted in filter(None, environment.get(name, "").split(":")):
            code = re.split(r"[_.@-]", wanted)[0].lower()
            if code in LANGUAGES:
                return code
            if name != "LANGUAGE":  # what the first of them says counts, whether there is a catalogue or not
                return "en"
    return "en"


class Language:
    """One language, by its code."""

    def __init__(self, code: str = "en") -> None:
        """`code`: one of LANGUAGES, else ConfigError."""
        if code not in LANGUAGES:
            raise ConfigError(f"language is {code!r}, expected one of {', '.join(LANGUAGES)}")
        self.code = code
        self._locale = _REGIONS.get(code, code)
        self._catalogue = _catalogue(code)

    def say(self, message: str, **values: Any) -> str:
        """A message of the code in this language, with `values` in the places that it names."""
        words = self._catalogue.gettext(message)
        return words.format(**values) if values else words

    def sentence(self, text: str) -> str:
        """A sentence of a reading (a reason, note or caveat) in this language; as it is where it is not a known one."""
        if match := _AGE.fullmatch(text):
            return self.age(12 * int(match[1]) + int(match[2]))
        for message, pattern in _patterns():
            if match := pattern.fullmatch(text):
                parts = {name: self.sentence(part) for name, part in match.groupdict(default="").items()}
                return self.say(message, **parts)
        if _NUMBER.fullmatch(text):
            digits = len(text.partition(".")[2].rstrip("%"))
            return self.number(float(text.rstrip("%")), digits, signed=text[0] in "+-") + text[-1:].strip("0123456789")
        return text

    def number(self, value: float, digits: int = 1, *, signed: bool = False) -> str:
        """A number with so many decimals; `signed`: with its sign, a true minus."""
        from babel.numbers import format_decimal

        places = f".{'0' * digits}" if digits else ""
        text = format_decimal(abs(value), f"#,##0{places}", self._locale)
        if not signed:
            return text if value >= 0 else f"−{text}"
        nothing = round(value, digits) == 0
        return f"{'' if nothing else '−' if value < 0 else '+'}{text}"

    def age(self, months: float) -> str:
        """An age in years and months: "10 y 7 m"."""
        years, rest = divmod(round(months), 12)
        return self.say("{years} y {months} m", years=years, months=rest)

    def day(self, day: date) -> str:
        """A date, the month in words."""
        from babel.dates import format_date

        return format_date(day, "long", self._locale)

    def moment(self, moment: datetime) -> str:
        """A date and the time of day, of 24 hours."""
        return f"{self.day(moment)}, {moment:%H:%M}"


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


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each known sentence with the pattern of its English text, a named group for each place."""
    return tuple((message, re.compile(_pattern_of(message), re.DOTALL)) for message in SENTENCES)


def _pattern_of(message: str) -> str:
    parts = re.split(r"\{(\w+)\}", message)  # text, name, text, name, ... text
    groups = (f"(?P<{part}>.*?)" if k % 2 else re.escape(part) for k, part in enumerate(parts))
    return "".join(groups)
