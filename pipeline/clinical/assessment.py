"""What a clinician asks of a bone age: how far it is from the child's age, in SDs, and how tall the child will be.

The rules and tables are those in common use: Greulich and Pyle's with the Brush Foundation's SDs, centred on the
chronological age, normal within 2 SD; and Bayley and Pinneau's for adult height. docs/explanation/clinical.md says what
they mean and what they cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...data.child import Age, in_years
from ...data.sex import Sex
from ..reading import Assessment, Category, Reading
from .tables import bayley_pinneau, brush

NORMAL_SDS = 2.0  # within so many SDs of the centre, both ends included, bone age is normal
ODD_SDS = 5.0  # beyond, a wrong age or another child's film is likelier than such a bone age
YOUNGEST_FOR_SDS = 24.0  # months; below, the SD is under 4 months for boys and 5 for girls
CATEGORY_MONTHS = 12.0  # bone age less chronological age, from which on maturation is accelerated, or delayed below 0

SDS_REFERENCE = "Greulich-Pyle 1959, Brush Foundation SD; centre: chronological age"
POPULATION = (
    "the SDs are those of the Brush Foundation's children, who were white and lived in Ohio in the mid-20th century: "
    "others mature at other ages, Hispanic and Asian children over 12 years about one year ahead on average"
)
HEIGHT_LIMITS = (
    "adult height by Bayley-Pinneau is off by about 4 to 6 cm in practice, too tall where bone age is advanced and too "
    "short where it is delayed"
)
_CHILDREN = {"F": "girls", "M": "boys"}


def assessed(reading: Reading, age: Age | None, height_cm: float | None = None) -> Reading:
    """The reading with all that a chronological age, and a height in centimetres, add to it.

    What cannot be given is None, and a note says why. A reading without a bone age comes back as it is.
    """
    bone_age, sex = reading.bone_age_months, reading.sex
    if bone_age is None or sex is None:
        return reading
    if age is not None:
        reading = _with_sds(reading, bone_age, sex, age)
    if height_cm is not None:
        reading = _with_adult_height(reading, bone_age, sex, height_cm)
    return reading


def category_of(difference_months: float) -> Category:
    """Bayley and Pinneau's category, by bone age less chronological age: a year or more is accelerated or delayed."""
    if difference_months >= CATEGORY_MONTHS:
        return "accelerated"
    return "delayed" if difference_months <= -CATEGORY_MONTHS else "average"


def assessment_of(sds: float) -> Assessment:
    """Delayed below -2, advanced above 2, else normal."""
    if abs(sds) <= NORMAL_SDS:
        return "normal"
    return "delayed" if sds < 0 else "advanced"


