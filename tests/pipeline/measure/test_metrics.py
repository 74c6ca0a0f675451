from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from boneage.data.errors import BoneAgeError
from boneage.pipeline.measure.metrics import (
    agreement,
    by_group,
    concordance,
    coverage_by_group,
    paired_difference,
)


def test_numbers_match_those_worked_out_by_hand():
    # errors +2, -4, +6, -12, +13
    measured = agreement([102, 96, 66, 48, 213], [100, 100, 60, 60, 200], resamples=100)
    assert measured.n == 5
    assert measured.mae == pytest.approx(37 / 5)
    assert measured.median_error == 6
    assert measured.rmse == pytest.approx(math.sqrt((4 + 16 + 36 + 144 + 169) / 5))
    assert measured.bias == pytest.approx(1.0)
    # deviations from 1: 1, -5, 5, -13, 12, squares sum to 364, over n - 1
    assert measured.sd == pytest.approx(math.sqrt(364 / 4))
    assert measured.limits_low == pytest.approx(1 - 1.96 * math.sqrt(91))
    assert measured.limits_high == pytest.approx(1 + 1.96 * math.sqrt(91))
    assert measured.within_6 == pytest.approx(3 / 5)
    assert measured.within_12 == pytest.approx(4 / 5)
    assert measured.mae_low < measured.mae < measured.mae_high


def test_the_interval_is_that_of_every_resample():
    # two films with errors 0 and 10: resampled MAEs are 0, 5, 10 with chances 1/4, 1/2, 1/4
    measured = agreement([0, 10], [0, 0])
    assert (measured.mae_low, measured.mae_high) == (0, 10)
    equal = agreement([7, 7, 7], [0, 0, 14])
    assert (equal.mae_low, equal.mae_high) == (7, 7)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(11)
    truth = 8 * math.sqrt(2 / math.pi)  # mean of |N(0, 8)|
    hits = 0
    for trial in range(300):
        errors = random.normal(0, 8, 150)
        measured = agreement(errors, np.zeros(150), seed=trial, resamples=400)
        hits += measured.mae_low <= truth <= measured.mae_high
    assert 0.90 <= hits / 300 <= 0.985


def test_the_seed_decides_the_interval():
    errors = np.random.default_rng(0).normal(0, 8, 100)
    first, again, other = (agreement(errors, np.zeros(100), seed=seed, resamples=500) for seed in (1, 1, 2))
    assert first == again
    assert first.mae_low != other.mae_low


def test_resampling_in_chunks_gives_the_width_theory_expects():
    n = 300_000  # more than a third of a chunk, so a few resamples at a time
    errors = np.random.default_rng(0).exponential(8, n)
    measured = agreement(errors, np.zeros(n), resamples=60)
    assert measured.mae_high - measured.mae_low == pytest.approx(2 * 1.96 * 8 / math.sqrt(n), rel=0.5)


def test_to_dict_is_strict_json_even_for_one_film():
    values = agreement([66], [60], resamples=10).to_dict()
    assert values["sd"] is None
    assert values["limits_low"] is None
    assert values["mae_low"] is None
    assert json.loads(json.dumps(values, allow_nan=False))["mae"] == 6


@pytest.mark.parametrize(
    ("predicted", "labelled"), [([1, 2], [1]), ([], []), ([math.nan], [1]), ([1], [math.inf]), ([[1]], [[1]])]
)
def test_unusable_values_are_refused(predicted, labelled):
    with pytest.raises(BoneAgeError, match="expected"):
        agreement(predicted, labelled)


