"""What is not installed is named with the extra that brings it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from boneage.pipeline import extras

OPTIONAL = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("matplotlib", ["evaluate", "films.csv", "-o", "out"], "report"),
        ("lightning", ["train-regressor", "films.csv", "-o", "out", "--split", "split.csv"], "train"),
        ("fastapi", ["serve"], "serve"),
        ("ray", ["predict", "hand.png", "--sex", "F", "--on", "ray", "-o", "readings"], "ray"),
        ("jinja2", ["predict", "hand.png", "--sex", "F", "--report", "hand.html"], "report"),
        ("fpdf", ["predict", "hand.png", "--sex", "F", "--report", "hand.pdf"], "report"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(tmp_path, drawn_cohort, missing, command, extra):
    (tmp_path / "hand.png").write_bytes(drawn_cohort.films[0].path.read_bytes())
    (tmp_path / "films.csv").write_text("path,sex,bone_age_months\nhand.png,F,100\n")
    (tmp_path / "split.csv").write_text("id,part\nhand,train\n")
    code = f"import sys; sys.modules[{missing!r}] = None; from boneage.pipeline.cli import main; main({command!r})"
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
    environment = {**os.environ, "BONEAGE_ENGINE": "onnx"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, **options)
    assert done.returncode == 2, done.stderr
    assert f"not installed; install it with: pip install 'boneage[{extra}]'" in done.stderr


def test_every_extra_is_one_that_can_be_installed():
    assert set(extras.EXTRAS) <= set(OPTIONAL)
    assert set(extras.installed()) <= set(extras.EXTRAS)


@pytest.mark.parametrize(("module", "extra"), [("torch.nn", "train"), ("highdicom.sr", "report"), ("numpy", None)])
def test_a_module_is_of_the_extra_that_brings_it(module, extra):
    assert extras.extra_of(module) == extra
