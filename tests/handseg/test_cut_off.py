from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from boneage.data.synthetic import SyntheticHand, synthetic_hand
from boneage.handseg import cut_off
from boneage.handseg.geometry import Box

SIDES = "fingertips", "left", "wrist", "right"


@pytest.fixture(scope="module", params=[3, 7, 11])
def hand(request):
    return synthetic_hand(120, "F", request.param, (480, 384))


def found(hand: SyntheticHand, top=0, bottom=480, left=0, right=384, *, missing=None, alone=True):
    """The remarks about the part of a film between four lines. `missing`: by side, -0.2 where it is not named."""
    mask = hand.mask[top:bottom, left:right].astype(bool)
    amounts = None if missing is None else np.array([missing.get(side, -0.2) for side in SIDES], np.float32)
    return list(cut_off.cut_off(mask, mask * np.uint8(200), Box(0, 0, *mask.shape[::-1]), amounts, alone=alone))


def ends(hand: SyntheticHand) -> tuple[int, int, int, float]:
    """Top, left and right end above the wrist, and the length of the hand."""
    above = hand.mask[: round(hand.keypoints[0, 1])]
    columns, top = np.flatnonzero(above.any(axis=0)), int(np.flatnonzero(above.any(axis=1))[0])
    return top, int(columns[0]), int(columns[-1]), hand.keypoints[0, 1] - top


def test_a_whole_hand_lacks_nothing_though_its_forearm_leaves_the_film(hand):
    assert hand.mask[-1].any()
    assert found(hand) == []


def test_fingertips_that_are_gone_are_told_from_one_that_may_be(hand):
    top, _, _, length = ends(hand)
    assert found(hand, top=max(top - 5, 0)) == []
    assert (False, cut_off.FINGERTIPS_CUT) in found(hand, top=top + round(0.035 * length)) or found(
        hand, top=top + round(0.035 * length)
    ) == [(True, cut_off.FINGERTIPS_GONE)]
    assert (True, cut_off.FINGERTIPS_GONE) in found(hand, top=top + round(0.18 * length))


def test_a_side_that_is_cut_is_said_but_not_where_the_other_hand_lies(hand):
    _, left, right, length = ends(hand)
    both: tuple[dict[str, Any], ...] = {"left": left + round(0.12 * length)}, {"right": right - round(0.12 * length)}
    for edges in both:
        assert any(reason in (cut_off.SIDE_CUT, cut_off.SIDE_GONE) for _, reason in found(hand, **edges))
        assert found(hand, **edges, alone=False) == []


@pytest.mark.parametrize(
    ("amount", "remarks"),
    [
        (-0.05, []),
        (0.05, [(False, cut_off.WRIST_CUT)]),
        (0.2, [(True, cut_off.WRIST_GONE)]),
    ],
)
def test_a_wrist_is_judged_by_what_the_head_says_is_missing_where_the_hand_reaches_the_edge(hand, amount, remarks):
    wrist = round(hand.keypoints[0, 1])
    assert found(hand, bottom=wrist, missing={"wrist": amount}) == remarks
    mask = np.pad(hand.mask[:wrist].astype(bool), ((0, 20), (0, 0)))
    amounts = np.array([-0.2, -0.2, amount, -0.2], np.float32)
    assert list(cut_off.cut_off(mask, mask * np.uint8(200), Box(0, 0, *mask.shape[::-1]), amounts)) == []


@pytest.mark.parametrize(
    ("side", "edge", "gone"),
    [
        ("fingertips", "top", cut_off.FINGERTIPS_GONE),
        ("left", "left", cut_off.SIDE_GONE),
        ("right", "right", cut_off.SIDE_GONE),
    ],
)
def test_a_narrow_cut_with_much_missing_beyond_it_is_rejected(hand, side, edge, gone):
    top, left, right, _ = ends(hand)
    at = {"top": top, "left": left, "right": right + 1}[edge] + (-3 if edge == "right" else 3)
    cut: dict[str, Any] = {edge: at}
    assert (True, gone) not in found(hand, **cut, missing={side: 0.01})
    assert found(hand, **cut, missing={side: 0.15}) == [(True, gone)]
    assert found(hand, missing={side: 0.15}) == [], "a hand within the film lacks nothing"


def test_a_mask_that_fades_before_an_edge_is_cut_there_if_the_hand_goes_on(hand):
    top, _, _, length = ends(hand)
    mask = hand.mask[top + round(0.18 * length) :].astype(bool)
    greys, faded = mask * np.uint8(200), mask.copy()
    faded[:4] = False
    field = Box(0, 0, *mask.shape[::-1])
    assert (True, cut_off.FINGERTIPS_GONE) in list(cut_off.cut_off(faded, greys, field))
    greys[:4] = 0
    assert list(cut_off.cut_off(faded, greys, field)) == []
