"""The whole radiograph as the segmenter's input: padded square, resized once, grey levels stretched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys, percentiles, white_of
from .crop import LEVELS
from .geometry import Box, SquareFit, whole_frame


def letterbox(
    pixels: Greys, size: int, rotation: int = 0, box: Box | None = None
) -> tuple[NDArray[np.uint8], SquareFit]:
    """A radiograph (height x width, uint8 or float32 in [0, 1]) as a uint8 square of `size`, with the way back.

    `rotation`: quarter turns anticlockwise that bring the hand upright. `box`: the part to show, all by default.
    Padding is 0. A picture of one grey level stays as it is: there is nothing to stretch.
    """
    height, width = pixels.shape
    fit = SquareFit(box or whole_frame(height, width), size, (height, width), rotation)
    square, inside = fit.apply(pixels), fit.inside()
    square /= white_of(pixels)
    low, high = percentiles(square[inside], LEVELS).tolist()
    if high - low > 1e-4:
        square = (square - low) / (high - low)
    return (np.rint(np.clip(square, 0, 1) * 255) * inside).astype(np.uint8), fit


def even_exposure(pixels: Greys) -> NDArray[np.float32]:
    """A radiograph whose exposed field alone is stretched to [0, 1]: for a bright field tilted on a black frame.

    Exposed is what is brighter than a tenth of the film's brightest parts.
    """
    greys = pixels / np.float32(white_of(pixels))
    exposed = greys > max(0.05, 0.1 * percentiles(greys, LEVELS)[1])
    if not exposed.any():
        return greys
    low, high = percentiles(greys[exposed], (5.0, LEVELS[1]))
    return np.clip((greys - low) / max(high - low, 1e-4), 0.0, 1.0).astype(np.float32)
