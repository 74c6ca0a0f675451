from __future__ import annotations

import cv2
import numpy as np
import pytest

from boneage.data.errors import TrainingError
from boneage.data.read import read_radiograph
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import Shares
from boneage.handseg.letterbox import letterbox
from boneage.handseg.training.classical import classical_mask
from boneage.handseg.training.compose import empty_picture, film_background, finish, paste_hand
from boneage.handseg.training.examples import Pools, SegmentationSet, draw_synthetic, read_cutouts

SIZE = 96


def cutout(seed: int) -> tuple[np.ndarray, np.ndarray]:
    picture, mask = draw_synthetic(1, SIZE, seed)[0]
    return picture * mask, mask


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one > 0) & (other > 0)).sum() / ((one > 0) | (other > 0)).sum())


def test_pictures_are_uint8_squares_decided_by_the_generator():
    hand, mask = cutout(0)
    for make in (
        lambda rng: paste_hand(hand, mask, rng),
        lambda rng: empty_picture(SIZE, rng),
        lambda rng: finish(hand, rng),
    ):
        for seed in range(40):
            one, same = (make(np.random.default_rng(seed)) for _ in range(2))
            assert one.shape == (SIZE, SIZE)
            assert one.dtype == np.uint8
            assert np.array_equal(one, same)
        assert len({make(np.random.default_rng(seed)).tobytes() for seed in range(40)}) > 30


def test_finishing_leaves_the_picture_given_alone():
    hand, _ = cutout(0)
    before = hand.copy()
    for seed in range(20):
        finish(hand, np.random.default_rng(seed))
    assert np.array_equal(hand, before)


def test_a_pasted_hand_stands_where_its_mask_is_on_every_background():
    hand, mask = cutout(1)
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0
    rim = (cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0) & (cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0)
    contrasts, backgrounds = [], []
    for seed in range(80):
        picture = paste_hand(hand, mask, np.random.default_rng(seed)).astype(float)
        contrasts.append(np.median(picture[inner]) - np.median(picture[rim]))
        backgrounds.append(np.median(picture[rim]))
    assert np.mean(np.array(contrasts) > 0) > 0.8  # a few are inverted
    assert np.ptp(backgrounds) > 60


def test_backgrounds_differ_and_stay_in_range():
    fields = [film_background(SIZE, np.random.default_rng(seed)) for seed in range(60)]
    assert all(field.dtype == np.float32 and field.max() < 256 for field in fields)
    assert sum(field.mean() < 30 for field in fields) > 15
    assert sum(field.mean() > 40 for field in fields) > 10


@pytest.mark.parametrize("size", [64, 192])
def test_empty_pictures_of_every_kind_can_be_drawn(size):
    spreads = [float(empty_picture(size, np.random.default_rng(seed)).std()) for seed in range(60)]
    assert min(spreads) < 15
    assert max(spreads) > 40


@pytest.mark.parametrize("size", [64, 192])
def test_synthetic_examples_are_squares_with_their_masks(size):
    examples = draw_synthetic(6, size, 5)
    for picture, mask in examples:
        assert picture.shape == mask.shape == (size, size)
        assert picture.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 1}
        assert picture[mask > 0].mean() > picture[mask == 0].mean()
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(examples, draw_synthetic(6, size, 5), strict=True))


def test_examples_depend_on_seed_and_index_alone():
    pools = Pools([cutout(1), cutout(2)], draw_synthetic(2, SIZE, 0), draw_synthetic(3, SIZE, 9))
    one, other = (SegmentationSet(pools, Shares(), SIZE, 30, seed=4) for _ in range(2))
    backwards = [other[index] for index in reversed(range(30))][::-1]
    for index, (picture, mask) in enumerate(backwards):
        assert picture.shape == mask.shape == (1, SIZE, SIZE)
        assert np.array_equal(one[index][0], picture)
        assert np.array_equal(one[index][1], mask)
        assert 0 <= picture.min() <= picture.max() <= 1
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
    longer = SegmentationSet(pools, Shares(), SIZE, 31, seed=4)
    assert np.array_equal(longer[29][0], backwards[29][0])
    with pytest.raises(IndexError):
        one[30]


def test_shares_say_how_often_each_kind_comes():
    pools = Pools([cutout(1)], [], [])
    empty = [
        bool(SegmentationSet(pools, Shares(cutouts=3, empty=1), SIZE, 300, seed=0)[index][1].sum() == 0)
        for index in range(300)
    ]
    assert 0.15 < np.mean(empty) < 0.35
    always = SegmentationSet(pools, Shares(cutouts=1, empty=0), SIZE, 20, seed=0)
    assert all(always[index][1].any() for index in range(20))


def test_cutouts_are_read_with_their_masks_and_keep_their_aspect(tmp_path):
    hand = synthetic_hand(90, "M", 2, (200, 120), label=False)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "7.png"), np.rint(hand.pixels * hand.mask * 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "7.png"), hand.mask * 255)
    ((picture, mask),) = read_cutouts(tmp_path, SIZE)
    assert picture.shape == mask.shape == (SIZE, SIZE)
    assert mask.sum() == pytest.approx(hand.mask.sum() * (SIZE / 200) ** 2, rel=0.03)
    assert picture[cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0].max() < 5
    (tmp_path / "masks" / "7.png").unlink()
    with pytest.raises(TrainingError, match=r"7\.png: no mask"):
        read_cutouts(tmp_path, SIZE)
    with pytest.raises(TrainingError, match="no cut-out hands"):
        read_cutouts(tmp_path / "nowhere", SIZE)


def test_classical_masks_are_right_where_they_are_believed():
    scores = []
    for seed in range(60):
        hand = synthetic_hand(20 + 3 * seed, "F" if seed % 2 else "M", seed, (192, 154), label=False)
        square, fit = letterbox(hand.pixels, 192)
        found = classical_mask(square)
        if found is not None:
            assert found.dtype == np.uint8
            scores.append(overlap(found, fit.apply(hand.mask * np.uint8(255)) > 127))
    assert len(scores) > 30
    assert np.mean(np.array(scores) > 0.8) > 0.9


def test_classical_masks_are_not_believed_where_there_is_no_hand():
    believed = [classical_mask(empty_picture(192, np.random.default_rng(seed))) is not None for seed in range(60)]
    assert np.mean(believed) < 0.15
    assert classical_mask(np.zeros((192, 192), np.uint8)) is None
    assert classical_mask(np.full((192, 192), 200, np.uint8)) is None


def test_classical_masks_are_found_on_real_films(real_films):
    masks = [classical_mask(letterbox(read_radiograph(film).pixels, 192)[0]) for film in real_films]
    assert sum(mask is not None for mask in masks) >= len(masks) / 3
