"""Bias correction and 90 % split-conformal intervals, fitted on films that were not trained on.

Readings of very young and very old children lie too near the middle of the range, so intervals that cover 90 % of the
films in every band of the *reading* cover fewer of the oldest children. Error bounds are therefore fitted twice, per
band of the reading and per band of the label; the larger applies. Since together they cover too much, both are scaled
down by one factor, but no label band falls below 90 % coverage on the fitted films.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.errors import TrainingError
from ..data.sex import Sex
from ..data.text import counted

BAND_EDGES = (60.0, 120.0, 180.0)  # months of bone age: under 5, 5 to 9, 10 to 14, from 15 years on
LEVEL = 0.90
FEWEST = 30  # films a band of one sex needs for an error of its own, and a band of both sexes
_SEXES: tuple[Sex, ...] = ("F", "M")
_FEWEST_IN_ALL = 10  # with fewer, the 90 % interval would be wider than any error of theirs

Errors = Mapping[Sex, Sequence[float]]  # by sex and band, youngest first, in months
Line = tuple[float, float]  # slope, and intercept in months


@dataclass(frozen=True)
class Calibration:
    """The correction of an ensemble's prediction (`slope`, and `intercept` in months) and its 90 % interval.

    `half_width`: the error allowed by sex ("F", "M") and band of the corrected prediction, months, youngest first.
    `label_half_width`: the error allowed by the band of the label; the larger of both counts. It is empty in weights of
    earlier versions. `n`: films that it was fitted on. `by_sex`: slope and intercept of each sex in place of those of
    both, as `fit_site_calibration` finds them; empty where one line corrects both.
    """

    slope: float
    intercept: float
    half_width: Errors
    n: int
    label_half_width: Errors = field(default_factory=dict)
    by_sex: Mapping[Sex, Sequence[float]] = field(default_factory=dict)

    def line(self, sex: Sex) -> Line:
        """The correction of one sex."""
        slope, intercept = self.by_sex.get(sex, (self.slope, self.intercept))
        return slope, intercept

    def corrected(self, raw: ArrayLike, sexes: Sequence[Sex]) -> NDArray[np.float64]:
        """Raw readings in months, (n,), bias-corrected as those of their sex are."""
        slopes, intercepts = np.array([self.line(sex) for sex in sexes]).reshape(-1, 2).T
        return slopes * np.asarray(raw, np.float64) + intercepts

    def interval(self, months: float, sex: Sex) -> tuple[float, float]:
        """Lower and upper end of the 90 % interval around a corrected reading, in months, cut at 0.

        The interval is the least that has every label in it whose distance to the reading is allowed.
        """
        half = self.half_width[sex][int(_band(months))]
        low, high = months - half, months + half
        starts, ends = (-math.inf, *BAND_EDGES), (*BAND_EDGES, math.inf)
        for half, start, end in zip(self.label_half_width.get(sex, ()), starts, ends, strict=False):
            if start <= months + half and months - half < end:  # labels of this band are near enough
                low, high = min(low, max(months - half, start)), max(high, min(months + half, end))
        return max(low, 0.0), high

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a weights header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """From a weights header."""
        by_sex = {sex: tuple(line) for sex, line in values.get("by_sex", {}).items()}
        return cls(**{**values, "by_sex": by_sex})


def fit_calibration(raw: ArrayLike, labelled: ArrayLike, sexes: Sequence[Sex]) -> Calibration:
    """Fit on films that no training touched: raw readings and labels in months, (n,) each.

    The correction is least squares of label on reading. An allowed error is the conformal quantile of the errors of a
    band's films: the ceil((n + 1) * 0.9)-th smallest (Vovk et al. 2005; Lei et al. 2018), of both sexes together where
    one has fewer than 30, of all films where both have. The factor is the conformal quantile of what each film would
    have needed; where a band of labels then holds fewer than nine in ten, its error is the quantile of those that the
    readings' errors do not allow. Raises TrainingError where there are too few films for any interval.
    """
    raw, labelled = np.asarray(raw, np.float64), np.asarray(labelled, np.float64)
    if len(raw) < _FEWEST_IN_ALL:
        raise TrainingError(
            f"{counted(len(raw), 'film')}: too few for a 90 % interval, at least {_FEWEST_IN_ALL} are needed"
        )
    slope, intercept = _line(raw, labelled)
    by_reading, by_label = _half_widths(slope * raw + intercept, labelled, sexes)
    return Calibration(slope, intercept, by_reading, len(raw), by_label)


def fit_site_calibration(
    base: Calibration, months: ArrayLike, labelled: ArrayLike, sexes: Sequence[Sex], folds: ArrayLike
) -> Calibration:
    """Fit the correction of each sex, and the intervals, to the films of a site: one film at a place of each argument.

    base: corrected the readings `months`, and is what the new correction goes on from. labelled: months. folds: (n,),
    which part of the films each belongs to, films of one child in one. The correction of a sex is least squares of
    label on reading. The intervals are fitted to errors of films that were held back: of each fold the readings are
    corrected as the other folds say, since errors of the films that a line was fitted to are too small.
    """
    months, labelled, of = np.asarray(months, np.float64), np.asarray(labelled, np.float64), np.asarray(sexes)
    parts, held_back = np.asarray(folds), months.copy()
    lines: dict[Sex, Line] = {}
    for sex in _SEXES:
        mine = of == sex
        slope, intercept = _line(months[mine], labelled[mine])
        first, shift = base.line(sex)
        lines[sex] = slope * first, slope * shift + intercept
        for part in np.unique(parts[mine]):
            out = mine & (parts == part)
            slope, intercept = _line(months[mine & ~out], labelled[mine & ~out])
            held_back[out] = slope * months[out] + intercept
    by_reading, by_label = _half_widths(held_back, labelled, sexes)
    return Calibration(base.slope, base.intercept, by_reading, len(months), by_label, lines)


def _line(raw: NDArray[np.float64], labelled: NDArray[np.float64]) -> Line:
    """Least squares of label on reading."""
    if np.ptp(raw) <= 1:
        return 1.0, float((labelled - raw).mean())
    slope, intercept = np.polyfit(raw, labelled, 1)
    return float(slope), float(intercept)


def _half_widths(
    corrected: NDArray[np.float64], labelled: NDArray[np.float64], sexes: Sequence[Sex]
) -> tuple[Errors, Errors]:
    """The errors allowed by band of the reading and of the label, which `fit_calibration` explains."""
    of = np.asarray(sexes)
    errors, read_in, labelled_in = np.abs(corrected - labelled), _band(corrected), _band(labelled)
    by_reading, by_label = _allowed(errors, read_in, of), _allowed(errors, labelled_in, of)
    films = zip(sexes, read_in, labelled_in, strict=True)
    allowed = np.array([max(by_reading[sex][read], by_label[sex][label]) for sex, read, label in films])
    factor = _quantile(errors / np.maximum(allowed, np.finfo(np.float64).tiny))
    by_reading, by_label = _scaled(by_reading, factor), _scaled(by_label, factor)
    allowed = np.array([by_reading[sex][read] for sex, read in zip(sexes, read_in, strict=True)])
    least = _allowed(np.where(errors > allowed, errors, 0), labelled_in, of)
    by_label: Errors = {sex: np.maximum(widths, least[sex]).tolist() for sex, widths in by_label.items()}
    return by_reading, by_label


def _band(months: ArrayLike) -> NDArray[np.intp]:
    return np.searchsorted(BAND_EDGES, months, side="right")


def _allowed(errors: NDArray[np.float64], bands: NDArray[np.intp], sexes: NDArray[np.str_]) -> Errors:
    everyone = np.ones(len(errors), bool)
    widths: dict[Sex, list[float]] = {"F": [], "M": []}
    for sex, mine in widths.items():
        for band in range(len(BAND_EDGES) + 1):
            groups = (bands == band) & (sexes == sex), bands == band
            films = next((group for group in groups if group.sum() >= FEWEST), everyone)
            mine.append(_quantile(errors[films]))
    return widths


def _quantile(errors: NDArray[np.float64]) -> float:
    rank = math.ceil((len(errors) + 1) * LEVEL)
    return float(np.sort(errors)[min(rank, len(errors)) - 1])


def _scaled(widths: Errors, factor: float) -> Errors:
    return {sex: [width * factor for width in of_sex] for sex, of_sex in widths.items()}
