"""Growth of bone age: the films of one child against the child's age, and how fast the bones mature.

The films come from a table of readings (`boneage predict --csv` or `--parquet`) with the column `patient`. A rate is
the slope of bone age over age, in months a year: 12 where bone age keeps pace with age. Readings are weighted by the
inverse square of their intervals, and the interval of the rate follows from these intervals as if the errors of the
films were independent. In fact one model reads all films of a child, and the error that they share cancels in the
rate; the interval is therefore too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from ...data.child import YEAR, in_years, months_between
from ...data.remark import Remark, Verbatim
from ...data.sex import Sex
from .films import Film

_Z_90 = NormalDist().inv_cdf(0.95)  # a normal distribution has 90 % within so many SDs of its mean
_SHRUNK = 1.0  # cm: a fall of height that two measurements of a child do not explain
_SAME_CHILD = 13.0  # months: the largest spread of implied birth dates that ages in whole years can explain


@dataclass(frozen=True)
class Rate:
    """Months of bone age a year; `interval_90` is None where a reading has none.

    years: between the first film and the last. start: bone age in months of the fitted line at the time 0.
    """

    months_a_year: float
    interval_90: tuple[float, float] | None
    years: float
    start: float

    def bone_age_at(self, years: float) -> float:
        """Bone age in months on the line that was fitted, at a time in years on the child's own scale."""
        return self.start + self.months_a_year * years

    def __str__(self) -> str:
        """Such as "11.2 months a year (90 % interval 4.0 to 18.4)"."""
        ends = " (90 % interval {:.1f} to {:.1f})".format(*self.interval_90) if self.interval_90 else ""
        return f"{self.months_a_year:.1f} months a year{ends}"


@dataclass(frozen=True)
class Growth:
    """What follows from the films of one child together.

    films: those with a bone age and a time, in order of time.
    times: their ages in months, or, if `by_date`, months since the first film.
    rate: over all of them, None with fewer than two times or with contradictions.
    steps: the rate from each film to the next, None as above.
    contradictions: facts that cannot all be true. notes: other remarks.
    """

    patient: str
    sex: Sex | None
    films: tuple[Film, ...]
    times: tuple[float, ...]
    by_date: bool
    rate: Rate | None
    steps: tuple[Rate | None, ...]
    contradictions: tuple[Remark, ...]
    notes: tuple[Remark, ...]


def growths_of(films: Sequence[Film]) -> tuple[Growth, ...]:
    """The growth of each child, in order of the patient; films without a patient are left out."""
    by_patient: dict[str, list[Film]] = {}
    for film in films:
        if film.patient:
            by_patient.setdefault(film.patient, []).append(film)
    return tuple(_growth(patient, by_patient[patient]) for patient in sorted(by_patient))


def _growth(patient: str, films: Sequence[Film]) -> Growth:
    assessed = [film for film in films if film.bone_age is not None]
    by_date = sum(film.exam_date is not None for film in assessed) > sum(film.age is not None for film in assessed)
    timed = sorted(
        ((time, film) for film in assessed if (time := _time(film, by_date)) is not None), key=lambda pair: pair[0]
    )
    used = [film for _, film in timed]
    times = [time - timed[0][0] if by_date else time for time, _ in timed]
    contradictions = tuple(_contradictions(films))
    sexes: set[Sex] = {film.sex for film in films if film.sex}
    fit = [] if contradictions else list(zip(times, used, strict=True))
    rate = _rate(fit)
    return Growth(
        patient=patient,
        sex=sexes.pop() if len(sexes) == 1 else None,
        films=tuple(used),
        times=tuple(times),
        by_date=by_date,
        rate=rate,
        steps=tuple(_rate(pair) for pair in pairwise(fit)) if fit else (None,) * max(len(used) - 1, 0),
        contradictions=contradictions,
        notes=tuple(_notes(films, assessed, used, times, rate, by_date)),
    )


def _time(film: Film, by_date: bool) -> float | None:
    """Months on the child's own scale: age, or months since the year 1."""
    if not by_date:
        return film.age
    return months_between(date.min, film.exam_date) if film.exam_date else None


