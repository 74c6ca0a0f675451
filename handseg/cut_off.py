"""What of a hand is cut off at the edges of the exposed field, from its mask alone, in words.

How much is missing cannot be seen, but how broad the cut is: the limits were set on masks of 420 films with annotated
keypoints, cut by known amounts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..data.remark import Remark
from .geometry import Box
from .shape import HandShape, run_lengths

# All in widths of the palm. Fingertips: the longest cut at which a film is to be reviewed (19 of 20 hands that lack 3 %
# of their length, 1 of 20 that only touch the edge), and the sum and number of cuts from which on they are gone.
TIP, TIPS, GONE_TIPS = 0.10, 0.33, 3
SIDE, GONE_SIDE = 0.18, 1.3  # sums of the cuts at a side above the wrist
FOREARM = 0.85  # of the wrist's depth, below which what leaves the field at a side is the forearm
# Least width below the palm, less how far the mask goes on below it: about -0.24 where the forearm shows, 0.18 where
# 10 % of the length of the hand are missing, 0.48 where 20 % are.
WRIST, GONE_WRIST = 0.22, 0.5
_REACH = 1  # pixels from an edge of the field at which a mask reaches it

FINGERTIPS_GONE = Remark("the fingertips are cut off")
WRIST_GONE = Remark("the wrist is cut off")
SIDE_GONE = Remark("one side of the hand is cut off")
FINGERTIPS_CUT = Remark("the fingertips may be cut off: the hand reaches the edge of the film")
WRIST_CUT = Remark("the wrist may be cut off: the hand reaches the edge of the film")
SIDE_CUT = Remark("one side of the hand may be cut off: it reaches the edge of the film")


def cut_off(mask: NDArray[np.bool_], field: Box, *, alone: bool = True) -> Iterator[tuple[bool, Remark]]:
    """For each part that is cut off, whether so much is gone that the hand cannot be read, and a sentence.

    `mask`: of an upright hand, not empty. `field`: what was exposed of its square. Of one of two hands on a film, which
    is not `alone`, the sides are not looked at: what lies beside it is the other hand.
    """
    shape = HandShape(mask)
    palm, width = shape.palm
    first, last = shape.rows
    if first <= field.y + _REACH:
        cuts = run_lengths(np.any(mask[first : first + _REACH + 1], axis=0)) / width
        if cuts.sum() >= TIPS or np.count_nonzero(cuts >= TIP / 2) >= GONE_TIPS:
            yield True, FINGERTIPS_GONE
        elif cuts.max() >= TIP:
            yield False, FINGERTIPS_CUT
    if alone:
        above = mask[: max(round(first + FOREARM * (shape.wrist[1] - first)), first + 1)]
        cuts = max(float(run_lengths(column).sum()) / width for column in _sides(above, field))
        if cuts >= SIDE:
            yield cuts >= GONE_SIDE, SIDE_GONE if cuts >= GONE_SIDE else SIDE_CUT
    if last >= field.y + field.height - 1 - _REACH:
        score = (shape.narrowest - (last - palm)) / width
        if score >= WRIST:
            yield score >= GONE_WRIST, WRIST_GONE if score >= GONE_WRIST else WRIST_CUT


def _sides(mask: NDArray[np.bool_], field: Box) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pixels of the left and of the right edge of the field a mask reaches."""
    left, right = field.x, field.x + field.width
    return np.any(mask[:, left : left + _REACH], axis=1), np.any(mask[:, right - _REACH : right], axis=1)
