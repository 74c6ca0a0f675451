"""Area means: OpenCV's, on any grid and from any depth, with the rim going on outside; of large cells, nearly so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.data import resize
from boneage.data.resize import area_means


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (157, 211), np.uint8)


@pytest.fixture
def never_halved(monkeypatch):
    monkeypatch.setattr(resize, "_FINEST", np.inf)


@pytest.mark.usefixtures("never_halved")
@pytest.mark.parametrize("band", [1, 5000, 2**18])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(157, 211), (53, 211), (64, 90), (31, 17), (1, 1)])
def test_they_are_those_of_opencv_on_reals(picture, shape, dtype, band, monkeypatch):
    monkeypatch.setattr(resize, "_BAND", band)
    edges = (np.linspace(0, old, new + 1) for old, new in zip(picture.shape, shape, strict=True))
    means = area_means(picture.astype(dtype), *edges)
    assert (means.shape, means.dtype) == (shape, np.float32)
    expected = cv2.resize(picture.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(means, expected, atol=0.05)  # OpenCV leaves out slivers of under 0.001 pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("height", "width"), [(800, 600), (801, 603)])
def test_large_cells_of_a_halved_picture_are_off_by_a_fraction_of_a_grey(height, width, dtype, monkeypatch):
    fine = np.random.default_rng(1).normal(120, 20, (height, width)).clip(0, 255).astype(np.uint8)
    picture = cv2.GaussianBlur(fine, (0, 0), 2).astype(dtype)
    grid = np.linspace(0, height, 61), np.linspace(0, width, 46)
    halved = area_means(picture, *grid)
    monkeypatch.setattr(resize, "_FINEST", np.inf)
    off = halved - area_means(picture, *grid)
    assert 0 < np.abs(off).max() < 0.75
    assert np.abs(off).mean() < 0.2
    assert abs(off.mean()) < 0.15


@pytest.mark.parametrize("band", [1, 2**18])
def test_outside_the_greys_of_the_rim_go_on(picture, band, monkeypatch):
    monkeypatch.setattr(resize, "_BAND", band)
    wider = cv2.copyMakeBorder(picture, 30, 40, 50, 60, cv2.BORDER_REPLICATE)
    rows, columns = np.linspace(0, len(wider), 38), np.linspace(0, wider.shape[1], 45)
    expected = area_means(wider, rows, columns)
    np.testing.assert_allclose(area_means(picture, rows - 30, columns - 50), expected, atol=1e-3)


def test_a_part_is_meaned_as_in_the_whole(picture):
    rows, columns = np.linspace(20.3, 90.9, 12), np.linspace(7.25, 130, 15)
    expected = area_means(picture, rows, columns)
    np.testing.assert_allclose(area_means(picture[20:91, 7:130], rows - 20, columns - 7), expected, atol=1e-3)


@pytest.mark.parametrize("cells", [0, 1, 4])
@pytest.mark.parametrize("side", [1, 3, 700])
def test_large_cells_of_a_line_or_none_at_all_are_meaned_too(side, cells):
    picture = np.full((side, 900), 77, np.uint8)
    for turned in (picture, picture.T):
        edges = [np.linspace(0, length, number + 1) for length, number in zip(turned.shape, (cells, 9), strict=True)]
        means = area_means(turned, *edges)
        assert means.shape == (cells, 9)
        np.testing.assert_allclose(means, 77)


@pytest.mark.usefixtures("never_halved")
def test_a_bright_picture_of_many_pixels_does_not_overflow():
    white = np.full((3000, 3100), 255, np.uint8)
    means = area_means(white, np.linspace(0, 3000, 31), np.linspace(0, 3100, 11))
    np.testing.assert_allclose(means, 255)
