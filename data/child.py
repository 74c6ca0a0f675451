"""Facts about the child: sex, age, dates, height, weight and parents, and the one age that follows from them.

Nothing is guessed: a fact is given by the user or stated by the DICOM. Where two differ, that is an error or a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Literal

from .errors import ChildError
from .remark import Remark, Verbatim
from .sex import Sex
from .side import Side
from .text import for_line

AgeUnit = Literal["months", "years"]

YEAR = 12  # months
DAYS_IN_MONTH = 365.25 / YEAR
OLDEST_MONTHS = 300.0  # 25 years; older persons are no children
HEIGHTS_CM = (40.0, 230.0)  # a newborn's and a tall adult's
LONGEST_PSEUDONYM = 60  # characters
PARENTS_CM = (120.0, 230.0)  # of adults, very short and very tall ones
WEIGHTS_KG = (1.0, 250.0)  # a preterm newborn's and a very heavy adolescent's
DAY = 1 / DAYS_IN_MONTH  # in months
_GIVEN = Remark("age given")
_NUMBER = r"(\d+(?:[.,](\d+))?)"  # no age or height has thousands, so a comma is a decimal one
_YEAR_WORDS = r"(?:y|yr|yrs|years?|j|jahre?|세)\.?"  # 살 is left out: it often counts the years of life begun
_MONTH_WORDS = r"(?:m|mo|mon|months?|monate?|개월)\.?"
_YEARS = re.compile(rf"(?:만\s*)?{_NUMBER}\s*{_YEAR_WORDS}")
_MONTHS = re.compile(rf"{_NUMBER}\s*{_MONTH_WORDS}")
_BOTH = re.compile(rf"(?:만\s*)?(\d{{1,3}})\s*{_YEAR_WORDS}\s*(\d{{1,3}})\s*{_MONTH_WORDS}")
_HEIGHT = re.compile(rf"{_NUMBER}\s*(cm|m)")
_WEIGHT = re.compile(rf"{_NUMBER}\s*kg")


@dataclass(frozen=True)
class Age:
    """A chronological age.

    months: from birth to the examination, 0 to 300.
    resolution_months: how finely it is known; an age in whole years is known to 12 months.
    source: where it is from ("age given", "PatientAge", "birth date given, examination date of the DICOM").
    """

    months: float
    resolution_months: float
    source: Remark

    def agrees_with(self, other: Age) -> bool:
        """Whether both are the same age, to the precision of the coarser of them."""
        return abs(self.months - other.months) <= max(self.resolution_months, other.resolution_months)

    @property
    def remark(self) -> Remark:
        """Such as "10 y 3 m (PatientAge)"."""
        return Remark("{age} ({source})", age=in_years(self.months), source=self.source)


@dataclass(frozen=True)
class Child:
    """Facts about a child as the user gives them; None where a fact is not known, since none is guessed.

    age: chronological age at the examination.
    birth_date, exam_date: together they give the age; each completes the other where the DICOM has it.
    height_cm: standing height at the examination, 40 to 230; under 2 years the length lying.
    weight_kg: weight at the examination, 1 to 250.
    mother_cm, father_cm: heights of the biological parents, 120 to 230.
    side: the hand that the film shows.
    pseudonym: what reports call the child; no other result has it.
    """

    sex: Sex | None = None
    age: Age | None = None
    birth_date: date | None = None
    exam_date: date | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    mother_cm: float | None = None
    father_cm: float | None = None
    side: Side | None = None
    pseudonym: str | None = None

    def completed_by(self, other: Child) -> Child:
        """These facts, and those of `other` where there is none here."""
        return replace(other, **{f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None})


def parse_age(text: str, where: str = "--age") -> Age:
    """Read an age such as 10y3m, 10.25y, 10y, 123mo, 10 J. 3 Mon. or 10세 3개월; a bare number is refused.

    `where` names the option or column in the message. Raises ChildError for other forms and ages over 25 years.
    """
    given, quoted = text.strip().lower(), Verbatim(repr(text))
    if both := _BOTH.fullmatch(given):
        years, months = int(both[1]), int(both[2])
        if months > 11:
            remark = Remark("age is {text}, expected at most 11 months beside the years; check the age", text=quoted)
            raise ChildError(where, remark)
        age = Age(12.0 * years + months, 1.0, _GIVEN)
    elif part := _YEARS.fullmatch(given):
        age = _years(part)
    elif part := _MONTHS.fullmatch(given):
        age = _months(part)
    else:
        remark = Remark(
            "age is {text}, expected years and months such as 10y3m, 10.25y or 123mo; give it with its unit",
            text=quoted,
        )
        raise ChildError(where, remark)
    return _possible(age, text, where)


def parse_pseudonym(text: str, where: str = "--name") -> str:
    """Read what reports are to call a child: up to 60 characters on one line. Raises ChildError for others."""
    name = " ".join(for_line(text).split())
    if not 0 < len(name) <= LONGEST_PSEUDONYM:
        remark = Remark(
            "the name has {n} characters, expected 1 to {most}; give a shorter one", n=len(name), most=LONGEST_PSEUDONYM
        )
        raise ChildError(where, remark)
    return name


def age_of(number: str, unit: AgeUnit, where: str) -> Age:
    """Read an age that is written as a plain number, 123 or 10.25, as a column of a known unit has it.

    `where` names the column in the message. Raises ChildError for what is no number and for ages over 25 years.
    """
    part = re.fullmatch(_NUMBER, number.strip())
    if not part:
        remark = Remark(
            "age is {text}, expected a plain number; the column's name says the unit", text=Verbatim(repr(number))
        )
        raise ChildError(where, remark)
    return _possible(_months(part) if unit == "months" else _years(part), number, where)


def parse_height(text: str, where: str = "--height", within: tuple[float, float] = HEIGHTS_CM) -> float:
    """Read a height such as 140.5cm or 1.405m in centimetres; a bare number has no unit and is refused.

    `where` names the option or column in the message. Raises ChildError for other forms and heights not `within`.
    """
    match, quoted = _HEIGHT.fullmatch(text.strip().lower()), Verbatim(repr(text))
    if not match:
        remark = Remark("height is {text}, expected centimetres such as 140.5cm; give it with its unit", text=quoted)
        raise ChildError(where, remark)
    return _plausible(_float(match[1]) * (100 if match[3] == "m" else 1), text, where, within)


def parse_parent(text: str, where: str) -> float:
    """Read a parent's height as `parse_height` does a child's; it is 120 to 230 cm."""
    return parse_height(text, where, PARENTS_CM)


def parse_weight(text: str, where: str = "--weight") -> float:
    """Read a weight such as 32.5kg in kilograms; a bare number has no unit and is refused.

    `where` names the option or column in the message. Raises ChildError for other forms and outside 1 to 250 kg.
    """
    match = _WEIGHT.fullmatch(text.strip().lower())
    if not match:
        remark = Remark(
            "weight is {text}, expected kilograms such as 32.5kg; give it with its unit", text=Verbatim(repr(text))
        )
        raise ChildError(where, remark)
    return _plausible_weight(match[1], text, where)


def height_of(number: str, where: str, within: tuple[float, float] = HEIGHTS_CM) -> float:
    """Read a height that is written as a plain number of centimetres, as a column has it; errors as `parse_height`."""
    if not re.fullmatch(_NUMBER, number.strip()):
        remark = Remark(
            "height is {text}, expected a plain number; the column's name says the unit", text=Verbatim(repr(number))
        )
        raise ChildError(where, remark)
    return _plausible(_float(number), number, where, within)


def parent_of(number: str, where: str) -> float:
    """Read a parent's height that is a plain number of centimetres; errors as `parse_parent`."""
    return height_of(number, where, PARENTS_CM)


