"""Films whose greys exposure or compression has spoilt are reviewed; films that were only copied are not."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from boneage.data.read import read_radiograph
from boneage.data.remark import joined
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.exposure import spoilt
from boneage.handseg.finder import HandFinder
from boneage.handseg.letterbox import letterbox
from boneage.handseg.segmenter import HandMap
from boneage.pipeline.measure.copies import COPIES

BLOCKS, BRIGHT, DARK = "blocks of a JPEG", "plain white", "grey levels"


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(120, "F", 2, (320, 256), label=False)


def said(pixels: np.ndarray, hand, scale: float = 1.0) -> str:
    greys = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return joined(spoilt(greys, hand.mask > 0, scale))


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)) / np.float32(255)


def test_films_as_they_come_are_not_spoilt(hand):
    dark = 0.3 * hand.pixels
    for pixels in (hand.pixels, dark, as_jpeg(hand.pixels, 90), as_jpeg(dark, 95)):
        assert said(pixels, hand) == ""


def test_burnt_out_bone_is_said_with_its_share(hand):
    contrast = np.percentile(hand.pixels[hand.mask > 0], (1, 70))
    bright = (hand.pixels - contrast[0]) / (contrast[1] - contrast[0])  # three tenths of the hand are beyond white
    assert re.fullmatch("the film is too bright: 3[01]% of the hand is plain white", said(bright, hand))
    assert BRIGHT in said(0.6 * np.minimum(bright, 1), hand)  # white is the brightest there is, not 255


@pytest.mark.parametrize(("ends", "words"), [((8, 100), "plain black"), ((0, 95), BRIGHT)])
def test_a_small_part_of_the_hand_that_a_window_makes_black_or_white_is_said(hand, ends, words):
    low, high = np.percentile(hand.pixels[hand.mask > 0], ends)
    assert words in said((hand.pixels - low) / (high - low), hand)


def test_logarithms_lie_higher_and_powers_lower_than_the_grey_levels_of_a_film(hand):
    above_air = np.clip(hand.pixels - hand.pixels.min(), 0, None)
    for curve in (np.log1p(100 * above_air) / np.log(101), above_air**8):
        assert re.search("half of the hand is brighter|plain black", said(curve, hand))


def test_a_film_of_four_bits_has_too_few_levels(hand):
    assert "only" in said(np.floor(hand.pixels * 15.99) / 15, hand)
    assert said(np.floor(hand.pixels * 63.99) / 63, hand) == ""


def test_a_hand_of_a_few_grey_levels_is_too_dark_where_there_are_no_finer_ones(hand):
    dark = 0.05 * hand.pixels
    assert DARK in said(dark, hand)
    assert list(spoilt(dark.astype(np.float32), hand.mask > 0, 1.0)) == []


def test_blocks_show_on_a_dark_film_compressed_hard_wherever_their_edges_lie(hand):
    jpeg = as_jpeg(0.2 * hand.pixels, 20)
    assert BLOCKS in said(jpeg, hand)
    cut = np.rot90(jpeg)[3:, 5:]
    greys, mask = np.rint(cut * 255).astype(np.uint8), np.rot90(hand.mask)[3:, 5:] > 0
    assert BLOCKS in joined(spoilt(greys, mask, 1.0))
    assert BLOCKS not in said(jpeg, hand, scale=0.3)  # on a film so fine they are too small to matter


def test_a_picture_without_a_hand_or_contrast_says_nothing():
    flat = np.full((40, 30), 7, np.uint8)
    assert list(spoilt(flat, np.ones((40, 30), bool), 1.0)) == []
    assert list(spoilt(flat, np.zeros((40, 30), bool), 1.0)) == []


class Exact:
    """A segmenter that knows the mask."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def predict(self, films, rotations=None, boxes=None):
        square, fit = letterbox(films[0], 192)
        return [HandMap(square, fit.apply(self.mask.astype(np.float32)), fit)]


def test_the_finder_reviews_a_spoilt_film(hand, tmp_path):
    finder = HandFinder(Exact(hand.mask), 128)  # pyright: ignore
    for name, words in (("plain", ""), ("double-brightness", BRIGHT)):
        path = tmp_path / f"{name}.png"
        COPIES[name].write(hand.pixels, path, np.random.default_rng(0))
        (found,) = finder.find([read_radiograph(path)])
        assert words in joined(found.verdict.reasons)
        assert found.verdict.status == ("review" if words else "ok")
