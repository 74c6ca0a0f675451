"""Which parts of a hand are cut off at the edges of the exposed field.

The mask shows how broad a cut is, and a head of the segmenter measures how much is missing beyond it. The limits for
the mask were set on films of the part `choose`, cut at each side by 0 to 25 % of the length of their hand, those for
the head on 70 films with marked keypoints that did not train it.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.remark import Remark
from .geometry import Box
from .heads import SIDES
from .shape import HandShape, run_lengths

# In widths of the palm. Fingertips: the longest cut at which a film is to be reviewed, and the sum and number of cuts
# from which on they are gone.
TIP, TIPS, GONE_TIPS = 0.095, 0.28, 3
SIDE, GONE_SIDE = 0.11, 1.0  # sums of the cuts at a side above the wrist
FOREARM = 0.85  # of the wrist's depth, below which what leaves the field at a side is the forearm
# In lengths of the hand, what the head says is missing: from where on a film is to be reviewed, and rejected. At a side
# the head says less of what is missing than at the ends
MISSING, GONE, GONE_BESIDE = 0.005, 0.10, 0.075
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
    mask: NDArray[np.bool_],
    square: NDArray[np.uint8],
    field: Box,
    missing: NDArray[np.float32] | None = None,
    *,
    alone: bool = True,
) -> Iterator[tuple[bool, Remark]]:
    """For each part that is cut off: whether so much is missing that the hand cannot be read, and a remark.

    `mask`: of an upright hand, not empty. `square`: the grey levels under it. `field`: what was exposed of its square.
    `missing`: as HandMap's; without it a wrist that is cut off is not noticed. The sides of a hand that is not `alone`
    on its film are not examined: beside it lies the other hand.
    """
    shape = HandShape(mask)
    _, width = shape.palm
    first, last = shape.rows
    hand, greys = mask[field.slices], square[field.slices]
    tips, left, wrist, right = (-1.0,) * SIDES if missing is None else missing.tolist()
    cuts = run_lengths(_cut(hand, greys)) / width
    if len(cuts):
        gone = cuts.sum() >= TIPS or np.count_nonzero(cuts >= TIP / 2) >= GONE_TIPS or tips >= GONE
        if gone or cuts.max() >= TIP or tips >= MISSING:
            yield bool(gone), FINGERTIPS_GONE if gone else FINGERTIPS_CUT
    if alone:
        above = max(round(first + FOREARM * (shape.wrist[1] - first)) - field.y, 1)
        sides = (_cut(hand.T, greys.T), left), (_cut(hand.T[::-1], greys.T[::-1]), right)
        reached = [(np.count_nonzero(side[:above]) / width, amount) for side, amount in sides]
        if any(length >= SIDE or (length and amount >= MISSING) for length, amount in reached):
            gone = any(length >= GONE_SIDE or (length and amount >= GONE_BESIDE) for length, amount in reached)
            yield gone, SIDE_GONE if gone else SIDE_CUT
    if last >= field.y + field.height - 1 - _REACH and wrist >= MISSING:
        yield wrist >= GONE, WRIST_GONE if wrist >= GONE else WRIST_CUT


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
