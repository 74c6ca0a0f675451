"""Facts given about a child: their forms, and the age that a DICOM's own facts agree on."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from boneage.data.child import (
    Age,
    Child,
    age_of,
    height_of,
    in_years,
    months_between,
    parent_of,
    parse_age,
    parse_height,
    parse_parent,
    parse_weight,
    stated_age,
    weight_of,
)
from boneage.data.errors import ChildError
from boneage.data.remark import Remark, Verbatim

BORN, TAKEN = date(2010, 1, 15), date(2020, 4, 15)  # 123 months apart
DATES = Remark("PatientBirthDate and {exam}", exam=Verbatim("StudyDate"))
DAY = 1 / 30.4375


@pytest.mark.parametrize(
    ("text", "months", "resolution"),
    [
        ("10y3m", 123, 1),
        (" 10 Y 3 M ", 123, 1),
        ("10y3mo", 123, 1),
        ("10 J. 3 Mon.", 123, 1),
        ("10 Jahre 3 Monate", 123, 1),
        ("10,5 Jahre", 126, 1.2),
        ("10세 3개월", 123, 1),
        ("만 10세 3개월", 123, 1),
        ("123개월", 123, 1),
        ("10.25y", 123, 1),
        ("10,25y", 123, 1),
        ("10.5 years", 126, 1.2),
        ("10y", 120, 12),
        ("123mo", 123, 1),
        ("123m", 123, 1),
        ("0y9m", 9, 1),
        ("25y", 300, 12),
    ],
)
def test_forms_of_an_age(text, months, resolution):
    age = parse_age(text)
    assert (age.months, age.resolution_months) == (pytest.approx(months), pytest.approx(resolution))


@pytest.mark.parametrize("text", ["10", "10.25", "ten", "", "-3y", "10y3", "3m10y", "1e2mo", "nany", "10y2.5m"])
def test_an_age_of_another_form_is_refused_and_the_forms_are_named(text):
    with pytest.raises(ChildError, match=r"--age: age is .*10y3m, 10\.25y or 123mo"):
        parse_age(text)


def test_a_bare_number_is_told_to_lack_its_unit():
    with pytest.raises(ChildError, match="with its unit"):
        parse_age("123")


def test_impossible_ages_are_refused():
    with pytest.raises(ChildError, match=r"line 3: age is '10y12m', expected at most 11 months"):
        parse_age("10y12m", "line 3")
    with pytest.raises(ChildError, match="'25y1m', expected at most 25 years"):
        parse_age("25y1m")


@pytest.mark.parametrize(
    ("number", "unit", "months", "resolution"),
    [("123", "months", 123, 1), ("10", "years", 120, 12), ("10.5", "years", 126, 1.2), (" 10.25 ", "years", 123, 1)],
)
def test_a_plain_number_is_an_age_where_its_unit_is_known(number, unit, months, resolution):
    age = age_of(number, unit, "column")
    assert (age.months, age.resolution_months) == (months, resolution)


@pytest.mark.parametrize("number", ["", "10y", "-1", "1e2", "ten"])
def test_a_column_of_numbers_holds_numbers(number):
    with pytest.raises(ChildError, match=r"age_years: age is .*, expected a plain number"):
        age_of(number, "years", "age_years")
    with pytest.raises(ChildError, match=r"height_cm: height is .*, expected a plain number"):
        height_of(number, "height_cm")


def test_numbers_that_no_child_has_are_refused():
    with pytest.raises(ChildError, match="age_months: age is '301', expected at most 25 years"):
        age_of("301", "months", "age_months")
    with pytest.raises(ChildError, match=r"height_cm: height is '1\.4', expected 40 to 230 cm"):
        height_of("1.4", "height_cm")
    assert height_of("140.5", "height_cm") == 140.5


def test_weight_has_a_unit_and_a_parent_is_grown_up():
    assert (parse_weight("32.5kg"), parse_weight("32,5 KG"), weight_of("32.5", "weight_kg")) == (32.5, 32.5, 32.5)
    assert (parse_parent("165cm", "--mother"), parse_parent("1,80m", "--father")) == (165, 180)
    for text, words in (("32", "give it with its unit"), ("70lb", "give it with its unit"), ("0.4kg", "1 to 250 kg")):
        with pytest.raises(ChildError, match=f"--weight: weight is '{text}'.*{words}"):
            parse_weight(text)
    with pytest.raises(ChildError, match=r"--mother: height is '65cm', expected 120 to 230 cm"):
        parse_parent("65cm", "--mother")
    with pytest.raises(ChildError, match=r"father_cm: height is '18', expected 120 to 230 cm"):
        parent_of("18", "father_cm")


def test_height_has_a_unit_and_is_a_childs():
    assert (parse_height("140.5cm"), parse_height("1.405 m"), parse_height("98 CM")) == (140.5, 140.5, 98)
    for text in ("140.5", "1405mm", "55in", "tall"):
        with pytest.raises(ChildError, match=r"expected centimetres such as 140\.5cm"):
            parse_height(text)
    for text in ("14.05cm", "140.5m"):
        with pytest.raises(ChildError, match="40 to 230 cm"):
            parse_height(text)


@pytest.mark.parametrize(
    ("birth", "exam", "months"),
    [
        ("2010-01-15", "2020-04-15", 123),
        ("2012-02-29", "2013-02-28", 12 - DAY),
        ("2010-01-31", "2010-03-01", 2 - 30 * DAY),
        ("2010-01-15", "2010-01-15", 0),
        ("2010-01-15", "2010-01-14", -DAY),
    ],
)
def test_months_between_two_dates(birth, exam, months):
    assert months_between(date.fromisoformat(birth), date.fromisoformat(exam)) == pytest.approx(months)


def test_months_between_never_falls_as_days_pass():
    days = [date.fromordinal(date(2019, 12, 20).toordinal() + k) for k in range(120)]
    ages = [months_between(date(2010, 1, 31), day) for day in days]
    assert all(later > earlier for earlier, later in pairwise(ages))


def test_months_in_words():
    assert [str(in_years(months)) for months in (0, 11.4, 11.6, 127.4)] == [
        "0 y 0 m",
        "0 y 11 m",
        "1 y 0 m",
        "10 y 7 m",
    ]


def test_a_childs_facts_go_before_those_that_complete_them():
    row = Child(sex="F", height_cm=140)
    assert row.completed_by(Child(sex="M", birth_date=BORN)) == Child("F", birth_date=BORN, height_cm=140)


def test_a_dicoms_dates_go_before_its_age_in_years():
    age, fault = stated_age(Age(120, 12, Remark("PatientAge")), BORN, TAKEN, DATES)
    assert age is not None
    assert (age.months, age.source, fault) == (123, DATES, None)
    patient_age = Age(120, 12, Remark("PatientAge"))
    assert stated_age(patient_age, BORN, None, DATES)[0] == patient_age


@pytest.mark.parametrize(
    ("age", "birth", "exam", "words"),
    [
        (Age(96, 12, Remark("PatientAge")), BORN, TAKEN, ["8 y 0 m (PatientAge)", "10 y 3 m (dates)", "neither"]),
        (None, TAKEN, BORN, ["2020-04-15 and 2010-01-15", "before birth"]),
        (None, date(1900, 1, 1), TAKEN, ["1900-01-01 and 2020-04-15", "120 y 3 m"]),
        (Age(45 * 12, 12, Remark("PatientAge")), None, None, ["PatientAge is 45 y 0 m", "25 years"]),
    ],
)
def test_facts_of_a_dicom_that_cannot_be_are_not_taken_but_named(age, birth, exam, words):
    found, fault = stated_age(age, birth, exam, Remark("dates"))
    assert found is None
    assert [word for word in words if word not in str(fault)] == []
