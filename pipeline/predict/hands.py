"""The two hands of one child, on one film or on two of one day, compared: by how much their bone ages differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...data.child import in_years
from ...data.remark import Remark, Verbatim
from ...data.side import Side
from .rows import Row

# SD of the difference between the hands of a child, months: 0.25 years of boys as of girls, the mean difference being
# none (Martin DD, Neuhof J, Jenni OG, Ranke MB, Thodberg HH. Horm Res Paediatr 2010;74:50-55)
HANDS_SD = 3.0


@dataclass
class Hands:
    """Collects the hands of a run by child and day, or by film; nothing else is kept of a film."""

    found: dict[tuple[str, str], list[tuple[Side, float, str | None]]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Note a row that has a bone age, a side, and a child with a day; or that is of one of two hands on a film."""
        side, months = row["side"], row["bone_age_months"]
        if side not in ("left", "right") or months is None:
            return
        if row["patient"] and row["exam_date"]:
            key = (row["patient"], row["exam_date"])
        elif row["hand"]:
            key = (row["file"], "")
        else:
            return
        self.found.setdefault(key, []).append((side, months, row["sex"]))

    def compared(self) -> Iterator[Remark]:
        """A sentence on each pair: one left and one right hand, read with one sex."""
        for (name, day), hands in self.found.items():
            whose = Verbatim(f"{name}, {day}" if day else name)
            sides = sorted(side for side, _, _ in hands)
            if sides == ["left", "right"] and len({sex for _, _, sex in hands}) == 1:
                left, right = (months for _, months, _ in sorted(hands))
                yield _comparison(whose, left, right)
            elif len(set(sides)) == 2:
                yield Remark(
                    "the hands of {whose} were not compared: there are {n} readings of them, expected one left and one "
                    "right of one sex",
                    whose=whose,
                    n=len(hands),
                )


def _comparison(whose: Verbatim, left: float, right: float) -> Remark:
    most = 2 * HANDS_SD
    usual = Remark("up to {most:g} months are usual (Martin 2010)", most=most)
    if abs(left - right) > most:
        usual = Remark("more than {most:g} months is rare (Martin 2010), so look at both films", most=most)
    return Remark(
        "both hands of {whose}: left {left}, right {right}, which is {difference:+.1f} months left less right; {usual}",
        whose=whose,
        left=in_years(left),
        right=in_years(right),
        difference=left - right,
        usual=usual,
    )