def weight_of(number: str, where: str) -> float:
    """Read a weight that is written as a plain number of kilograms, as a column has it; errors as `parse_weight`."""
    if not re.fullmatch(_NUMBER, number.strip()):
        remark = Remark(
            "weight is {text}, expected a plain number; the column's name says the unit", text=Verbatim(repr(number))
        )
        raise ChildError(where, remark)
    return _plausible_weight(number, number, where)


def months_between(birth: date, exam: date) -> float:
    """Age in months: calendar months, and days as parts of a month of 30.4375 days. Negative before birth."""
    whole = 12 * (exam.year - birth.year) + exam.month - birth.month
    return whole + (exam.day - birth.day) / DAYS_IN_MONTH


def in_years(months: float) -> Remark:
    """Months as a clinician reads them: 127.4 becomes "10 y 7 m"."""
    years, rest = divmod(round(months), 12)
    return Remark("{years} y {months} m", years=years, months=rest)


def stated_age(
    patient_age: Age | None, birth: date | None, exam: date | None, dates: Remark
) -> tuple[Age | None, Remark | None]:
    """The age that follows from a file's own facts, None where they give none, and the fault in them, if any.

    Dates are more precise than PatientAge and take precedence. `dates` names the two. Nothing is taken from facts
    that are impossible (before birth, over 25 years) or that differ by more than PatientAge's unit.
    """
    dated = None
    if birth and exam:
        dated = Age(months_between(birth, exam), DAY, dates)
        facts = Remark("{dates} are {birth} and {exam}", dates=dates, birth=birth, exam=exam)
        if fault := impossible(dated.months, facts):
            return None, Remark("{fault}, so no chronological age was taken from the DICOM", fault=fault)
    if patient_age and patient_age.months > OLDEST_MONTHS:
        return None, Remark(
            "PatientAge is {age}, expected at most 25 years, so no chronological age was taken from the DICOM",
            age=in_years(patient_age.months),
        )
    if dated and patient_age and not dated.agrees_with(patient_age):
        return None, Remark(
            "the DICOM's ages differ, {one} and {other}, so neither was used",
            one=patient_age.remark,
            other=dated.remark,
        )
    return dated or patient_age, None


