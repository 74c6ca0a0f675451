"""Every piece of Python, YAML and CSV that README and docs show runs, or is read, as it stands there."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from dicom_files import dataset
from pages import ROOT, blocks, name

from boneage import BoneAge
from boneage.data.child import Child
from boneage.data.config import load_config
from boneage.data.errors import WeightsError
from boneage.data.inputs import read_inputs
from boneage.pipeline.cli import main
from boneage.pipeline.clinical.reference import read_reference
from boneage.pipeline.measure.plan import Plan
from boneage.pipeline.recipe import Recipe
from boneage.weights.bundle import read_bundle

EXAMPLE = ROOT / "data" / "example" / "synthetic-hand.png"


def shown(language: str) -> list:
    """The blocks of a language in README and docs; model cards and fonts keep others of how they were made."""
    return [block for block in blocks(language) if name(block.page).startswith("docs/") or block.page.parent == ROOT]


@pytest.fixture(scope="module")
def loaded() -> BoneAge:
    """The smaller of the shipped bundles, loaded once for all pages."""
    return BoneAge.load("fast", engine="onnx")


@pytest.fixture
def films(loaded, tmp_path, monkeypatch) -> Path:
    """The working folder: hand.png and film.dcm, and reading.dcm as `boneage predict --dicom-sr` writes it."""
    monkeypatch.setattr(BoneAge, "load", lambda *_, **__: loaded)
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, "hand.png")
    greys = cv2.imread("hand.png", cv2.IMREAD_GRAYSCALE)
    tags: dict[str, Any] = {"PatientSex": "F", "StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2"}
    dataset(np.asarray(greys), 8, **tags).save_as("film.dcm")
    return tmp_path


@pytest.mark.parametrize("block", shown("python"), ids=str)
def test_python_of_a_page_runs_beside_the_example_hand(block, films):
    if "reading.dcm" in block.text:
        done = CliRunner().invoke(main, ["predict", "film.dcm", "--dicom-sr", "reading.dcm"])
        assert done.exit_code == 0, done.output
    exec(compile("\n" * (block.line - 1) + block.text, str(block.page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", shown("yaml"), ids=str)
def test_a_plan_bundle_or_recipe_of_a_page_has_the_fields_that_are_known(block, tmp_path):
    file = tmp_path / "of-a-page.yaml"
    file.write_text(block.text, "utf-8")
    fields = yaml.safe_load(block.text)
    if "arms" in fields:
        assert load_config(Plan, file).arms
    elif "format" not in fields:
        assert load_config(Recipe, file).regressors
    else:
        with pytest.raises(WeightsError, match=r"segmenter\.safetensors"):  # read, but its nets are not here
            read_bundle(file)


@pytest.mark.parametrize("block", shown("csv"), ids=str)
def test_a_table_of_a_page_is_read_with_all_its_cells(block, tmp_path):
    table = tmp_path / "cohort.csv"
    table.write_text(block.text)
    if "mean_months" in block.text.splitlines()[0]:
        curves = read_reference(table).curves
        assert sum(len(curve.ages) for curve in curves.values()) == len(block.text.splitlines()) - 1
        return
    rows = read_inputs([table], Child())
    cells = list(csv.DictReader(block.text.splitlines()))
    assert [row.path for row in rows] == [tmp_path / row["path"] for row in cells]
    assert [row.child.sex for row in rows] == [row["sex"] for row in cells]
    assert [row.child.age is not None for row in rows] == [bool(row.get("age")) for row in cells]
