"""From a hospital's table of films to a bundle, its figures and their comparison, by the commands that a user types."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from boneage.data.config import save_config
from boneage.pipeline.cli import main
from boneage.pipeline.measure.plan import Arm, Plan
from boneage.regressor.config import NetConfig, RegressorConfig, Stage

SMALL = RegressorConfig(
    net=NetConfig(backbone="test_efficientnet", hidden=(8,)), stages=(Stage(1, 32, 0.3),), batch_size=8, warmup=2
)
RECIPE = """regressors:
- net: {backbone: test_efficientnet, hidden: [8]}
  stages: [{epochs: 1, size: 32}]
  batch_size: 8
  warmup: 2
data: drawn hands
licence: CC0
"""


def run(*words: object):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code in (0, 2), done.output
    return done


@pytest.fixture(scope="module")
def home(drawn_cohort, tmp_path_factory) -> Path:
    """A table as German spreadsheets save it, a recipe and a plan."""
    home = tmp_path_factory.mktemp("way")
    words = {"F": "weiblich", "M": "männlich"}
    rows = ["Datei;Geschlecht;Knochenalter;Scanner;patient"]
    for k, film in enumerate(drawn_cohort):
        years = f"{film.bone_age_months / 12:.4f}".replace(".", ",")
        rows.append(f"{film.path};{words[film.sex]};{years};{'AB'[k % 2]};P{k // 2}")
    (home / "films.csv").write_text("\n".join(rows), "utf-8")
    (home / "recipe.yaml").write_text(RECIPE, "utf-8")
    return home


@pytest.mark.slow
def test_the_way_from_a_table_to_figures(home, tiny_bundle, finds_hands):
    data = (home / "films.csv", "--column", "bone_age_years=Knochenalter")
    out, options = home / "run", ("--segmenter", tiny_bundle, "--workers", 0)
    train = ("train", *data, *options, "-o", out)

    # faults are told before anything is read, and leave the folder free
    refused = run(*train)
    assert "the part 'choose', expected 20 or more; split so, " in refused.stderr
    (home / "wrong.yaml").write_text(RECIPE.replace("test_efficientnet", "test_efficientnett"))
    refused = run(*train, "--split", "50:38:12", "--recipe", home / "wrong.yaml")
    assert "did you mean test_efficientnet" in refused.stderr
    assert not out.exists()

    done = run(*train, "--split", "50:38:12", "--recipe", home / "recipe.yaml")
    assert done.stdout.startswith(f"{out / 'own'}: MAE ")
    assert f"--weights {out / 'own'}" in done.stdout
    assert (out / "regressor-1" / "learning-curve.png").exists()
    again = run(*train, "--split", "50:38:12", "--recipe", home / "recipe.yaml", "--resume")
    assert "this training is done" in again.stderr
    assert again.stdout == done.stdout

    # the run stands for its bundle, and is compared with a regressor alone
    alone = run(
        "train-regressor", *data, *options, "--split", out / "split.csv", "-o", home / "alone", "--recipe", _small(home)
    )
    assert alone.stdout.startswith(f"{home / 'alone' / 'regressor.safetensors'}: MAE ")
    measured = run(
        *("evaluate", *data, "--split", out / "split.csv", "--weights", out, "--weights", home / "alone"),
        *("--by", "Scanner", "-o", home / "compared"),
    )
    assert "the folder of a training; its bundle" in measured.stderr
    assert "a regressor alone" in measured.stderr
    pages = {page.parent.name: page.read_text("utf-8") for page in (home / "compared").rglob("table.md")}
    assert set(pages) == {"1-own", "2-alone"}
    assert all("| Scanner: A |" in page and "ICC" in page for page in pages.values())
    assert "covered (95 % interval)" in pages["1-own"]
    assert "covered" not in pages["2-alone"]  # which gives no intervals
    assert "Fewer than 30 films" in pages["1-own"]
    comparison = (home / "compared" / "comparison.md").read_text("utf-8")
    assert comparison.count("| alone | ") >= 5
    assert "| alone | all | " in comparison
    assert "Fewer than 30 films, so that figures and intervals are rough: all, girls" in comparison
    with (home / "compared" / "1-own" / "predictions.csv").open(encoding="utf-8") as file:
        assert {row["Scanner"] for row in csv.DictReader(file)} == {"A", "B"}

    refused = run("evaluate", *data, "--by", "Room")
    assert "no column Room; it has Datei, Geschlecht" in refused.stderr
    run("card", out / "own", "--evaluation", home / "compared" / "1-own")


@pytest.mark.slow
def test_ways_to_train_are_compared(home, tiny_bundle, finds_hands):
    save_config(Plan((Arm("MSE", changes={"loss": "mse"}),), SMALL, seeds=(1,)), home / "plan.yaml")
    done = run(
        *("compare", home / "plan.yaml", home / "films.csv", "--column", "bone_age_years=Knochenalter"),
        *("--split", "50:38:12", "--segmenter", tiny_bundle, "--workers", 0, "-o", home / "ways"),
    )
    assert "comparison.md and differences.png are in" in done.stderr
    assert "Fewer than 30 films measured" in done.stdout


def test_growth_needs_patients(home, tiny_bundle, finds_hands):
    films = (home / "films.csv").read_text("utf-8").splitlines()[:5]
    (home / "few.csv").write_text("\n".join(films), "utf-8")
    run("predict", home / "few.csv", "--weights", tiny_bundle, "--csv", home / "readings.csv")
    table = (home / "readings.csv").read_text("utf-8").replace(",P0,", ",,").replace(",P1,", ",,")
    (home / "nobody.csv").write_text(table, "utf-8")
    refused = run("growth", home / "nobody.csv", "-o", home / "growth")
    assert "none with a patient" in refused.stderr


def _small(home: Path) -> Path:
    save_config(SMALL, home / "regressor.yaml")
    return home / "regressor.yaml"
