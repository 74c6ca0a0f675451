"""What reads in the end: some nets, each over some views of a crop, and the mean of what they say, in months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..data.errors import WeightsError
from ..weights.bundle import Header
from ..weights.weights_file import load_weights, save_weights
from .network import BoneAgeNet, build_from, normalise

AVERAGE = "boneage.regressor.AgeReading"  # the architecture of a weights file with several nets or views


class AgeReading(nn.Module):
    """The mean over nets, zooms and mirror images.

    `forward(crops, sexes)`: crops uint8 (n, s, s), s being `crop_size`; sexes float32 (n,), coded as SEX_CODING;
    returns float32 (n,), bone age in months, uncalibrated.
    """

    def __init__(
        self,
        nets: Sequence[BoneAgeNet],
        sizes: Sequence[int],
        zooms: Sequence[float],
        crop_size: int,
        label_mean: float,
        label_sd: float,
    ) -> None:
        """`sizes`: side in pixels of each net's input. `zooms`: how much larger than in the crop each view shows it."""
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.sizes, self.zooms, self.crop_size = tuple(sizes), tuple(zooms), crop_size
        self.label_mean, self.label_sd = label_mean, label_sd
        for size in sorted(set(sizes)):
            for number, zoom in enumerate(zooms):
                matrix = torch.from_numpy(resampling(crop_size, size, zoom))
                self.register_buffer(f"view_{size}_{number}", matrix, persistent=False)

    def forward(self, crops: torch.Tensor, sexes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        grey = crops.float()
        twice = torch.cat([sexes, sexes])
        readings = []
        for net, size in zip(self.nets, self.sizes, strict=True):
            for number in range(len(self.zooms)):
                squares = self._view(grey, size, number)
                readings.append(net(normalise(torch.cat([squares, squares.flip(-1)])), twice))
        mean = torch.stack(readings).mean(0)
        read = crops.shape[0]  # len() would fix the batch in an export
        plain, mirrored = mean[:read], mean[read:]
        return (plain + mirrored) / 2 * self.label_sd + self.label_mean

    def _view(self, grey: torch.Tensor, size: int, number: int) -> torch.Tensor:
        if self.zooms[number] == 1 and size == self.crop_size:
            return grey
        matrix = self.get_buffer(f"view_{size}_{number}")
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


def build_reading(header: Header, state: Mapping[str, torch.Tensor]) -> AgeReading:
    """The reading that a regressor's header describes, with its tensors; of one net as trained, or of several.

    Raises WeightsError when the header lacks the label's scale or the tensors do not fit.
    """
    if header.label_mean is None or header.label_sd is None or header.sex_coding is None:
        raise WeightsError(f"{header.name or 'weights'}: the header lacks label mean, SD or sex coding")
    several = header.architecture == AVERAGE
    alone: dict[str, Any] = {"nets": [{"net": header.arguments, "input_size": header.input_size}]}
    arguments = header.arguments if several else alone
    reading = AgeReading(
        [build_from(net["net"]) for net in arguments["nets"]],
        [net["input_size"] for net in arguments["nets"]],
        arguments.get("zooms", [1.0]),
        header.input_size,
        header.label_mean,
        header.label_sd,
    )
    try:
        reading.load_state_dict(state if several else {f"nets.0.{name}": tensor for name, tensor in state.items()})
    except RuntimeError as error:
        raise WeightsError(f"{header.name or 'weights'}: the tensors do not fit the header's nets ({error})") from error
    return reading.eval()


def average(files: Sequence[str | Path], zooms: Sequence[float], target: str | Path) -> None:
    """Write the mean of trained nets, each over `zooms` and mirror images, as one weights file, still uncalibrated.

    The first file's header says what the nets have in common; crops are as large as the largest net's input. One net
    over the crop as it is stays as it was trained, so that a training can start from it. Raises WeightsError for nets
    of other crops, label scales or sex coding, whose readings have no common mean.
    """
    opened = [load_weights(file, "regressor") for file in files]
    first = opened[0][0]
    if len(opened) == 1 and list(zooms) == [1.0]:
        save_weights(target, *opened[0])
        return
    for file, (header, _) in zip(files, opened, strict=True):
        for name in ("crop_version", "label_mean", "label_sd", "sex_coding"):
            theirs, expected = getattr(header, name), getattr(first, name)
            if theirs != expected:
                raise WeightsError(f"{file}: {name} is {theirs}, expected {expected} as in {files[0]}")
    arguments: dict[str, Any] = {
        "nets": [{"net": dict(header.arguments), "input_size": header.input_size} for header, _ in opened],
        "zooms": list(zooms),
    }
    state = {f"nets.{k}.{name}": tensor for k, (_, part) in enumerate(opened) for name, tensor in part.items()}
    size = max(header.input_size for header, _ in opened)
    save_weights(target, replace(first, architecture=AVERAGE, arguments=arguments, input_size=size), state)
