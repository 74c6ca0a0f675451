"""The model card: it prints the figures that were measured, and its pictures are drawn, small and beside it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from boneage.data.config import config_values, make_config
from boneage.pipeline.cli import main
from boneage.pipeline.measure.card import coverage_promises, model_card
from boneage.pipeline.measure.copies import COPIES, PLAIN
from boneage.pipeline.measure.evaluate import Evaluation
from boneage.pipeline.measure.failures import CASES
from boneage.pipeline.measure.metrics import agreement, by_group, coverage_by_group
from boneage.pipeline.measure.results_io import write_measured
from boneage.pipeline.measure.robustness import Robustness
from boneage.pipeline.reading import Reading
from boneage.pipeline.recipe import BundleConfig, Recipe
from boneage.regressor.config import RegressorConfig, Stage
from boneage.weights.bundle import Bundle, read_bundle

RECIPE = Recipe(
    bundles=(BundleConfig("tiny"),),
    regressors=(RegressorConfig(stages=(Stage(3, 64),), warmup=7),),
    data="drawn hands",
    licence="Apache-2.0",
)


def films(n: int = 120, bias: float = 0.0, half: float = 20.0) -> pd.DataFrame:
    """Films with errors from -25 to 25 months about a bias, of whose readings the interval is `half` to each side."""
    labelled = np.linspace(10, 230, n).round(2)
    predicted = (labelled + np.random.default_rng(0).uniform(-25, 25, n) + bias).round(2)
    frame = pd.DataFrame({"id": map(str, range(n)), "file": "x.png", "status": "ok", "reasons": "", "causes": ""})
    frame["sex"] = ["FM"[k % 2] for k in range(n)]
    frame["labelled_months"], frame["bone_age_months"] = labelled, predicted
    frame["error_months"] = (predicted - labelled).round(2)
    frame["interval_90_low"], frame["interval_90_high"] = predicted - half, predicted + half
    return frame


def evaluation(frame: pd.DataFrame, model: str = "tiny") -> Evaluation:
    overall = agreement(frame["bone_age_months"], frame["labelled_months"])
    return Evaluation("made up", "all of it", model, frame, overall, by_group(frame))


def robustness() -> Robustness:
    rows = [
        {
            "id": str(film),
            "copy": copy,
            "status": "ok",
            "reasons": "",
            "causes": "",
            "notes": "",
            "rotation_noted": "yes" if copy.startswith("rotated") else "",
            "sex": "F",
            "labelled_months": 100.0,
            "bone_age_months": 104.25 + 2 * (copy == "mirrored"),
            "interval_90_low": 90.0,
            "interval_90_high": 120.0,
            "change_months": 2.0 * (copy == "mirrored"),
        }
        for film in range(3)
        for copy in COPIES
    ]
    return Robustness("made up", "all of it", "tiny", pd.DataFrame(rows))


@pytest.fixture
def measured_bundle(tiny_bundle) -> Bundle:
    calibration = {"slope": 1.1, "intercept": -4.0, "half_width": {}, "n": 321}
    cost = {"regressor_minutes": 12.5, "device": "an abacus"}
    return replace(read_bundle(tiny_bundle), calibration=calibration, recipe=config_values(RECIPE), cost=cost)


CASES_READ = {f"case-{name}.png": Reading("x", "ok", (), "F", 100.0, (80.0, 121.0)) for name in CASES}


def sections(card: str) -> dict[str, str]:
    return {part.split("\n")[0]: part for part in card.split("\n## ")[1:]}


def test_every_figure_is_the_one_measured(measured_bundle):
    measured, changed = evaluation(films()), robustness()
    parts = sections(model_card(measured_bundle, measured, changed, CASES_READ))
    assert list(parts) == [
        "What it is",
        "Data and terms",
        "Accuracy",
        "The 90 % interval",
        "Robustness",
        "Known failures",
        "Recipe and cost",
    ]
    assert "1.100 x - 4.0 months" in parts["What it is"]
    assert all(words in parts["Data and terms"] for words in ("random weights, trained on nothing", "Apache-2.0"))
    assert measured.table().strip() in parts["Accuracy"]
    covered = measured.coverage().iloc[0]
    assert (
        f"| all | 120 | {covered['covered']:.1%} ({covered['low']:.1%} to {covered['high']:.1%}) | 40.0 |"
        in parts["The 90 % interval"]
    )
    assert "321 other films" in parts["The 90 % interval"]
    assert changed.table().strip() in parts["Robustness"]
    assert COPIES[PLAIN].title in parts["Robustness"]
    assert "an abacus" in parts["Recipe and cost"]
    assert "12.5" in parts["Recipe and cost"]


def test_the_recipe_is_printed_without_defaults_and_makes_the_same_training(measured_bundle):
    card = model_card(measured_bundle, evaluation(films()), None, CASES_READ)
    printed = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert printed == {
        "regressors": [{"stages": [{"epochs": 3, "size": 64}], "warmup": 7}],
        "bundles": [{"name": "tiny"}],
    }
    assert make_config(Recipe, printed).regressors == RECIPE.regressors


def test_what_was_not_measured_is_said(measured_bundle):
    frame = films().assign(interval_90_low=np.nan, interval_90_high=np.nan)
    bundle = replace(measured_bundle, calibration=None, recipe={}, cost={})
    parts = sections(model_card(bundle, evaluation(frame), None, CASES_READ))
    assert "Not measured" in parts["Robustness"]
    assert "no calibration" in parts["The 90 % interval"]
    assert "not stored" in parts["Recipe and cost"]


def test_leaning_bands_are_named_with_their_bias(measured_bundle):
    frame = films(bias=9.0)
    parts = sections(model_card(measured_bundle, evaluation(frame), None, CASES_READ))
    bands = by_group(frame).query("group == 'age band'")
    for band in bands.to_dict("records"):
        assert f"{band['level']} are read {band['bias']:.1f} months too old" in parts["Known failures"]
    fair = films().assign(bone_age_months=lambda frame: frame["labelled_months"])
    assert "too old" not in model_card(measured_bundle, evaluation(fair), None, CASES_READ)


@pytest.mark.parametrize(
    ("half", "kept"),
    [(22.5, [True, True]), (25.0, [False, True]), (20.0, [False, False])],  # errors are even over -25 to 25
)
def test_coverage_promises_are_on_all_films_and_on_bands_of_fifty(half, kept):
    promises = coverage_promises(coverage_by_group(films(6000, half=half)))
    assert [promise.kept for promise in promises] == kept
    few = coverage_promises(coverage_by_group(films(40, half=1.0)))
    assert [promise.kept for promise in few] == [False, True]


# The command


@pytest.fixture
def bundle(finds_hands, tiny_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def run(bundle: Path, measured: Evaluation | Robustness) -> Result:
    """Write the evaluation, and robustness where it is given, as their commands do, then the card."""
    folder = bundle.parent / "measured"
    about = {"cohort": measured.cohort, "split": measured.split, "model": measured.model}
    options: list[object] = ["--evaluation", folder]
    if isinstance(measured, Robustness):
        write_measured(folder, "robustness", measured.readings, about)
        write_measured(folder, "predictions", films(), about)
        options += ["--robustness", folder]
    else:
        write_measured(folder, "predictions", measured.films, about)
    return CliRunner().invoke(main, [str(word) for word in ("card", bundle, *options)])


def test_the_card_is_made_again_without_a_film(bundle):
    result = run(bundle, robustness())
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(bundle / "MODEL_CARD.md")
    card = (bundle / "MODEL_CARD.md").read_text("utf-8")
    assert robustness().table().strip() in card
    assert evaluation(films()).table().strip() in card
    pictures = sorted(bundle.glob("*.png"))
    assert sorted(f"case-{name}.png" for name in CASES) == [picture.name for picture in pictures]
    assert all(f"]({picture.name})" in card for picture in pictures)
    assert sum(picture.stat().st_size for picture in pictures) < 100_000
    # the tiny bundle has no intervals, but reads every drawn hand (`finds_hands` judges no cut fingertips)
    assert card.count(" months, `") == len(CASES)


def test_a_measurement_of_other_weights_is_refused(bundle):
    result = run(bundle, evaluation(films(), "another"))
    assert (result.exit_code, "'another' was measured" in result.stderr) == (2, True)
    assert not (bundle / "MODEL_CARD.md").exists()


def test_a_folder_without_an_evaluation_is_refused(bundle, tmp_path):
    result = CliRunner().invoke(main, ["card", str(bundle), "--evaluation", str(tmp_path)])
    assert (result.exit_code, "boneage evaluate -o" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "column", "earlier"),
    [("predictions", "bone_age_months", "predicted_months"), ("robustness", "rotation_noted", "turn_noted")],
)
def test_measurements_of_an_earlier_version_are_refused_in_a_line(bundle, name, column, earlier):
    assert run(bundle, robustness()).exit_code == 0
    folder = bundle.parent / "measured"
    file = folder / f"{name}.csv"
    file.write_text(file.read_text("utf-8").replace(column, earlier, 1), "utf-8")
    options = ("card", str(bundle), "--evaluation", str(folder), "--robustness", str(folder))
    result = CliRunner().invoke(main, options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"no column {column}" in result.stderr
    assert "of this version" in result.stderr