def normal_band(
    sex: Sex, youngest: float = 0.0, oldest: float = np.inf
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chronological ages in months, rising, and the distance from each within which bone age is normal (both (n,)).

    Straight lines between them are the whole band, from `youngest` to `oldest` as far as an SDS is given; empty where
    that is nowhere.
    """
    table = brush(sex)
    first, last = max(youngest, YOUNGEST_FOR_SDS), min(oldest, table.last)
    between = table.ages[(table.ages > first) & (table.ages < last)]
    ages = np.array([first, *between, last] if first < last else [])
    return ages, NORMAL_SDS * np.interp(ages, table.ages, table.values[:, 1])


def _with_sds(reading: Reading, bone_age: float, sex: Sex, age: Age) -> Reading:
    reading = replace(
        reading,
        chronological_age_months=age.months,
        chronological_age_source=age.source,
        difference_months=bone_age - age.months,
    )
    table = brush(sex)
    norm = table.at(age.months)
    if age.resolution_months > 1:
        change = f": the SDS can change by {age.resolution_months / norm[1]:.1f}" if norm else ""
        coarse = f"the chronological age is known to {age.resolution_months:.2g} months only ({age.source})"
        reading = _noted(reading, f"{coarse}, and its difference from the bone age no better{change}")
    if norm:
        reading = replace(reading, reference_mean_months=norm[0], reference_sd_months=norm[1])
    if age.months < YOUNGEST_FOR_SDS:
        spread = f", {norm[1]:.1f} months," if norm else ""
        why = f"under 24 months the spread of healthy children{spread} is less than the error of a reading"
        return _noted(reading, f"no SDS: {why}")
    if norm is None:
        ends = f"the table ends at {in_years(table.last)} for {_CHILDREN[sex]}, the child is {in_years(age.months)} old"
        return _noted(reading, f"no SDS: {ends}, and nothing is extrapolated")
    _, sd = norm
    sds = (bone_age - age.months) / sd
    reading = replace(
        reading,
        sds=sds,
        sds_reference=SDS_REFERENCE,
        assessment=assessment_of(sds),
        caveats=(*reading.caveats, POPULATION),
    )
    if abs(sds) > ODD_SDS:
        reading = _noted(
            reading,
            f"a bone age {abs(sds):.1f} SDs from the chronological age is hardly ever seen; check the age, and that "
            "the film is this child's",
        )
    if reading.interval_90 is None:
        return reading
    low, high = ((end - age.months) / sd for end in reading.interval_90)
    reading = replace(reading, sds_interval_90=(low, high))
    if assessment_of(low) != assessment_of(high):
        spans = f"from {assessment_of(low)} to {assessment_of(high)} (SDS {low:+.1f} to {high:+.1f})"
        reading = _noted(reading, f"the assessment is not certain: the 90 % interval reaches {spans}")
    return reading


def _with_adult_height(reading: Reading, bone_age: float, sex: Sex, height_cm: float) -> Reading:
    reading = replace(reading, height_cm=height_cm)
    chronological = reading.chronological_age_months
    if chronological is None:
        return _noted(
            reading,
            "no adult height: its table is chosen by the difference of bone age and chronological age, and the "
            "chronological age is not known; give --age, or --birth-date and --exam-date",
        )
    category = category_of(bone_age - chronological)
    table = bayley_pinneau(sex, category)
    percent = table.at(bone_age)
    reading = replace(reading, adult_height_category=category)
    if percent is None:
        reach = f"{in_years(table.first)} to {in_years(table.last)} for {_CHILDREN[sex]} of {category} maturation"
        return _noted(
            reading, f"no adult height: outside the table, which is for bone ages of {reach}, not {in_years(bone_age)}"
        )
    return replace(
        reading,
        adult_height_cm=100 * height_cm / percent[0],
        adult_height_interval_90=reading.interval_90
        and _adult_heights(reading.interval_90, chronological, sex, height_cm),
        caveats=(*reading.caveats, HEIGHT_LIMITS),
    )


def _adult_heights(
    interval: tuple[float, float], chronological: float, sex: Sex, height_cm: float
) -> tuple[float, float] | None:
    """Least and greatest adult height over an interval of bone ages; None where a part of it is outside the tables."""
    percents: list[float] = []
    for category, low, high in _by_category(interval, chronological):
        for end in (low, high):  # a table only rises, so its extremes are at the ends
            percent = bayley_pinneau(sex, category).at(end)
            if percent is None:
                return None
            percents.append(percent[0])
    return 100 * height_cm / max(percents), 100 * height_cm / min(percents)


def _by_category(interval: tuple[float, float], chronological: float) -> Iterator[tuple[Category, float, float]]:
    """The parts of an interval of bone ages that fall in each category."""
    low, high = interval
    slow, fast = chronological - CATEGORY_MONTHS, chronological + CATEGORY_MONTHS
    if low <= slow:
        yield "delayed", low, min(high, slow)
    if low < fast and high > slow:
        yield "average", max(low, slow), min(high, fast)
    if high >= fast:
        yield "accelerated", max(low, fast), high


def _noted(reading: Reading, note: str) -> Reading:
    return replace(reading, notes=(*reading.notes, note))
