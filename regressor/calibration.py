"""Bias correction and 90 % split-conformal intervals, fitted on films that no training saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.errors import TrainingError
from ..data.sex import Sex

BAND_EDGES = (60.0, 120.0, 180.0)  # months of read bone age: under 5, 5 to 9, 10 to 14, from 15 years on
LEVEL = 0.90
FEWEST = 50  # films a band needs for an interval of its own; a smaller one takes its sex's


@dataclass(frozen=True)
class Calibration:
    """`slope` and `intercept` (months) correct a raw reading; `half_width` is the 90 % interval's, in months.

    `half_width` is by sex ("F", "M") and band of the corrected reading, youngest first. `n`: films it was fitted on.
    """

    slope: float
    intercept: float
    half_width: Mapping[str, Sequence[float]]
    n: int

    def corrected(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Raw readings in months, bias-corrected."""
        return self.slope * np.asarray(raw, np.float64) + self.intercept

    def interval(self, months: float, sex: Sex) -> tuple[float, float]:
        """Lower and upper end of the 90 % interval around a corrected reading, in months, cut at 0."""
        half = self.half_width[sex][int(np.searchsorted(BAND_EDGES, months, side="right"))]
        return max(months - half, 0.0), months + half

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a weights header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From a weights header."""
        return cls(**values)


def fit_calibration(raw: ArrayLike, labelled: ArrayLike, sexes: Sequence[Sex]) -> Calibration:
    """Fit on films that no training touched: raw readings and labels in months, (n,) each.

    The correction is least squares of label on reading. The half-width is the conformal quantile of the absolute
    error: the ceil((n + 1) * 0.9)-th smallest (Vovk et al. 2005; Lei et al. 2018). Raises TrainingError when a sex
    has too few films for any interval.
    """
    raw, labelled = np.asarray(raw, np.float64), np.asarray(labelled, np.float64)
    slope, intercept = np.polyfit(raw, labelled, 1) if np.ptp(raw) > 1 else (1.0, float((labelled - raw).mean()))
    corrected = slope * raw + intercept
    errors, bands = np.abs(corrected - labelled), np.searchsorted(BAND_EDGES, corrected, side="right")
    of = np.asarray(sexes)
    widths: dict[str, list[float]] = {}
    for sex in ("F", "M"):
        mine = of == sex
        whole = errors[mine] if mine.sum() >= FEWEST else errors
        if len(whole) < 10:
            raise TrainingError(f"{len(whole)} films are too few for a 90 % interval, at least 10 are needed")
        widths[sex] = [
            _quantile(errors[mine & (bands == band)] if (mine & (bands == band)).sum() >= FEWEST else whole)
            for band in range(len(BAND_EDGES) + 1)
        ]
    return Calibration(float(slope), float(intercept), widths, len(errors))


def _quantile(errors: NDArray[np.float64]) -> float:
    rank = int(np.ceil((len(errors) + 1) * LEVEL))
    return float(np.sort(errors)[min(rank, len(errors)) - 1])
