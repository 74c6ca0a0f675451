"""The one function that prepares pixels: training, inference, export and tests all cut their crops here.

Whatever changes a crop's pixels changes CROP_VERSION: it travels in every set of weights, and weights made for
another version are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys, white_of
from .geometry import Box, SquareFit

CROP_VERSION = 1
MARGIN = 0.08  # of the hand box, each side; published comparisons on RSNA's films favour 8 % over 12 %
LEVELS = (1.0, 99.5)  # percentiles of the hand's grey levels that become black and white


@dataclass(frozen=True, eq=False)
class Crop:
    """A prepared square.

    `pixels` is uint8, size x size, 0 where padded; `fit` maps between the square and the original radiograph.
    """

    pixels: NDArray[np.uint8]
    fit: SquareFit


def cut_crop(
    pixels: Greys,
    box: Box,
    size: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    mask_place: Box | None = None,
    margin: float = MARGIN,
    turn: int = 0,
) -> Crop:
    """Cut `box` (original pixels) with its margin out of a radiograph, pad it square, resize once, set grey levels.

    `pixels`: height x width, uint8 or float32 in [0, 1], bone bright. `mask`: the hand, bool, of the whole picture or
    of its part `mask_place`, around which no hand is; its grey levels set black and white, so exposure, markers and
    burnt-in frames do not. Without it the whole crop sets them. The margin is clipped at the picture's edge: padding,
    not invention, fills what was never exposed. `turn`: quarter turns anticlockwise that bring the hand upright; the
    box is that of the picture as it is.
    """
    height, width = pixels.shape
    fit = SquareFit(box.grown(margin).clipped(height, width), size, (height, width), turn)
    square = fit.apply(pixels) / white_of(pixels)
    inside = fit.inside()
    region = inside if mask is None else fit.apply(mask.view(np.uint8), mask_place) >= 0.5
    return Crop(_set_levels(square, region if region.any() else inside, inside), fit)


def _set_levels(square: NDArray[np.float32], region: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Stretch `region`'s grey levels to 0..255 and black out the padding."""
    low, high = np.percentile(square[region], LEVELS)
    stretched = np.clip((square - low) / max(high - low, 1e-6), 0.0, 1.0)
    return np.where(inside, np.rint(stretched * 255), 0).astype(np.uint8)
