"""Adult heights by each method: known values, what each needs, where each ends, and what is said of it."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT

from boneage.data.child import Child, parse_age
from boneage.data.sex import Sex
from boneage.pipeline.clinical.assessment import assessed
from boneage.pipeline.clinical.heights import (
    HEIGHT_CAVEATS,
    category_of,
    khamis_roche_height,
    rwt_height,
    target_height,
)
from boneage.pipeline.clinical.tables import bayley_pinneau, rwt
from boneage.pipeline.reading import Reading

SEXES: tuple[Sex, ...] = ("F", "M")
OUTSIDE = "is outside the table, which covers"
BOY = Child("M", height_cm=107.45, weight_kg=17.4, mother_cm=160.0, father_cm=178.0)  # 108.7 cm lying


def known(height: float | None) -> float:
    assert height is not None
    return height


def said(reading: Reading) -> str:
    return "\n".join(map(str, reading.notes))


def reading(months: float = 64.8, sex: Sex = "M", half: float | None = 10.0) -> Reading:
    interval = None if half is None else (months - half, months + half)
    return Reading("film.png", "ok", sex=sex, bone_age_months=months, interval_90=interval)


@pytest.mark.parametrize(
    ("difference", "category"),
    [(12, "accelerated"), (11.9, "average"), (0, "average"), (-11.9, "average"), (-12, "delayed")],
)
def test_category_changes_at_a_year(difference, category):
    assert category_of(difference) == category


@pytest.mark.parametrize(
    ("bone_age", "age", "sex", "percent", "category"),
    [
        (120, "10y", "M", 78.4, "average"),
        (120, "9y0m", "M", 74.7, "accelerated"),
        (120, "11y0m", "M", 81.2, "delayed"),
        (120, "10y", "F", 86.2, "average"),
        (120, "9y0m", "F", 82.8, "accelerated"),
        (120, "11y0m", "F", 87.4, "delayed"),
        (121.5, "10y", "M", (78.4 + 79.1) / 2, "average"),
    ],
)
def test_adult_height_by_sex_and_category(bone_age, age, sex, percent, category):
    found = assessed(reading(bone_age, sex), parse_age(age), Child(height_cm=140.5))
    assert found.adult_height_cm == pytest.approx(140.5 / percent * 100)
    assert (found.adult_height_category, found.height_cm) == (category, 140.5)
    assert HEIGHT_CAVEATS["adult_height_cm"] in found.caveats


@pytest.mark.parametrize(
    ("bone_age", "age", "sex", "words"),
    [
        (
            157,
            "15y0m",
            "M",
            f"13 y 1 m {OUTSIDE} 6 y 0 m to 13 y 0 m for boys of delayed maturation",
        ),
        (
            80,
            "6y8m",
            "M",
            f"6 y 8 m {OUTSIDE} 7 y 0 m to 18 y 6 m for boys of average maturation",
        ),
        (
            211,
            "16y0m",
            "F",
            f"17 y 7 m {OUTSIDE} 7 y 0 m to 17 y 6 m for girls of accelerated maturation",
        ),
    ],
)
def test_outside_its_table_there_is_no_adult_height(bone_age, age, sex, words):
    found = assessed(reading(bone_age, sex), parse_age(age), Child(height_cm=150))
    assert (found.adult_height_cm, found.adult_height_interval_90) == (None, None)
    assert [note for note in found.notes if words in str(note)]
    assert HEIGHT_CAVEATS["adult_height_cm"] not in found.caveats


def test_without_a_chronological_age_the_category_is_not_guessed():
    found = assessed(reading(), None, Child(height_cm=140))
    assert (found.adult_height_cm, found.adult_height_category) == (None, None)
    assert any("chronological age is not known; give --age" in str(note) for note in found.notes)


def test_adult_height_is_given_over_the_interval_with_each_bone_ages_own_category():
    # bone ages 108 to 132 at 10 years: delayed just at 108 (78.6 %), average within (75.2 to 80.4), accelerated at 132
    found = assessed(reading(120, half=12), parse_age("120mo"), Child(height_cm=140))
    assert found.adult_height_interval_90 == pytest.approx((140 / 0.804, 140 / 0.752))
    # 90 to 150: delayed 90 to 108 (73.8 to 78.6), accelerated 132 to 150 (76.7 to 82.8)
    found = assessed(reading(120, half=30), parse_age("120mo"), Child(height_cm=140))
    assert found.adult_height_interval_90 == pytest.approx((140 / 0.828, 140 / 0.738))
    assert found.adult_height_interval_90
    assert found.adult_height_cm
    low, high = found.adult_height_interval_90
    assert low < found.adult_height_cm < high


def test_an_interval_that_leaves_the_tables_gives_no_range_of_adult_height():
    found = assessed(reading(90, half=20), parse_age("90mo"), Child(height_cm=120))
    assert found.adult_height_cm is not None
    assert found.adult_height_interval_90 is None


def test_rwt_gives_the_worked_example():
    """A boy of 6 y 3 m, 108.7 cm lying, 17.4 kg, parents' mean 169.0 cm, skeletal age 5.4 years."""
    assert rwt_height("M", 75, 108.7, 17.4, 169.0, 5.4 * 12) == pytest.approx(168.8, abs=0.05)
    found = assessed(reading(), parse_age("6y3m"), BOY)  # from the standing height
    assert found.adult_height_rwt_cm == pytest.approx(168.8, abs=0.05)
    assert HEIGHT_CAVEATS["adult_height_rwt_cm"] in found.caveats


