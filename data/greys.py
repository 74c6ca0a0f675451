"""Decoded samples of any depth, grey or colour, to greys between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Greys = NDArray[np.uint8 | np.float32]  # 8 bits with white 255, or float32 with white 1


def white_of(pixels: Greys) -> float:
    """The value that is white: 255 in a picture of 8 bits, else 1."""
    return 255.0 if pixels.dtype == np.uint8 else 1.0


def inverted(pixels: Greys) -> Greys:
    """The greys with black and white exchanged, in the same units."""
    return 255 - pixels if pixels.dtype == np.uint8 else 1 - pixels


def percentiles(greys: NDArray, of: Sequence[float]) -> NDArray[np.float64]:
    """Percentiles (0 to 100) of greys as np.percentile interpolates them; sorting takes a fifth of its time."""
    ordered = np.sort(greys, axis=None, kind="stable" if greys.dtype == np.uint8 else "quicksort")
    places = np.asarray(of, np.float64) * ((len(ordered) - 1) / 100)
    below = places.astype(np.intp)
    low, high = (ordered[k].astype(np.float64) for k in (below, np.minimum(below + 1, len(ordered) - 1)))
    return low + (high - low) * (places - below)


def stretch(values: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
    """Map the lowest value to 0 and the highest to 1, and return float32 of the same shape; a flat picture gives 0.

    Depths above 8 bits are scaled so, by the range that the picture uses: 12 bits stored in 16 would be nearly black
    if 65,535 were white. `used` (boolean, same shape) leaves out padding, which is clipped to the range.
    """
    counted = values if used is None else values[used]
    if counted.size == 0:
        return np.zeros(values.shape, np.float32)
    low, high = float(counted.min()), float(counted.max())
    if low == high:
        return np.zeros(values.shape, np.float32)
    # float32 holds every whole number of 16 bits, and half the bytes are twice as fast
    exact = np.float32 if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 else np.float64
    greys = np.subtract(values, low, dtype=exact)
    greys /= high - low
    if used is not None:
        np.clip(greys, 0, 1, out=greys)
    return greys.astype(np.float32, copy=False)


def grey_of_colour(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """Turn uint8 or uint16 RGB (height x width x 3) into greys of the same depth and its mean warmth in [0, 1].

    Grey is the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), exact where the channels are equal. Warmth is by how
    much red or green exceeds blue, as a share of the full range, averaged over the pixels: next to nothing in a film
    and in one tinted blue or violet, as film bases and screens are, but not in a photograph.
    """
    red, green, blue = cv2.split(rgb)
    warmth = cv2.subtract(cv2.max(red, green), blue)  # 0 where blue is largest
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.mean(warmth)[0] / float(np.iinfo(rgb.dtype).max)
