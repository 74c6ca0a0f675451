from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hands import SIZE, placed, view_of

from boneage.data.radiograph import Radiograph
from boneage.data.remark import Remark, joined
from boneage.data.synthetic import synthetic_hand
from boneage.handseg import content, quality
from boneage.handseg.finder import HandFinder
from boneage.handseg.quality import MIN_SIDE, SURE, UNSURE, Verdict, judge_hand, judge_picture
from boneage.handseg.segmenter import HandMap


def reasons(verdict: Verdict) -> str:
    return joined(verdict.reasons)


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(120, "M", 7, (250, 200))


def test_a_whole_hand_is_ok(hand):
    assert judge_hand(view_of(hand.pixels, hand.mask)) == Verdict("ok", ())


def test_nothing_and_next_to_nothing_are_rejected(hand):
    speck = np.zeros_like(hand.mask)
    speck[100:120, 100:120] = 1
    for mask in (np.zeros_like(hand.mask), speck):
        verdict = judge_hand(view_of(hand.pixels, mask))
        assert verdict.status == "rejected"
        assert "no hand" in reasons(verdict)


def test_doubt_about_the_outline_is_reviewed_and_much_doubt_rejected(hand):
    some, much = (view_of(hand.pixels, hand.mask, certainty) for certainty in ((SURE + UNSURE) / 2, UNSURE - 0.05))
    assert judge_hand(some).status == "review"
    assert "uncertain" in reasons(judge_hand(some))
    assert judge_hand(much).status == "rejected"


def test_a_small_hand_is_reviewed(hand):
    verdict = judge_hand(view_of(*placed(hand, (500, 500), (240, 150), scale=0.7)))
    assert verdict.status == "review"
    assert "under 8%" in reasons(verdict)


def test_what_is_round_has_not_the_shape_of_a_hand():
    rows, columns = np.mgrid[:200, :200]
    mask = np.hypot((columns - 100) / 85, (rows - 100) / 85) < 1
    verdict = judge_hand(view_of(np.where(mask, 0.8, 0.1), mask))
    assert verdict.status == "review"
    assert "shape" in reasons(verdict)


def judged(view: HandMap, whole: float, part: float) -> HandMap:
    """The same with what the head says that the film shows."""
    return replace(view, contents=np.array([whole, part, 1 - whole - part], np.float32))


def test_a_film_is_rejected_for_what_it_seems_to_show_and_reviewed_in_doubt(hand):
    view = view_of(hand.pixels, hand.mask)
    assert judge_hand(judged(view, 0.95, 0.03)).status == "ok"
    assert judge_hand(judged(view, 0.1, 0.8)).status == "rejected"
    assert "part of a hand" in reasons(judge_hand(judged(view, 0.1, 0.8)))
    assert "not look like a radiograph" in reasons(judge_hand(judged(view, 0.1, 0.1)))
    doubt = judge_hand(judged(view, (content.REFUSED + content.SURE) / 2, 0.3))
    assert doubt.status == "review"
    assert "not certain" in reasons(doubt)


def test_a_poor_outline_of_what_surely_is_a_hand_is_reviewed(hand):
    view = view_of(hand.pixels, hand.mask, UNSURE - 0.05)
    assert judge_hand(judged(view, 0.95, 0.03)).status == "review"
    assert judge_hand(judged(view, 0.4, 0.3)).status == "rejected"


def test_the_worst_status_stays_and_reasons_add_up():
    one, two = Remark("one"), Remark("two")
    verdict = Verdict().and_also("rejected", one).and_also("review", two)
    assert verdict == Verdict("rejected", (one, two))
    assert Verdict().and_also("review", one).status == "review"


def test_a_picture_of_a_hand_passes(hand):
    assert judge_picture(hand.pixels, colour=0.0) == Verdict()
    assert judge_picture(hand.pixels * 0.05, colour=0.0) == Verdict()  # a very dark film


@pytest.mark.parametrize(
    ("shape", "level", "colour", "said"),
    [
        ((MIN_SIDE - 1, 300), None, 0.0, f"300 x {MIN_SIDE - 1}"),
        ((100, 900), None, 0.0, "too long"),
        ((300, 200), 0.5, 0.0, "blank"),
        ((300, 200), None, 0.2, "colour"),
    ],
)
def test_what_cannot_be_a_film_of_a_hand_is_rejected(shape, level, colour, said):
    pixels = np.random.default_rng(0).random(shape, np.float32) if level is None else np.full(shape, level, np.float32)
    verdict = judge_picture(pixels, colour)
    assert verdict.status == "rejected"
    assert said in reasons(verdict)


