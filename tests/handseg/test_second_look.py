"""The second look at films of which the segmenter's own head is unsure."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from boneage.handseg.second_look import UNSURE, SecondLook, together
from boneage.handseg.segmenter import HandSegmenter


def contents(*whole: float) -> np.ndarray:
    """What a head says of films that are whole hands with these probabilities."""
    return np.array([[p, (1 - p) / 4, 3 * (1 - p) / 4] for p in whole], np.float32)


class Eye:
    """An engine that says how likely a whole hand is, and keeps what it is shown."""

    def __init__(self, whole: float) -> None:
        self.whole, self.opened, self.seen = whole, 0, []

    def open(self):
        self.opened += 1
        return self

    def __call__(self, *arrays):
        self.seen.append(arrays)
        return (contents(*[self.whole] * len(arrays[0])),)


SQUARES = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
HANDS = np.random.default_rng(0).random(SQUARES.shape, np.float32)


def test_films_that_are_clear_are_looked_at_once_and_no_second_net_is_opened():
    eye, clear = Eye(0.5), contents(UNSURE[0] / 2, (1 + UNSURE[1]) / 2, UNSURE[1])
    assert SecondLook(eye.open)(SQUARES, HANDS, clear) is clear
    assert not eye.opened


def test_the_second_net_sees_the_films_that_are_unsure_and_corrects_these():
    eye, first = Eye(0.25), contents(0.99, 0.5, 0.001)
    look = SecondLook(eye.open)
    for _ in range(2):
        np.testing.assert_array_equal(look(SQUARES, HANDS, first)[[0, 2]], first[[0, 2]])
    np.testing.assert_allclose(look(SQUARES, HANDS, first)[1], together(contents(0.5), contents(0.25))[0])
    assert (eye.opened, len(eye.seen)) == (1, 3)
    np.testing.assert_array_equal(eye.seen[0][0], SQUARES[1:2])
    np.testing.assert_array_equal(eye.seen[0][1], HANDS[1:2])


def test_threads_that_read_films_at_once_open_one_second_net():
    class Slow(Eye):
        def open(self):
            time.sleep(0.1)  # as a net takes, so that the others come meanwhile
            return super().open()

    eye = Slow(0.25)
    look = SecondLook(eye.open)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: look(SQUARES, HANDS, contents(0.99, 0.5, 0.001)), range(4)))
    assert (eye.opened, len(eye.seen)) == (1, 4)


def test_both_nets_count_alike():
    both = together(contents(0.9, 0.3), contents(0.1, 0.3))
    np.testing.assert_allclose(both[0], together(contents(0.1), contents(0.9))[0])
    np.testing.assert_allclose(both[1], contents(0.3)[0], rtol=1e-6)
    np.testing.assert_allclose(both.sum(1), 1, rtol=1e-6)
    assert both[0, 0] == pytest.approx(0.5, abs=0.05)


def test_a_map_says_what_both_nets_say():
    mask = np.ones((1, 8, 8), np.float32)
    segmenter = HandSegmenter(
        lambda *_: (mask, np.ones(1, np.float32), contents(0.6)), 8, ("contents",), SecondLook(Eye(0.01).open)
    )
    (view,) = segmenter.predict([np.zeros((8, 8), np.uint8)])
    assert view.contents is not None
    np.testing.assert_allclose(view.contents, together(contents(0.6), contents(0.01))[0])
