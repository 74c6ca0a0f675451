"""Films in, results out, as mercure and MONAI Deploy call a module."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import dataset
from PIL import Image

from boneage.pipeline.mercure import main

FILM = "1.2.3.1#1.2.3.1.1.dcm"


@pytest.fixture
def folders(tmp_path, hand_films) -> tuple[Path, Path]:
    taken, given = tmp_path / "in", tmp_path / "out"
    taken.mkdir()
    greys = np.asarray(Image.open(hand_films[1])).astype(np.int64)
    tags = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "PatientSex": "F", "PatientID": "P"}
    dataset(greys, 8, **tags).save_as(taken / FILM, enforce_file_format=True)
    given.mkdir()
    return taken, given


def task(folder: Path, **settings) -> None:
    (folder / "task.json").write_text(json.dumps({"id": "x", "process": {"module_name": "b", "settings": settings}}))


@pytest.mark.parametrize("names", [("MERCURE_IN_DIR", "MERCURE_OUT_DIR"), ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH")])
def test_results_lie_beside_each_other_by_series_and_instance(folders, tiny_bundle, finds_hands, names):
    taken, given = folders
    task(taken, weights=str(tiny_bundle), results=["sr", "seg"])
    assert main(dict(zip(names, map(str, folders), strict=True))) == 0
    objects = {path.name: pydicom.dcmread(path) for path in given.glob("*.dcm")}
    assert sorted(made.Modality for made in objects.values()) == ["SEG", "SR"]
    assert all(name == f"{made.SeriesInstanceUID}#{made.SOPInstanceUID}.dcm" for name, made in objects.items())
    assert {made.StudyInstanceUID for made in objects.values()} == {"1.2.3"}
    told = json.loads((given / "result.json").read_text())
    (reading,) = told["readings"]
    assert (reading["file"], reading["status"], reading["sex"]) == (FILM, "ok", "F")
    assert told["not_written"] == []


def test_films_of_which_none_can_be_read_are_told_and_end_with_2(folders, tiny_bundle, finds_hands):
    taken, given = folders
    task(taken, weights=str(tiny_bundle))
    film = pydicom.dcmread(taken / FILM)
    film.PatientSex = "O"
    film.save_as(taken / FILM)
    assert main({"MERCURE_IN_DIR": str(taken), "MERCURE_OUT_DIR": str(given)}) == 2
    (reading,) = json.loads((given / "result.json").read_text())["readings"]
    assert "PatientSex" in reading["reasons"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "task.json: not a readable JSON file"),
        ('{"process": {"settings": [1]}}', "process.settings is list, expected keys and values"),
        ('{"process": {"settings": {"weight": "fast"}}}', "weight"),
        ('{"process": {"settings": {"results": ["pdf"]}}}', "results"),
        ('{"process": {"settings": {"results": []}}}', "results is empty"),
    ],
)
def test_settings_that_are_not_understood_are_named(folders, capsys, text, words):
    (folders[0] / "task.json").write_text(text)
    assert main(dict(zip(("MERCURE_IN_DIR", "MERCURE_OUT_DIR"), map(str, folders), strict=True))) == 2
    assert words in capsys.readouterr().err
    assert not [*folders[1].iterdir()]


def test_folders_that_are_not_named_or_not_there_are_asked_for(tmp_path, capsys):
    assert main({"MERCURE_IN_DIR": str(tmp_path)}) == 2
    assert "set MERCURE_IN_DIR and MERCURE_OUT_DIR or MONAI_INPUTPATH" in capsys.readouterr().err
    assert main({"MONAI_INPUTPATH": str(tmp_path / "x"), "MONAI_OUTPUTPATH": str(tmp_path)}) == 2
    assert "is no folder" in capsys.readouterr().err
