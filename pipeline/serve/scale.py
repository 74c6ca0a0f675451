"""The bar of a card: the 90 % interval and the bone age on an axis of years, with age and normal range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.child import YEAR
from ..clinical.reference import NORMAL_SDS, Reference
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


def scale_of(reading: Reading, reference: Reference) -> Scale | None:
    """The bar of a reading; None without a bone age.

    reference: what its SDS compares with. Without an SDS nothing is shown as usual, as on the chart of a report.
    """
    months, age = reading.bone_age_months, reading.chronological_age_months
    if months is None:
        return None
    usual = None
    mean, sd = reading.reference_mean_months, reading.reference_sd_months
    if reading.sds is not None and age is not None and mean is not None and sd is not None:
        centre, spread = reference.centre(mean, age), NORMAL_SDS * sd
        usual = max(centre - spread, 0.0), centre + spread
    last = max(months, age or 0.0, *(reading.interval_90 or ()), *(usual or ()))
    years = max(_YEARS, math.ceil(last / YEAR))

    def place(value: float) -> str:
        return f"{100 * min(max(value / YEAR / years, 0), 1):.2f}%"

    def band(ends: tuple[float, float] | None) -> tuple[str, str] | None:
        return None if ends is None else (place(ends[0]), place(ends[1] - ends[0]))

    ticks = tuple((year, place(year * YEAR)) for year in range(0, years - 1, _STEP))
    return Scale(ticks, place(months), band(reading.interval_90), None if age is None else place(age), band(usual))
