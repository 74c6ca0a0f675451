"""Read bone age from crops with trained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import WeightsError
from ..data.resize import resize_square
from ..data.sex import Sex
from ..weights.backend import Backend
from ..weights.bundle import RegressorFile
from ..weights.engine import NetSpec
from ..weights.header import Header, read_header
from .calibration import Calibration
from .common import common_header
from .ensemble import Ensemble
from .evidence import evidence_map

if TYPE_CHECKING:
    from .network import BoneAgeNet

FEW = 16  # changed crops that are read at once for a map; all of its 200 would take gigabytes with torch


class BoneAgeReader:
    """The regressors of a bundle, with their calibration."""

    def __init__(self, ensemble: Ensemble, header: Header, calibration: Calibration | None = None) -> None:
        """`header`: the common header of the ensemble's nets (`common_header`)."""
        self.ensemble, self.header, self.calibration = ensemble, header, calibration

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
        assert header.label_mean is not None
        assert header.label_sd is not None
        engines = [backend.open(NetSpec(net, partial(_build, net), together=2)) for net in nets]
        sizes = [read_header(net.path).input_size for net in nets]
        zooms = [net.zooms for net in nets]
        ensemble = Ensemble(engines, sizes, zooms, header.input_size, header.label_mean, header.label_sd)
        return cls(ensemble, header, fitted)

    @property
    def input_size(self) -> int:
        """Side of the square crops in pixels; crops of another size are resized."""
        return self.header.input_size

    def raw_months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Uncalibrated bone age in months, float64 (n,): the mean over nets, zooms and mirror images."""
        squares = np.stack([resize_square(np.asarray(crop), self.input_size) for crop in crops])
        return self.ensemble(squares, np.array([self._coded(sex) for sex in sexes], np.float32))

    def months(self, crops: Sequence[NDArray[np.uint8]], sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Bone age in months, float64 (n,), bias-corrected where the weights carry a calibration, at least 0."""
        raw = self.raw_months(crops, sexes)
        return np.maximum(self.calibration.corrected(raw, sexes) if self.calibration else raw, 0.0)

    def interval_90(self, months: float, sex: Sex) -> tuple[float, float] | None:
        """The 90 % interval around a reading, in months; None where the weights carry no calibration."""
        return self.calibration.interval(months, sex) if self.calibration else None

    def evidence(self, crop: NDArray[np.uint8], sex: Sex) -> NDArray[np.float32]:
        """Which places of a crop its prediction depends on: float32 in [0, 1], of the crop's shape (`evidence_map`)."""
        code = np.float32(self._coded(sex))

        def read(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
            few = np.array_split(crops, -(-len(crops) // FEW))
            return np.concatenate([self.ensemble.at_once(part, np.full(len(part), code)) for part in few])

        square = resize_square(np.asarray(crop), self.input_size)
        return resize_square(evidence_map(read, square), crop.shape[0])

    def _coded(self, sex: Sex) -> float:
        assert self.header.sex_coding is not None
        return self.header.sex_coding[sex]


def _build(net: RegressorFile) -> BoneAgeNet:
    from ..weights.weights_file import load_net
    from .network import build_from

    return load_net(net.path, "regressor", build_from)[1]
