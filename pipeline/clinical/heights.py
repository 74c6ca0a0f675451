"""How tall a child may become, by each of several methods, and its target height; none is averaged with another.

By the bone age: Bayley and Pinneau 1952; Roche, Wainer and Thissen 1975 (RWT), which need weight and parents too.
Without a film: Khamis and Roche 1994, and the parents' mid-parental height. docs/explanation/clinical.md explains them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ...data.child import PARENTS_CM, YEAR, Child, in_years
from ...data.remark import Remark, Verbatim
from ...data.sex import CHILDREN, Sex
from ..reading import Category, Reading
from .tables import Curve, bayley_pinneau, khamis_roche, rwt

CATEGORY_MONTHS = 12.0  # by which bone age is ahead of (behind) the child where maturation is accelerated (delayed)
STANDING = 24.0  # months; younger children are measured lying
LYING_CM = 1.25  # added to a standing height, as in a transcription of the article; docs/explanation/clinical.md
TARGET_CM = 6.5  # half of 13 cm, men's mean height less women's (Tanner, Goldstein and Whitehouse 1970)
TARGET_RANGE_CM = 8.5  # on each side of the target height (the same)
CM_PER_INCH, KG_PER_POUND = 2.54, 0.45359237  # exact by definition

HEIGHT_CAVEATS: Mapping[str, Remark] = {  # by the value that they limit
    "adult_height_cm": Remark(
        "adult height by Bayley-Pinneau is off by about 4 to 6 cm in practice, too tall where bone age is advanced and "
        "too short where it is delayed"
    ),
    "adult_height_rwt_cm": Remark(
        "adult height by RWT was fitted on healthy white children in Ohio, with bone ages that people read by the "
        "atlas; 1.25 cm are added to a standing height, for the method takes the length lying"
    ),
    "adult_height_khamis_roche_cm": Remark(
        "adult height by Khamis-Roche does not use the film; it was fitted on healthy white children in Ohio, and does "
        "not know whether a child matures early or late"
    ),
    "target_height_cm": Remark(
        "target height is the mean of the parents' heights, 6.5 cm up for a boy and down for a girl; it does not use "
        "the film, and is too short by up to 6 cm where both parents are very short"
    ),
}
_BODY_MASS = (10.0, 40.0)  # kg/m²; outside, a wrong unit is more likely than such a child
_CATEGORIES: Mapping[Category, Remark] = {
    "accelerated": Remark("accelerated"),
    "average": Remark("average"),
    "delayed": Remark("delayed"),
}


def with_heights(reading: Reading, bone_age: float, sex: Sex, given: Child) -> Reading:
    """The reading with adult heights by each method that what is `given` suffices for, and notes on the others.

    bone_age: months. Of `given`, height, weight and parents are used; the age is the reading's.
    """
    reading = replace(
        reading, **{name: getattr(given, name) for name in ("height_cm", "weight_kg", "mother_cm", "father_cm")}
    )
    if given.height_cm is not None:
        reading = _with_bayley_pinneau(reading, bone_age, sex, given.height_cm)
    reading = _with_doubt(reading)
    parents = given.mother_cm is not None or given.father_cm is not None
    if given.weight_kg is not None or (given.height_cm is not None and parents):
        reading = _with_regressions(reading, bone_age, sex)
    if parents:
        reading = _with_target(reading, sex)
    caveats = [caveat for value, caveat in HEIGHT_CAVEATS.items() if getattr(reading, value) is not None]
    return reading.noted(caveats=caveats)


def category_of(difference_months: float) -> Category:
    """Bayley and Pinneau's category, by bone age less chronological age: a year or more is accelerated or delayed."""
    if difference_months >= CATEGORY_MONTHS:
        return "accelerated"
    return "delayed" if difference_months <= -CATEGORY_MONTHS else "average"


def midparental_height(mother_cm: float, father_cm: float) -> float:
    """The mean of both parents' heights, cm, from heights in cm."""
    return (mother_cm + father_cm) / 2


def target_height(sex: Sex, mother_cm: float, father_cm: float) -> float:
    """Mid-parental target height in cm, from heights in cm: the parents' mean, 6.5 cm up for a boy, down for a girl."""
    return midparental_height(mother_cm, father_cm) + (TARGET_CM if sex == "M" else -TARGET_CM)


def rwt_height(
    sex: Sex, age: float, length_cm: float, weight_kg: float, midparent_cm: float, bone_age: float
) -> float | None:
    """Adult height in cm by Roche, Wainer and Thissen 1975; None at an age outside their table.

    age, bone_age: months. length_cm: length lying. midparent_cm: `midparental_height`.
    """
    coefficients = rwt(sex).at(age)
    if coefficients is None:
        return None
    return float(np.dot(coefficients, (length_cm, weight_kg, midparent_cm, bone_age / YEAR, 1.0)))


def khamis_roche_height(sex: Sex, age: float, height_cm: float, weight_kg: float, midparent_cm: float) -> float | None:
    """Adult height in cm by Khamis and Roche, whose table is in inches and pounds; None at an age outside it.

    age: months. height_cm: standing. weight_kg: kilograms. midparent_cm: `midparental_height`.
    """
    coefficients = khamis_roche(sex).at(age)
    if coefficients is None:
        return None
    inches = height_cm / CM_PER_INCH, weight_kg / KG_PER_POUND, midparent_cm / CM_PER_INCH, 1.0
    return float(np.dot(coefficients, inches)) * CM_PER_INCH


