"""Every copy is a file that reads back as what it is called."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from PIL import Image

from boneage.data.read import read_radiograph
from boneage.data.synthetic import synthetic_hand
from boneage.pipeline.measure.copies import COPIES, PLAIN, write_copies


@pytest.fixture(scope="module")
def hand():
    pixels = synthetic_hand(120, "M", 36, (200, 160)).pixels
    return np.rint(pixels * 255).astype(np.uint8) / np.float32(255)


@pytest.fixture(scope="module")
def files(hand, tmp_path_factory):
    return write_copies(hand, tmp_path_factory.mktemp("copies"), "film", COPIES)


@pytest.fixture
def pixels_of(files):
    return lambda name: read_radiograph(files[name]).pixels


def test_every_copy_is_written_and_the_plain_one_is_exact(hand, files, pixels_of):
    assert list(files) == list(COPIES)
    np.testing.assert_allclose(pixels_of(PLAIN), hand, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "undo"),
    [
        ("mirrored", lambda pixels: pixels[:, ::-1]),
        ("rotated-90", lambda pixels: np.rot90(pixels, -1)),
        ("rotated-180", lambda pixels: np.rot90(pixels, 2)),
        ("rotated-270", lambda pixels: np.rot90(pixels)),
        ("black-frame", lambda pixels: pixels[20:-20, 16:-16]),
        ("dicom-window", lambda pixels: pixels),
        ("dicom-monochrome1", lambda pixels: pixels),
    ],
)
def test_what_loses_nothing_can_be_undone(hand, pixels_of, name, undo):
    np.testing.assert_allclose(undo(pixels_of(name)), hand, atol=1e-4)


@pytest.mark.parametrize("name", ["png-16", "dicom"])
def test_without_a_window_the_range_in_use_becomes_black_to_white(hand, pixels_of, name):
    stretched = (hand - hand.min()) / (hand.max() - hand.min())
    np.testing.assert_allclose(pixels_of(name), stretched, atol=1e-4)


def test_inverted_greys_are_inverted_in_the_file(hand, files):
    np.testing.assert_allclose(np.asarray(Image.open(files["inverted"])) / 255, 1 - hand, atol=1e-6)


def test_brightness_is_halved_and_doubled_up_to_white(hand, pixels_of):
    np.testing.assert_allclose(pixels_of("half-brightness"), hand / 2, atol=1 / 255)
    np.testing.assert_allclose(pixels_of("double-brightness"), np.minimum(2 * hand, 1), atol=1e-6)


def test_sizes_are_those_named(hand, pixels_of):
    assert pixels_of("long-side-300").shape == (300, 240)
    assert pixels_of("short-side-300").shape == (375, 300)
    height, width = pixels_of("shifted").shape
    assert 200 - 2 * 4 <= height <= 200
    assert 160 - 2 * 3 <= width <= 160


def test_a_rotated_film_keeps_all_of_it_on_its_background(hand, pixels_of):
    rotated = pixels_of("rotated-15")
    height, width = rotated.shape
    assert height > 200
    assert width > 160
    assert rotated.sum() - hand.sum() == pytest.approx(rotated[0, 0] * (rotated.size - hand.size), rel=0.01)
    assert rotated[0, 0] == pytest.approx(np.median(hand[:4]), abs=0.03)


def test_formats_are_those_named(files):
    with Image.open(files["jpeg-30"]) as picture:
        assert picture.format == "JPEG"
    with Image.open(files["png-16"]) as picture:
        assert (picture.format, picture.mode) == ("PNG", "I;16")
    film = pydicom.dcmread(files["dicom-monochrome1"])
    assert (film.PhotometricInterpretation, film.BitsStored, film.WindowWidth) == ("MONOCHROME1", 16, 65536)
    assert "WindowWidth" not in pydicom.dcmread(files["dicom"])
    assert "PatientSex" not in film


def test_a_film_always_gets_the_same_copies_and_another_film_others(hand, files, tmp_path):
    (tmp_path / "again").mkdir()
    again = write_copies(hand, tmp_path / "again", "film", COPIES)
    for name in ("rotated-15", "shifted"):
        assert again[name].read_bytes() == files[name].read_bytes()
    others = set()
    for film in range(8):
        (tmp_path / str(film)).mkdir()
        others.add(write_copies(hand, tmp_path / str(film), str(film), COPIES)["shifted"].read_bytes())
    assert len(others) > 1
