from __future__ import annotations

import cv2
import numpy as np
import pytest
from conftest import over

from boneage.data.synthetic import synthetic_hand
from boneage.handseg.crop import Likeliness, cut_crop
from boneage.handseg.geometry import Box, SquareFit, whole_frame
from boneage.handseg.letterbox import letterbox
from boneage.handseg.segmenter import HandMap


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
    crop = cut_crop(hand.pixels, box, 128, hand=over(mask), margin=0.08)
    at = crop.fit.to_square(hand.keypoints[(hand.keypoints[:, 1] < 330)])
    assert (at > 0).all()
    assert (at < 127).all()
    assert crop.fit.box.width > box.width or crop.fit.box.x == 0
    assert crop.fit.box == box.grown(0.08).clipped(330, 260)


@pytest.mark.parametrize("size", [96, 128, 400])
def test_padding_is_black_and_the_crop_is_uint8(hand, mask, box, size):
    crop = cut_crop(np.clip(hand.pixels + 0.3, 0, 1), box, size, hand=over(mask))
    assert crop.pixels.dtype == np.uint8
    assert crop.pixels.shape == (size, size)
    assert not crop.fit.inside().all()
    assert not crop.pixels[~crop.fit.inside()].any()
    assert crop.pixels[crop.fit.inside()].mean() > 30


@pytest.mark.parametrize(("gain", "shift"), [(0.5, 0.0), (2.0, 0.0), (0.5, 0.4), (0.1, 0.0)])
@pytest.mark.parametrize("masked", [True, False])
def test_exposure_does_not_change_the_crop(hand, mask, box, gain, shift, masked):
    pixels = hand.pixels * np.float32(0.5)
    plain = cut_crop(pixels, box, 128, hand=over(mask) if masked else None)
    other = cut_crop(pixels * np.float32(gain) + np.float32(shift), box, 128, hand=over(mask) if masked else None)
    assert plain.pixels.std() > 20
    assert apart(plain.pixels, other.pixels) <= 2


def test_eight_bits_are_as_good_as_floats(hand, mask, box):
    quantised = np.rint(hand.pixels * 255).astype(np.float32) / 255
    one, other = (cut_crop(pixels, box, 128, hand=over(mask)).pixels for pixels in (hand.pixels, quantised))
    assert apart(one, other) <= 3
    assert np.abs(one.astype(int) - other).mean() < 0.5


@pytest.mark.parametrize("width", [120, 121])
def test_a_mirrored_film_gives_the_mirrored_crop(hand, mask, width):
    box = Box(60, 40, width, 250)  # padded by 65, or by 64 and 65 columns
    frame = hand.pixels.shape[1]
    mirrored_box = Box(frame - box.x - box.width, box.y, box.width, box.height)
    plain = cut_crop(hand.pixels, box, 250, hand=over(mask), margin=0)
    mirrored = cut_crop(hand.pixels[:, ::-1], mirrored_box, 250, hand=over(mask[:, ::-1]), margin=0)
    shift = -(width % 2)  # the odd column of padding stays on the same side
    assert apart(np.roll(plain.pixels[:, ::-1], shift, axis=1), mirrored.pixels) <= 1


def test_a_bright_marker_beside_the_hand_is_harmless_when_the_mask_is_known(hand, mask, box):
    marked = hand.pixels * np.float32(0.4)
    plain = cut_crop(marked, box, 128, hand=over(mask))
    free = np.argwhere(~mask[box.y : box.y + 60, box.x : box.x + 60])[0] + (box.y, box.x)
    marked = marked.copy()
    marked[free[0] : free[0] + 12, free[1] : free[1] + 12] = 1.0
    assert not mask[free[0] : free[0] + 12, free[1] : free[1] + 12].any()
    with_mask, without = cut_crop(marked, box, 128, hand=over(mask)), cut_crop(marked, box, 128)
    on_hand = plain.fit.apply(mask.astype(np.uint8) * 255) > 250
    assert apart(plain.pixels[on_hand], with_mask.pixels[on_hand]) <= 1
    assert apart(plain.pixels[on_hand], without.pixels[on_hand]) > 20  # the marker would have mattered


