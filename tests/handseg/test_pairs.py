from __future__ import annotations

import numpy as np
import pytest

from boneage.data.synthetic import synthetic_hand
from boneage.handseg.letterbox import letterbox
from boneage.handseg.pairs import chosen, fields_of, sides_of, two_hands
from boneage.handseg.segmenter import HandMap

SIZE = 192


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(120, "M", 7, (250, 200))


def seen(mask: np.ndarray, *, turn: int = 0) -> HandMap:
    """What a segmenter that finds exactly `mask` would see."""
    square, fit = letterbox(mask.astype(np.float32), SIZE, turn)
    found = (fit.apply(mask.astype(np.uint8) * 255) > 127).astype(np.float32)
    return HandMap(square, found, fit, contents=np.array([1, 0, 0], np.float32))


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("gap", [30, 0])
def test_two_hands_are_parted_between_them_though_they_touch(hand, gap, turn):
    mask = np.hstack([hand.mask, np.zeros((250, gap), np.uint8), hand.mask[:, ::-1]])
    if not gap:
        mask[200:206, 150:250] = 1
    view = seen(np.ascontiguousarray(np.rot90(mask, -turn)), turn=turn)
    assert two_hands(view)
    parts = fields_of(view)
    lain = np.rot90(mask, -turn)
    shares = [lain[box.slices].sum() / mask.sum() for box in parts]
    assert shares == pytest.approx([0.5, 0.5], abs=0.05)
    assert sum(box.area for box in parts) == pytest.approx(mask.size, rel=0.02)


def test_one_hand_is_not_parted(hand):
    assert not two_hands(seen(hand.mask))


def test_a_side_is_read_where_the_thumbs_tell_it(hand):
    film, one, other = (seen(mask) for mask in (hand.mask, hand.mask, np.ascontiguousarray(hand.mask[:, ::-1])))
    thumb_right = hand.keypoints[4, 0] > hand.keypoints[20, 0]
    left, right = (one, other) if thumb_right else (other, one)
    assert sides_of((right, left)) == ("right", "left")
    assert chosen((right, left), film, "left").hand is left
    choice = chosen((right, left), film, "right")
    assert choice.hand is right
    assert choice.doubt is None
    assert "right" in str(choice.note)


def test_the_larger_hand_is_read_where_sides_cannot_be_told(hand):
    film, whole, small = (seen(mask) for mask in (hand.mask, hand.mask, hand.mask[60:, :]))
    choice = chosen((small, whole), film, "left")
    assert choice.hand is whole
    assert "uncertain" in str(choice.doubt)


def test_what_is_no_second_hand_is_not_read(hand):
    film, left = seen(hand.mask), seen(hand.mask)
    nothing = seen(np.zeros_like(hand.mask))
    choice = chosen((left, nothing), film, "left")
    assert choice.hand is film
    assert "several" in str(choice.doubt)
