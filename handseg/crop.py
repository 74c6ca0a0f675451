"""The one function that prepares pixels: training, inference, export and tests all cut their crops here.

Whatever changes a crop's pixels changes CROP_VERSION, which weights state; those for another version are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.greys import Greys, white_of
from .geometry import Box, SquareFit

CROP_VERSION = 2
MARGIN = 0.08  # of the hand box, each side; published comparisons on RSNA's films favour 8 % over 12 %
LEVELS = (1.0, 99.5)  # percentiles of grey levels that become black and white, here and wherever contrast is measured
RAMP = 0.1  # of probability about one half, over which a pixel comes to count as hand
STEPS = 4096  # of the greys' range, within which percentiles are interpolated

Likeliness = Callable[[SquareFit], NDArray[np.float32]]  # how likely the pixels of a square are hand, size x size


@dataclass(frozen=True, eq=False)
class Crop:
    """A prepared square.

    `pixels` is uint8, size x size, 0 where padded; `fit` maps between the square and the original radiograph. `levels`:
    the greys of the radiograph, in [0, 1], that became black and white.
    """

    pixels: NDArray[np.uint8]
    fit: SquareFit
    levels: tuple[float, float]


def cut_crop(
    pixels: Greys, box: Box, size: int, *, hand: Likeliness | None = None, margin: float = MARGIN, rotation: int = 0
) -> Crop:
    """Cut `box` (original pixels) with its margin out of a radiograph, pad it square, resize once, set grey levels.

    `pixels`: height x width, uint8 or float32 in [0, 1], bone bright. `hand`: how likely each pixel of the square is
    hand, 0 to 1; the hand's grey levels set black and white, so exposure, markers and burnt-in frames do not. Without
    it, or where nothing is hand, the whole crop sets them. The margin is clipped at the picture's edge: padding, not
    invention, fills what was never exposed. `rotation`: quarter turns anticlockwise that bring the hand upright; the
    box is that of the picture as it is.
    """
    height, width = pixels.shape
    fit = SquareFit(box.grown(margin).clipped(height, width), size, (height, width), rotation)
    square, inside = fit.apply(pixels), fit.inside()
    square /= white_of(pixels)
    counts = inside if hand is None else inside * np.clip((hand(fit) - 0.5) / RAMP + 0.5, 0, 1)
    counts = counts if counts.any() else inside
    levels = _percentiles(square[counts > 0], counts[counts > 0])
    low, high = levels.tolist()
    return Crop((between(square, levels) * inside).astype(np.uint8), fit, (low, high))


def between(greys: NDArray[np.float32], levels: ArrayLike) -> NDArray[np.float32]:
    """Greys stretched so that the lower of two levels becomes 0 and the upper 255, in whole numbers."""
    low, high = np.asarray(levels, np.float32)
    stretched = np.clip((greys - low) * np.float32(255 / max(high - low, 1e-6)), 0, 255)
    return np.rint(stretched, out=stretched)


def _percentiles(greys: NDArray[np.float32], counts: NDArray) -> NDArray[np.float32]:
    """Weighted percentiles LEVELS, interpolated in a histogram of STEPS bins; `counts`: weight of each grey, 0 to 1.

    The weights are soft: with a hard mask, a probability that crosses 0.5 in its last digit would shift the whole crop
    by a grey level. NumPy's weighted percentiles sort, which takes longer, and do not interpolate.
    """
    least, most = float(greys.min()), float(greys.max())
    if least == most:
        return np.array([least, most], np.float32)
    steps = ((greys - least) * ((STEPS - 1) / (most - least))).astype(np.intp)
    below = np.concatenate([[0.0], np.cumsum(np.bincount(steps, counts, STEPS))])
    at = np.interp(np.array(LEVELS) / 100 * below[-1], below, np.arange(STEPS + 1))
    return (least + at * ((most - least) / (STEPS - 1))).astype(np.float32)