def test_a_blank_film_with_a_little_noise_is_still_blank():
    noise = np.random.default_rng(0).normal(0.3, quality.MIN_CONTRAST / 10, (300, 200))
    assert judge_picture(noise.astype(np.float32), 0.0).status == "rejected"


class Exact:
    """A segmenter that knows the masks, in the order in which it is asked, and how certain it is of each."""

    def __init__(self, *masks, certainties=None):
        self.masks, self.certainties = iter(masks), iter(certainties or [0.99] * len(masks))

    def predict(self, films, rotations=None, boxes=None):
        return [view_of(pixels, next(self.masks), next(self.certainties)) for pixels in films]


def test_a_hand_found_only_at_the_second_look_is_read_with_care(hand):
    finder = HandFinder(Exact(np.zeros_like(hand.mask), hand.mask), 96)  # pyright: ignore
    (found,) = finder.find([Radiograph(hand.pixels, "hand.png")])
    assert found.verdict.status == "review"
    assert "only after evening out the exposure" in reasons(found.verdict)
    assert found.mask is not None
    assert found.crop is not None


def test_a_doubt_about_the_file_makes_a_good_hand_one_to_review(hand):
    finder = HandFinder(Exact(hand.mask), 96)  # pyright: ignore
    (found,) = finder.find([Radiograph(hand.pixels, "hand.dcm", doubts=(Remark("bone looks dark"),))])
    assert found.verdict == Verdict("review", (Remark("bone looks dark"),))


def test_an_outline_that_stays_uncertain_is_rejected(hand):
    finder = HandFinder(Exact(hand.mask, hand.mask, certainties=[0.3, 0.3]), 96)  # pyright: ignore
    (found,) = finder.find([Radiograph(hand.pixels, "hand.png")])
    assert found.verdict.status == "rejected"
    assert "uncertain" in reasons(found.verdict)
    assert found.crop is None


def test_the_finder_answers_in_order_and_crops_only_what_is_not_rejected(hand):
    blank = Radiograph(np.zeros((200, 200), np.float32), "blank.png")
    film = Radiograph(hand.pixels, "hand.png")
    nowhere = np.zeros_like(hand.mask)
    finder = HandFinder(Exact(hand.mask, nowhere, hand.mask, nowhere), 96)  # pyright: ignore
    first, none, nothing, last = finder.find([film, blank, film, film])
    assert [h.verdict.status for h in (first, none, nothing, last)] == ["ok", "rejected", "rejected", "ok"]
    assert none.crop is None
    assert nothing.crop is None
    assert first.crop is not None
    assert first.crop.pixels.shape == (96, 96)
    assert first.mask is not None
    overlap = (first.mask & (hand.mask > 0)).sum() / (first.mask | (hand.mask > 0)).sum()
    assert overlap > 0.95
    rows, columns = np.nonzero(hand.mask)
    exact = np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1])
    assert first.box is not None
    assert np.abs(np.array(first.box.as_tuple()) - exact).max() <= 2 * 250 / SIZE


def test_the_finder_takes_films_that_are_all_rejected():
    finder = HandFinder(Exact([]), 96)  # pyright: ignore
    assert finder.find([]) == []
    assert finder.find([Radiograph(np.zeros((200, 200), np.float32), "blank.png")])[0].verdict.status == "rejected"


def test_mask_and_box_of_the_largest_part_come_back_in_original_pixels(hand):
    mask = np.zeros((300, 220), bool)
    mask[60:200, 40:120] = True
    mask[250:280, 150:200] = True
    view = view_of(np.where(mask, 0.8, 0.1), mask)
    assert len(view.components) == 2
    assert view.box is not None
    assert np.abs(np.array(view.box.as_tuple()) - (40, 60, 80, 140)).max() <= 1
    found = view.mask
    assert found.shape == mask.shape
    assert not found[240:].any()
    assert (found[60:200, 40:120].mean()) > 0.97
    nothing = view_of(np.where(mask, 0.8, 0.1), np.zeros_like(mask))
    assert nothing.box is None
    assert not nothing.mask.any()
