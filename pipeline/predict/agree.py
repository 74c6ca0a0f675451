"""What the user states of a child against what the DICOM states: the sex and the age that a film is read with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import combinations

from ...data.child import DAY, Age, Child, impossible, months_between
from ...data.errors import ChildError, SexError
from ...data.radiograph import Radiograph
from ...data.remark import Remark, Verbatim
from ...data.sex import Sex
from ...data.side import SIDES, Side

_STATED: Mapping[str, Side] = {"L": "left", "R": "right"}


def agreed_sex(radiograph: Radiograph, given: Sex | None) -> Sex:
    """The sex to read with: the one given or the file's own; SexError when there is none or they contradict."""
    known = radiograph.sex
    if given and known and given != known:
        remark = Remark(
            "sex {given} was given, the DICOM says {stated}; check the child, then give the right one or correct the "
            "file",
            given=Verbatim(given),
            stated=Verbatim(known),
        )
        raise SexError(radiograph.source, remark)
    if sex := given or known:
        return sex
    remark = Remark("the sex of the child is not known; give --sex F or --sex M")
    if radiograph.odd_sex:
        stated = Verbatim(repr(radiograph.odd_sex))
        remark = Remark("PatientSex is {stated}, expected F or M; give --sex F or --sex M", stated=stated)
    raise SexError(radiograph.source, remark)


def agreed_side(radiograph: Radiograph, given: Side | None) -> Side | None:
    """The hand that a film shows: as given, or by the file; None where neither says. ChildError if they contradict."""
    stated = _STATED.get(radiograph.laterality or "")
    if given and stated and given != stated:
        remark = Remark(
            "the hand given is the {given} one, the DICOM says {stated}; check the film, then leave --side out or "
            "correct the file",
            given=SIDES[given],
            stated=SIDES[stated],
        )
        raise ChildError(radiograph.source, remark)
    return given or stated


def agreed_age(film: Radiograph, given: Child) -> tuple[Age | None, Remark | None]:
    """The chronological age at a film by what was given and what its DICOM states; the finest one, where they agree.

    Also what is missing, if dates were given that make no age (None if nothing is). A date given is
    completed by the DICOM's other one. Raises ChildError, naming both values, where two of the facts contradict each
    other or an age is impossible.
    """
    birth = _agreed_date(Remark("birth date"), given.birth_date, film.birth_date, film.source)
    exam = _agreed_date(Remark("examination date"), given.exam_date, film.exam_date, film.source)
    ages = [given.age] if given.age else []
    missing = None
    if birth and exam and (given.birth_date or given.exam_date):
        ages.append(Age(months_between(birth, exam), DAY, _source_of_dates(given)))
        facts = Remark("birth date {birth} and examination date {exam}", birth=birth, exam=exam)
        if fault := impossible(ages[-1].months, facts):
            raise ChildError(film.source, Remark("{fault}; check both dates", fault=fault))
    elif given.birth_date:
        missing = Remark("a birth date was given, but the date of the examination is not known; give --exam-date")
    elif given.exam_date and not given.age and not film.age:
        missing = Remark("the date of the examination was given, but the birth date is not known; give --birth-date")
    ages += [film.age] if film.age else []
    for one, other in combinations(ages, 2):
        if not one.agrees_with(other):
            remark = Remark(
                "the chronological ages differ, {one} and {other}; check the child, then give the right one or correct "
                "the file",
                one=one.remark,
                other=other.remark,
            )
            raise ChildError(film.source, remark)
    return min(ages, key=lambda age: age.resolution_months, default=None), missing


def _source_of_dates(given: Child) -> Remark:
    birth, exam = (Remark("given") if day else Remark("of the DICOM") for day in (given.birth_date, given.exam_date))
    return Remark("birth date {birth}, examination date {exam}", birth=birth, exam=exam)


def _agreed_date(what: Remark, given: date | None, stated: date | None, file: str) -> date | None:
    if given and stated and given != stated:
        remark = Remark(
            "the {what} {given} was given, the DICOM says {stated}; check the child, then give the right one or "
            "correct the file, or give --age instead",
            what=what,
            given=given,
            stated=stated,
        )
        raise ChildError(file, remark)
    return given or stated
