"""Intervals: nine in ten new films of every band, by reading and by label, and no wider than that asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boneage.data.errors import TrainingError
from boneage.data.sex import Sex
from boneage.regressor.calibration import FEWEST, Calibration, Errors, fit_calibration, fit_site_calibration

WIDTHS: Errors = {"F": [10.0, 10.0, 10.0, 10.0], "M": [12.0, 12.0, 12.0, 12.0]}
BOTH: list[Sex] = ["F", "M"]
PLAIN = Calibration(1.0, 0.0, WIDTHS, 100)


def held(calibration, raw, labels, sexes) -> np.ndarray:
    read = calibration.corrected(raw, sexes)
    ends = np.array([calibration.interval(m, s) for m, s in zip(read, sexes, strict=True)])
    return (ends[:, 0] <= labels) & (labels <= ends[:, 1])


def test_intervals_hold_about_nine_in_ten_new_films_of_either_sex():
    rng = np.random.default_rng(4)

    def draw(n):
        labels, sexes = rng.uniform(0, 220, n), np.array(["F", "M"])[rng.integers(0, 2, n)]
        spread = np.where(labels < 60, 3.0, 9.0) * np.where(sexes == "F", 1.0, 1.5)
        return 1.1 * (labels + rng.normal(0, spread)) - 5, labels, sexes

    raw, labels, sexes = draw(4000)
    calibration = fit_calibration(raw, labels, list(sexes))
    raw, labels, sexes = draw(4000)
    inside, read = held(calibration, raw, labels, sexes), calibration.corrected(raw, list(sexes))
    assert 0.88 <= inside.mean() <= 0.92
    for chosen in (read < 60, read > 120, sexes == "M"):
        assert 0.85 <= inside[chosen].mean() <= 0.95
    assert calibration.half_width["M"][2] > calibration.half_width["F"][2] > calibration.half_width["F"][0]
    assert Calibration.from_dict(calibration.to_dict()) == calibration


def test_old_children_who_are_read_towards_the_middle_are_held_too():
    rng = np.random.default_rng(5)

    def draw(n):
        labels = np.clip(rng.normal(130, 40, n), 5, 235)
        raw = 130 + 0.8 * (labels + rng.normal(0, 10, n) - 130)
        return raw - 0.3 * np.maximum(labels - 180, 0), labels, BOTH * (n // 2)

    calibration = fit_calibration(*draw(2000))
    raw, labels, sexes = draw(20000)
    inside, old = held(calibration, raw, labels, sexes), labels >= 180
    by_reading_alone = held(replace(calibration, label_half_width={}), raw, labels, sexes)
    assert inside[old].mean() >= 0.86 > by_reading_alone[old].mean()
    assert 0.88 <= inside.mean() <= 0.92


def test_of_the_films_it_was_fitted_on_every_band_of_labels_is_held_nine_times_in_ten():
    rng = np.random.default_rng(6)
    labels = np.clip(rng.normal(130, 40, 600), 5, 235)
    raw = 130 + 0.8 * (labels + rng.normal(0, 10, 600) - 130) - 0.3 * np.maximum(labels - 180, 0)
    sexes = BOTH * 300
    inside = held(fit_calibration(raw, labels, sexes), raw, labels, sexes)
    for low in (60, 120, 180):  # there are too few younger ones
        band = (labels >= low) & (labels < low + 60)
        assert band.sum() >= FEWEST
        assert inside[band].mean() >= 0.9


def test_an_interval_is_as_wide_as_the_band_of_the_reading_or_the_labels_in_reach_allow():
    assert PLAIN.interval(150, "F") == (140, 160)
    assert PLAIN.interval(4, "M") == (0, 16)
    wide = replace(PLAIN, label_half_width={"F": [0, 0, 15, 40], "M": [5, 5, 5, 5]})
    assert wide.interval(150, "F") == (135, 190)  # 180 to 190 are in reach of the oldest band's 40 months
    assert wide.interval(138, "F") == (123, 153)  # 180 is not
    assert wide.interval(110, "F") == (100, 125)  # the labels below 120 are allowed 10, those from it on 15
    assert wide.interval(200, "F") == (160 + 20, 240)  # labels under 180 are allowed 15
    assert wide.interval(150, "M") == (138, 162)


def test_weights_of_earlier_versions_have_the_interval_of_their_reading():
    stored = PLAIN.to_dict()
    del stored["label_half_width"]
    assert Calibration.from_dict(stored).interval(100, "M") == (88, 112)


def test_a_band_with_few_films_of_one_sex_has_the_error_of_both_and_an_empty_one_that_of_all():
    n = 4 * FEWEST
    labels = np.concatenate([np.linspace(62, 118, n), np.linspace(122, 178, n)])
    sexes = BOTH[:1] * (2 * n - 5) + BOTH[1:] * 5
    signs = np.tile([1, -1], n)  # even errors: 0.4 months in one band, 1 in the other
    calibration = fit_calibration(labels + signs * np.where(labels < 120, 0.4, 1), labels, sexes)
    girls, boys = calibration.label_half_width["F"], calibration.label_half_width["M"]
    assert girls[1] == pytest.approx(0.4, abs=0.05)
    assert girls[2] == pytest.approx(1, abs=0.05)
    assert boys == pytest.approx(girls, abs=0.05)
    assert girls[0] == girls[3] == pytest.approx(1, abs=0.05)


def test_too_few_films_give_no_interval():
    with pytest.raises(TrainingError, match="too few"):
        fit_calibration([100.0] * 5, [101.0] * 5, BOTH[:1] * 5)


def test_exact_readings_have_an_interval_of_no_width():
    calibration = fit_calibration(np.arange(50.0), np.arange(50.0), BOTH * 25)
    assert calibration.interval(30, "F") == pytest.approx((30, 30), abs=1e-6)


def site(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[Sex]]:
    """Readings of a site that reads girls 5 months younger and boys 3 older than the net, and labels."""
    labels, sexes = rng.uniform(40, 200, n), BOTH * (n // 2)
    shift = np.where(np.array(sexes) == "F", 5.0, -3.0)
    return (labels + shift + rng.normal(0, 8, n) - 3) / 1.05, labels, sexes


def test_a_site_has_a_line_for_each_sex_and_intervals_that_hold_its_new_films():
    rng = np.random.default_rng(8)
    base = Calibration(1.05, 3.0, WIDTHS, 100)
    raw, labels, sexes = site(600, rng)
    fitted = fit_site_calibration(base, base.corrected(raw, sexes), labels, sexes, np.arange(600) % 5)
    raw, labels, sexes = site(4000, rng)
    girls = np.array(sexes) == "F"
    for calibration, most in ((base, 10), (fitted, 1)):
        errors = calibration.corrected(raw, sexes) - labels
        assert max(abs(errors[girls].mean()), abs(errors[~girls].mean())) < most
    assert abs((base.corrected(raw, sexes) - labels)[girls].mean()) > 4
    assert 0.87 <= held(fitted, raw, labels, sexes).mean() <= 0.94
    assert Calibration.from_dict(fitted.to_dict()) == fitted
    assert fitted.n == 600


def test_the_intervals_of_few_films_are_those_of_films_held_back():
    """A line through 30 films fits these better than others; of others nine in ten are held all the same."""
    rng, shares = np.random.default_rng(9), []
    for _ in range(60):
        raw, labels, sexes = site(60, rng)
        fitted = fit_site_calibration(PLAIN, raw, labels, sexes, np.arange(60) // 2 % 5)
        raw, labels, sexes = site(400, rng)
        shares.append(held(fitted, raw, labels, sexes).mean())
    assert np.mean(shares) >= 0.9
