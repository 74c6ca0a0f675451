from __future__ import annotations

from dataclasses import replace

import hands
import numpy as np
import pytest

from boneage.data.radiograph import Radiograph
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.geometry import Box
from boneage.handseg.letterbox import letterbox
from boneage.handseg.pairs import chosen, fields_of, sides_of, two_hands
from boneage.handseg.segmenter import HandMap
from boneage.handseg.shape import HandShape


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(120, "M", 7, (250, 200))


def view_of(mask: np.ndarray, rotation: int = 0) -> HandMap:
    """The map of a segmenter that finds exactly `mask`, and takes it for a whole hand."""
    found = hands.view_of(mask, mask, 1, rotation)
    return replace(found, contents=np.array([1, 0, 0], np.float32))


def stated(**facts) -> Radiograph:
    """A film of which a DICOM states these facts."""
    return Radiograph(np.zeros((250, 200), np.uint8), "film", **facts)


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
@pytest.mark.parametrize("gap", [30, 0])
def test_two_hands_are_parted_between_them_though_they_touch(hand, gap, rotation):
    mask = np.hstack([hand.mask, np.zeros((250, gap), np.uint8), hand.mask[:, ::-1]])
    if not gap:
        mask[200:206, 150:250] = 1
    view = view_of(np.ascontiguousarray(np.rot90(mask, -rotation)), rotation=rotation)
    assert two_hands(view)
    parts = fields_of(view)
    lain = np.rot90(mask, -rotation)
    shares = [lain[box.slices].sum() / mask.sum() for box in parts]
    assert shares == pytest.approx([0.5, 0.5], abs=0.05)
    assert sum(box.area for box in parts) == pytest.approx(mask.size, rel=0.02)


def test_one_hand_is_not_parted(hand):
    assert not two_hands(view_of(hand.mask))


def test_a_side_is_read_where_the_thumbs_tell_it(hand):
    film, one, other = (view_of(mask) for mask in (hand.mask, hand.mask, np.ascontiguousarray(hand.mask[:, ::-1])))
    thumb_right = hand.keypoints[4, 0] > hand.keypoints[20, 0]
    left, right = (one, other) if thumb_right else (other, one)
    assert sides_of((right, left), stated()) == (("right", "left"), None)
    assert chosen((right, left), film, "left", stated())[0].hand is left
    (choice,) = chosen((right, left), film, "right", stated())
    assert choice.hand is right
    assert choice.doubt is None
    assert "right" in str(choice.note)


def test_forearms_that_lean_outwards_do_not_swap_left_and_right(hand):
    """A forearm that leans past the little finger is no thumb: sides are told by what lies above its root."""
    thumb_right = hand.keypoints[4, 0] > hand.keypoints[20, 0]
    mask = np.pad(hand.mask if thumb_right else hand.mask[:, ::-1], ((0, 0), (150, 150)))
    row, width = HandShape(mask).palm
    first = row + width // 5
    filled = np.flatnonzero(mask[first])
    mask[first:] = 0
    for y in range(first, len(mask)):  # as wide as the hand, and away from the thumb
        mask[y, np.clip(filled - 3 * (y - first), 0, None)] = 1
    left, right = view_of(mask), view_of(np.ascontiguousarray(mask[:, ::-1]))
    assert sides_of((left, right), stated()) == (("left", "right"), None)


def test_the_larger_hand_is_read_where_sides_cannot_be_told(hand):
    film, whole, small = (view_of(mask) for mask in (hand.mask, hand.mask, hand.mask[60:, :]))
    (choice,) = chosen((small, whole), film, "left", stated())
    assert choice.hand is whole
    assert "uncertain" in str(choice.doubt)


def test_what_is_no_second_hand_is_not_read(hand):
    film, left = view_of(hand.mask), view_of(hand.mask)
    nothing = view_of(np.zeros_like(hand.mask))
    (choice,) = chosen((left, nothing), film, "left", stated())
    assert choice.hand is film
    assert "several" in str(choice.doubt)


@pytest.fixture
def left_and_right(hand):
    """The maps of a left and of a right hand, palms on the plate, left beside each other on a film of 400 x 250."""
    thumb_right = hand.keypoints[4, 0] > hand.keypoints[20, 0]
    left = hand.mask if thumb_right else np.ascontiguousarray(hand.mask[:, ::-1])
    film = np.hstack([left, left[:, ::-1]]).astype(np.float32)
    boxed = [letterbox(film, hands.SIZE, box=box) for box in (Box(0, 0, 200, 250), Box(200, 0, 200, 250))]
    whole = np.array([1, 0, 0], np.float32)
    return tuple(
        HandMap(square, np.divide(square, 255, dtype=np.float32), fit, contents=whole) for square, fit in boxed
    )


@pytest.mark.parametrize(
    ("facts", "sides", "doubtful"),
    [
        ({}, ("left", "right"), False),
        ({"view": "PA", "towards": ("R", "F")}, ("left", "right"), False),
        ({"view": "AP"}, ("right", "left"), False),
        ({"towards": ("L", "F")}, ("right", "left"), True),
        ({"view": "AP", "towards": ("L", "F")}, ("right", "left"), False),
        ({"towards": ("H", "L")}, ("left", "right"), False),
    ],
)
def test_what_the_file_states_of_sides_goes_before_the_thumbs(left_and_right, facts, sides, doubtful):
    found, doubt = sides_of(left_and_right, stated(**facts))
    assert found == sides
    assert bool(doubt) == doubtful


def test_both_hands_are_read_the_left_one_first(left_and_right):
    first, second = left_and_right
    both = chosen((second, first), first, "both", stated())
    assert [(choice.hand, choice.which) for choice in both] == [(first, "left"), (second, "right")]
    alike = chosen((first, first), first, "both", stated())
    assert [choice.which for choice in alike] == ["larger", "smaller"]
    assert all(choice.doubt for choice in alike)
