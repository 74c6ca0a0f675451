"""Measure agreement of predicted with labelled bone age: errors in months with 95 % bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...data.errors import BoneAgeError
from ...data.quiet import no_warnings
from ...data.sex import CHILDREN, Sex
from ...regressor.calibration import BAND_EDGES

RESAMPLES = 10_000
SEX_LABELS: dict[Sex, str] = {sex: str(children) for sex, children in CHILDREN.items()}
_BANDS = (
    "0-59 months (under 5 years)",
    "60-119 months (5 to 9 years)",
    "120-179 months (10 to 14 years)",
    "180-240 months (15 to 20 years)",
)
# lower and upper edge in months of bone age, the upper one excluded (240 itself belongs to the last band)
AGE_BANDS = dict(zip(_BANDS, pairwise((0, *BAND_EDGES, math.nextafter(240, math.inf))), strict=True))

FEW = 30  # films; below, a percentile bootstrap is notably too narrow
_FEWEST_TO_AGREE = 3  # films
_MOST_LEVELS = 20
_CHUNK = 2**20  # draws held in memory at once: 8 MiB of indices and 8 MiB of errors
_NORMAL_95 = 1.96  # limits of agreement: bias -+ 1.96 SD (Bland and Altman, Lancet 1986;1:307-310)


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted with labelled bone age, in months; error is predicted minus labelled.

    mae, mae_low, mae_high: mean absolute error and its 95 % percentile bootstrap interval.
    bias, sd: mean and standard deviation (n - 1) of the error; limits_low, limits_high: bias -+ 1.96 sd.
    within_6, within_12: share of films, 0 to 1, with an absolute error of at most 6 and 12 months.
    With one film, spread and intervals are NaN.
    """

    n: int
    mae: float
    mae_low: float
    mae_high: float
    median_error: float
    rmse: float
    bias: float
    sd: float
    limits_low: float
    limits_high: float
    within_6: float
    within_12: float

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the fields by name, ready for JSON: NaN, which JSON lacks, becomes None."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Concordance:
    """How well predictions stand for labels: value, and the ends of its 95 % percentile bootstrap interval, of each.

    r2: share of the labels' variance that predictions explain, 1 - squared errors / squares about the labels' mean.
    icc: intraclass correlation of single readings, two-way, absolute agreement, ICC(A,1) (McGraw and Wong,
        Psychological Methods 1996;1:30-46). ccc: concordance correlation (Lin, Biometrics 1989;45:255-268).
    NaN with fewer than three films, and where all labels are alike.
    """

    n: int
    r2: tuple[float, ...]
    icc: tuple[float, ...]
    ccc: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """MAE of a minus MAE of b on the same n films, in months, with its 95 % interval: below zero, a is better."""

    n: int
    mae: float
    low: float
    high: float


