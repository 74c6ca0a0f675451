"""What a bone age means: its distance from the child's age in SDs; and, by `heights`, how tall the child may become.

The rules and tables are those in common use: Greulich and Pyle's with the Brush Foundation's SDs, centred on the
chronological age, normal within 2 SD. docs/explanation/clinical.md explains them and their limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...data.child import Age, Child, in_years
from ...data.remark import Remark, Verbatim
from ...data.sex import CHILDREN, Sex
from ..reading import Assessment, Reading
from .heights import with_heights
from .reference import NORMAL_SDS, YOUNGEST_FOR_SDS, Reference, brush_reference

ODD_SDS = 5.0  # beyond, a wrong age or another child's film is more likely than such a bone age

_WORDS: Mapping[Assessment, Remark] = {
    "delayed": Remark("delayed"),
    "normal": Remark("normal"),
    "advanced": Remark("advanced"),
}


def assessed(
    reading: Reading, age: Age | None, given: Child | None = None, reference: Reference | None = None
) -> Reading:
    """The reading with what follows from a chronological age, and from height, weight and parents as `given`.

    reference: the children that the SDS compares with; by default Brush's. A value that cannot be given is None, and a
    note says why. A reading without a bone age is returned unchanged.
    """
    bone_age, sex = reading.bone_age_months, reading.sex
    if bone_age is None or sex is None:
        return reading
    if age is not None:
        reading = _with_sds(reading, bone_age, sex, age, reference or brush_reference())
    return with_heights(reading, bone_age, sex, given or Child())


def assessment_of(sds: float) -> Assessment:
    """Delayed below -2, advanced above 2, else normal."""
    if abs(sds) <= NORMAL_SDS:
        return "normal"
    return "delayed" if sds < 0 else "advanced"


def _with_sds(reading: Reading, bone_age: float, sex: Sex, age: Age, reference: Reference) -> Reading:
    mean, sd = reference.at(sex, age.months) or (None, None)
    reading = replace(
        reading,
        chronological_age_months=age.months,
        chronological_age_source=age.source,
        difference_months=bone_age - age.months,
        reference_mean_months=mean,
        reference_sd_months=sd,
    )
    if age.resolution_months > 1:
        reading = reading.noted(_known_coarsely(age, sd))
    if why := _why_no_sds(age, sex, sd, reference):
        return reading.noted(why)
    assert mean is not None  # else there is a reason for no SDS
    assert sd is not None
    centre = reference.centre(mean, age.months)
    sds = (bone_age - centre) / sd
    reading = replace(
        reading,
        sds=sds,
        sds_reference=reference.about,
        assessment=assessment_of(sds),
        caveats=(*reading.caveats, *reference.caveats(sex)),
    )
    if abs(sds) > ODD_SDS:
        reading = reading.noted(
            Remark(
                "a bone age {sds:.1f} SDs from the reference is very rare; check the age, and whether the film is of "
                "this child",
                sds=abs(sds),
            )
        )
    if reading.interval_90 is None:
        return reading
    low, high = ((end - centre) / sd for end in reading.interval_90)
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
            )
        )
    return reading


def _known_coarsely(age: Age, sd: float | None) -> Remark:
    """The note on an age that is not known to the month; `sd`: the table's at this age, None where it has none."""
    known = Remark(
        "the chronological age is known only to within {months:.2g} months ({source}), and so is its difference from "
        "the bone age",
        months=age.resolution_months,
        source=age.source,
    )
    if sd is None:
        return known
    return Remark("{known}: the SDS can change by {sds:.1f}", known=known, sds=age.resolution_months / sd)


def _why_no_sds(age: Age, sex: Sex, sd: float | None, reference: Reference) -> Remark | None:
    """Why there is no SDS at an age, if so; `sd`: the reference's at it, in months."""
    if age.months < YOUNGEST_FOR_SDS:
        if sd is None:
            return Remark("no SDS: under 24 months the spread of healthy children is less than the error of a reading")
        return Remark(
            "no SDS: under 24 months the spread of healthy children, {sd:.1f} months, is less than the error of a "
            "reading",
            sd=sd,
        )
    if sd is not None:
        return None
    table, children = reference.curves.get(sex), CHILDREN[sex]
    if table is None:
        return Remark("no SDS: {name} has no {children}", name=Verbatim(reference.name), children=children)
    old = table.outside(age.months)
    if age.months < table.first:
        return Remark(
            "no SDS: the table begins at {begin} for {children} and the child is {age} old; nothing is extrapolated",
            begin=in_years(table.first),
            children=children,
            age=old,
        )
    return Remark(
        "no SDS: the table ends at {end} for {children} and the child is {age} old; nothing is extrapolated",
        end=in_years(table.last),
        children=children,
        age=old,
    )