def test_khamis_roche_is_in_inches_and_pounds():
    """A boy of 6 y 0 m, 45 inches, 44 pounds, parents' mean 68 inches, by the row of 6.0 years."""
    inches = -11.1138 + 1.05923 * 45 - 0.052947 * 44 + 0.52513 * 68
    assert khamis_roche_height("M", 72, 45 * 2.54, 44 * 0.45359237, 68 * 2.54) == pytest.approx(inches * 2.54)
    girl = 4.84365 + 0.64452 * 60 - 0.04894 * 90 + 0.3949 * 66
    assert khamis_roche_height("F", 144, 60 * 2.54, 90 * 0.45359237, 66 * 2.54) == pytest.approx(girl * 2.54)


def test_between_two_rows_a_height_is_linear():
    before, between, after = (known(rwt_height("M", age, 110, 18, 170, 66)) for age in (75, 76, 78))
    assert between == pytest.approx((2 * before + after) / 3)


def test_target_height_is_the_parents_mean_with_half_of_13_cm():
    assert target_height("M", 165, 180) == 179
    assert target_height("F", 165, 180) == 166
    found = assessed(reading(), None, Child(mother_cm=165, father_cm=180))
    assert (found.target_height_cm, found.target_height_range) == (179, (170.5, 187.5))
    assert not [note for note in found.notes if "adult height" in str(note)]  # none was asked for
    assert found.caveats == (HEIGHT_CAVEATS["target_height_cm"],)


def test_methods_stand_beside_each_other_and_none_changes_another():
    found = assessed(reading(), parse_age("6y3m"), BOY)
    alone = assessed(reading(), parse_age("6y3m"), Child("M", height_cm=107.45))
    assert (found.adult_height_cm, alone.adult_height_rwt_cm, alone.weight_kg) == (alone.adult_height_cm, None, None)
    assert [height.method for height in found.adult_heights] == ["RWT", "Khamis-Roche"]  # bone age 5 y 5 m
    older = assessed(reading(96), parse_age("8y0m"), BOY)
    assert [height.method for height in older.adult_heights] == ["Bayley-Pinneau", "RWT", "Khamis-Roche"]
    assert len({round(height.cm, 1) for height in older.adult_heights}) == 3
    assert set(older.caveats) > set(HEIGHT_CAVEATS.values())


def test_rwt_ranges_over_the_interval_of_the_bone_age_whichever_way_it_counts():
    for months, age in ((64.8, "6y3m"), (120, "10y")):  # coefficients of +0.123 and -0.690 cm a year
        found = assessed(reading(months), parse_age(age), BOY)
        assert found.adult_height_rwt_interval_90
        low, high = found.adult_height_rwt_interval_90
        assert low < known(found.adult_height_rwt_cm) < high
    assert high - low == pytest.approx(0.690 * 20 / 12)
    assert assessed(reading(half=None), parse_age("6y3m"), BOY).adult_height_rwt_interval_90 is None


