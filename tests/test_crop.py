from __future__ import annotations

import numpy as np
import pytest

from boneage.data.synthetic import synthetic_hand
from boneage.handseg.crop import cut_crop
from boneage.handseg.geometry import Box
from boneage.handseg.letterbox import letterbox


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(110, "F", 3, (330, 260))


@pytest.fixture(scope="module")
def mask(hand):
    return hand.mask.astype(bool)


@pytest.fixture(scope="module")
def box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


def apart(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of two uint8 pictures in grey levels."""
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("size", [64, 200, 500])
def test_a_disc_in_the_picture_is_a_disc_at_the_mapped_place_in_the_crop(size):
    rows, columns = np.mgrid[:301, :240]
    centre, radius = (140.4, 120.7), 30
    pixels = np.clip(radius + 0.5 - np.hypot(columns - centre[0], rows - centre[1]), 0, 1).astype(np.float32)
    crop = cut_crop(pixels, Box(90, 60, 101, 150), size)
    y, x = np.nonzero(crop.pixels > 127)
    expected = crop.fit.to_square(np.array([centre]))[0]
    assert np.abs(np.array([x.mean(), y.mean()]) - expected).max() < 0.5
    assert (np.ptp(x) + 1) / (np.ptp(y) + 1) == pytest.approx(1, abs=2 / (2 * radius * crop.fit.scale))


def test_the_crop_holds_the_whole_hand_with_its_margin(hand, mask, box):
    crop = cut_crop(hand.pixels, box, 128, mask=mask, margin=0.08)
    at = crop.fit.to_square(hand.keypoints[(hand.keypoints[:, 1] < 330)])
    assert (at > 0).all()
    assert (at < 127).all()
    assert crop.fit.box.width > box.width or crop.fit.box.x == 0
    assert crop.fit.box == box.grown(0.08).clipped(330, 260)


@pytest.mark.parametrize("size", [96, 128, 400])
def test_padding_is_black_and_the_crop_is_uint8(hand, mask, box, size):
    crop = cut_crop(np.clip(hand.pixels + 0.3, 0, 1), box, size, mask=mask)
    assert crop.pixels.dtype == np.uint8
    assert crop.pixels.shape == (size, size)
    assert not crop.fit.inside().all()
    assert not crop.pixels[~crop.fit.inside()].any()
    assert crop.pixels[crop.fit.inside()].mean() > 30


@pytest.mark.parametrize(("gain", "shift"), [(0.5, 0.0), (2.0, 0.0), (0.5, 0.4), (0.1, 0.0)])
@pytest.mark.parametrize("masked", [True, False])
def test_exposure_does_not_change_the_crop(hand, mask, box, gain, shift, masked):
    pixels = hand.pixels * np.float32(0.5)
    plain = cut_crop(pixels, box, 128, mask=mask if masked else None)
    other = cut_crop(pixels * np.float32(gain) + np.float32(shift), box, 128, mask=mask if masked else None)
    assert plain.pixels.std() > 20
    assert apart(plain.pixels, other.pixels) <= 2


def test_eight_bits_are_as_good_as_floats(hand, mask, box):
    quantised = np.rint(hand.pixels * 255).astype(np.float32) / 255
    one, other = (cut_crop(pixels, box, 128, mask=mask).pixels for pixels in (hand.pixels, quantised))
    assert apart(one, other) <= 3
    assert np.abs(one.astype(int) - other).mean() < 0.5


@pytest.mark.parametrize("width", [120, 121])
def test_a_mirrored_film_gives_the_mirrored_crop(hand, mask, width):
    box = Box(60, 40, width, 250)  # padded by 65, or by 64 and 65 columns
    frame = hand.pixels.shape[1]
    mirrored_box = Box(frame - box.x - box.width, box.y, box.width, box.height)
    plain = cut_crop(hand.pixels, box, 250, mask=mask, margin=0)
    mirrored = cut_crop(hand.pixels[:, ::-1], mirrored_box, 250, mask=mask[:, ::-1], margin=0)
    shift = -(width % 2)  # the odd column of padding stays on the same side
    assert apart(np.roll(plain.pixels[:, ::-1], shift, axis=1), mirrored.pixels) <= 1


def test_a_bright_marker_beside_the_hand_is_harmless_when_the_mask_is_known(hand, mask, box):
    marked = hand.pixels * np.float32(0.4)
    plain = cut_crop(marked, box, 128, mask=mask)
    free = np.argwhere(~mask[box.y : box.y + 60, box.x : box.x + 60])[0] + (box.y, box.x)
    marked = marked.copy()
    marked[free[0] : free[0] + 12, free[1] : free[1] + 12] = 1.0
    assert not mask[free[0] : free[0] + 12, free[1] : free[1] + 12].any()
    with_mask, without = cut_crop(marked, box, 128, mask=mask), cut_crop(marked, box, 128)
    on_hand = plain.fit.apply(mask.astype(np.uint8) * 255) > 250
    assert apart(plain.pixels[on_hand], with_mask.pixels[on_hand]) <= 1
    assert apart(plain.pixels[on_hand], without.pixels[on_hand]) > 20  # the marker would have mattered


def test_a_flat_picture_and_an_empty_mask_are_cropped_without_failing():
    flat = np.full((100, 80), 0.4, np.float32)
    assert cut_crop(flat, Box(10, 10, 40, 40), 64).pixels.max() == 0
    ramp = np.tile(np.linspace(0, 1, 80, dtype=np.float32), (100, 1))
    whole, empty = (cut_crop(ramp, Box(10, 10, 40, 40), 64, mask=m) for m in (None, np.zeros((100, 80), bool)))
    assert np.array_equal(whole.pixels, empty.pixels)


def test_the_margin_stops_at_the_edge_of_the_picture(hand):
    crop = cut_crop(hand.pixels, Box(0, 0, 260, 330), 165, margin=0.5)
    assert crop.fit.box == Box(0, 0, 260, 330)


def test_a_letterboxed_film_spans_all_greys_whatever_its_exposure(hand):
    plain, fit = letterbox(hand.pixels, 192)
    dark, _ = letterbox(hand.pixels * np.float32(0.05) + np.float32(0.2), 192)
    assert plain.shape == (192, 192)
    assert plain.min() == 0
    assert plain.max() == 255
    assert apart(plain, dark) <= 1
    assert not plain[~fit.inside()].any()


def test_a_letterboxed_blank_film_stays_blank():
    square, fit = letterbox(np.full((120, 90), 0.25, np.float32), 64)
    assert set(np.unique(square[fit.inside()])) == {64}
    assert not square[~fit.inside()].any()
