"""A bundle fitted to a site: what it is worth on films held back, what it says of itself, and what is refused."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from boneage.data.cohort import Cohort, Film
from boneage.data.errors import OutputError, TrainingError
from boneage.data.sex import Sex
from boneage.pipeline.cli import main
from boneage.pipeline.measure import calibrate as module
from boneage.pipeline.measure.calibrate import Calibrated, calibrate
from boneage.pipeline.measure.failures import CASES
from boneage.pipeline.measure.unlike import LEVEL, p_of_means, p_of_misses, unlike
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.pipeline.reading import Reading
from boneage.regressor.calibration import Calibration
from boneage.weights.bundle import Bundle, read_bundle, shipped_bundles

BASE = Calibration(1.02, -1.0, {"F": [14.0] * 4, "M": [14.0] * 4}, 600)
ONE = {"n": 300, "bias": 0.0, "sd": 8.0}
REPORT: dict[str, Any] = {"n": 600, "mae": 6.7, "bias": 0.0, "sd": 8.0, "by_sex": {"F": ONE, "M": ONE}}


class Reader:
    """Stands in for `BoneAge`: reads girls 6 months too old and boys 4 too young; of a rejected film nothing."""

    model = "tiny"

    def __init__(self, cohort: Cohort, girls: float = 6.0, boys: float = -4.0, lost: int = 0) -> None:
        rng = np.random.default_rng(3)
        self.of: dict[Path, Reading] = {}
        for number, film in enumerate(cohort):
            months = film.bone_age_months + (girls if film.sex == "F" else boys) + rng.normal(0, 7)
            low, high = BASE.interval(months, film.sex)
            reading = Reading(str(film.path), "ok", sex=film.sex, bone_age_months=months, interval_90=(low, high))
            self.of[film.path] = reading if number >= lost else Reading(str(film.path), "rejected", sex=film.sex)

    def predict_many(self, films: Any) -> Any:
        return (self.of[path] for path, _ in films)


def site(girls: int = 70, boys: int = 70, children: int | None = None) -> Cohort:
    one, other = cast(tuple[list[Sex], list[Sex]], (["F"], ["M"]))
    sexes = one * girls + other * boys
    labels = chain(np.linspace(40, 200, girls), np.linspace(40, 200, boys))
    patients = (f"{sex}{number % (children or len(sexes))}" for number, sex in enumerate(sexes))
    each = enumerate(zip(sexes, labels, patients, strict=True))
    return Cohort("clinic", tuple(Film(str(n), Path(f"{n}.png"), s, float(m), p) for n, (s, m, p) in each))


@pytest.fixture
def base(tiny_bundle) -> Bundle:
    return replace(read_bundle(tiny_bundle), calibration=BASE.to_dict(), metrics={"report": REPORT})


@pytest.fixture(autouse=True)
def nothing_drawn(monkeypatch):
    """The card's drawn hands are read in no time."""
    drawn = {f"case-{name}.png": Reading("x", "ok", (), "F", 100.0, (80.0, 121.0)) for name in CASES}
    monkeypatch.setattr("boneage.pipeline.measure.card.show_cases", lambda *_: drawn)


def fitted(base: Bundle, cohort: Cohort, out: Path, **reader: Any) -> Calibrated:
    return calibrate(cast(BoneAge, Reader(cohort, **reader)), base, cohort, out)


@pytest.mark.usefixtures("blank_plots")
def test_a_site_that_reads_by_sex_otherwise_gains_on_films_held_back_and_its_bundle_reads_so(base, tmp_path):
    result = fitted(base, site(), tmp_path / "clinic")
    assert result.gain.high < 0
    assert result.after.overall.mae < result.before.overall.mae
    films = result.after.films
    for sex in "FM":
        assert abs(films.loc[films["sex"] == sex, "error_months"].mean()) < 1
    stored = read_bundle(tmp_path / "clinic")
    assert (stored.name, stored.segmenter.sha256) == ("clinic", base.segmenter.sha256)
    assert stored.digest != base.digest
    lines = Calibration.from_dict(stored.calibration or {})
    raw = (100 - BASE.intercept) / BASE.slope  # what the net said where it was read as 100
    assert lines.corrected([raw, raw], ["F", "M"]) == pytest.approx([94, 104], abs=2.5)
    assert BoneAge.load(stored).model == "clinic"


