"""The bar of a card: the 90 % interval and the bone age on an axis of years, with the child's age."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.child import YEAR
from ..reading import Reading

_YEARS = 20  # of the axis, or more where a value lies beyond
_STEP = 2


@dataclass(frozen=True)
class Scale:
    """Places along the axis, in percent of its length.

    ticks: years, and where they are. interval, usual: where a band begins, and its width. point: the bone age.
    age: the chronological age. Without a value None.
    """

    ticks: tuple[tuple[int, str], ...]
    point: str
    interval: tuple[str, str] | None
    age: str | None
    usual: tuple[str, str] | None


def scale_of(reading: Reading) -> Scale | None:
    """The bar of a reading; None without a bone age."""
    months, age, sd = reading.bone_age_months, reading.chronological_age_months, reading.reference_sd_months
    if months is None:
        return None
    usual = None if age is None or sd is None else (max(age - 2 * sd, 0.0), age + 2 * sd)
    last = max(months, age or 0.0, *(reading.interval_90 or ()), *(usual or ()))
    years = max(_YEARS, math.ceil(last / YEAR))

    def place(value: float) -> str:
        return f"{100 * min(max(value / YEAR / years, 0), 1):.2f}%"

    def band(ends: tuple[float, float] | None) -> tuple[str, str] | None:
        return None if ends is None else (place(ends[0]), place(ends[1] - ends[0]))

    ticks = tuple((year, place(year * YEAR)) for year in range(0, years - 1, _STEP))
    return Scale(ticks, place(months), band(reading.interval_90), None if age is None else place(age), band(usual))