def agreement(predicted: ArrayLike, labelled: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> Agreement:
    """Compare predictions with labels.

    predicted, labelled: shape (n,), months, n >= 1, finite; BoneAgeError if not.
    seed, resamples: of the bootstrap over films; the same seed gives the same interval.
    """
    error = _vector(predicted, "predicted") - _vector(labelled, "labelled", like=predicted)
    size = np.abs(error)
    low, high = _interval(size, seed, resamples) if size.size > 1 else (math.nan, math.nan)
    bias, sd = float(error.mean()), float(error.std(ddof=1)) if error.size > 1 else math.nan
    return Agreement(
        n=error.size,
        mae=float(size.mean()),
        mae_low=low,
        mae_high=high,
        median_error=float(np.median(size)),
        rmse=float(np.sqrt(np.mean(error**2))),
        bias=bias,
        sd=sd,
        limits_low=bias - _NORMAL_95 * sd,
        limits_high=bias + _NORMAL_95 * sd,
        within_6=float(np.mean(size <= 6)),
        within_12=float(np.mean(size <= 12)),
    )


def concordance(predicted: ArrayLike, labelled: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES) -> Concordance:
    """How well predictions stand for labels, with a bootstrap over films; arguments and errors as for `agreement`."""
    x, y = _vector(predicted, "predicted"), _vector(labelled, "labelled", like=predicted)
    if x.size < _FEWEST_TO_AGREE:
        return Concordance(x.size, *[(math.nan,) * 3] * 3)
    values = _coefficients(x, y)
    draws = np.concatenate([_coefficients(x[rows], y[rows]) for rows in _draws(x.size, seed, resamples)], axis=-1)
    with no_warnings():  # of a coefficient that no draw has, whose interval is NaN
        low, high = np.nanpercentile(draws, (2.5, 97.5), axis=-1)
    return Concordance(x.size, *((float(a), float(b), float(c)) for a, b, c in zip(values, low, high, strict=True)))


def _coefficients(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """R², ICC(A,1) and CCC of predictions and labels, films along the last axis; NaN where all labels are alike."""
    n, error = x.shape[-1], x - y
    shift, spread = error.mean(-1), y.var(-1)
    rows = 2 * ((x + y) / 2).var(-1, ddof=1)  # mean squares between films, between the two, and left over
    columns, rest = n * shift**2 / 2, error.var(-1, ddof=1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - (error**2).mean(-1) / spread
        icc = (rows - rest) / (rows + rest + 2 / n * (columns - rest))
        covariance = (x * y).mean(-1) - x.mean(-1) * y.mean(-1)
        ccc = 2 * covariance / (x.var(-1) + spread + shift**2)
    return np.where(spread > 0, np.stack([r2, icc, ccc]), math.nan)


def by_group(frame: pd.DataFrame, by: Sequence[str] = (), *, seed: int = 0, resamples: int = RESAMPLES) -> pd.DataFrame:
    """Compare predictions with labels overall, by sex, by band of labelled bone age, and by columns of one's own.

    frame: one row a film with the columns sex ("F" or "M"), labelled_months and bone_age_months (NaN where the film
        was not assessed), and `by`.
    Returns one row a group that has films: `group` ("all", "sex", "age band", or a column of `by`), `level` (in words),
    `not_assessed` (films without a bone age, in no other number of the row), then the fields of Agreement, NaN where no
    film was assessed. Raises BoneAgeError if there is no film.
    """
    if frame.empty:
        raise BoneAgeError("evaluation: no films; expected at least one prediction with its label")
    rows: list[dict[str, object]] = []
    for group, level, films in groups_of(frame, by=by):
        read = films[films["bone_age_months"].notna()]
        row: dict[str, object] = {"group": group, "level": level, "n": len(read)}
        row["not_assessed"] = len(films) - len(read)
        if len(read):
            measured = agreement(read["bone_age_months"], read["labelled_months"], seed=seed, resamples=resamples)
            row |= asdict(measured)
        rows.append(row)
    fields = [name for name in Agreement.__dataclass_fields__ if name != "n"]
    return pd.DataFrame(rows, columns=["group", "level", "not_assessed", "n", *fields])


def coverage_by_group(frame: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """How often the 90 % interval of a reading held the label, and how wide it was.

    frame: one row a film with the columns sex, labelled_months, bone_age_months, interval_90_low and interval_90_high
        (months); films without an interval are left out.
    Returns one row a group that has films: `group` ("all", "sex", "band of reading", "band of label", or a column of
    `by`), `level` (in words), `n`, `covered` (share, 0 to 1) with its 95 % interval by Wilson's score (`low`, `high`;
    Journal of the American Statistical Association 1927;22:209-212), `width` (mean, months). There are two kinds of
    bands: a user knows only the reading, but bands of the label show whether the interval fails children who are read
    too young or too old.
    """
    films = frame.dropna(subset=["labelled_months", "interval_90_low", "interval_90_high"])
    read = films.assign(read_months=films["bone_age_months"].clip(0, 240))
    names = {"age band": "band of reading"}
    groups = [(names.get(group, group), level, of) for group, level, of in groups_of(read, "read_months", by)]
    groups += [("band of label", level, of) for group, level, of in groups_of(films) if group == "age band"]
    rows = [
        {
            "group": group,
            "level": level,
            "n": len(of),
            **share_of(of["labelled_months"].between(of["interval_90_low"], of["interval_90_high"]).to_numpy()),
            "width": (of["interval_90_high"] - of["interval_90_low"]).mean(),
        }
        for group, level, of in groups
    ]
    return pd.DataFrame(rows, columns=["group", "level", "n", "covered", "low", "high", "width"])


def share_of(held: NDArray[np.bool_]) -> dict[str, float]:
    """The share of films that are `covered`, and its 95 % interval by Wilson's score, `low` to `high`."""
    share, n, z = float(held.mean()), held.size, _NORMAL_95
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    return {"covered": share, "low": max(low, 0.0), "high": min(high, 1.0)}


def paired_difference(
    errors_a: ArrayLike, errors_b: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Compare two models on the same films: difference of their MAEs with a paired bootstrap interval.

    errors_a, errors_b: shape (n,), months, the same film at the same place; signed or absolute. BoneAgeError if their
    lengths differ or a value is not finite.
    """
    gap = np.abs(_vector(errors_a, "errors_a")) - np.abs(_vector(errors_b, "errors_b", like=errors_a))
    low, high = _interval(gap, seed, resamples)
    return Difference(n=gap.size, mae=float(gap.mean()), low=low, high=high)


def groups_of(
    frame: pd.DataFrame, age: str = "labelled_months", by: Sequence[str] = ()
) -> list[tuple[str, str, pd.DataFrame]]:
    """Cut a frame into the groups that have films, bands by the column `age`: group, level in words, films.

    by: columns whose values make further groups. Raises BoneAgeError for one of more than 20 values.
    """
    ages, sexes = frame[age].to_numpy(np.float64), frame["sex"].to_numpy(str)
    masks = {("all", "all"): np.ones(len(frame), dtype=bool)}
    masks |= {("sex", words): sexes == sex for sex, words in SEX_LABELS.items()}
    masks |= {("age band", words): (ages >= low) & (ages < high) for words, (low, high) in AGE_BANDS.items()}
    for name in by:
        levels = sorted(set(frame[name]))
        if len(levels) > _MOST_LEVELS:
            raise BoneAgeError(
                f"the column {name} has {len(levels)} values, expected at most {_MOST_LEVELS}, as of scanners or sites"
            )
        masks |= {(name, level): (frame[name] == level).to_numpy() for level in levels}
    return [(group, level, frame.loc[mask]) for (group, level), mask in masks.items() if mask.any()]


def _vector(values: ArrayLike, name: str, like: ArrayLike | None = None) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        raise BoneAgeError(f"{name}: shape {vector.shape}, expected one finite number of months a film")
    if like is not None and vector.shape != np.shape(like):
        raise BoneAgeError(f"{name}: {vector.size} films, expected {len(np.asarray(like))}: one a film in both")
    return vector


def _interval(values: NDArray[np.float64], seed: int, resamples: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean."""
    means = np.concatenate([values[rows].mean(axis=1) for rows in _draws(values.size, seed, resamples)])
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def _draws(n: int, seed: int, resamples: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of films drawn with replacement, (some, n) at a time."""
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    for start in range(0, resamples, rows):
        yield random.integers(n, size=(min(rows, resamples - start), n))
