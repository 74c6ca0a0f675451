"""The one age that the facts given of a child and the film's DICOM agree on."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from boneage.data.child import Age, Child, parse_age
from boneage.data.errors import ChildError, SexError
from boneage.data.radiograph import Radiograph
from boneage.data.remark import Remark, Verbatim
from boneage.pipeline.predict.agree import agreed_age, agreed_sex

BORN, TAKEN = date(2010, 1, 15), date(2020, 4, 15)  # 123 months apart
DATES = Remark("PatientBirthDate and {exam}", exam=Verbatim("StudyDate"))
DAY = 1 / 30.4375


def film(**facts) -> Radiograph:
    return Radiograph(np.zeros((4, 4), np.float32), "film.dcm", **facts)


def age_of(radiograph: Radiograph, child: Child) -> Age:
    found, _ = agreed_age(radiograph, child)
    assert found is not None
    return found


def test_nothing_known_is_no_age_and_no_complaint():
    assert agreed_age(film(), Child()) == (None, None)


def test_the_finest_age_is_taken_where_they_agree():
    coarse = Age(120, 12, Remark("PatientAge"))
    assert agreed_age(film(age=coarse), Child())[0] == coarse
    found = age_of(film(age=coarse), Child(age=parse_age("10y3m")))
    assert (found.months, str(found.source)) == (123, "age given")
    dated = age_of(film(age=Age(123, DAY, DATES)), Child(age=parse_age("10y")))
    assert (dated.months, dated.source) == (123, DATES)


def test_a_date_given_is_completed_by_the_films_other_one():
    found, missing = agreed_age(film(exam_date=TAKEN), Child(birth_date=BORN))
    assert found is not None
    assert (found.months, str(found.source)) == (123, "birth date given, examination date of the DICOM")
    assert missing is None
    found = age_of(film(), Child(birth_date=BORN, exam_date=TAKEN))
    assert (found.months, str(found.source)) == (123, "birth date given, examination date given")


def test_a_date_that_lacks_the_other_is_named_and_today_is_not_taken():
    age, missing = agreed_age(film(), Child(birth_date=BORN))
    assert age is None
    assert "give --exam-date" in str(missing)
    age, missing = agreed_age(film(), Child(exam_date=TAKEN))
    assert age is None
    assert "give --birth-date" in str(missing)
    assert agreed_age(film(), Child(age=parse_age("10y3m"), exam_date=TAKEN))[1] is None


@pytest.mark.parametrize(
    ("stated", "given", "words"),
    [
        (
            {"age": Age(123, 1, Remark("PatientAge"))},
            {"age": parse_age("8y1m")},
            "8 y 1 m (age given) and 10 y 3 m (Pat",
        ),
        (
            {"birth_date": BORN},
            {"birth_date": date(2010, 5, 11)},
            "date 2010-05-11 was given, .* says 2010-01-15",
        ),
        ({"exam_date": TAKEN}, {"exam_date": date(2020, 4, 16)}, "date 2020-04-16 was given, .* says 2020-04-15"),
        ({}, {"age": parse_age("9y"), "birth_date": BORN, "exam_date": TAKEN}, "9 y 0 m .* and 10 y 3 m"),
        ({}, {"birth_date": TAKEN, "exam_date": BORN}, "birth date 2020-04-15 and examination date 2010-01-15.*before"),
        ({"exam_date": TAKEN}, {"birth_date": date(1990, 1, 1)}, "1990-01-01 and .* 2020-04-15, which makes 30 y 3 m"),
    ],
)
def test_a_contradiction_is_an_error_that_names_the_film_and_both_values(stated, given, words):
    with pytest.raises(ChildError, match=rf"(?s)film\.dcm: .*{words.replace('(', '.').replace(')', '.')}"):
        agreed_age(film(**stated), Child(**given))


def test_an_age_that_differs_by_less_than_it_is_known_to_is_no_contradiction():
    found = age_of(film(age=Age(123.4, DAY, DATES)), Child(age=parse_age("10.25y")))
    assert found.months == 123.4


def test_a_sex_is_that_given_or_stated_and_never_guessed():
    assert (agreed_sex(film(), "F"), agreed_sex(film(sex="M"), None), agreed_sex(film(sex="M"), "M")) == ("F", "M", "M")
    with pytest.raises(SexError, match=r"film\.dcm: the sex of the child is not known"):
        agreed_sex(film(), None)
    with pytest.raises(SexError, match="sex F was given, the DICOM says M"):
        agreed_sex(film(sex="M"), "F")