def test_under_two_years_a_child_was_measured_lying():
    lying, standing = (assessed(reading(20), parse_age(age), BOY).adult_height_rwt_cm for age in ("23mo", "24mo"))
    assert lying == pytest.approx(rwt_height("M", 23, 107.45, 17.4, 169, 20))
    assert standing == pytest.approx(rwt_height("M", 24, 108.70, 17.4, 169, 20))


@pytest.mark.parametrize(
    ("age", "sex", "method", "words"),
    [
        ("11mo", "M", "RWT", "covers ages of 1 y 0 m to 15 y 9 m for boys and the child is 0 y 11 m old"),
        ("190mo", "M", "RWT", "covers ages of 1 y 0 m to 15 y 9 m for boys and the child is 15 y 10 m old"),
        ("14y1m", "F", "RWT", "covers ages of 1 y 0 m to 14 y 0 m for girls"),
        ("47mo", "M", "Khamis-Roche", "covers ages of 4 y 0 m to 17 y 6 m for boys and the child is 3 y 11 m old"),
        ("17y7m", "F", "Khamis-Roche", "covers ages of 4 y 0 m to 17 y 6 m for girls"),
    ],
)
def test_outside_the_ages_of_a_method_there_is_none_and_a_note_says_why(age, sex, method, words):
    found = assessed(reading(150, sex), parse_age(age), replace(BOY, sex=sex))
    value = {"RWT": found.adult_height_rwt_cm, "Khamis-Roche": found.adult_height_khamis_roche_cm}[method]
    assert value is None
    assert [note for note in map(str, found.notes) if f"no adult height by {method}" in note and words in note]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (Child(weight_kg=30), "--height, --mother, --father"),
        (Child(height_cm=130, weight_kg=30, mother_cm=165), "--father"),
        (Child(height_cm=130, mother_cm=165, father_cm=180), "--weight"),
    ],
)
def test_what_is_missing_is_named(given, missing):
    found = assessed(reading(120), parse_age("10y"), given)
    assert (found.adult_height_rwt_cm, found.adult_height_khamis_roche_cm) == (None, None)
    assert [note for note in map(str, found.notes) if f"both parents' heights; give {missing} too" in note]


def test_one_parent_makes_no_target_height():
    found = assessed(reading(), None, Child(father_cm=180))
    assert found.target_height_cm is None
    assert "no target height: it needs the heights of both parents; give --mother too" in map(str, found.notes)


def test_a_height_alone_asks_for_no_other_method():
    found = assessed(reading(120), parse_age("10y"), Child(height_cm=140))
    assert not [note for note in map(str, found.notes) if "RWT" in note or "target" in note]


@pytest.mark.parametrize(("height", "would_be"), [(55.0, 70), (200.0, 255)])
def test_a_height_in_another_unit_gives_no_adult_height_and_asks_for_the_unit(height, would_be):
    child = replace(BOY, height_cm=height, weight_kg=32.0)
    found = assessed(reading(120), parse_age("10y"), child)
    assert found.adult_height_cm is found.adult_height_interval_90 is None
    assert f"it would be {would_be} cm, and adults are 120 to 230 cm tall" in said(found)
    if height < 100:
        assert found.adult_height_rwt_cm is found.adult_height_rwt_interval_90 is None
        assert found.adult_height_khamis_roche_cm is None
    assert found.target_height_cm == 175.5


def test_a_weight_in_pounds_is_asked_about_where_it_does_not_go_with_the_height():
    usual, pounds = (assessed(reading(), parse_age("6y3m"), replace(BOY, weight_kg=kg)) for kg in (17.4, 48.0))
    assert "body mass index" not in said(usual)
    assert "a body mass index of 42," in said(pounds)


def test_an_age_just_outside_a_table_is_told_from_its_end():
    found = assessed(reading(83.7), parse_age("6y3m"), BOY)
    assert "the bone age 7 y 0 m (83.7 months) is outside the table, which covers 7 y 0 m to" in said(found)


