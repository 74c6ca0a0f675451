"""Read bone age from crops with trained weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import WeightsError
from ..data.resize import resize_square
from ..data.sex import Sex
from ..weights.backend import Backend
from ..weights.bundle import RegressorFile
from ..weights.engine import Engine, NetSpec
from ..weights.header import Header
from .calibration import Calibration
from .common import common_header

if TYPE_CHECKING:
    from .ensemble import Ensemble


class BoneAgeReader:
    """The regressors of a bundle on an engine, with their calibration."""

    def __init__(
        self,
        engine: Engine,
        nets: Sequence[RegressorFile],
        header: Header,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        """`engine`: runs the Ensemble of `nets`. `header`: what they have in common (`common_header`). `device`: where
        gradients are computed.
        """
        self.engine, self.nets, self.header, self.calibration = engine, tuple(nets), header, calibration
        self.device = device

    @classmethod
    def load(
        cls,
        nets: Sequence[RegressorFile],
        crop_version: int,
        backend: Backend = Backend(),
        calibration: Mapping[str, Any] | None = None,
    ) -> BoneAgeReader:
        """From the regressors of a bundle, and its calibration.

        Raises WeightsError for files that are damaged, made for another crop than `crop_version`, or whose readings
        have no common mean.
        """
        header = common_header(nets)
        if header.crop_version != crop_version:
            raise WeightsError(
                f"{nets[0].path}: made for crop version {header.crop_version}, this program cuts version "
                f"{crop_version}; install the matching version or train again"
            )
        fitted = Calibration.from_dict(calibration) if calibration else None
        return cls(backend.open(regressor_spec(nets, header)), nets, header, fitted, backend.device)

    @property
    def input_size(self) -> int:
        """Side of the square crops in pixels; crops of another size are resized."""
        return self.header.input_size

    def raw_months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Uncalibrated bone age in months, float64 (n,): the mean over nets, zooms and mirror images."""
        squares = np.stack([resize_square(np.asarray(crop), self.input_size) for crop in crops])
        return self.engine(squares, np.array([self._coded(sex) for sex in sexes], np.float32))[0].astype(np.float64)

    def months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Bone age in months, float64 (n,), bias-corrected where the weights carry a calibration, at least 0."""
        raw = self.raw_months(crops, sexes)
        return np.maximum(self.calibration.corrected(raw) if self.calibration else raw, 0.0)

    def interval_90(self, months: float, sex: Sex) -> tuple[float, float] | None:
        """The 90 % interval around a reading, in months; None where the weights carry no calibration."""
        return self.calibration.interval(months, sex) if self.calibration else None

    def evidence(self, crop: NDArray[np.uint8], sex: Sex) -> NDArray[np.float32]:
        """Where on a crop its reading comes from: float32 in [0, 1], of the crop's shape (`evidence_map`).

        It takes gradients, and so loads the nets with torch, whatever the engine.
        """
        from .evidence import evidence_map

        ensemble = self._ensemble
        return evidence_map(ensemble.nets, np.asarray(crop), self._coded(sex), ensemble.sizes)  # pyright: ignore

    @cached_property
    def _ensemble(self) -> Ensemble:
        return _build(self.nets).to(self.device)

    def _coded(self, sex: Sex) -> float:
        assert self.header.sex_coding is not None
        return self.header.sex_coding[sex]


def regressor_spec(nets: Sequence[RegressorFile], header: Header) -> NetSpec:
    """How an engine runs the Ensemble of some nets; `header`: their common header."""
    made_of = json.dumps([(net.sha256, net.zooms) for net in nets])
    digest = hashlib.sha256(made_of.encode()).hexdigest()
    return NetSpec("regressor", nets, digest, partial(_build, nets), partial(_inputs, header.input_size))


def _build(nets: Sequence[RegressorFile]) -> Ensemble:
    from .ensemble import build_ensemble

    return build_ensemble(nets)


def _inputs(size: int) -> dict[str, NDArray[Any]]:
    squares = np.random.default_rng(0).integers(0, 256, (2, size, size), np.uint8)
    return {"crops": squares, "sexes": np.array([-1, 1], np.float32)}
