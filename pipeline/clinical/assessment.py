"""What a bone age means: its distance from the child's age in SDs; and, by `heights`, how tall the child may become.

The rules and tables are those in common use: Greulich and Pyle's with the Brush Foundation's SDs, centred on the
chronological age, normal within 2 SD. docs/explanation/clinical.md explains them and their limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...data.child import Age, Child, in_years
from ...data.remark import Remark
from ...data.sex import CHILDREN, Sex
from ..reading import Assessment, Reading
from .heights import HEIGHT_CAVEATS, with_heights
from .tables import brush

NORMAL_SDS = 2.0  # SDs from the centre within which bone age is normal, both ends included
ODD_SDS = 5.0  # beyond, a wrong age or another child's film is more likely than such a bone age
YOUNGEST_FOR_SDS = 24.0  # months; below, the SD is under 4 months for boys and 5 for girls

SDS_REFERENCE = Remark("Greulich-Pyle 1959, Brush Foundation SD; centre: chronological age")
POPULATION = Remark(
    "the SDs are those of the Brush Foundation's children, who were white and lived in Ohio in the mid-20th century: "
    "others mature at other ages, Hispanic and Asian children over 12 years about one year ahead on average"
)
CAVEATS: Mapping[str, Remark] = {"sds": POPULATION, **HEIGHT_CAVEATS}  # by the value that they limit
_WORDS: Mapping[Assessment, Remark] = {
    "delayed": Remark("delayed"),
    "normal": Remark("normal"),
    "advanced": Remark("advanced"),
}


def assessed(reading: Reading, age: Age | None, given: Child | None = None) -> Reading:
    """The reading with what follows from a chronological age, and from height, weight and parents as `given`.

    A value that cannot be given is None, and a note says why. A reading without a bone age is returned unchanged.
    """
    bone_age, sex = reading.bone_age_months, reading.sex
    if bone_age is None or sex is None:
        return reading
    if age is not None:
        reading = _with_sds(reading, bone_age, sex, age)
    return with_heights(reading, bone_age, sex, given or Child())


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
        reading = reading.noted(_known_coarsely(age, sd))
    if norm:
        reading = replace(reading, reference_mean_months=norm[0], reference_sd_months=norm[1])
    if why := _why_no_sds(age, sex, sd, table.last):
        return reading.noted(why)
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
        reading = reading.noted(
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
        reading = reading.noted(
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
