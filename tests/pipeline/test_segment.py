from __future__ import annotations

import builtins
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from boneage.data.errors import ReadError
from boneage.data.read import read_radiograph
from boneage.handseg.crop import CROP_VERSION
from boneage.pipeline.segment import load_finder, segment_file, segment_films

KINDS = ("mask", "crop", "overlay")


@pytest.fixture
def finder(finds_hands, tiny_bundle):
    return load_finder(tiny_bundle, "cpu")[0]


def picture(path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_mask_and_overlay_have_the_original_geometry_and_agree_with_the_box(finder, hand_films, tmp_path):
    record = segment_file(hand_films[1], finder, tmp_path, "one", "tiny")
    film, mask = picture(hand_films[1]), picture(tmp_path / "one-mask.png")
    assert mask.shape == film.shape
    assert picture(tmp_path / "one-overlay.png").shape == (*film.shape, 3)
    assert set(np.unique(mask)) == {0, 255}
    x, y, width, height = record["hand_box"]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    slack = 4  # the mask's edge falls between pixels of the network's square, 3 original pixels apart
    assert np.abs([columns[0] - x, rows[0] - y, columns[-1] - x - width, rows[-1] - y - height]).max() <= slack
    assert (record["width"], record["height"]) == (film.shape[1], film.shape[0])


def test_the_record_leads_from_the_crop_back_to_the_original(finder, hand_films, tmp_path):
    record = segment_file(hand_films[1], finder, tmp_path, "one", "tiny")
    assert json.loads((tmp_path / "one.json").read_text()) == record
    crop, film = picture(tmp_path / "one-crop.png"), read_radiograph(hand_films[1]).pixels
    assert crop.shape == (record["crop"]["size"],) * 2
    assert record["crop"]["version"] == CROP_VERSION
    columns, rows = np.meshgrid(np.arange(crop.shape[1]), np.arange(crop.shape[0]))
    matrix = np.array(record["crop"]["to_original"])
    x, y = np.rint(matrix @ [columns.ravel(), rows.ravel(), np.ones(crop.size)]).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < film.shape[1]) & (y < film.shape[0]) & (crop.ravel() > 0)
    assert np.corrcoef(crop.ravel()[inside], film[y[inside], x[inside]])[0, 1] > 0.9
    wrong = np.corrcoef(crop.ravel()[inside], film[np.clip(y[inside] + 12, 0, len(film) - 1), x[inside]])[0, 1]
    assert wrong < 0.9  # so the figure above tells a right matrix from one that is off


def test_the_overlay_is_the_film_with_marks(finder, hand_films, tmp_path):
    segment_file(hand_films[1], finder, tmp_path, "one")
    overlay, film = picture(tmp_path / "one-overlay.png"), picture(hand_films[1])
    marked = np.ptp(overlay.astype(int), axis=2) > 0
    assert 0.005 < marked.mean() < 0.1
    shown, greys = overlay[~marked][:, 0], film[~marked]
    assert (np.diff(shown[np.argsort(greys, kind="stable")].astype(int)) >= 0).all()  # the film, in another window
    assert shown.max() - shown.min() == 255


def test_a_file_that_is_no_radiograph_gets_a_record_and_no_pictures(finder, tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    record = segment_file(tmp_path / "text.png", finder, tmp_path / "out", "text")
    assert record["status"] == "failed"
    assert "text.png" in record["reasons"][0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["text.json"]


def test_whatever_goes_wrong_with_a_film_is_its_record(finder, hand_films, tmp_path, monkeypatch):
    def fail(*_):
        raise type("PanicException", (BaseException,), {})("native")

    monkeypatch.setattr("boneage.pipeline.segment._findings", fail)
    record = segment_file(hand_films[0], finder, tmp_path / "out", "a")
    assert record["status"] == "failed"
    assert "native" in record["reasons"][0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.json"]


def test_pictures_of_an_earlier_run_do_not_outlive_a_rejection(finder, hand_films, tmp_path):
    segment_file(hand_films[0], finder, tmp_path, "one")
    assert all((tmp_path / f"one-{kind}.png").exists() for kind in KINDS)
    Image.new("L", (200, 200), 90).save(tmp_path / "blank.png")
    record = segment_file(tmp_path / "blank.png", finder, tmp_path, "one")
    assert (record["status"], record["hand_box"], record["crop"]) == ("rejected", None, None)
    assert not any((tmp_path / f"one-{kind}.png").exists() for kind in KINDS)


def test_of_a_folder_each_film_is_opened_once_and_the_rest_is_counted(finder, hand_films, tmp_path, monkeypatch):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "hand.json").write_text("{}")
    shutil.copy(hand_films[0], folder / "hand.png")
    records = []
    opened, really = [], builtins.open
    monkeypatch.setattr("builtins.open", lambda file, *how, **more: opened.append(file) or really(file, *how, **more))
    tally = segment_films(folder, finder, tmp_path / "out", on_record=records.append)
    assert opened.count(folder / "hand.png") == 1
    assert (tally.films, tally.no_films.total(), len(records)) == (1, 1, 1)
    assert (tmp_path / "out" / "hand.json").is_file()
    (folder / "hand.png").unlink()
    with pytest.raises(ReadError, match="no radiographs among the files: 1 neither a picture nor DICOM"):
        segment_films(folder, finder, tmp_path / "out")