def _rate(fit: Sequence[tuple[float, Film]]) -> Rate | None:
    """Slope of bone age over time by weighted least squares; None without two times."""
    if len({time for time, _ in fit}) < 2:
        return None
    years = np.array([time for time, _ in fit]) / YEAR
    bones = np.array([film.bone_age for _, film in fit])
    sds = np.array([_sd(film) for _, film in fit])
    known = bool(np.all(sds > 0))
    (slope, start), covariance = np.polyfit(years, bones, 1, w=1 / sds if known else None, cov="unscaled")
    slope, reach = round(float(slope), 6) + 0.0, _Z_90 * math.sqrt(covariance[0, 0])
    return Rate(slope, (slope - reach, slope + reach) if known else None, float(np.ptp(years)), float(start))


def _sd(film: Film) -> float:
    """SD of a reading's error in months, if its 90 % interval is that of a normal error; NaN without an interval."""
    return (film.interval_90[1] - film.interval_90[0]) / (2 * _Z_90) if film.interval_90 else math.nan


def _contradictions(films: Sequence[Film]) -> Iterator[Remark]:
    sexes = {film.sex: film for film in reversed(films) if film.sex}
    if len(sexes) > 1:
        girl, boy = Verbatim(sexes["F"].file), Verbatim(sexes["M"].file)
        yield Remark("two sexes: F for {girl}, M for {boy}", girl=girl, boy=boy)
    models = sorted({film.model for film in films if film.model and film.bone_age is not None})
    if len(models) > 1:
        yield Remark(
            "read by several models ({models}), whose readings cannot be compared", models=Verbatim(", ".join(models))
        )
    dated = sorted(
        ((film.exam_date, film.age, film) for film in films if film.exam_date and film.age is not None),
        key=lambda known: known[:2],
    )
    for (earlier, age, film), (later, age_then, following) in pairwise(dated):
        if age_then < age - 1:
            yield Remark(
                "exam dates are out of order with age: {age} on {day} ({film}), {later_age} on {later_day} "
                "({later_film})",
                age=in_years(age),
                day=earlier,
                film=Verbatim(film.file),
                later_age=in_years(age_then),
                later_day=later,
                later_film=Verbatim(following.file),
            )
            return
    births = [months_between(date.min, taken) - age for taken, age, _ in dated]
    if births and max(births) - min(births) > _SAME_CHILD:
        yield Remark(
            "ages and exam dates put the birth {months:.0f} months apart, as if they were of two children",
            months=max(births) - min(births),
        )


def _notes(
    films: Sequence[Film],
    assessed: Sequence[Film],
    used: Sequence[Film],
    times: Sequence[float],
    rate: Rate | None,
    by_date: bool,
) -> Iterator[Remark]:
    if len(films) == 1:
        yield Remark("one film only")
    elif times and times[0] == times[-1] and len(used) > 1:
        yield Remark("all films are of one day")
    if lost := len(films) - len(assessed):
        yield Remark("{lost} of {films} films without a bone age", lost=lost, films=len(films))
    if left := [film.file for film in assessed if film not in used]:
        what = Remark("exam date") if by_date else Remark("age")
        yield Remark("left out without {what}: {films}", what=what, films=Verbatim(", ".join(left)))
    if doubtful := sum(film.status == "review" for film in used):
        yield Remark("{doubtful} of {films} readings to be reviewed", doubtful=doubtful, films=len(used))
    if rate and rate.interval_90 and rate.interval_90[0] < 0:
        yield Remark("films too close in time, or intervals too wide, to tell growth from none")
    yield from _falls(used)


def _falls(used: Sequence[Film]) -> Iterator[Remark]:
    """Remarks on what only grows and is less at a later film."""
    for film, following in pairwise(used):
        fall = (film.bone_age or 0) - (following.bone_age or 0)
        if fall > 0:
            yield Remark(
                "bone age falls by {months:.1f} months from {film} to {later_film}, which bones do not",
                months=fall,
                film=Verbatim(film.file),
                later_film=Verbatim(following.file),
            )
    for (film, height), (following, later) in pairwise((film, film.height) for film in used if film.height is not None):
        if height - later > _SHRUNK:
            yield Remark(
                "the height falls from {height:.1f} to {later:.1f} cm from {film} to {later_film}, which children's do "
                "not; check both, for adult heights are made of them",
                height=height,
                later=later,
                film=Verbatim(film.file),
                later_film=Verbatim(following.file),
            )
