from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hands import sex_of

from boneage.data.errors import ConfigError, SexError
from boneage.data.sex import Sex
from boneage.data.synthetic import synthetic_hand
from boneage.data.synthetic.ossification import CARPALS, OSSIFICATION, ossification

SIZE = (256, 200)
FIFTY: list[tuple[int, float, Sex]] = [(seed, 228 * seed / 49, sex_of(seed + 1)) for seed in range(50)]


@pytest.fixture(scope="module")
def hands():
    return [synthetic_hand(age, sex, seed, SIZE) for seed, age, sex in FIFTY]


def test_equal_arguments_give_equal_pictures_and_seeds_differ():
    first, again, other = (synthetic_hand(100, "F", seed, SIZE) for seed in (4, 4, 5))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.pixels, other.pixels)


def test_pictures_have_the_promised_types_and_ranges(hands):
    for hand in hands:
        assert hand.pixels.shape == hand.mask.shape == hand.carpal_mask.shape == SIZE
        assert (hand.pixels.dtype, hand.mask.dtype, hand.carpal_mask.dtype) == (np.float32, np.uint8, np.uint8)
        assert 0 <= hand.pixels.min() <= hand.pixels.max() <= 1
        assert set(np.unique(hand.mask)) == {0, 1} == set(np.unique(hand.carpal_mask))
        assert hand.keypoints.shape == (21, 2)
        assert hand.notes.startswith("synthetic")


def test_size_is_height_by_width():
    assert synthetic_hand(90, "M", 0, (300, 410)).pixels.shape == (300, 410)


def test_soft_tissue_just_inside_the_outline_is_brighter_than_just_outside(hands):
    kernel = np.ones((3, 3), np.uint8)
    for hand in hands:
        skin = cv2.erode(hand.mask, kernel, iterations=2) - cv2.erode(hand.mask, kernel, iterations=5)
        air = cv2.dilate(hand.mask, kernel, iterations=5) - cv2.dilate(hand.mask, kernel, iterations=2)
        air[-8:] = 0  # a collimator's border may lie below the forearm
        inside, outside = hand.pixels[skin > 0], hand.pixels[air > 0]
        assert np.median(inside) - np.median(outside) > 3 * min(outside.std(), 0.01)
        threshold = (np.median(inside) + np.median(outside)) / 2
        assert (inside > threshold).mean() > 0.9
        assert (outside < threshold).mean() > 0.8  # a collimator's border may be brighter than the hand


