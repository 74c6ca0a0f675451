"""A sentence about a film as a value: its template and the values in it, from which every language makes its own text.

Nobody reads the text back. What is counted, compared or translated is known by its template; text is made of it last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Formatter
from typing import NewType, TypeAlias

Verbatim = NewType("Verbatim", str)  # what is the same in every language: a file, a DICOM attribute, an option, a quote
Value: TypeAlias = "float | date | Verbatim | Remark | tuple[Remark, ...]"


@dataclass(frozen=True, init=False, repr=False)
class Remark:
    """A sentence, or a clause in the values of another Remark. `str()` gives it in English.

    template: English with places in the syntax of str.format, "the hand fills {share:.0%} of the field". Always written
        out where the Remark is made, so that a test can check that each language has it.
    subject: the file, column or option that the sentence is about, which its text begins with; "" where there is none.
    """

    template: str
    subject: str
    _values: tuple[tuple[str, Value], ...]

    def __init__(self, template: str, /, **values: Value) -> None:
        """`values`: by the names of the places. Words among them are Remarks, since a plain text stays English."""
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "subject", "")
        object.__setattr__(self, "_values", tuple(sorted(values.items())))

    def about(self, subject: str | Path) -> Remark:
        """The same sentence with a subject."""
        remark = copy(self)
        object.__setattr__(remark, "subject", str(subject))
        return remark

    @property
    def values(self) -> Mapping[str, Value]:
        """The value of each place by its name."""
        return dict(self._values)

    @property
    def outline(self) -> str:
        """The English text without subject, and with "…" for what differs from film to film: one for each cause."""
        return self._filled(self.template, lambda value, _: value.outline if isinstance(value, Remark) else "…")

    def rendered(self, translated: Callable[[str], str], shown: Callable[[Value, str], str]) -> str:
        """The text in any language: `translated` gives the template in it, `shown` a value by its format."""
        text = self._filled(translated(self.template), shown)
        return f"{self.subject}: {text}" if self.subject else text

    def _filled(self, template: str, shown: Callable[[Value, str], str]) -> str:
        values = self.values
        parts = Formatter().parse(template)
        return "".join(
            text + ("" if name is None else shown(values[name], form or "")) for text, name, form, _ in parts
        )

    def __str__(self) -> str:
        return self.rendered(str, _in_english)

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    def __repr__(self) -> str:
        values = "".join(f", {name}={value!r}" for name, value in self._values)
        return f"Remark({self.template!r}{values})" + (f".about({self.subject!r})" if self.subject else "")


def joined(remarks: Iterable[Remark | str]) -> str:
    """Several remarks as one English text, as a cell of a table holds them."""
    return "; ".join(map(str, remarks))


def _in_english(value: Value, form: str) -> str:
    if isinstance(value, tuple):
        *first, last = [str(remark) for remark in value] or [""]
        return f"{', '.join(first)} and {last}" if first else last
    return format(value, form)