def _with_bayley_pinneau(reading: Reading, bone_age: float, sex: Sex, height_cm: float) -> Reading:
    chronological = reading.chronological_age_months
    if chronological is None:
        return reading.noted(
            Remark(
                "no adult height by Bayley-Pinneau: the choice of its table depends on the chronological age, and the "
                "chronological age is not known; give --age, or --birth-date and --exam-date"
            )
        )
    category = category_of(bone_age - chronological)
    table = bayley_pinneau(sex, category)
    percent = table.at(bone_age)
    reading = replace(reading, adult_height_category=category)
    if percent is None:
        return reading.noted(
            Remark(
                "no adult height by Bayley-Pinneau: the bone age {age} is outside the table, which covers {first} to "
                "{last} for {children} of {category} maturation",
                first=in_years(table.first),
                last=in_years(table.last),
                children=CHILDREN[sex],
                category=_CATEGORIES[category],
                age=table.outside(bone_age),
            )
        )
    adult_height = 100 * height_cm / percent[0]
    if unlikely := _unlikely(Verbatim("Bayley-Pinneau"), adult_height):
        return reading.noted(unlikely)
    return replace(
        reading,
        adult_height_cm=adult_height,
        adult_height_interval_90=reading.interval_90
        and _over_categories(reading.interval_90, chronological, sex, height_cm),
    )


def _over_categories(
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


def _with_regressions(reading: Reading, bone_age: float, sex: Sex) -> Reading:
    """The reading with the heights by RWT and Khamis-Roche, which need the same facts of the child."""
    age, height, weight = reading.chronological_age_months, reading.height_cm, reading.weight_kg
    mother, father = reading.mother_cm, reading.father_cm
    if age is None or height is None or weight is None or mother is None or father is None:
        options = {"--age": age, "--height": height, "--weight": weight, "--mother": mother, "--father": father}
        missing = Verbatim(", ".join(option for option, value in options.items() if value is None))
        return reading.noted(
            Remark(
                "no adult height by RWT and Khamis-Roche: they need age, height, weight and both parents' heights; "
                "give {missing} too",
                missing=missing,
            )
        )
    midparent = midparental_height(mother, father)
    length = height + (LYING_CM if age >= STANDING else 0.0)
    by_rwt = rwt_height(sex, age, length, weight, midparent, bone_age)
    ends = None
    if by_rwt is not None and reading.interval_90:
        each = [rwt_height(sex, age, length, weight, midparent, end) for end in reading.interval_90]
        ends = min(filter(None, each)), max(filter(None, each))  # it is linear in the bone age, up or down
    without_film = khamis_roche_height(sex, age, height, weight, midparent)
    if fault := _fault(Verbatim("RWT"), by_rwt, rwt(sex), sex, age):
        reading, by_rwt, ends = reading.noted(fault), None, None
    if fault := _fault(Verbatim("Khamis-Roche"), without_film, khamis_roche(sex), sex, age):
        reading, without_film = reading.noted(fault), None
    return replace(
        reading,
        adult_height_rwt_cm=by_rwt,
        adult_height_rwt_interval_90=ends,
        adult_height_khamis_roche_cm=without_film,
    )


def _fault(method: Verbatim, height_cm: float | None, table: Curve, sex: Sex, age: float) -> Remark | None:
    """Why a method gives no adult height; None where it gives one."""
    return _outside(method, table, sex, age) if height_cm is None else _unlikely(method, height_cm)


def _unlikely(method: Verbatim, height_cm: float) -> Remark | None:
    """Why an adult height is not given: no adult is so short or tall, so that what it was made of is wrong."""
    low, high = PARENTS_CM
    if low <= height_cm <= high:
        return None
    return Remark(
        "no adult height by {method}: it would be {height:.0f} cm, and adults are {low:g} to {high:g} cm tall; check "
        "age, height and weight, and their units",
        method=method,
        height=height_cm,
        low=low,
        high=high,
    )


def _with_doubt(reading: Reading) -> Reading:
    """The reading with a note where height and weight hardly go together."""
    if reading.height_cm is None or reading.weight_kg is None:
        return reading
    mass, (low, high) = reading.weight_kg / (reading.height_cm / 100) ** 2, _BODY_MASS
    if low <= mass <= high:
        return reading
    return reading.noted(
        Remark(
            "height and weight make a body mass index of {mass:.0f}, which is very rare; check both, and their units",
            mass=mass,
        )
    )


def _outside(method: Verbatim, table: Curve, sex: Sex, age: float) -> Remark:
    return Remark(
        "no adult height by {method}: its table covers ages of {first} to {last} for {children} and the child is {age} "
        "old; nothing is extrapolated",
        method=method,
        first=in_years(table.first),
        last=in_years(table.last),
        children=CHILDREN[sex],
        age=table.outside(age),
    )


def _with_target(reading: Reading, sex: Sex) -> Reading:
    mother, father = reading.mother_cm, reading.father_cm
    if mother is None or father is None:
        option = Verbatim("--mother" if mother is None else "--father")
        return reading.noted(
            Remark("no target height: it needs the heights of both parents; give {option} too", option=option)
        )
    target = target_height(sex, mother, father)
    within = target - TARGET_RANGE_CM, target + TARGET_RANGE_CM
    return replace(reading, target_height_cm=target, target_height_range=within)