@pytest.mark.usefixtures("blank_plots")
def test_what_is_held_back_is_read_without_itself(base, tmp_path, monkeypatch):
    """Each fold's films are read by a fit that has seen none of their children."""
    seen: list[set[str]] = []
    original = module._fitted
    cohort = site(children=20)
    patient = {film.id: film.patient for film in cohort}

    def watched(of, films, folds):
        seen.append({patient[id] for id in films["id"]})
        return original(of, films, folds)

    monkeypatch.setattr(module, "_fitted", watched)
    fitted(base, cohort, tmp_path / "clinic")
    everyone, *without = seen
    assert len(everyone) == len({film.patient for film in cohort})
    assert len(without) == 5
    held_back = [everyone - some for some in without]
    assert sum(map(len, held_back)) == len(everyone)  # each child is held back once
    assert all(held_back)


def test_the_bundle_says_what_it_was_calibrated_on(base, tmp_path):
    result = fitted(base, site(), tmp_path / "clinic")
    site_of = read_bundle(tmp_path / "clinic").site
    assert (site_of["cohort"], site_of["n"], site_of["girls"], site_of["boys"]) == ("clinic", 140, 70, 70)
    assert site_of["from"] == f"tiny ({base.digest[:12]})"
    before, after = result.before.overall.mae, result.after.overall.mae
    assert [site_of["mae_before"][0], site_of["mae_after"][0]] == pytest.approx([before, after], abs=0.001)
    card = (tmp_path / "clinic" / "MODEL_CARD.md").read_text("utf-8")
    assert "## Calibrated for a site" in card
    assert f"{after:.2f} ({result.after.overall.mae_low:.2f}" in card
    assert "for girls" in card
    table = (tmp_path / "clinic" / "calibration" / "table.md").read_text("utf-8")
    assert f"{before:.2f}" in table
    assert (tmp_path / "clinic" / "calibration" / "before-after.png").read_bytes().startswith(b"\x89PNG")
    run = CliRunner().invoke(main, ["info", "--weights", str(tmp_path / "clinic")])
    assert "140 films of clinic (70 girls, 70 boys), from tiny" in " ".join(run.stdout.split())
    run = CliRunner().invoke(main, ["info", "--weights", str(tmp_path / "clinic"), "--json"])
    assert json.loads(run.stdout)["weights"]["site"]["n"] == 140


@pytest.mark.usefixtures("blank_plots")
def test_no_gain_is_said_to_be_none(base, tmp_path):
    result = fitted(base, site(), tmp_path / "clinic", girls=0.0, boys=0.0)
    assert result.unlike == ()
    assert "A gain is not shown" in result.table()


@pytest.mark.parametrize(("cohort", "lost"), [(site(29, 60), 0), (site(31, 60), 2)])
def test_too_few_films_of_a_sex_are_refused_and_nothing_is_written(base, tmp_path, cohort, lost):
    with pytest.raises(TrainingError, match=r"29 films of girls .*expected at least 30 films of each sex"):
        fitted(base, cohort, tmp_path / "clinic", lost=lost)
    assert not (tmp_path / "clinic").exists()


def test_films_of_few_children_are_refused(base, tmp_path):
    with pytest.raises(TrainingError, match="of 4 children, expected at least 5"):
        fitted(base, site(40, 40, children=4), tmp_path / "clinic")


@pytest.mark.usefixtures("blank_plots")
def test_few_films_are_warned_of(base, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "boneage"):
        fitted(base, site(35, 35), tmp_path / "clinic")
    assert "70 films to calibrate on" in caplog.text


def test_a_folder_that_is_there_is_left_alone(base, tmp_path):
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="give a new folder"):
        fitted(base, site(), tmp_path / "clinic")
    assert [path.name for path in (tmp_path / "clinic").iterdir()] == ["mine.txt"]


# Films unlike the bundle's


