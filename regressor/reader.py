"""Read bone age from crops with trained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..data.errors import WeightsError
from ..data.resize import resize_square
from ..data.sex import Sex
from ..weights.bundle import Header
from ..weights.engine import Backend, Engine, Model, open_engine
from .calibration import Calibration

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .ensemble import AgeReading


class BoneAgeReader:
    """Trained nets on an engine, with their header and calibration."""

    def __init__(self, engine: Engine, header: Header) -> None:
        """`engine`: runs an AgeReading. `header` says input size, sex coding and calibration."""
        self.engine, self.header = engine, header
        self.calibration = Calibration.from_dict(header.calibration) if header.calibration else None

    @classmethod
    def load(cls, path: str | Path, crop_version: int, backend: Backend = Backend()) -> BoneAgeReader:
        """From a weights file; WeightsError when it is damaged or was made for another crop than `crop_version`."""
        header, engine = open_engine(path, REGRESSOR, backend)
        if header.crop_version != crop_version:
            raise WeightsError(
                f"{path}: made for crop version {header.crop_version}, this program cuts version {crop_version}; "
                "install the matching version or train again"
            )
        return cls(engine, header)

    @property
    def reading(self) -> AgeReading:
        """The module with the nets; loading it takes torch, whatever the engine."""
        return cast("AgeReading", self.engine.module)

    @property
    def input_size(self) -> int:
        """Side of the square crops in pixels; crops of another size are resized."""
        return self.header.input_size

    def raw_months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Uncalibrated bone age in months, float64 (n,): the mean over nets, zooms and mirror images."""
        assert self.header.sex_coding is not None
        squares = np.stack([resize_square(np.asarray(crop), self.input_size) for crop in crops])
        coded = np.array([self.header.sex_coding[sex] for sex in sexes], np.float32)
        return self.engine(squares, coded)[0].astype(np.float64)

    def months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Bone age in months, float64 (n,), bias-corrected where the weights carry a calibration, at least 0."""
        raw = self.raw_months(crops, sexes)
        return np.maximum(self.calibration.corrected(raw) if self.calibration else raw, 0.0)

    def interval_90(self, months: float, sex: Sex) -> tuple[float, float] | None:
        """The 90 % interval around a reading, in months; None where the weights carry no calibration."""
        return self.calibration.interval(months, sex) if self.calibration else None

    def evidence(self, crop: NDArray[np.uint8], sex: Sex) -> NDArray[np.float32]:
        """Where on a crop its reading comes from: float32 in [0, 1], of the crop's shape (`evidence_map`)."""
        from .evidence import evidence_map

        assert self.header.sex_coding is not None
        nets, sizes = self.reading.nets, self.reading.sizes
        return evidence_map(nets, np.asarray(crop), self.header.sex_coding[sex], sizes)  # pyright: ignore


def _build(header: Header, state: Mapping[str, torch.Tensor]) -> nn.Module:
    from .ensemble import build_reading

    return build_reading(header, state)


def _inputs(header: Header) -> dict[str, NDArray[Any]]:
    size = (2, header.input_size, header.input_size)
    return {
        "crops": np.random.default_rng(0).integers(0, 256, size, np.uint8),
        "sexes": np.array([-1, 1], np.float32),
    }


REGRESSOR = Model(
    "regressor", _build, _inputs, tuple(Path(__file__).with_name(code) for code in ("network.py", "ensemble.py"))
)
