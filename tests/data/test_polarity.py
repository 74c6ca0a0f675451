"""Pictures with dark bone are found and corrected; those with bright bone are left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from conftest import REAL
from dicom_files import dataset, write
from PIL import Image

from boneage.data.greys import inverted
from boneage.data.polarity import bone_is_dark, bright_bone_evidence
from boneage.data.read import read_radiograph

RSNA = REAL / "rsna" / "boneage-training-dataset"


@pytest.fixture(scope="module")
def hand() -> np.ndarray:
    """A rough hand, uint8: air 20, soft tissue 90, bones 180, a little noise."""
    picture = np.full((400, 320), 20, np.uint8)
    palm, wrist = (160, 270), (160, 399)
    tips = [(60, 220), (95, 90), (150, 50), (205, 80), (250, 130)]
    for width, grey in ((34, 90), (12, 180)):
        for tip in tips:
            cv2.line(picture, palm, tip, grey, width)
        cv2.line(picture, palm, wrist, grey, width * 2)
    cv2.ellipse(picture, palm, (62, 70), 0, 0, 360, 90, -1)
    for tip in tips:
        cv2.line(picture, palm, tip, 180, 12)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (5, 5), 0) + noise, 0, 255).astype(np.uint8)


def greys(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def test_evidence_turns_its_sign_with_the_greys(hand):
    random = np.random.default_rng(1)
    for picture in (greys(hand), random.random((100, 77), np.float32), greys(hand)[:32, :300]):
        assert bright_bone_evidence(1 - picture) == pytest.approx(-bright_bone_evidence(picture), abs=0.02)


@pytest.mark.parametrize("scale", [0.15, 0.5, 3])
@pytest.mark.parametrize("turns", [0, 1, 2])
def test_size_and_turns_do_not_matter(hand, scale, turns):
    picture = np.rot90(cv2.resize(greys(hand), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), turns)
    assert not bone_is_dark(picture)
    assert bone_is_dark(1 - picture)


@pytest.mark.parametrize("exposure", [(0.02, 0.1), (0.6, 0.3)])
def test_exposure_does_not_matter(hand, exposure):
    offset, contrast = exposure
    picture = offset + contrast * greys(hand)
    assert not bone_is_dark(picture)
    assert bone_is_dark(1 - picture)


@pytest.mark.parametrize("frame", [0, 255])
def test_burnt_in_frames_do_not_decide(hand, frame):
    framed = cv2.copyMakeBorder(hand, 40, 20, 30, 30, cv2.BORDER_CONSTANT, value=frame)
    assert not bone_is_dark(greys(framed))
    assert bone_is_dark(1 - greys(framed))


def test_a_flat_picture_gives_no_evidence():
    for level in (0, 0.5, 1):
        flat = np.full((64, 64), level, np.float32)
        assert bright_bone_evidence(flat) == 0
        assert not bone_is_dark(flat)


def test_reading_inverts_dark_bone_and_says_so(tmp_path, hand):
    Image.fromarray(255 - hand).save(tmp_path / "dark.png")
    Image.fromarray(hand).save(tmp_path / "bright.png")
    bright = read_radiograph(tmp_path / "bright.png")
    assert not bright.inverted
    assert bright.notes == ()
    corrected = read_radiograph(tmp_path / "dark.png")
    assert corrected.inverted
    assert any("inverted" in str(note) for note in corrected.notes)
    np.testing.assert_allclose(corrected.pixels, bright.pixels, atol=1e-6)
    as_is = read_radiograph(tmp_path / "dark.png", correct_inversion=False)
    assert not as_is.inverted
    np.testing.assert_allclose(as_is.pixels, 1 - bright.pixels, atol=1e-6)


def test_a_dicom_keeps_its_greys_with_a_note(tmp_path, hand):
    radiograph = read_radiograph(write(dataset(255 - hand, 8), tmp_path / "a.dcm"))
    assert not radiograph.inverted
    assert radiograph.pixels[0].mean() > 0.8
    assert any("bone looks dark" in str(note) for note in radiograph.doubts)


@pytest.mark.skipif(not RSNA.is_dir(), reason="the RSNA radiographs are not beside this checkout")
def test_real_radiographs_are_film_hash():
    held_out = sorted(path for path in RSNA.iterdir() if int(path.stem) % 5 == 0)[::12]
    assert len(held_out) > 200
    upright = [read_radiograph(path, correct_inversion=False).greys for path in held_out]
    assert sum(bone_is_dark(greys) for greys in upright) <= 0.01 * len(upright)
    assert sum(bone_is_dark(inverted(greys)) for greys in upright) >= 0.99 * len(upright)