def frame(errors: np.ndarray, half: float = 13.2) -> pd.DataFrame:
    """Films of girls and boys in turn with these errors, `half` of whose interval lies to each side."""
    labelled = np.full(len(errors), 100.0)
    read = labelled + errors
    ends = {"interval_90_low": read - half, "interval_90_high": read + half}
    films = {"sex": ["FM"[k % 2] for k in range(len(errors))], "labelled_months": labelled, "bone_age_months": read}
    return pd.DataFrame({**films, "error_months": errors, **ends})


def test_a_shift_of_each_sex_and_a_spread_are_noticed():
    errors = np.random.default_rng(5).normal(0, 8.0, 120)
    assert [*unlike(frame(errors), REPORT, 600)] == []
    girls, boys = unlike(frame(errors + np.tile([5, -5], 60)), REPORT, 600)  # of no shift together
    assert girls.startswith("girls are read +")
    assert boys.startswith("boys are read -")
    (spread,) = unlike(frame(2 * (errors - errors.mean())), REPORT, 600)
    assert "outside the 90 % interval" in spread
    (together,) = unlike(frame(errors + 4), {"n": 600, "bias": 0.0, "sd": 8.0}, None)
    assert together.startswith("all are read +")
    assert [*unlike(frame(errors).assign(interval_90_low=np.nan), {}, None)] == []


@pytest.mark.usefixtures("blank_plots")
def test_a_site_of_other_readers_is_warned_of(base, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "boneage"):
        result = fitted(base, site(), tmp_path / "clinic")
    assert "girls are read" in caplog.text
    assert [way in result.table() for way in result.unlike] == [True, True]
    assert read_bundle(tmp_path / "clinic").site["unlike"] == [*result.unlike]


def test_films_like_the_bundles_are_called_unlike_them_as_seldom_as_is_said():
    """Errors with the long tails that readings have, of 600 films of the bundle and of 120 others."""
    rng, alarms, draws, n = np.random.default_rng(1), 0, 500, 120
    for _ in range(draws):
        own, others, scores = (6.0 * rng.standard_t(5, size) for size in (600, n, 600))
        half = np.sort(np.abs(scores))[541 - 1]  # the ceil(601 x 0.9)-th
        each = {sex: own[start::2] for start, sex in enumerate("FM")}
        sexes = {sex: {"n": 300, "bias": of.mean(), "sd": of.std(ddof=1)} for sex, of in each.items()}
        alarms += bool([*unlike(frame(others, half), {"by_sex": sexes}, 600)])
    assert alarms / draws <= LEVEL + 3 * (LEVEL / draws) ** 0.5


@pytest.mark.parametrize("name", shipped_bundles())
def test_the_shipped_bundles_have_the_bias_of_each_sex_that_their_card_prints(name):
    bundle = read_bundle(name)
    for sex, words in (("F", "girls"), ("M", "boys")):
        of = bundle.metrics["report"]["by_sex"][sex]
        row = next(line for line in bundle.card.read_text("utf-8").splitlines() if line.startswith(f"| {words} |"))
        assert row.startswith(f"| {words} | {of['n']} |")
        assert f"| {of['bias']:+.2f} ({of['sd']:.2f}) |" in row


def test_the_chance_of_misses_is_that_of_exchangeable_films():
    """Against draws: 50 films whose scores are of one kind with 99 that the interval was fitted on."""
    rng = np.random.default_rng(0)
    limit = np.sort(rng.random((20_000, 99)), axis=1)[:, 89]  # the 90th of 99
    outside = (rng.random((20_000, 50)) > limit[:, None]).sum(1)
    for k in (0, 5, 8, 12):
        assert p_of_misses(k, 50, 99) == pytest.approx((outside >= k).mean(), abs=0.01)
    assert p_of_misses(0, 50, 99) == pytest.approx(1)


def test_the_chance_of_means_is_that_of_students_t():
    """Of 11 errors against a mean that is all but known, t has 10 degrees of freedom; from the tables of t."""
    errors = np.array([-1.0, 0.0, 1.0] * 3 + [-1.0, 1.0])
    spread = errors.std(ddof=1) / 11**0.5
    for t, p in ((2.228, 0.05), (3.169, 0.01)):
        assert p_of_means(errors, t * spread, 1e-6, 10**6) == pytest.approx(p, rel=0.01)
    assert p_of_means(errors, 0.0, 1.0, 100) == pytest.approx(1)
