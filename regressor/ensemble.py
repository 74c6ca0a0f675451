"""Ensemble: mean bone age over nets, zooms and mirror images, in months."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..weights.bundle import RegressorFile
from ..weights.weights_file import load_net
from .common import common_header
from .network import BoneAgeNet, build_from, normalise


class Ensemble(nn.Module):
    """The mean over nets, zooms and mirror images; every view counts once.

    `forward(crops, sexes)`: crops uint8 (n, s, s), s being `crop_size`; sexes float32 (n,), coded as SEX_CODING;
    returns float32 (n,), bone age in months, uncalibrated.
    """

    def __init__(
        self,
        nets: Sequence[BoneAgeNet],
        sizes: Sequence[int],
        zooms: Sequence[Sequence[float]],
        crop_size: int,
        label_mean: float,
        label_sd: float,
    ) -> None:
        """`sizes`: side in pixels of each net's input. `zooms`: of each net's views, how much larger they show the hand
        than the crop does.
        """
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.sizes, self.zooms, self.crop_size = tuple(sizes), tuple(map(tuple, zooms)), crop_size
        self.label_mean, self.label_sd = label_mean, label_sd
        self._views: dict[tuple[int, float], str] = {}  # size and zoom -> name of the buffer with their matrix
        for size, of_net in zip(self.sizes, self.zooms, strict=True):
            for zoom in of_net:
                if (size, zoom) not in self._views and (size, zoom) != (crop_size, 1):
                    self._views[size, zoom] = f"view_{len(self._views)}"
                    matrix = torch.from_numpy(resampling(crop_size, size, zoom))
                    self.register_buffer(self._views[size, zoom], matrix, persistent=False)

    def forward(self, crops: torch.Tensor, sexes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        grey = crops.float()
        twice = torch.cat([sexes, sexes])
        readings = []
        for net, size, zooms in zip(self.nets, self.sizes, self.zooms, strict=True):
            for zoom in zooms:
                squares = self._view(grey, size, zoom)
                readings.append(net(normalise(torch.cat([squares, squares.flip(-1)])), twice))
        mean = torch.stack(readings).mean(0)
        read = crops.shape[0]  # len() would fix the batch in an export
        plain, mirrored = mean[:read], mean[read:]
        return (plain + mirrored) / 2 * self.label_sd + self.label_mean

    def _view(self, grey: torch.Tensor, size: int, zoom: float) -> torch.Tensor:
        if (size, zoom) not in self._views:
            return grey
        matrix = self.get_buffer(self._views[size, zoom])
        return matrix @ grey @ matrix.T


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


def build_ensemble(nets: Sequence[RegressorFile]) -> Ensemble:
    """Load the nets of a bundle. Crops are as large as the largest net's input.

    Raises WeightsError for files that are damaged, whose tensors do not fit, or whose readings have no common mean.
    """
    loaded = [load_net(net.path, "regressor", build_from) for net in nets]
    common = common_header(nets)
    assert common.label_mean is not None
    assert common.label_sd is not None
    ensemble = Ensemble(
        [net for _, net in loaded],
        [header.input_size for header, _ in loaded],
        [net.zooms for net in nets],
        common.input_size,
        common.label_mean,
        common.label_sd,
    )
    return ensemble.eval()
