"""Read bone age from crops with trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.errors import WeightsError
from ..data.resize import resize_square
from ..data.sex import Sex
from ..weights.bundle import Header, load_weights
from .calibration import Calibration
from .evidence import evidence_map
from .reading import AgeReading, build_reading


class BoneAgeReader:
    """Trained nets with their header and calibration."""

    def __init__(self, reading: AgeReading, header: Header) -> None:
        """`header` says input size, sex coding and calibration."""
        self.reading = reading.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.header = header
        self.calibration = Calibration.from_dict(header.calibration) if header.calibration else None

    @classmethod
    def load(cls, path: str | Path, crop_version: int, device: str | torch.device = "cpu") -> BoneAgeReader:
        """From a weights file; WeightsError when it is damaged or was made for another crop than `crop_version`."""
        header, state = load_weights(path, "regressor")
        if header.crop_version != crop_version:
            raise WeightsError(
                f"{path}: made for crop version {header.crop_version}, this program cuts version {crop_version}; "
                "install the matching version or train again"
            )
        return cls(build_reading(header, state).to(device), header)

    @property
    def input_size(self) -> int:
        """Side of the square crops in pixels; crops of another size are resized."""
        return self.header.input_size

    @torch.inference_mode()
    def raw_months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Uncalibrated bone age in months, float64 (n,): the mean over nets, zooms and mirror images."""
        assert self.header.sex_coding is not None
        device = next(self.reading.parameters()).device
        squares = np.stack([resize_square(np.asarray(crop), self.input_size) for crop in crops])
        coded = torch.tensor([self.header.sex_coding[sex] for sex in sexes], device=device)
        return self.reading(torch.from_numpy(squares).to(device), coded).float().cpu().numpy().astype(np.float64)

    def months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Bone age in months, float64 (n,), bias-corrected where the weights carry a calibration, at least 0."""
        raw = self.raw_months(crops, sexes)
        return np.maximum(self.calibration.corrected(raw) if self.calibration else raw, 0.0)

    def interval_90(self, months: float, sex: Sex) -> tuple[float, float] | None:
        """The 90 % interval around a reading, in months; None where the weights carry no calibration."""
        return self.calibration.interval(months, sex) if self.calibration else None

    def evidence(self, crop: NDArray[np.uint8], sex: Sex) -> NDArray[np.float32]:
        """Where on a crop its reading comes from: float32 in [0, 1], of the crop's shape (`evidence_map`)."""
        assert self.header.sex_coding is not None
        nets, sizes = self.reading.nets, self.reading.sizes
        return evidence_map(nets, np.asarray(crop), self.header.sex_coding[sex], sizes)  # pyright: ignore
