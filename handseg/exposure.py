"""Damage by exposure and compression on a hand: plain white or black parts, bent or too few greys, visible blocks.

The limits of contrast and blocks were set on 599 real films and on copies of 150 of them, twice and half as bright and
as JPEGs of quality 30. No film as it was is beyond one; of the 27 copies that were read more than a year apart from
their film, 26 are. The other limits were set on 495 real films of one cohort, none of which exceeds one; one of 68
hands and one of 77 children's wrists from elsewhere do. Windows that leave over 4.5 % of the hand plain white or black
moved half of 157 readings by over a month.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys, percentiles
from ..data.remark import Remark
from .crop import LEVELS

WHITE = 0.98  # of the contrast, from which on a pixel is plain white
BLACK = 0.02  # of the contrast, up to which a pixel is plain black
BURNT_OUT = 0.035  # share of the hand that is white; at most 0.03 on films as they are
UNDEREXPOSED = 0.06  # share of the hand that is black; 0.010 to 0.034 on films as they are, to 0.053 elsewhere
MIDDLE = (0.15, 0.75)  # of the contrast, where the median of the hand lies; films have 0.22 to 0.69, drawings to 0.73
FEWEST_LEVELS = 16  # 8-bit grey levels that the contrast spans; at least 18 on films as they are
BLOCK = 8  # pixels, a JPEG's
BLOCKY = 0.026  # extra step at a block's edge, as a share of the contrast; at most 0.022 on films as they are
VISIBLE = 4  # pixels of a crop that a block must cover to change a reading
_SAMPLE = 256  # pixels a side that tell grey levels well enough


def spoilt(greys: Greys, mask: NDArray[np.bool_], scale: float) -> Iterator[Remark]:
    """Remarks on damage for which the reading of a hand has to be reviewed; none for most films.

    `greys`: the part of a radiograph around the hand, uint8 or float32 in [0, 1], bone bright. `mask`: which of its
    pixels are hand, bool of the same shape. `scale`: pixels of the crop per pixel of the radiograph.
    """
    step = max(max(mask.shape) // _SAMPLE, 1)
    hand = greys[::step, ::step][mask[::step, ::step]]
    if not hand.size:
        return
    low, half, high = percentiles(hand, (LEVELS[0], 50, LEVELS[1]))
    contrast = float(high - low)
    if contrast <= 0:
        return
    white = float((hand >= low + WHITE * contrast).mean())
    if white > BURNT_OUT:
        yield Remark("the film is too bright: {share:.0%} of the hand is plain white", share=white)
    black = float((hand <= low + BLACK * contrast).mean())
    if black > UNDEREXPOSED:
        yield Remark("{share:.0%} of the hand is plain black", share=black)
    middle = float(half - low) / contrast
    if max(white / BURNT_OUT, black / UNDEREXPOSED) <= 1 and not MIDDLE[0] <= middle <= MIDDLE[1]:
        yield Remark(
            "half of the hand is brighter than {middle:.0%} of its contrast, as on no usual film; a curve may have "
            "bent its grey levels",
            middle=middle,
        )
    if greys.dtype == np.uint8 and contrast < FEWEST_LEVELS:
        yield Remark("the film is too dark: the grey levels of the hand span only {levels:.0f} of 255", levels=contrast)
    elif (levels := _distinct(hand[(hand >= low) & (hand <= high)])) <= FEWEST_LEVELS:
        yield Remark("the hand has only {levels} grey levels", levels=levels)
    if scale * BLOCK >= VISIBLE and _step_between_blocks(greys, mask) > BLOCKY * contrast:
        yield Remark("the picture was compressed too much: the blocks of a JPEG show on the hand")


def _distinct(greys: Greys) -> int:
    """How many values there are, one at least; np.unique would import numpy.ma, a twentieth of a cold start."""
    return 1 + int(np.count_nonzero(np.diff(np.sort(greys, axis=None))))


def _step_between_blocks(greys: Greys, mask: NDArray[np.bool_]) -> float:
    """How much further neighbours differ on either side of a block's edge than elsewhere, in the units of `greys`.

    The mean of both directions. The position of the edges is searched, since the picture may have been cut or rotated.
    """
    steps = []
    for picture, inside in ((greys, mask), (greys.T, mask.T)):
        both = inside[:, 1:] & inside[:, :-1]
        apart = cv2.absdiff(np.ascontiguousarray(picture[:, 1:]), np.ascontiguousarray(picture[:, :-1]))
        place = np.arange(both.shape[1]) % BLOCK
        total = np.bincount(place, (apart * both).sum(axis=0, dtype=np.float64), BLOCK)
        count = np.bincount(place, both.sum(axis=0), BLOCK)
        edge = int(np.argmax(total / np.maximum(count, 1)))
        others = (total.sum() - total[edge]) / max(count.sum() - count[edge], 1)
        steps.append(total[edge] / max(count[edge], 1) - others)
    return float(np.mean(steps))
