"""What a bone age means: its distance from the child's age in SDs, and the predicted adult height.

The rules and tables are those in common use: Greulich and Pyle's with the Brush Foundation's SDs, centred on the
chronological age, normal within 2 SD; and Bayley and Pinneau's for adult height. docs/explanation/clinical.md explains
them and their limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...data.child import Age, in_years
from ...data.remark import Remark
from ...data.sex import Sex
from ..reading import Assessment, Category, Reading
from .tables import bayley_pinneau, brush

NORMAL_SDS = 2.0  # SDs from the centre within which bone age is normal, both ends included
ODD_SDS = 5.0  # beyond, a wrong age or another child's film is more likely than such a bone age
YOUNGEST_FOR_SDS = 24.0  # months; below, the SD is under 4 months for boys and 5 for girls
CATEGORY_MONTHS = (
    12.0  # bone age less chronological age from which maturation is accelerated, and below minus which it is delayed
)

SDS_REFERENCE = Remark("Greulich-Pyle 1959, Brush Foundation SD; centre: chronological age")
POPULATION = Remark(
    "the SDs are those of the Brush Foundation's children, who were white and lived in Ohio in the mid-20th century: "
    "others mature at other ages, Hispanic and Asian children over 12 years about one year ahead on average"
)
HEIGHT_LIMITS = Remark(
    "adult height by Bayley-Pinneau is off by about 4 to 6 cm in practice, too tall where bone age is advanced and too "
    "short where it is delayed"
)
CAVEATS: Mapping[str, Remark] = {"sds": POPULATION, "adult_height_cm": HEIGHT_LIMITS}  # by the value they limit
CHILDREN: Mapping[Sex, Remark] = {"F": Remark("girls"), "M": Remark("boys")}
_WORDS: Mapping[Assessment | Category, Remark] = {
    "delayed": Remark("delayed"),
    "normal": Remark("normal"),
    "average": Remark("average"),
    "advanced": Remark("advanced"),
    "accelerated": Remark("accelerated"),
}


def assessed(reading: Reading, age: Age | None, height_cm: float | None = None) -> Reading:
    """The reading with what follows from a chronological age and a height in centimetres.

    A value that cannot be given is None, and a note says why. A reading without a bone age is returned unchanged.
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

    The band is linear between these ages. It reaches from `youngest` to `oldest` as far as an SDS is given; the arrays
    are empty where none is.
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
    sd = norm[1] if norm else None
    if age.resolution_months > 1:
        reading = _noted(reading, _known_coarsely(age, sd))
    if norm:
        reading = replace(reading, reference_mean_months=norm[0], reference_sd_months=norm[1])
    if why := _why_no_sds(age, sex, sd, table.last):
        return _noted(reading, why)
    assert sd is not None  # else there is a reason for no SDS
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
            Remark(
                "a bone age {sds:.1f} SDs from the chronological age is very rare; check the age, and whether the film "
                "is of this child",
                sds=abs(sds),
            ),
        )
    if reading.interval_90 is None:
        return reading
    low, high = ((end - age.months) / sd for end in reading.interval_90)
    reading = replace(reading, sds_interval_90=(low, high))
    if assessment_of(low) != assessment_of(high):
        reading = _noted(
            reading,
            Remark(
                "the assessment is not certain: the 90 % interval reaches from {low} to {high} (SDS {least:+.1f} to "
                "{most:+.1f})",
                low=_WORDS[assessment_of(low)],
                high=_WORDS[assessment_of(high)],
                least=low,
                most=high,
            ),
        )
    return reading


def _known_coarsely(age: Age, sd: float | None) -> Remark:
    """The note on an age that is not known to the month; `sd`: the table's at this age, None where it has none."""
    if sd is None:
        return Remark(
            "the chronological age is known only to within {months:.2g} months ({source}), and so is its difference "
            "from the bone age",
            months=age.resolution_months,
            source=age.source,
        )
    return Remark(
        "the chronological age is known only to within {months:.2g} months ({source}), and so is its difference from "
        "the bone age: the SDS can change by {sds:.1f}",
        months=age.resolution_months,
        source=age.source,
        sds=age.resolution_months / sd,
    )


def _why_no_sds(age: Age, sex: Sex, sd: float | None, last: float) -> Remark | None:
    """Why there is no SDS at an age, if so; `sd` and `last`: the table's SD at it and its oldest age, in months."""
    if age.months >= YOUNGEST_FOR_SDS:
        if sd is not None:
            return None
        return Remark(
            "no SDS: the table ends at {end} for {children} and the child is {age} old; nothing is extrapolated",
            end=in_years(last),
            children=CHILDREN[sex],
            age=in_years(age.months),
        )
    if sd is None:
        return Remark("no SDS: under 24 months the spread of healthy children is less than the error of a reading")
    return Remark(
        "no SDS: under 24 months the spread of healthy children, {sd:.1f} months, is less than the error of a reading",
        sd=sd,
    )


def _with_adult_height(reading: Reading, bone_age: float, sex: Sex, height_cm: float) -> Reading:
    reading = replace(reading, height_cm=height_cm)
    chronological = reading.chronological_age_months
    if chronological is None:
        return _noted(
            reading,
            Remark(
                "no adult height: the choice of its table depends on the chronological age, and the chronological age "
                "is not known; give --age, or --birth-date and --exam-date"
            ),
        )
    category = category_of(bone_age - chronological)
    table = bayley_pinneau(sex, category)
    percent = table.at(bone_age)
    reading = replace(reading, adult_height_category=category)
    if percent is None:
        return _noted(
            reading,
            Remark(
                "no adult height: the bone age {age} is outside the table, which covers {first} to {last} for "
                "{children} of {category} maturation",
                first=in_years(table.first),
                last=in_years(table.last),
                children=CHILDREN[sex],
                category=_WORDS[category],
                age=in_years(bone_age),
            ),
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


def _noted(reading: Reading, note: Remark) -> Reading:
    return replace(reading, notes=(*reading.notes, note))
