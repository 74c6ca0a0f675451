"""Which parts of a hand are cut off at the edges of the exposed field.

A film cannot show how much is missing, but it shows how broad the cut is and how far the palm lies from the end of the
mask. The limits were set on 69 films of the part `choose`, cut at each side by 0 to 25 % of the length of their hand;
3 of 295 films that were not cut are beyond one.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.remark import Remark
from .geometry import Box
from .shape import HandShape, run_lengths

# All but those of the wrist in widths of the palm. Fingertips: the longest cut at which a film is to be reviewed, and
# the sum and number of cuts from which on they are gone.
TIP, TIPS, GONE_TIPS = 0.095, 0.28, 3
SIDE, GONE_SIDE = 0.11, 1.0  # sums of the cuts at a side above the wrist
FOREARM = 0.85  # of the wrist's depth, below which what leaves the field at a side is the forearm
# How much deeper the wrist should lie than the mask reaches, as a share of its depth (`HandShape.wrist`): under -0.26
# on 19 of 20 whole films, about -0.22 where the mask ends at the wrist, -0.14 where 15 % of the hand are missing.
WRIST, GONE_WRIST = -0.18, -0.10
_REACH = 1  # pixels from the lower edge of the field at which a mask reaches it
_FADES = 5  # pixels from an edge within which a mask may end though the hand goes on
_NEAR = 14  # pixels from an edge that tell how bright the hand and what lies beside it are there
_APART = cv2.getStructuringElement(cv2.MORPH_RECT, (5, 5))
_BESIDE = cv2.getStructuringElement(cv2.MORPH_RECT, (25, 1))

FINGERTIPS_GONE = Remark("the fingertips are cut off")
WRIST_GONE = Remark("the wrist is cut off")
SIDE_GONE = Remark("one side of the hand is cut off")
FINGERTIPS_CUT = Remark("the fingertips may be cut off: the hand reaches the edge of the film")
WRIST_CUT = Remark("the wrist may be cut off: the hand reaches the edge of the film")
SIDE_CUT = Remark("one side of the hand may be cut off: it reaches the edge of the film")


def cut_off(
    mask: NDArray[np.bool_], square: NDArray[np.uint8], field: Box, *, alone: bool = True
) -> Iterator[tuple[bool, Remark]]:
    """For each part that is cut off: whether so much is missing that the hand cannot be read, and a remark.

    `mask`: of an upright hand, not empty. `square`: the grey levels under it. `field`: what was exposed of its square.
    The sides of a hand that is not `alone` on its film are not examined: beside it lies the other hand.
    """
    shape = HandShape(mask)
    _, width = shape.palm
    first, last = shape.rows
    hand, greys = mask[field.slices], square[field.slices]
    cuts = run_lengths(_cut(hand, greys)) / width
    if cuts.sum() >= TIPS or np.count_nonzero(cuts >= TIP / 2) >= GONE_TIPS:
        yield True, FINGERTIPS_GONE
    elif cuts.max(initial=0) >= TIP:
        yield False, FINGERTIPS_CUT
    if alone:
        above = max(round(first + FOREARM * (shape.wrist[1] - first)) - field.y, 1)
        sides = (_cut(hand.T, greys.T), _cut(hand.T[::-1], greys.T[::-1]))
        longest = max(np.count_nonzero(side[:above]) for side in sides) / width
        if longest >= SIDE:
            yield bool(longest >= GONE_SIDE), SIDE_GONE if longest >= GONE_SIDE else SIDE_CUT
    if last >= field.y + field.height - 1 - _REACH:
        short = (shape.wrist[1] - last) / (shape.wrist[1] - first)
        if short >= WRIST:
            yield short >= GONE_WRIST, WRIST_GONE if short >= GONE_WRIST else WRIST_CUT


def _cut(hand: NDArray[np.bool_], greys: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """In which columns the hand continues beyond the first row of a field.

    A mask may end some pixels before an edge. The hand continues from there to the edge where the film is brighter than
    half way between the hand and what lies beside it.
    """
    near, rows = np.ascontiguousarray(hand[:_NEAR]), hand[: _FADES + 1]
    inside = np.logical_or.accumulate(rows, axis=0)
    reached = np.any(near, axis=0, keepdims=True).view(np.uint8)
    beside = cv2.dilate(reached, _BESIDE) > cv2.dilate(near.view(np.uint8), _APART)
    if not inside[-1].any() or not beside.any():
        return inside[-1]
    level = (np.median(greys[:_NEAR][near]) + np.median(greys[:_NEAR][beside])) / 2
    return inside[-1] & (inside | (greys[: _FADES + 1] > level)).all(axis=0)