def impossible(months: float, dates: Remark) -> Remark | None:
    """What is wrong with an age that `dates` make: before birth, or over 25 years; None where it is possible."""
    if months < 0:
        return Remark("{dates}, which is before birth", dates=dates)
    if months > OLDEST_MONTHS:
        return Remark("{dates}, which makes {age}, expected at most 25 years", dates=dates, age=in_years(months))
    return None


def _float(number: str) -> float:
    return float(number.replace(",", "."))


def _months(number: re.Match[str]) -> Age:
    return Age(_float(number[1]), 1.0, _GIVEN)


def _years(number: re.Match[str]) -> Age:
    """An age in years, known to a month at best: decimals such as 10.25 come from whole months divided by twelve."""
    return Age(YEAR * _float(number[1]), max(YEAR / 10 ** len(number[2] or ""), 1.0), _GIVEN)


def _possible(age: Age, text: str, where: str) -> Age:
    if age.months > OLDEST_MONTHS:
        remark = Remark("age is {text}, expected at most 25 years; check the age", text=Verbatim(repr(text)))
        raise ChildError(where, remark)
    return age


def _plausible_weight(number: str, text: str, where: str) -> float:
    weight, (low, high) = _float(number), WEIGHTS_KG
    if not low <= weight <= high:
        remark = Remark(
            "weight is {text}, expected {low:g} to {high:g} kg; check the weight and its unit",
            text=Verbatim(repr(text)),
            low=low,
            high=high,
        )
        raise ChildError(where, remark)
    return weight


def _plausible(height: float, text: str, where: str, within: tuple[float, float]) -> float:
    low, high = within
    if not low <= height <= high:
        remark = Remark(
            "height is {text}, expected {low:g} to {high:g} cm; check the height and its unit",
            text=Verbatim(repr(text)),
            low=low,
            high=high,
        )
        raise ChildError(where, remark)
    return round(height, 6)
