from __future__ import annotations

import numpy as np
import pytest
from keypoints import lie_in

from boneage.handseg.geometry import Box, SquareFit, whole_frame

FRAME = (157, 211)
BOXES = [
    Box(0, 0, 211, 157),
    Box(10, 20, 100, 60),
    Box(11, 21, 101, 60),
    Box(11, 20, 60, 101),
    Box(200, 3, 11, 154),
    Box(37, 41, 1, 1),
]
SIZES = [31, 64, 101, 320]


def disc(centre: tuple[float, float], radius: float, frame: tuple[int, int] = FRAME) -> np.ndarray:
    """A disc with a smooth rim, float32 in [0, 1], around `centre` (x, y)."""
    rows, columns = np.mgrid[: frame[0], : frame[1]]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)


def centroid(picture: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("box", BOXES)
def test_points_come_back_from_the_square(box, size):
    fit = SquareFit(box, size, FRAME)
    points = np.random.default_rng(0).uniform(-300, 500, (200, 2))
    assert np.abs(fit.to_original(fit.to_square(points)) - points).max() < 1e-6
    assert np.abs(fit.to_square(fit.to_original(points)) - points).max() < 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("box", BOXES)
def test_the_box_fills_the_longer_side_of_the_square_and_is_centred_on_the_other(box, size):
    fit = SquareFit(box, size, FRAME)
    edges = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]]) - 0.5
    (left, top), (right, bottom) = fit.to_square(edges) + 0.5
    assert max(right - left, bottom - top) == pytest.approx(size)
    assert (right - left) / (bottom - top) == pytest.approx(box.width / box.height)
    assert abs(left - (size - right)) <= fit.scale + 1e-9  # an odd rest leaves one original pixel to one side
    assert abs(top - (size - bottom)) <= fit.scale + 1e-9


@pytest.mark.parametrize("size", [48, 97, 128, 400])
@pytest.mark.parametrize("box", [Box(0, 0, 211, 157), Box(20, 15, 121, 130), Box(21, 14, 130, 121)])
def test_a_disc_lands_where_its_centre_is_mapped_and_stays_round(box, size):
    fit = SquareFit(box, size, FRAME)
    centre = (83.3, 71.8)
    square = fit.apply(disc(centre, 20))
    found = centroid(square)
    assert np.abs(found - fit.to_square(np.array([centre]))[0]).max() < 0.1
    rows, columns = np.mgrid[:size, :size]
    spread = [
        np.sqrt(((columns - found[0]) ** 2 * square).sum() / square.sum()),
        np.sqrt(((rows - found[1]) ** 2 * square).sum() / square.sum()),
    ]
    assert spread[0] == pytest.approx(spread[1], rel=0.01)
    assert np.sqrt(square.sum() / np.pi) == pytest.approx(20 * fit.scale, rel=0.02)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("box", BOXES)
def test_padding_is_zero_and_nothing_else_is(box, size):
    fit = SquareFit(box, size, FRAME)
    shown = fit.apply(np.ones(FRAME, np.float32))
    assert np.abs(shown[fit.inside()] - 1).max() < 1e-5
    assert not shown[~fit.inside()].any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("box", BOXES)
def test_inside_is_the_box_to_within_half_a_pixel(box, size):
    fit = SquareFit(box, size, FRAME)
    assert fit.inside().any(axis=0).sum() == pytest.approx(box.width * fit.scale, abs=1)
    assert fit.inside().any(axis=1).sum() == pytest.approx(box.height * fit.scale, abs=1)
    y, x = np.nonzero(fit.inside())
    assert lie_in(box, fit.to_original(np.stack([x, y], axis=1).astype(float))).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("box", BOXES)
def test_eight_bits_give_the_same_greys_as_floats_and_nothing_is_rounded(box, size):
    eight = np.random.default_rng(0).integers(0, 256, FRAME, np.uint8)
    fit = SquareFit(box, size, FRAME)
    square = fit.apply(eight)
    assert square.dtype == np.float32
    assert square.shape == (size, size)
    assert np.abs(square - fit.apply(eight.astype(np.float32))).max() < 1e-3


