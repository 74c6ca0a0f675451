"""What a reading must not do: open or decode a film twice, make reals of 8 bits, make a mask that nobody asked for."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kornia_rs
import numpy as np
import pytest
from dicom_files import dataset
from PIL import Image, ImageFile

from boneage.data.radiograph import Radiograph
from boneage.handseg import geometry
from boneage.handseg.segmenter import HandMap
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.pipeline.predict.cohort import predict_cohort


@pytest.fixture
def bone_age(finds_hands, tiny_bundle) -> BoneAge:
    return BoneAge.load(tiny_bundle, "cpu", "torch")


def not_wanted(self) -> None:
    raise AssertionError("made though nobody asked for it")


def test_each_film_is_decoded_once(bone_age, hand_films, monkeypatch):
    decoded: Counter[bytes] = Counter()
    real = kornia_rs.io.decode_image_png_u8
    monkeypatch.setattr(
        kornia_rs.io, "decode_image_png_u8", lambda content, *how: decoded.update([content]) or real(content, *how)
    )
    monkeypatch.setattr(ImageFile.ImageFile, "load", not_wanted)
    assert all(reading.assessed for reading in bone_age.predict_many([(film, "F") for film in hand_films]))
    assert decoded == {film.read_bytes(): 1 for film in hand_films}


def test_a_film_of_8_bits_is_resized_from_them_and_never_made_reals_as_a_whole(bone_age, hand_films, monkeypatch):
    depths = []
    real = geometry.area_means
    monkeypatch.setattr(
        geometry, "area_means", lambda picture, *grid: depths.append(picture.dtype) or real(picture, *grid)
    )
    monkeypatch.setattr(Radiograph, "pixels", property(not_wanted))
    assert bone_age.predict(hand_films[1], "F").assessed
    assert depths == [np.uint8] * 2  # for the segmenter, and for the crop


def test_the_mask_of_the_whole_film_is_made_for_those_who_ask(bone_age, hand_films, monkeypatch):
    made = []
    real = HandMap.mask.func
    monkeypatch.setattr(HandMap, "mask", property(lambda self: made.append(self) or real(self)))
    (seen,) = bone_age.examine_batch([(hand_films[1], "F")])
    assert (made, seen.reading.hand_box) == ([], seen.hand.box.as_tuple())
    rows, columns = np.nonzero(seen.hand.mask)
    assert len(made) == 1
    box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert box == seen.reading.hand_box


@pytest.fixture
def opened() -> Iterator[Counter[str]]:
    """How often each file is opened, as long as the test runs."""
    files: Counter[str] = Counter()
    watching = True

    def watch(event: str, arguments: tuple) -> None:
        if watching and event == "open":
            files[str(arguments[0])] += 1

    sys.addaudithook(watch)  # which cannot be taken out again
    yield files
    watching = False


def test_a_dicom_found_in_a_folder_is_opened_once_for_its_row_and_all_its_files(
    finds_hands, tiny_bundle, hand_films, tmp_path, opened
):
    greys = np.asarray(Image.open(hand_films[1])).astype(int)
    facts: dict[str, Any] = {
        "PatientSex": "F",
        "PatientID": "P1",
        "StudyDate": "20200407",
        "PatientBirthDate": "20100407",
    }
    uids: dict[str, Any] = {"StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2"}
    (tmp_path / "films").mkdir()
    film = tmp_path / "films" / "film.dcm"
    dataset(greys, 8, **facts, **uids).save_as(film, enforce_file_format=True)
    opened.clear()
    files: dict[Any, Any] = dict.fromkeys(("dicom-sr", "dicom-sc", "dicom-seg"), tmp_path / "out")
    tally = predict_cohort(
        BoneAge.load(tiny_bundle), tmp_path / "films", table=tmp_path / "t.csv", patient_ids=True, files=files
    )
    assert (tally.exit_code, tally.faults) == (0, [])
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert "P1" in (tmp_path / "t.csv").read_text()
    assert opened[str(film)] == 1