def test_mask_is_one_piece_without_holes_that_reaches_the_bottom(hands):
    for hand in hands:
        assert cv2.connectedComponents(hand.mask)[0] == 2
        assert cv2.connectedComponents(np.pad(1 - hand.mask, 1, constant_values=1))[0] == 2
        assert hand.mask[-SIZE[0] // 25 :].any()


def test_every_keypoint_and_the_carpus_lie_inside_the_mask(hands):
    for hand in hands:
        x, y = np.round(hand.keypoints).astype(int).T
        assert hand.mask[y, x].all()
        assert not (hand.carpal_mask & ~hand.mask & 1).any()


def test_carpus_lies_between_the_wrist_and_the_knuckles(hands):
    for hand in hands:
        centre = np.argwhere(hand.carpal_mask).mean(axis=0)[::-1]
        wrist, knuckle = hand.keypoints[0], hand.keypoints[9]
        along = (centre - wrist) @ (knuckle - wrist) / ((knuckle - wrist) @ (knuckle - wrist))
        assert 0 < along < 0.5


def test_area_fraction_stays_in_range_and_varies(hands):
    areas = np.array([hand.mask.mean() for hand in hands])
    assert 0.14 < areas.min() < 0.24
    assert 0.34 < areas.max() < 0.46


def test_both_sides_occur(hands):
    thumb_is_right = [hand.keypoints[4, 0] > hand.keypoints[20, 0] for hand in hands]
    assert 10 < sum(thumb_is_right) < 40


@pytest.mark.parametrize("sex", ["F", "M"])
def test_ossification_never_goes_back(sex):
    before = ossification(0, sex)
    for age in range(1, 229):
        now = ossification(age, sex)
        for name in OSSIFICATION:
            assert (now[name].growth or 0) >= (before[name].growth or 0)
            assert now[name].fusion >= before[name].fusion
        before = now
    assert all(state.growth == 1 for state in before.values())
    assert all(state.fusion == (name not in CARPALS) for name, state in before.items())


def test_girls_are_never_behind_boys_and_mostly_ahead():
    ahead = 0
    for age in range(229):
        girl, boy = ossification(age, "F"), ossification(age, "M")
        for name in OSSIFICATION:
            assert (girl[name].growth or 0) >= (boy[name].growth or 0)
            assert girl[name].fusion >= boy[name].fusion
        ahead += girl != boy
    assert ahead > 200


@pytest.mark.parametrize("column", [0, 1])
def test_epiphyses_fuse_in_the_published_order(column):
    order = ("distal phalanges", "proximal phalanges", "middle phalanges", "metacarpals", "ulna", "radius")
    ends = [fuses[column][1] for name in order if (fuses := OSSIFICATION[name].fuses)]
    assert len(ends) == len(order)
    assert ends == sorted(ends)


@pytest.mark.parametrize(("along", "across", "before", "after"), [(0.24, 0.0, 1, 60), (0.07, -0.05, 28, 96)])
def test_capitate_and_lunate_show_in_the_picture_once_ossified(along, across, before, after):
    def detail(age: float) -> float:
        hand = synthetic_hand(age, "F", 8, (512, 400))
        axis = hand.keypoints[9] - hand.keypoints[0]
        to_thumb = np.array([-axis[1], axis[0]])
        to_thumb *= np.sign(to_thumb @ (hand.keypoints[1] - hand.keypoints[0]))
        spot = np.round(hand.keypoints[0] + along * axis + across * to_thumb).astype(int)
        palm = float(np.hypot(*axis))
        near = cv2.circle(np.zeros_like(hand.mask), spot.tolist(), round(0.07 * palm), 1, -1) > 0
        return float((hand.pixels - cv2.GaussianBlur(hand.pixels, (0, 0), 0.05 * palm))[near].std())

    assert detail(after) > 2 * detail(before)


def test_growth_plates_close_in_the_picture():
    """Along the middle finger's proximal phalanx the dark gap below its epiphysis is there before fusion, not after."""

    def gap(age: float) -> float:
        hand = synthetic_hand(age, "M", 6, (768, 600))
        knuckle, joint = hand.keypoints[9], hand.keypoints[10]
        steps = knuckle + np.linspace(0.08, 0.3, 60)[:, None] * (joint - knuckle)
        across, down = steps.T.astype(np.float32)
        line = cv2.remap(hand.pixels, across, down, cv2.INTER_LINEAR).ravel()
        lowest = 5 + int(line[5:-5].argmin())
        return float(min(line[:lowest].max(), line[lowest + 1 :].max()) - line[lowest])

    assert gap(150) > 4 * gap(222)


def test_another_age_or_sex_changes_the_picture_inside_the_hand():
    base = synthetic_hand(100, "M", 3, SIZE)
    for other in (synthetic_hand(130, "M", 3, SIZE), synthetic_hand(100, "F", 3, SIZE)):
        both = (base.mask & other.mask) > 0
        assert np.abs(base.pixels - other.pixels)[both].max() > 0.05


def test_label_is_burnt_in_outside_the_hand_only():
    for seed in range(12):
        shown, bare = (synthetic_hand(200, "M", seed, SIZE, label=label) for label in (True, False))
        hand = bare.mask > 0
        assert np.array_equal(shown.pixels[hand], bare.pixels[hand])
        assert (shown.pixels[~hand] > 0.6).sum() > 100


@pytest.mark.parametrize("age", [-1, 229, math.nan, math.inf])
def test_age_out_of_range_is_refused(age):
    with pytest.raises(ConfigError, match=r"expected 0 to 228"):
        synthetic_hand(age, "F", 0)


@pytest.mark.parametrize("sex", ["", "female", "X", None])
def test_unknown_sex_is_refused(sex):
    with pytest.raises(SexError, match="never guessed"):
        synthetic_hand(60, sex, 0)


def test_tiny_size_is_refused():
    with pytest.raises(ConfigError, match="at least 96"):
        synthetic_hand(60, "F", 0, (64, 400))
