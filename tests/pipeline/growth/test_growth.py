"""Films of one child set against its age."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pypdfium2 import PdfDocument

from boneage.data.errors import CohortError
from boneage.data.remark import Remark
from boneage.pipeline.cli import main
from boneage.pipeline.clinical.heights import HEIGHT_CAVEATS
from boneage.pipeline.clinical.reference import brush_reference, read_reference
from boneage.pipeline.growth.files import file_names
from boneage.pipeline.growth.films import Film, read_readings
from boneage.pipeline.growth.growth import growths_of
from boneage.pipeline.growth.plot import growth_plot
from boneage.pipeline.growth.report import growth_page, write_growth_report
from boneage.pipeline.predict.readings_file import ReadingsFile
from boneage.pipeline.predict.rows import row_of
from boneage.pipeline.reading import Reading
from boneage.pipeline.report.language import Language


def film(patient="P", bone=100.0, age: float | None = 96.0, *, half: float | None = 16.0, **facts) -> Film:
    known = {"sex": "F", "exam_date": None, "status": "ok", "model": "m", "file": f"{patient}-{age}.png"} | facts
    interval = None if half is None else (bone - half, bone + half)
    return Film(patient=patient, bone_age=bone, interval_90=interval, age=age, **known)


def growth(*films: Film):
    (one,) = growths_of(films)
    return one


def test_the_rate_is_the_slope_of_bone_age_over_age():
    rate = growth(film(bone=118, age=108), film(bone=100, age=96), film(bone=136, age=120)).rate
    assert rate is not None
    assert (rate.months_a_year, rate.years) == (pytest.approx(18), 2)


def test_the_interval_of_a_rate_is_that_of_the_readings_over_the_time_between():
    rate = growth(film(bone=100, age=96, half=16), film(bone=124, age=120, half=12)).rate
    assert rate is not None
    reach = np.hypot(16, 12) / 2  # two independent errors, two years
    assert rate.interval_90 == pytest.approx((12 - reach, 12 + reach))


def test_the_interval_of_a_rate_holds_the_true_one_nine_times_in_ten():
    generator = np.random.default_rng(1)
    ages, halves = np.array([80.0, 95, 101, 130]), np.array([10.0, 20, 14, 17])
    inside = 0
    for _ in range(1000):
        bones = 0.8 * ages + 10 + generator.normal(0, halves / 1.645)
        rate = growth(*(film(bone=b, age=a, half=h) for b, a, h in zip(bones, ages, halves, strict=True))).rate
        assert rate is not None
        assert rate.interval_90 is not None
        inside += rate.interval_90[0] <= 0.8 * 12 <= rate.interval_90[1]
    assert inside / 1000 == pytest.approx(0.9, abs=0.03)


def test_without_intervals_a_rate_has_none():
    rate = growth(film(bone=100, age=96, half=None), film(bone=112, age=108)).rate
    assert rate is not None
    assert (rate.months_a_year, rate.interval_90) == (pytest.approx(12), None)


def test_films_with_dates_alone_are_set_against_time():
    seen = growth(
        film(bone=100, age=None, exam_date=date(2019, 1, 1)), film(bone=112, age=None, exam_date=date(2021, 1, 1))
    )
    assert seen.by_date
    assert seen.times == pytest.approx((0, 24))
    assert seen.rate is not None
    assert seen.rate.months_a_year == pytest.approx(6)


def test_a_film_without_a_time_is_left_out_by_name():
    seen = growth(film(age=96), film(age=108), film(age=None, file="undated.png"))
    assert len(seen.films) == 2
    assert "left out without age: undated.png" in map(str, seen.notes)


def test_one_film_has_no_rate_and_is_listed():
    seen = growth(film())
    assert (seen.rate, seen.notes) == (None, (Remark("one film only"),))


def test_films_of_one_day_have_no_rate():
    seen = growth(film(bone=100), film(bone=104))
    assert seen.rate is None
    assert Remark("all films are of one day") in seen.notes


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (film(age=108, sex="M", file="b.png"), "two sexes: F for a.png, M for b.png"),
        (film(age=108, model="other"), "several models (m, other)"),
        (
            film(age=84, exam_date=date(2021, 1, 1), file="b.png"),
            "exam dates are out of order with age: 8 y 0 m on 2020",
        ),
        (film(age=96, exam_date=date(2023, 1, 1)), "put the birth 36 months apart"),
    ],
)
def test_what_contradicts_itself_is_named_and_gives_no_rate(second, words):
    seen = growth(film(exam_date=date(2020, 1, 1), file="a.png"), second)
    assert len(seen.contradictions) == 1
    assert words in str(seen.contradictions[0])
    assert seen.rate is None
    assert seen.steps == (None,)


def test_ages_in_whole_years_do_not_contradict_the_dates():
    assert not growth(
        film(age=96, exam_date=date(2020, 1, 2)), film(age=96, exam_date=date(2020, 12, 30))
    ).contradictions


def test_what_is_odd_is_noted():
    growing = growth(
        film(bone=110, age=96, file="a.png", status="review"),
        film(bone=100, age=100, file="b.png"),
        Film("P", "c.png", "F", None, None, 104.0, None, "rejected", "m"),
    )
    notes = [str(note) for note in growing.notes]
    assert "1 of 3 films without a bone age" in notes
    assert "1 of 2 readings to be reviewed" in notes
    assert any("falls by 10.0 months from a.png to b.png" in note for note in notes)
    assert any(note.startswith("films too close in time") for note in notes)


def test_bone_age_that_stays_is_no_fall():
    ages = (60.0, 66.0, 72.0, 78.0)
    for rate in growth(*(film(bone=83.7, age=age) for age in ages)).steps:
        assert rate is not None
        assert str(rate).startswith("0.0 months")


def test_a_height_that_falls_is_noted_and_one_that_was_measured_a_little_lower_is_not():
    heights = {84.0: 108.7, 96.0: 102.0, 108.0: 118.0, 120.0: 117.4}
    notes = "\n".join(map(str, growth(*(film(bone=age, age=age, height=cm) for age, cm in heights.items())).notes))
    assert "the height falls from 108.7 to 102.0 cm from P-84.0.png to P-96.0.png" in notes
    assert notes.count("the height falls") == 1


def write_readings(path: Path, films) -> Path:
    with ReadingsFile(path) as file:
        file.add(
            row_of(Reading(name, "ok", (), sex, bone, (bone - 16, bone + 16), model="m", chronological_age_months=age))
            | {"patient": patient, "exam_date": taken}
            for name, patient, sex, bone, age, taken in films
        )
    return path


READINGS = (
    ("a1.png", "A/1", "F", 100.0, 96.0, "2020-01-01"),
    ("a2.png", "A/1", "F", 118.5, 108.0, "2021-01-01"),
    ("b.png", "B", "M", 90.0, 96.0, None),
    ("c1.png", "C", "M", 90.0, 96.0, None),
    ("c2.png", "C", "F", 99.0, 108.0, None),
    ("nobody.png", None, "F", 99.0, 108.0, None),
)


@pytest.mark.parametrize("parquet", [False, True])
def test_the_command_reads_what_predict_wrote_and_gives_tables_and_plots(tmp_path, parquet):
    readings = write_readings(tmp_path / ("r.parquet" if parquet else "r.csv"), READINGS)
    result = CliRunner().invoke(main, ["growth", str(readings), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    with open(tmp_path / "out" / "children.csv", newline="") as file:
        first, second, third = csv.DictReader(file)
    assert (first["patient"], first["films"], first["months_a_year"]) == ("A/1", "2", "18.5")
    assert (first["first_exam_date"], first["last_bone_age_months"]) == ("2020-01-01", "118.5")
    assert float(first["interval_90_high"]) == pytest.approx(18.5 + 16 * 2**0.5, abs=0.01)
    assert (second["notes"], second["months_a_year"]) == ("one film only", "")
    assert "two sexes" in third["contradictions"]
    with open(tmp_path / "out" / "steps.csv", newline="") as file:
        steps = list(csv.DictReader(file))
    assert [(step["patient"], step["from"], step["to"], step["months_a_year"]) for step in steps] == [
        ("A/1", "a1.png", "a2.png", "18.5"),
        ("C", "c1.png", "c2.png", ""),
    ]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["A_1.png", "C.png"]
    assert "two sexes: F for c2.png, M for c1.png" in result.stdout
    assert "3 children: 2 with several films" in result.stderr
    assert "1 with contradictions; 1 film without a patient left out" in result.stderr


def test_columns_of_another_table_can_be_named(tmp_path):
    (tmp_path / "own.csv").write_text("PID,BA,when\nP,100,2020-01-01\n")
    (only,) = read_readings(tmp_path / "own.csv", {"patient": "PID", "bone_age_months": "BA", "exam_date": "when"})
    assert (only.patient, only.bone_age, only.exam_date, only.sex) == ("P", 100, date(2020, 1, 1), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,bone_age_months\na,1\n", "no column for patient, age or exam date"),
        ("patient,bone_age_months,exam_date\nP,ten,1/2/2020\n", r"2 faults.*'ten' is not a number"),
        ("patient,bone_age_months,exam_date,sex\nP,10,2020-01-01,x\n", "'x', expected F or M"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, message):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(CohortError, match=f"(?s){message}"):
        read_readings(tmp_path / "r.csv")


def test_names_of_files_are_safe_and_never_meet():
    assert file_names(["A/1", "A 1", "..", "Ä-2", "A_1"]) == ("A_1", "A_1-2", "_", "Ä-2", "A_1-3")


def band_pixels(path: Path) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - (0xCF, 0xD8, 0xDC)).sum(2) < 6).sum())


def test_the_band_is_drawn_where_sex_and_age_are_known_and_only_there(tmp_path):
    known, sexless = (film(age=96), film(age=120, bone=124)), (film(age=96, sex=None), film(age=120, sex=None))
    undated = (film(age=None, exam_date=date(2020, 1, 1)), film(age=None, exam_date=date(2022, 1, 1)))
    old = (film(age=230.0), film(age=236.0))  # beyond the table, which nothing extrapolates
    seen = []
    for number, films in enumerate((known, sexless, undated, old)):
        growth_plot(growth(*films), tmp_path / f"{number}.png", brush_reference())
        seen.append(band_pixels(tmp_path / f"{number}.png"))
    assert seen[0] > 20_000
    assert max(seen[1:]) < 2_000


def test_a_table_without_patients_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "r.csv").write_text(
        "file,patient,bone_age_months,chronological_age_months\na.png,,120,118\nb.png,,130,128\n"
    )
    with pytest.raises(
        CohortError, match=r"r\.csv: 2 readings, none with a patient.*--column patient=NAME.*--patient-ids"
    ):
        read_readings(tmp_path / "r.csv")


def pixels_of(path: Path, colour: tuple[int, int, int]) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - colour).sum(2) < 6).sum())


def test_the_plot_draws_the_line_that_the_rate_is_of(tmp_path):
    films = [film(bone=bone, age=age, half=None) for bone, age in ((80, 84), (110, 96), (104, 108), (134, 120))]
    seen = growth(*films)
    assert seen.rate is not None
    years = np.array([7, 8, 9, 10])
    slope, start = np.polyfit(years, [80, 110, 104, 134], 1)
    assert [seen.rate.bone_age_at(year) for year in years] == pytest.approx(slope * years + start)
    growth_plot(seen, tmp_path / "falls.png", brush_reference())
    growth_plot(growth(films[0], films[1], films[3]), tmp_path / "rises.png", brush_reference())
    fall = (0xB3, 0x26, 0x1E)
    assert pixels_of(tmp_path / "falls.png", fall) > 200 > pixels_of(tmp_path / "rises.png", fall)


HEIGHTS = (
    "patient,chronological_age_months,bone_age_months,sex,interval_90_low,interval_90_high,adult_height_cm,"
    "adult_height_interval_90_low,adult_height_interval_90_high,adult_height_rwt_cm,adult_height_khamis_roche_cm,"
    "target_height_cm,target_height_range_low,target_height_range_high\n"
)


def test_predicted_heights_are_followed_by_method(tmp_path):
    (tmp_path / "r.csv").write_text(
        HEIGHTS + "P,96,100,F,90,110,165.5,160,170,167,168,166,157.5,174.5\nP,108,110,F,100,120,,,,166,,,,\n"
    )
    first, second = read_readings(tmp_path / "r.csv")
    assert [(height.method, height.cm, height.ends) for height in first.adult_heights] == [
        ("Bayley-Pinneau", 165.5, (160, 170)),
        ("RWT", 167, None),
        ("Khamis-Roche", 168, None),
    ]
    assert first.target_height == (166, 157.5, 174.5)
    assert ([height.cm for height in second.adult_heights], second.target_height) == ([166], None)
    growth_plot(growth(first, second), tmp_path / "with.png", brush_reference())
    growth_plot(growth(film(age=96), film(age=108)), tmp_path / "without.png", brush_reference())
    with Image.open(tmp_path / "with.png") as three, Image.open(tmp_path / "without.png") as two:
        assert three.height > two.height  # by a panel


def test_a_report_says_the_limits_of_the_adult_heights_that_it_shows_and_of_no_other(tmp_path):
    (tmp_path / "r.csv").write_text(
        HEIGHTS + "P,96,100,F,90,110,165.5,160,170,,,166,157.5,174.5\nP,108,110,F,100,120,,,,166,,,,\n"
    )
    seen = growth(*read_readings(tmp_path / "r.csv"))
    text = " ".join(growth_page(seen, Language("en"), brush_reference()).remarks[-1][1])
    told = {value for value, caveat in HEIGHT_CAVEATS.items() if str(caveat)[1:] in text}
    assert told == {"adult_height_cm", "adult_height_rwt_cm", "target_height_cm"}


def test_a_table_may_have_decimal_commas_and_german_words(tmp_path):
    (tmp_path / "r.csv").write_text(
        "patient;chronological_age_months;bone_age_months;sex;exam_date\nP;96,5;100,25;weiblich;15.01.2020\n", "utf-8"
    )
    (only,) = read_readings(tmp_path / "r.csv")
    assert (only.age, only.bone_age, only.sex, only.exam_date) == (96.5, 100.25, "F", date(2020, 1, 15))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", ("Report on growth", "18.0", "months a year", "At 8 y 0 m", "Brush Foundation")),
        ("de", ("Bericht zum Wachstum", "18,0", "Monate im Jahr", "Mit 8 J. 0 Mon.", "Brush Foundation")),
        ("ko", ("성장 보고서", "18.0", "개월/년", "8세 0개월", "Brush Foundation")),
    ],
)
def test_a_report_says_the_rate_and_each_film_in_every_language(tmp_path, code, words):
    seen = growth(film(bone=100, age=96), film(bone=118, age=108))
    write_growth_report(seen, tmp_path / "r.html", code, brush_reference())
    text = (tmp_path / "r.html").read_text("utf-8")
    assert not [word for word in words if word not in text]
    write_growth_report(seen, tmp_path / "r.pdf", code, brush_reference())
    pages = PdfDocument(tmp_path / "r.pdf")
    assert len(pages) == 1
    said = pages[0].get_textpage().get_text_range().replace("\r\n", "").replace(" ", "")
    assert not [word for word in words if word.replace(" ", "") not in said]


def test_the_command_writes_reports_with_a_reference_of_ones_own_and_of_contradictions(tmp_path):
    readings = write_readings(tmp_path / "r.csv", READINGS)
    (tmp_path / "town.csv").write_text(
        "sex,age_months,mean_months,sd_months,name\nF,84,86,10,Town 2020\nF,120,126,12,Town 2020\n"
    )
    own = ["--reference", str(tmp_path / "town.csv"), "--report", "html", "--language", "en"]
    result = CliRunner().invoke(main, ["growth", str(readings), "-o", str(tmp_path / "out"), *own])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "A_1.html").read_text("utf-8")
    assert "Town 2020; centre: its mean" in text
    assert "Brush" not in text
    against = (tmp_path / "out" / "C.html").read_text("utf-8")
    assert "contradictions: no rate" in against
    assert "Two sexes: F for c2.png, M for c1.png." in against
    growths = growths_of(read_readings(readings))
    write_growth_report(growths[2], tmp_path / "c.pdf", "en", read_reference(tmp_path / "town.csv"))
    assert len(PdfDocument(tmp_path / "c.pdf")) == 1


def test_a_report_without_ages_is_over_time_and_names_no_reference(tmp_path):
    dated = [
        film(age=None, exam_date=date(year, 1, 15), bone=bone, model="") for year, bone in ((2020, 100), (2022, 118))
    ]
    write_growth_report(growth(*dated), tmp_path / "r.html", "en", brush_reference())
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "Bone age over time" in text
    assert "15 January 2020" in text
    assert "Brush" not in text
