"""Films of one patient that were read with two sexes, of which one is wrong and moved a bone age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...data.remark import Remark, Verbatim
from ...data.sex import CHILDREN
from .rows import Row


@dataclass
class Sexes:
    """Collects the sexes of a run's patients; a film without a patient counts for none."""

    films: dict[str, dict[str, str]] = field(default_factory=dict)  # by patient and sex: the first film

    def add(self, row: Row) -> None:
        """Note the patient and the sex of a row."""
        if row["patient"] and row["sex"] in CHILDREN:  # a table that a run resumes may have been edited
            self.films.setdefault(row["patient"], {}).setdefault(row["sex"], row["file"])

    def contradictions(self) -> Iterator[Remark]:
        """A sentence on each patient of two sexes, with a film of each."""
        for whose, films in self.films.items():
            if len(films) > 1:
                yield Remark(
                    "the films of {whose} were read with two sexes: F for {girl}, M for {boy}; correct the one that is "
                    "wrong and read its films again, since the sex moves the bone age",
                    whose=Verbatim(whose),
                    girl=Verbatim(films["F"]),
                    boy=Verbatim(films["M"]),
                )
