from __future__ import annotations

from datetime import date, datetime

import pytest

from boneage.data.child import in_years, stated_age
from boneage.data.errors import ConfigError
from boneage.data.remark import Remark, Verbatim
from boneage.pipeline.report.language import Language, preferred_language


@pytest.mark.parametrize(
    ("code", "age", "number"),
    [("en", "10 y 7 m", "1,234.5"), ("de", "10 J. 7 Mon.", "1.234,5"), ("ko", "10세 7개월", "1,234.5")],
)
def test_ages_and_numbers_as_each_language_writes_them(code, age, number):
    language = Language(code)
    assert language.say(in_years(127.4)) == age
    assert language.number(1234.5, ".1f") == number
    assert [language.number(value, "+.0f") for value in (-2.2, -0.4, 2.2)] == ["−2", "0", "+2"]
    assert language.number(-1.5, ".0f") == "−2"


@pytest.mark.parametrize(
    ("value", "form", "german"),
    [
        (0.054, ".0%", "5\xa0%"),
        (12.0, ".2g", "12"),
        (4294967295.0, "g", "4.294.970.000"),
        (0.25, "g", "0,25"),
        (-0.04, "+.1f", "0,0"),
        (4095, "", "4.095"),
        (4095, ",", "4.095"),
        (float("inf"), "g", "inf"),
    ],
)
def test_a_number_has_the_digits_that_its_format_gives_it(value, form, german):
    assert Language("de").number(value, form) == german


def test_dates():
    when = datetime(2026, 3, 27, 14, 5)
    assert Language("en").say(when) == "27 March 2026, 14:05"
    assert Language("de").say(date(2026, 3, 27)) == "27. März 2026"
    assert "2026년 3월 27일" in Language("ko").say(when)


def test_a_remark_is_translated_with_the_clauses_numbers_and_dates_in_it():
    _, fault = stated_age(
        None, date(2000, 1, 1), date(2026, 1, 1), Remark("PatientBirthDate and {exam}", exam=Verbatim("StudyDate"))
    )
    assert fault
    assert Language("de").say(fault) == (
        "PatientBirthDate und StudyDate sind der 1. Januar 2000 und der 1. Januar 2026, woraus sich 26 J. 0 Mon. "
        "ergibt, erwartet werden höchstens 25 Jahre; daher wurde dem DICOM kein chronologisches Alter entnommen"
    )
    assert Language("ko").say(fault) == (
        "PatientBirthDate 및 StudyDate: 2000년 1월 1일, 2026년 1월 1일(계산된 나이 26세 0개월, 25세 이하여야 함): "
        "DICOM에서 역연령을 가져오지 않았습니다"
    )


def test_a_list_has_the_and_of_its_language():
    words = (Remark("delayed"), Remark("normal"), Remark("advanced"))
    assert Language("de").say(words) == "retardiert, normal und akzeleriert"
    assert Language("en").say(words) == "delayed, normal and advanced"


def test_a_remark_keeps_its_subject():
    assert Language("de").say(Remark("no such file; check the path").about("a.png")).startswith("a.png: Datei nicht")


def test_a_language_without_catalogue_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'fr'.*en, de, ko"):
        Language("fr")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR", "LANGUAGE": "fr:ko"}, "ko"),
        ({"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_the_environment_says_the_language(environment, code):
    assert preferred_language(environment) == code