# Largest third difference of each column between neighbouring rows; rounding alone makes up to 0.004 of the first three
_SMOOTH = {
    ("rwt-1975", "M"): (0.0045, 0.0035, 0.0035, 0.0075, 0.28),
    ("rwt-1975", "F"): (0.0045, 0.0025, 0.0035, 0.0115, 0.09),
    ("khamis-roche-1995", "M"): (0.127, 0.021, 0.0015, 0.0157),
    ("khamis-roche-1995", "F"): (0.384, 0.029, 0.00071, 0.0154),
}


@pytest.mark.parametrize(("name", "sex"), list(_SMOOTH))
def test_only_cells_that_are_marked_as_doubtful_break_the_series_of_their_column(name, sex):
    """A cell that was mistyped shows with thrice its error in the third differences of its column."""
    lines = (ROOT / "pipeline" / "clinical" / f"{name}.csv").read_text("utf-8").splitlines()
    rows = [row for row in csv.DictReader(line for line in lines if line[0] != "#") if row["sex"] == sex]
    doubtful = {number for number, row in enumerate(rows) if row.pop("doubtful", "")}
    columns = np.array([[float(cell) for cell in list(row.values())[2:]] for row in rows]).T
    broken: list[set[int]] = []
    for column, most in zip(columns, _SMOOTH[name, sex], strict=True):
        starts = np.flatnonzero(np.abs(np.diff(column, 3)) > most)
        broken += [set(range(start, start + 4)) for start in starts]
    assert all(run & doubtful for run in broken)
    assert doubtful <= set().union(*broken)  # the mark is for nothing else


@pytest.mark.parametrize(
    ("sex", "printed", "fitting"), [("M", -0.014, (0.011, 0.012, 0.013, 0.014, 0.015)), ("F", -0.085, (-0.095,))]
)
def test_the_values_that_would_continue_the_series_of_a_doubtful_cell_are_those_the_page_names(sex, printed, fitting):
    lines = (ROOT / "pipeline" / "clinical" / "rwt-1975.csv").read_text("utf-8").splitlines()
    rows = [row for row in csv.DictReader(line for line in lines if line[0] != "#") if row["sex"] == sex]
    weights = np.array([float(row["weight_kg"]) for row in rows])
    (at,) = (number for number, row in enumerate(rows) if row["doubtful"])
    assert weights[at] == printed
    fits = []
    for thousandth in range(-200, 200):
        weights[at] = thousandth / 1000
        if np.abs(np.diff(weights, 3)[-6:]).max() < 0.0025:
            fits.append(thousandth / 1000)
    assert tuple(fits) == fitting


def test_rows_with_a_doubtful_cell_are_not_used():
    assert rwt("M").last == 189
    assert 165 not in rwt("F").ages
    before, between, after = (known(rwt_height("F", age, 157, 47, 168, 162)) for age in (162, 165, 168))
    assert between == pytest.approx((before + after) / 2)


@pytest.mark.parametrize(("sex", "taller"), [("M", (24, 84)), ("F", (12, 15))])
def test_how_a_bone_age_moves_rwt_is_as_the_page_says(sex, taller):
    """At most 3.3 cm a year, up between the ages `taller` and down outside, and not at all for boys of 7 years."""
    table = rwt(sex)
    moves = table.values[:, 3]
    assert round(max(np.abs(rwt(each).values[:, 3]).max() for each in SEXES), 1) == 3.3
    rising = table.ages[moves > 0]
    assert (rising.min(), rising.max()) == taller
    assert (np.diff(rising) == 3).all()
    if sex == "M":
        assert abs(moves[table.ages == 84]) < 0.01


def test_a_change_of_category_moves_the_prediction_by_what_the_page_says():
    """By 2 to 9 cm, for 140 cm at 8 to 12 years."""
    jumps = []
    for sex in SEXES:
        for age in range(96, 145):
            for category, sign in (("accelerated", 1), ("delayed", -1)):
                usual, other = (bayley_pinneau(sex, name).at(age + 12 * sign) for name in ("average", category))
                jumps += [abs(14000 / usual[0] - 14000 / other[0])] if usual and other else []
    assert (round(min(jumps)), round(max(jumps))) == (2, 9)
