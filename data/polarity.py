"""Whether bone is bright on dark, as on a film, or dark on bright, judged from the picture alone.

Four measures of the middle of the picture, each of which changes its sign when the greys are inverted, are weighed
into one number by a logistic regression without intercept; so an upright picture and its inverse always get opposite
answers. The middle is taken because collimator shadows, burnt-in frames and scanner borders, bright or dark, lie
outside it.
"""

from __future__ import annotations

import cv2
import numpy as np

# Chosen before fitting: the middle 70 % of either side, scaled so that its longer side is 90 pixels (a finger is then
# about 7 pixels wide), contrast stretched from the 1st to the 99th percentile.
_MARGIN = 0.15
_SIDE = 90
_STRUCTURE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 25))
_FLATTEST = 0.3
_BLUR = 1.5
_FLAT_RANGE = 1e-3  # below this contrast there is nothing to judge

WEIGHTS = np.array([0.0, 0.0, 0.0, 0.0])


def bone_is_dark(pixels: np.ndarray) -> bool:
    """Tell whether the greys of a radiograph (float, height x width, in [0, 1]) are inverted: bone dark on bright.

    A picture without contrast, or without evidence either way, is left as it is. On anything but a radiograph of a
    limb the answer means nothing.
    """
    return bright_bone_evidence(pixels) < 0


def bright_bone_evidence(pixels: np.ndarray) -> float:
    """Log odds that bone is bright in `pixels` (float, height x width, in [0, 1]); negative where it is dark."""
    return float(measures(pixels) @ WEIGHTS)


def measures(pixels: np.ndarray) -> np.ndarray:
    """Four numbers (float64) that turn their sign with the greys; 0 for a flat picture.

    Outer border (5 % of the shorter side) less centre (middle half), inner border (5 to 15 %) less centre: air is
    around a hand. Grey of the 30 % flattest pixels: air is flat. White top-hat less black top-hat, with an ellipse wider than a
    finger, in standard deviations: how much stands out bright less how much stands out dark.
    """
    height, width = pixels.shape
    top, left = round(_MARGIN * height), round(_MARGIN * width)
    middle = pixels[top : height - top, left : width - left].astype(np.float32)
    scale = _SIDE / max(middle.shape)
    size = [max(16, round(side * scale)) for side in middle.shape]
    small = cv2.resize(middle, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, (1, 99))
    if high - low < _FLAT_RANGE:
        return np.zeros(4)
    greys = np.clip((small - low) / (high - low) * 2 - 1, -1, 1).astype(np.float32)

    height, width = greys.shape
    centre = greys[height // 4 : height - height // 4, width // 4 : width - width // 4].mean()
    from_edge = np.minimum(*np.ogrid[:height, :width])
    from_edge = np.minimum(from_edge, from_edge[::-1, ::-1]) / min(height, width)
    outer, inner = greys[from_edge < 0.05], greys[(from_edge >= 0.05) & (from_edge < 0.15)]
    mean = cv2.GaussianBlur(greys, (0, 0), _BLUR)
    variance = cv2.GaussianBlur(greys * greys, (0, 0), _BLUR) - mean * mean
    flattest = np.argsort(variance, axis=None, kind="stable")[: round(_FLATTEST * variance.size)]
    opened = cv2.morphologyEx(greys, cv2.MORPH_OPEN, _STRUCTURE)
    closed = cv2.morphologyEx(greys, cv2.MORPH_CLOSE, _STRUCTURE)
    standing_out = (greys - opened) - (closed - greys)
    return np.array(
        [
            np.median(outer) - centre,
            np.median(inner) - centre,
            mean.ravel()[flattest].mean(),
            standing_out.mean() / greys.std(),
        ],
        np.float64,
    )