@pytest.mark.parametrize("size", [60, 128, 400])
@pytest.mark.parametrize("box", [Box(0, 0, 211, 157), Box(21, 14, 130, 121), Box(40, 10, 90, 141)])
def test_back_puts_a_map_where_it_came_from(box, size):
    fit = SquareFit(box, size, FRAME)
    picture = disc((83.3, 71.8), 25)
    whole = fit.back(fit.apply(picture))
    assert whole.shape == FRAME
    assert np.abs(centroid(whole) - (83.3, 71.8)).max() < 0.1
    overlap = ((whole > 0.5) & (picture > 0.5)).sum() / ((whole > 0.5) | (picture > 0.5)).sum()
    assert overlap > 0.95
    outside = np.ones(FRAME, bool)
    outside[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert not whole[outside].any()


@pytest.mark.parametrize("rotation", [0, 1])
@pytest.mark.parametrize("size", [31, 101, 400])
@pytest.mark.parametrize("box", BOXES)
def test_a_part_comes_back_as_in_the_whole_and_beyond_what_is_reached_there_is_nothing(box, size, rotation):
    fit = SquareFit(box, size, FRAME, rotation)
    square = np.zeros((size, size), np.float32)
    some = Box(size // 4, size // 3, size // 3, size // 5)
    square[some.slices] = np.random.default_rng(0).random((some.height, some.width), np.float32)
    whole, part = fit.back(square), fit.reached_from(some)
    if part.area:
        assert np.array_equal(fit.back_in(part, square), whole[part.slices])
    whole[part.slices] = 0
    assert not whole.any()


def test_what_two_boxes_have_in_common():
    one = Box(10, 20, 30, 40)
    assert one.common(Box(5, 50, 10, 100)) == Box(10, 50, 5, 10)
    assert one.common(Box(40, 20, 5, 5)).area == 0 == one.common(Box(-9, 20, 5, 5)).area


def test_a_grown_box_keeps_its_centre_and_is_clipped_at_the_edge():
    box = Box(20, 30, 101, 50)
    grown = box.grown(0.08)
    assert (grown.x + grown.width / 2, grown.y + grown.height / 2) == (20 + 101 / 2, 30 + 50 / 2)
    assert (grown.width, grown.height) == (101 + 2 * 8, 50 + 2 * 4)
    clipped = Box(-5, 3, 300, 200).clipped(*FRAME)
    assert clipped == Box(0, 3, 211, 154)


@pytest.mark.parametrize("box", [Box(-50, -50, 10, 10), Box(500, 500, 5, 5), Box(210, -9, 3, 10)])
def test_a_clipped_box_always_lies_in_the_picture(box):
    inside = box.clipped(*FRAME)
    assert inside.area >= 1
    assert 0 <= inside.x < inside.x + inside.width <= FRAME[1]
    assert 0 <= inside.y < inside.y + inside.height <= FRAME[0]


def test_contains_counts_the_whole_of_the_border_pixels():
    box = Box(2, 3, 4, 5)
    inside = np.array([[2, 3], [5, 7], [1.6, 2.6], [5.4, 7.4]])
    outside = np.array([[1.4, 3], [5.6, 7], [3, 2.4], [3, 7.6]])
    assert lie_in(box, inside).all()
    assert not lie_in(box, outside).any()


def test_a_picture_of_another_size_and_a_box_outside_the_picture_are_refused():
    fit = SquareFit(whole_frame(*FRAME), 64, FRAME)
    with pytest.raises(ValueError, match="the fit was made for"):
        fit.apply(np.zeros((FRAME[1], FRAME[0]), np.float32))
    with pytest.raises(ValueError, match="does not lie inside"):
        SquareFit(Box(-1, 0, 20, 20), 64, FRAME)
    with pytest.raises(ValueError, match="does not lie inside"):
        SquareFit(Box(0, 0, 0, 20), 64, FRAME)
