"""Ensemble: mean bone age over nets, zooms and mirror images, in months."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..weights.engine import Engine


class Ensemble:
    """The mean over nets, zooms and mirror images; every view counts once.

    `ensemble(crops, sexes)`: crops uint8 (n, s, s), s being `crop_size`; sexes float32 (n,), as the header codes them;
    returns float64 (n,), bone age in months, uncalibrated.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        sizes: Sequence[int],
        zooms: Sequence[Sequence[float]],
        crop_size: int,
        label_mean: float,
        label_sd: float,
    ) -> None:
        """`engines`: each runs a BoneAgeNet. `sizes`: side in pixels of each net's input. `zooms`: of each net's views,
        how much larger they show the hand than the crop does. `label_mean`, `label_sd`: months.
        """
        self.engines = tuple(engines)
        self.crop_size, self.label_mean, self.label_sd = crop_size, label_mean, label_sd
        self._views = [
            (engine, None if (size, zoom) == (crop_size, 1) else resampling(crop_size, size, zoom), zoom)
            for engine, size, of_net in zip(engines, sizes, zooms, strict=True)
            for zoom in of_net
        ]

    def __call__(self, crops: NDArray[np.uint8], sexes: NDArray[np.float32]) -> NDArray[np.float64]:
        """See the class."""
        twice = np.repeat(sexes, 2)
        readings = [
            engine(_mirrored(_resampled(crops, matrix)), twice)[0].reshape(-1, 2) for engine, matrix, _ in self._views
        ]
        return np.asarray(np.mean(readings, (0, 2), np.float64)) * self.label_sd + self.label_mean

    def at_once(self, crops: NDArray[np.uint8], sexes: NDArray[np.float32]) -> NDArray[np.float64]:
        """The mean over one view of each net, the one nearest to the crop; several times as fast as all views."""
        nearest = {id(view[0]): view for view in sorted(self._views, key=lambda view: -abs(view[2] - 1))}
        readings = [engine(_resampled(crops, matrix)[:, None], sexes)[0] for engine, matrix, _ in nearest.values()]
        return np.asarray(np.mean(readings, 0, np.float64)) * self.label_sd + self.label_mean


def _resampled(crops: NDArray[np.uint8], matrix: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Squares as a net takes them: grey levels from -1 to 1."""
    grey = crops.astype(np.float32)
    if matrix is not None:
        grey = np.stack([_product(_product(matrix, square), matrix, cv2.GEMM_2_T) for square in grey])
    return grey / np.float32(127.5) - 1


def _product(one: NDArray[np.float32], other: NDArray[np.float32], flags: int = 0) -> NDArray[np.float32]:
    """A product of matrices by OpenCV: numpy's threads go on spinning for a while, and slow the nets by a third."""
    return np.asarray(cv2.gemm(one, other, 1, None, 0, flags=flags))  # pyright: ignore


def _mirrored(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each square of (n, s, s) followed by its mirror image, (2n, 1, s, s)."""
    return np.stack([squares, squares[..., ::-1]], 1).reshape(-1, 1, *squares.shape[1:])


def resampling(source: int, size: int, zoom: float = 1.0) -> NDArray[np.float32]:
    """The matrix (size, source) that resamples `source` pixels of a line to `size`, enlarged about the middle.

    `M @ square @ M.T` resizes a square: by area where it shrinks, else bilinearly, as `data.resize` does. Where a zoom
    under 1 shows more than the square holds, there is 0, the crop's own padding.
    """
    step = source / (size * zoom)  # pixels of the source for each of the result
    centres = (np.arange(size) + 0.5 - size / 2) * step + source / 2
    pixels = np.arange(source) + 0.5
    if step > 1:
        low, high = centres[:, None] - step / 2, centres[:, None] + step / 2
        shared = np.minimum(high, pixels + 0.5) - np.maximum(low, pixels - 0.5)
        return (np.clip(shared, 0, None) / step).astype(np.float32)
    inside = (centres > 0) & (centres < source)
    nearest = np.clip(centres, 0.5, source - 0.5)  # the outermost pixels reach to the rim
    weights = np.clip(1 - np.abs(nearest[:, None] - pixels), 0, None)
    return (weights * inside[:, None]).astype(np.float32)
