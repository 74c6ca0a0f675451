"""What a reading must not do: decode twice, turn a film of 8 bits into reals, make a mask that nobody asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import kornia_rs
import numpy as np
import pytest
from PIL import ImageFile

from boneage.data.radiograph import Radiograph
from boneage.handseg import geometry
from boneage.handseg.segmenter import HandMap
from boneage.pipeline.predict.bone_age import BoneAge


@pytest.fixture
def bone_age(finds_hands, tiny_bundle) -> BoneAge:
    return BoneAge.load(tiny_bundle, "cpu", "torch")


def not_wanted(self) -> None:
    raise AssertionError("made though nobody asked for it")


def test_each_film_is_decoded_once(bone_age, hand_films, monkeypatch):
    decoded: Counter[str] = Counter()
    real = kornia_rs.io.read_image_png_u8
    monkeypatch.setattr(
        kornia_rs.io, "read_image_png_u8", lambda path, mode: decoded.update([Path(path).name]) or real(path, mode)
    )
    monkeypatch.setattr(ImageFile.ImageFile, "load", not_wanted)
    assert all(reading.assessed for reading in bone_age.predict_many([(film, "F") for film in hand_films]))
    assert decoded == {film.name: 1 for film in hand_films}


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
