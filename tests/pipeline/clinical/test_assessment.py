"""What a chronological age adds to a reading: difference, SDS and assessment, or why there is none."""

from __future__ import annotations

import json

import pytest

from boneage.data.child import Age, Child, parse_age
from boneage.data.remark import Remark
from boneage.data.sex import Sex
from boneage.pipeline.clinical.assessment import assessed, assessment_of
from boneage.pipeline.clinical.reference import COMPARED, POPULATION
from boneage.pipeline.reading import Reading

ODD = Remark("odd")


def reading(months: float | None = 130.0, sex: Sex = "M", half: float | None = 10.0, **others) -> Reading:
    interval = None if months is None or half is None else (months - half, months + half)
    return Reading("film.png", "ok", sex=sex, bone_age_months=months, interval_90=interval, **others)


def test_difference_sds_and_what_they_are_centred_on():
    found = assessed(reading(), parse_age("10y"))
    assert (found.chronological_age_months, found.difference_months) == (120, 10)
    assert (found.reference_mean_months, found.reference_sd_months) == (125.68, 9.79)
    assert found.sds == pytest.approx(10 / 9.79)  # not (130 - 125.68) / 9.79
    assert found.sds_interval_90 == pytest.approx((0, 20 / 9.79))
    assert "chronological age" in str(found.sds_reference)
    assert found.assessment == "normal"
    assert found.caveats == (POPULATION, COMPARED["M"])


def test_sd_is_read_between_two_rows_by_sex():
    assert assessed(reading(sex="M"), parse_age("126mo")).reference_sd_months == pytest.approx(9.94)
    assert assessed(reading(sex="F"), parse_age("126mo")).reference_sd_months == pytest.approx(11.835)


@pytest.mark.parametrize(
    ("sds", "assessment"),
    [(-2.01, "delayed"), (-2.0, "normal"), (0.0, "normal"), (2.0, "normal"), (2.01, "advanced")],
)
def test_two_sds_are_still_normal(sds, assessment):
    assert assessment_of(sds) == assessment
    found = assessed(reading(120 + sds * 9.79, half=None), Age(120, 1, Remark("age given")))
    assert found.assessment == assessment


def test_an_interval_that_leaves_the_assessment_open_is_told():
    sure = assessed(reading(half=5), parse_age("123mo"))
    assert not sure.notes
    unsure = assessed(reading(half=20), parse_age("123mo"))
    assert unsure.assessment == "normal"
    assert any("from normal to advanced (SDS -1.3 to +2.7)" in str(note) for note in unsure.notes)


def test_a_difference_that_is_hardly_possible_asks_for_a_check():
    assert not assessed(reading(half=None), parse_age("90mo")).notes  # 4.4 SDs
    (note,) = assessed(reading(half=None), parse_age("80mo")).notes
    assert "5.6 SDs" in str(note)
    assert "check the age" in str(note)


@pytest.mark.parametrize(
    ("age", "sex", "words"),
    [
        ("23mo", "M", "under 24 months the spread of healthy children, 3.9 months, is less than the error"),
        ("1mo", "F", "under 24 months the spread of healthy children is less"),
        ("17y1m", "M", "ends at 17 y 0 m for boys and the child is 17 y 1 m old"),
        ("16y1m", "F", "ends at 16 y 0 m for girls and the child is 16 y 1 m old"),
    ],
)
def test_without_an_sds_the_difference_stays_and_the_reason_is_told(age, sex, words):
    found = assessed(reading(sex=sex), parse_age(age))
    assert found.difference_months == pytest.approx(130 - parse_age(age).months)
    nothing = found.sds, found.sds_interval_90, found.sds_reference, found.assessment, found.caveats
    assert nothing == (None, None, None, None, ())
    assert [note for note in found.notes if str(note).startswith("no SDS: ") and words in str(note)]


def test_the_ends_of_the_range_have_an_sds():
    ends: tuple[tuple[str, Sex], ...] = ("24mo", "F"), ("24mo", "M"), ("16y0m", "F"), ("17y0m", "M")
    for age, sex in ends:
        assert assessed(reading(sex=sex), parse_age(age)).sds is not None


def test_an_age_in_whole_years_is_told_to_be_coarse():
    (note,) = assessed(reading(half=None), Age(120, 12, Remark("PatientAge"))).notes
    assert "known only to within 12 months (PatientAge)" in str(note)
    assert "SDS can change by 1.2" in str(note)


def test_what_was_not_aged_has_none_of_it():
    rejected = Reading("film.png", "rejected", (Remark("no hand"),), "F", notes=(ODD,))
    assert assessed(rejected, parse_age("10y"), Child(height_cm=140)) == rejected


def test_a_reading_to_review_has_it_beside_its_reasons():
    two = (Remark("two hands"),)
    doubtful = Reading("f.png", "review", two, "F", 120, (110, 130), notes=(ODD,))
    found = assessed(doubtful, parse_age("120mo"), Child(height_cm=140))
    assert (found.status, found.reasons, found.notes) == ("review", two, (ODD,))
    assert found.sds is not None
    assert found.adult_height_cm is not None


def test_nothing_given_changes_nothing():
    assert assessed(reading(), None) == reading()


def test_the_interval_in_words():
    assert str(reading(125.0, half=9.0).interval_words) == "between 9 y 8 m and 11 y 2 m"
    assert reading(None).interval_words is None


def test_json_has_every_name_rounded():
    plain = json.loads(json.dumps(assessed(reading(), parse_age("123mo"), Child(height_cm=140.5)).to_dict()))
    wanted = {
        "interval_90": [120.0, 140.0],
        "interval_words": "between 10 y 0 m and 11 y 8 m",
        "chronological_age_months": 123.0,
        "chronological_age_source": "age given",
        "difference_months": 7.0,
        "reference_mean_months": 128.59,
        "reference_sd_months": 9.86,
        "sds": 0.71,
        "sds_interval_90": [-0.3, 1.72],
        "assessment": "normal",
        "height_cm": 140.5,
        "adult_height_cm": 175.33,
        "adult_height_category": "average",
    }
    assert {name: plain[name] for name in wanted} == wanted
