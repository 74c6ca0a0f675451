"""Whether bone is bright on dark, as on a film, or dark on bright, judged from the picture alone.

Four measures of the middle of the picture, each of which changes its sign when the greys are inverted, are weighed
into one number by a logistic regression without intercept; so an upright picture and its inverse always get opposite
answers. The middle is taken because collimator shadows, burnt-in frames and scanner borders, bright or dark, lie
outside it.

The weights were fitted to the RSNA bone age radiographs (Halabi et al., Radiology 2018;290:498-503; short side 299
pixels, bone bright): the 10,101 whose id is not a multiple of 5, each as it is and once more cut by up to 12 %
at every side and set in a frame of black, white or a random grey of up to 22 %; every picture stands for its inverse
too. L2 penalty 1e-4 on the measures scaled to unit root mean square. The four measures were chosen among 24 by forward
selection on 4,000 of the fitted; four were enough on the rest. On the 2,510 radiographs left out, 1 upright one is
called dark (0.04 %) and 2,509 inverted ones are found (99.96 %); in random frames 2 fail (0.08 %). The one that fails
is a small dark field inside a wide bright collimator shadow, as are most of the 8 that fail among those fitted.
"""

from __future__ import annotations

import cv2
import numpy as np

from .greys import Greys, percentiles, white_of
from .resize import area_means

# Set by hand, not fitted: the middle 70 % of either side, scaled so that its longer side is 90 pixels, and contrast
# stretched from the 1st to the 99th percentile; the sizes below are in these pixels.
_MARGIN = 0.15
_SIDE = 90
_STRUCTURE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25))
_FLATTEST = 0.3
_BLUR = 1.5
_FLAT_RANGE = 1e-3  # below this contrast there is nothing to judge

_WEIGHTS = np.array([-1.99, -3.9, -3.94])  # of the measures of `_levels`
_STANDING_OUT = -10.5  # the weight of that of `_standing_out`
# Log odds of the first three measures from which on the fourth, which takes longest, is not asked: over 4,204
# radiographs, each as it is and once more in a random frame, it never changed an answer of three with 4 or more.
_SURE = 6.0


def bone_is_dark(pixels: Greys) -> bool:
    """Tell whether the greys of a radiograph are inverted: bone dark on bright.

    `pixels`: height x width, uint8 or float32 in [0, 1]. A picture without contrast, or without evidence either way,
    is left as it is. On anything but a radiograph of a limb the answer means nothing.
    """
    return bright_bone_evidence(pixels) < 0


def bright_bone_evidence(pixels: Greys) -> float:
    """Log odds that bone is bright (negative: dark), by three measures where they are sure, else by four; 0 if flat."""
    greys = _stretched_middle(pixels)
    if greys is None:
        return 0.0
    evidence = float(_levels(greys) @ _WEIGHTS)
    return evidence if abs(evidence) >= _SURE else evidence + _STANDING_OUT * _standing_out(greys)


def _stretched_middle(pixels: Greys) -> np.ndarray | None:
    """The middle of a picture, small, its greys from -1 to 1 (float32); None for a flat one."""
    height, width = pixels.shape
    top, left = round(_MARGIN * height), round(_MARGIN * width)
    middle = pixels[top : height - top, left : width - left]
    scale = _SIDE / max(middle.shape)
    small = _shrunk(middle, *(max(16, round(side * scale)) for side in middle.shape)) / white_of(pixels)
    low, high = percentiles(small, (1, 99))
    if high - low < _FLAT_RANGE:
        return None
    return np.clip((small - low) / (high - low) * 2 - 1, -1, 1).astype(np.float32)


def _levels(greys: np.ndarray) -> np.ndarray:
    """The first three measures (float64).

    1. Outer border (5 % of the shorter side, median) less centre (the middle half, mean): air is around a hand.
    2. Inner border (5 to 15 %) less centre.
    3. Mean grey of the 30 % flattest pixels: air is flat.
    """
    height, width = greys.shape
    centre = greys[height // 4 : height - height // 4, width // 4 : width - width // 4].mean()
    from_edge = np.minimum(*np.ogrid[:height, :width])
    from_edge = np.minimum(from_edge, from_edge[::-1, ::-1]) / min(height, width)
    outer, inner = greys[from_edge < 0.05], greys[(from_edge >= 0.05) & (from_edge < 0.15)]
    mean = cv2.GaussianBlur(greys, (0, 0), _BLUR)
    variance = cv2.GaussianBlur(greys * greys, (0, 0), _BLUR) - mean * mean
    count = round(_FLATTEST * variance.size)
    flattest = np.argpartition(variance, count, axis=None)[:count]
    borders = [percentiles(border, (50,))[0] - centre for border in (outer, inner)]
    return np.array([*borders, mean.ravel()[flattest].mean()], np.float64)


def _standing_out(greys: np.ndarray) -> float:
    """The fourth: white less black top-hat with a disc wider than a finger, in SDs; negative for most upright hands."""
    opened = cv2.morphologyEx(greys, cv2.MORPH_OPEN, _STRUCTURE)
    closed = cv2.morphologyEx(greys, cv2.MORPH_CLOSE, _STRUCTURE)
    return float(((greys - opened) - (closed - greys)).mean() / greys.std())


def _shrunk(picture: Greys, height: int, width: int) -> np.ndarray:
    """The picture at another size by area, float32; one that is enlarged, on either side, by OpenCV's rule."""
    if height > picture.shape[0] or width > picture.shape[1]:
        return cv2.resize(picture.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    edges = (np.linspace(0, old, new + 1) for old, new in zip(picture.shape, (height, width), strict=True))
    return area_means(picture, *edges)