def frame_of(*films: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(list(films), columns=["sex", "labelled_months", "bone_age_months"])
    return frame.assign(id=range(len(frame)), file="x.png", status="ok")


def test_groups_are_cut_by_sex_and_at_the_edges_of_the_age_bands():
    frame = frame_of(
        ("F", 0, 1),
        ("F", 59.9, 61.9),
        ("M", 60, 63),
        ("M", 119, 123),
        ("F", 120, 125),
        ("M", 180, 186),
        ("M", 240, 247),
    )
    groups = by_group(frame, resamples=50)
    assert {group: rows["n"].sum() for group, rows in groups.groupby("group")} == {"all": 7, "sex": 7, "age band": 7}
    bands = groups[groups["group"] == "age band"]
    assert bands["n"].tolist() == [2, 2, 1, 2]
    assert bands["mae"].tolist() == pytest.approx([1.5, 3.5, 5, 6.5])
    assert [level.split()[0] for level in bands["level"]] == ["0-59", "60-119", "120-179", "180-240"]
    by_sex = groups[groups["group"] == "sex"]
    assert dict(zip(by_sex["level"], by_sex["mae"], strict=True)) == pytest.approx({"girls": 8 / 3, "boys": 5})


def test_films_without_a_prediction_are_counted_and_not_measured():
    groups = by_group(frame_of(("F", 50, 52), ("F", 55, math.nan), ("M", 200, math.nan)), resamples=50)
    overall = groups.iloc[0]
    assert (overall["n"], overall["not_assessed"], overall["mae"]) == (1, 2, 2)
    boys = groups[groups["level"] == "boys"].iloc[0]
    assert (boys["n"], boys["not_assessed"]) == (0, 1)
    assert math.isnan(boys["mae"])
    assert "60-119" not in " ".join(groups["level"])  # no films, no row


def test_no_films_is_an_error():
    with pytest.raises(BoneAgeError, match="no films"):
        by_group(frame_of())


def test_coverage_is_counted_by_the_band_of_the_reading_and_by_that_of_the_label():
    frame = frame_of(("F", 50, 70), ("F", 100, 108), ("M", 130, 110), ("M", 150, math.nan), ("M", 236, 241))
    frame = frame.assign(interval_90_low=frame["bone_age_months"] - 10, interval_90_high=frame["bone_age_months"] + 12)
    covered = coverage_by_group(frame).set_index(["group", "level"])
    assert covered.loc[("all", "all"), "n"] == 4  # one film has no interval
    assert covered.loc[("all", "all"), "covered"] == pytest.approx(2 / 4)
    assert set(covered["width"]) == {22}
    read, labelled = (covered.loc[f"band of {of}"] for of in ("reading", "label"))
    middle = "60-119 months (5 to 9 years)"
    assert (read.loc[middle, "n"], read.loc[middle, "covered"]) == (3, pytest.approx(1 / 3))
    assert (labelled.loc[middle, "n"], labelled.loc[middle, "covered"]) == (1, 1)
    assert read["n"].sum() == labelled["n"].sum() == 4  # a reading above the last band belongs to it
    assert covered.loc[("sex", "girls"), "covered"] == pytest.approx(1 / 2)


def test_paired_difference_has_the_sign_of_the_better_model_and_a_narrower_interval_than_unpaired():
    random = np.random.default_rng(5)
    a = random.normal(0, 8, 400)
    b = a + np.sign(a) * random.uniform(0, 1, 400)  # always worse, by half a month on average
    difference = paired_difference(a, b)
    assert difference.n == 400
    assert difference.mae == pytest.approx(np.abs(a).mean() - np.abs(b).mean())
    assert difference.low < difference.mae < difference.high < 0
    assert difference.high - difference.low < 0.2  # the unpaired interval is wider than a month
    swapped = paired_difference(b, a)
    assert (swapped.mae, swapped.low) == pytest.approx((-difference.mae, -difference.high))


def test_paired_difference_of_equals_holds_zero():
    random = np.random.default_rng(6)
    difference = paired_difference(random.normal(0, 8, 300), random.normal(0, 8, 300))
    assert difference.low < 0 < difference.high
    with pytest.raises(BoneAgeError, match="expected 2"):
        paired_difference([1, 2], [1])


def test_coefficients_are_those_of_a_worked_example():
    """Five films, by hand from the definitions."""
    x, y = [2.0, 4, 5, 8, 11], [1.0, 4, 6, 8, 10]
    found = concordance(x, y, resamples=200)
    assert found.r2[0] == pytest.approx(1 - 3 / 48.8)
    # mean squares: films 24.35, the two 0.1, left over 0.35
    assert found.icc[0] == pytest.approx((24.35 - 0.35) / (24.35 + 0.35 + 2 / 5 * (0.1 - 0.35)))
    assert found.ccc[0] == pytest.approx(2 * 9.6 / (10.0 + 9.76 + 0.04))
    for value, low, high in (found.r2, found.icc, found.ccc):
        assert low <= value <= high


def test_a_shift_lowers_agreement_but_no_correlation_and_like_labels_have_none():
    months = np.linspace(20, 200, 40)
    perfect, shifted = concordance(months, months, resamples=50), concordance(months + 30, months, resamples=50)
    assert perfect.icc[0] == pytest.approx(1)
    assert perfect.ccc[0] == pytest.approx(1)
    assert shifted.icc[0] < 0.95
    assert shifted.ccc[0] < 0.95
    assert np.isnan(concordance([1.0, 2, 3], [5.0, 5, 5]).icc[0])
    assert np.isnan(concordance([1.0, 2], [5.0, 6]).r2[0])


def test_groups_of_ones_own_are_rows_and_a_column_of_many_values_is_refused():
    frame = frame_of(("F", 50, 52), ("F", 55, 50), ("M", 200, 190)).assign(scanner=["A", "B", "A"])
    rows = by_group(frame, ["scanner"], resamples=50).query("group == 'scanner'")
    assert list(rows["level"]) == ["A", "B"]
    assert list(rows["n"]) == [2, 1]
    many = frame_of(*[("F", 50, 50)] * 25).assign(id=[str(k) for k in range(25)])
    with pytest.raises(BoneAgeError, match="the column id has 25 values"):
        by_group(many, ["id"])
