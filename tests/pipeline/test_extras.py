"""What is not installed is named with the extra that brings it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from boneage.pipeline import extras
from boneage.pipeline.cli import main

OPTIONAL = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("matplotlib", ["evaluate", "films.csv", "-o", "out"], "report"),
        ("lightning", ["train-regressor", "films.csv", "-o", "out", "--split", "split.csv"], "train"),
        ("matplotlib", ["predict", "hand.png", "--sex", "F", "--report", "hand.html"], "report"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(monkeypatch, tmp_path, drawn_cohort, missing, command, extra):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith(("boneage.pipeline.", "boneage.regressor.training"))]:
        if not name.startswith("boneage.pipeline.cli"):
            monkeypatch.delitem(sys.modules, name)  # imported anew, as in a new process
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, missing, None)
    Path("hand.png").write_bytes(drawn_cohort.films[0].path.read_bytes())
    Path("films.csv").write_text("path,sex,bone_age_months\n" + "".join(f"hand.png,F,{k}\n" for k in range(100, 101)))
    Path("split.csv").write_text("id,part\nhand,train\n")
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2, done.output
    assert f"not installed; install it with: pip install 'boneage[{extra}]'" in done.stderr


def test_every_extra_is_one_that_can_be_installed():
    assert set(extras.EXTRAS) <= set(OPTIONAL)
    assert set(extras.installed()) <= set(extras.EXTRAS)


@pytest.mark.parametrize(("module", "extra"), [("torch.nn", "train"), ("highdicom.sr", "report"), ("numpy", None)])
def test_a_module_is_of_the_extra_that_brings_it(module, extra):
    assert extras.extra_of(module) == extra
