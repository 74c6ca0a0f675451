"""The one way a square picture changes its size."""

from __future__ import annotations

import cv2
from numpy.typing import NDArray


def resize_square(square: NDArray, size: int) -> NDArray:
    """Resize a square picture (n x n, any real dtype) to `size` a side, by area when it shrinks, else bilinearly."""
    if square.shape[0] == size:
        return square
    how = cv2.INTER_AREA if size < square.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=how)