def test_a_flat_picture_and_an_empty_mask_are_cropped_without_failing():
    flat = np.full((100, 80), 0.4, np.float32)
    assert cut_crop(flat, Box(10, 10, 40, 40), 64).pixels.max() == 0
    ramp = np.tile(np.linspace(0, 1, 80, dtype=np.float32), (100, 1))
    whole, empty = (cut_crop(ramp, Box(10, 10, 40, 40), 64, hand=m) for m in (None, over(np.zeros((100, 80), bool))))
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


def seen_on(frame: tuple[int, int], size: int, rotation: int = 0) -> HandMap:
    """A map of one smooth hand that leans to one side, and of a speck that is not part of it."""
    fit = SquareFit(whole_frame(*frame), size, frame, rotation)
    y, x = np.mgrid[:size, :size] / size
    probability = np.clip(1.3 - 4 * np.hypot(x - 0.45, (y - 0.55) * 0.8), 0, 1).astype(np.float32)
    probability[2:5, size // 2 : size // 2 + 3] = 1.0
    return HandMap(np.zeros((size, size), np.uint8), probability, fit)


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
def test_the_hand_over_a_crop_is_what_was_seen_at_the_same_place_of_the_film(rotation):
    view = seen_on((300, 240), 96, rotation)
    fit = SquareFit(Box(20, 60, 180, 200), 128, (300, 240), rotation)
    rows, columns = np.mgrid[:128, :128]
    places = fit.to_original(np.stack([columns.ravel(), rows.ravel()], axis=1))
    x, y = view.fit.to_square(places).astype(np.float32).T
    expected = cv2.remap(view.probability, x, y, cv2.INTER_LINEAR, borderValue=0).reshape(128, 128)
    over_crop = view.over(fit)
    assert ((over_crop > 0.2) & (over_crop < 0.8)).sum() > 500
    likely = expected > 0.5  # elsewhere the speck and what is far from the hand are left out
    assert np.abs(over_crop - expected)[likely].max() < 0.05
    assert not view.over(fit)[expected < 0.01].any()


def test_nothing_found_is_nothing_over_a_crop():
    view = HandMap(
        np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.float32), SquareFit(Box(0, 0, 90, 90), 64, (90, 90))
    )
    assert not view.over(SquareFit(Box(0, 0, 50, 50), 32, (90, 90))).any()


def test_the_last_digit_of_a_probability_does_not_change_the_crop(hand, box):
    """Another engine, another processor: a pixel of the rim just under one half must not shift the grey levels."""
    random = np.random.default_rng(0)
    pixels = np.clip(hand.pixels * np.float32(0.2) + random.normal(0, 0.02, hand.pixels.shape).astype(np.float32), 0, 1)
    likely = cv2.GaussianBlur(hand.mask.astype(np.float32), (0, 0), 6)

    def view_of(rim: float) -> Likeliness:
        def over_crop(fit: SquareFit) -> np.ndarray:
            inner = fit.apply(likely)
            return np.where(inner > 0.9, 1, np.where(inner > 0.4, rim, 0)).astype(np.float32)

        return over_crop

    crops = [cut_crop(pixels, box, 256, hand=view_of(rim)) for rim in (0.5 - 1e-6, 0.5 + 1e-6)]
    assert crops[0].pixels.std() > 20
    assert (crops[0].pixels != crops[1].pixels).mean() < 0.001


def test_what_is_hand_by_half_counts_by_half():
    """Of two greys side by side, the brighter hardly hand at all, only the darker sets white."""
    pixels = np.tile(np.linspace(0, 0.5, 100, dtype=np.float32), (100, 1))
    pixels[:, 50:] += 0.4
    likely = np.full((100, 100), 0.97, np.float32)
    box = Box(0, 0, 100, 100)
    whites = []
    for share in (0.0, 0.5, 0.97):
        likely[:, 50:] = share
        crop = cut_crop(pixels, box, 100, hand=over(likely), margin=0)
        whites.append(float(pixels[crop.pixels == 255].min()))
    assert whites[0] < 0.26
    assert whites[1] == pytest.approx(whites[2], abs=0.02)
    assert whites[2] > 0.88
