from __future__ import annotations

import numpy as np
import pytest

from boneage.data.synthetic import synthetic_hand
from boneage.handseg.shape import HandShape
from boneage.handseg.training import copies
from boneage.handseg.training.copies import Film


@pytest.fixture(scope="module")
def drawn():
    return synthetic_hand(120, "F", 3, (500, 400))


@pytest.fixture(scope="module")
def film(drawn):
    return Film((drawn.pixels * 255).astype(np.uint8), drawn.mask, tuple(drawn.keypoints[0]))


def test_the_wrist_is_found_from_the_mask_alone(drawn, film):
    length = film.hand()[3]
    assert abs(HandShape(drawn.mask).wrist[1] - drawn.keypoints[0, 1]) < 0.15 * length


def test_a_window_with_the_whole_hand_misses_nothing_and_a_cut_one_what_was_cut(film):
    rng = np.random.default_rng(0)
    top, _, right, length = film.hand()
    height, width = film.mask.shape
    for _ in range(20):
        assert copies.missing(film, copies.whole_window(film, rng)).max() <= 0
    cut = copies.missing(film, [top + round(0.2 * length), height, 0, width])
    assert cut[0] == pytest.approx(0.2, abs=0.01)
    assert cut[1:].max() <= 0
    assert copies.missing(film, [0, height, 0, right + 1 - 40])[3] == pytest.approx(40 / length)
    cut = [copies.missing(film, copies.cut_window(film, rng)).max() for _ in range(30)]
    assert max(cut) > 0.2


def test_a_mirrored_window_misses_the_same_on_the_other_side(film):
    _, width = film.mask.shape
    plain, other = copies.missing(film, [0, 500, 100, width]), copies.missing(film.mirrored(), [0, 500, 0, width - 100])
    assert other[3] == pytest.approx(plain[1], abs=1e-6)


def test_a_slanted_film_keeps_all_of_its_hand(film):
    slanted = film.slanted(20, 0)
    assert slanted.mask.sum() == pytest.approx(film.mask.sum(), rel=0.02)
    assert slanted.mask[round(slanted.wrist[1]), round(slanted.wrist[0])] == 1


def test_a_copy_is_a_picture_and_the_same_generator_gives_the_same(film):
    for seed in range(12):
        first, again = (copies.altered(film.picture, np.random.default_rng(seed)) for _ in range(2))
        assert first.dtype == np.uint8
        assert min(first.shape) >= 8
        np.testing.assert_array_equal(first, again)


def test_what_is_made_of_a_film_has_its_outline_but_not_its_bones(film):
    rng = np.random.default_rng(1)
    inside = film.mask > 0
    for change in (copies.photographed, copies.without_bones):
        made = change(film, rng)
        assert made.mask is film.mask
        assert np.corrcoef(made.picture[inside], film.picture[inside])[0, 1] < 0.9


def test_digits_are_taken_away_or_added_where_fingers_lie_apart(film):
    mask = np.zeros((400, 300), np.uint8)
    mask[200:390, 60:240] = 1
    for left in (60, 110, 160, 210):
        mask[20:200, left : left + 30] = 1
    spread = Film(mask * np.uint8(200), mask, (150.0, 380.0))
    changed = [copies.other_digits(spread, np.random.default_rng(seed)) for seed in range(6)]
    widths = {film.picture[60].sum() / 200 for film in changed if film}
    assert min(widths) == pytest.approx(60, abs=8)
    assert max(widths) > 130
    assert (
        copies.other_digits(Film(film.picture, np.ones_like(film.mask), film.wrist), np.random.default_rng(0)) is None
    )
