"""Draw and tabulate an evaluation: scatter, Bland-Altman plot and Markdown table, each with its n and model.

A frame here has one row a film: id, file, sex ("F" or "M"), labelled_months, predicted_months (NaN where the film was
rejected or not readable), status. Films without a prediction are counted, not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike

from ..data.errors import BoneAgeError
from ..data.files import whole_file
from ..regressor.metrics import SEX_LABELS, agreement

_INK, _GRID = "#2b2b2b", "#dddddd"
_COLOURS = {"F": "#c2571a", "M": "#1f6fa8"}  # orange and blue: told apart by colour-blind readers too
_MARKERS = {"F": "o", "M": "^"}
_YEAR = 12  # months
_DPI = 150
_TABLE_HEADER = (
    "| films | n | no prediction | MAE (95 % interval) | median | RMSE | bias (SD) | limits of agreement | within 6 | "
    "within 12 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)
_TABLE_ROW = (
    "| {level} | {n:,} | {unread:,} | {mae:.2f} ({mae_low:.2f} to {mae_high:.2f}) | {median_error:.2f} | {rmse:.2f} | "
    "{bias:+.2f} ({sd:.2f}) | {limits_low:+.1f} to {limits_high:+.1f} | {within_6:.1%} | {within_12:.1%} |"
)
_TABLE_ROW_OF_ONE = (
    "| {level} | 1 | {unread:,} | {mae:.2f} | {median_error:.2f} | {rmse:.2f} | {bias:+.2f} | | {within_6:.1%} | "
    "{within_12:.1%} |"
)
_TABLE_ROW_OF_NONE = "| {level} | 0 | {unread:,} | | | | | | | |"


def scatter_plot(frame: pd.DataFrame, path: str | Path, *, cohort: str, model: str) -> None:
    """Draw predicted against labelled bone age by sex, with the line of identity, into an image file.

    `cohort` (with its part) and `model` are named in the title. The format follows the suffix (.png, .pdf, .svg).
    Raises BoneAgeError if no film has a prediction.
    """
    films = _films(frame)
    measured = agreement(films.predicted, films.labelled)
    low, high = _whole_years(np.concatenate([films.labelled, films.predicted]))
    figure, axes = _figure((6.4, 6.9), f"Predicted and labelled bone age: {cohort}", films, model)
    axes.plot((low, high), (low, high), color=_INK, linewidth=1, label="identity", zorder=3)
    _dots(axes, films, films.labelled, films.predicted)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)  # beside the films, never over one
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(xlabel="labelled bone age (months)", ylabel="predicted bone age (months)")
    step = _tick_step(high - low)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(step))
    top = axes.secondary_xaxis("top", functions=(_to_years, _to_months))
    top.set_xlabel("labelled bone age (years)")
    top.xaxis.set_major_locator(MultipleLocator(step / _YEAR))
    right = axes.secondary_yaxis("right", functions=(_to_years, _to_months))
    right.set_ylabel("predicted bone age (years)")
    right.yaxis.set_major_locator(MultipleLocator(step / _YEAR))
    corner = f"MAE {measured.mae:.2f} months"
    if films.n > 1:
        corner += f"\n95 % interval {measured.mae_low:.2f} to {measured.mae_high:.2f}"
    axes.text(0.98, 0.02, corner, transform=axes.transAxes, ha="right", va="bottom", color=_INK)
    _save(figure, path)


def bland_altman_plot(frame: pd.DataFrame, path: str | Path, *, cohort: str, model: str) -> None:
    """Draw error against the mean of prediction and label by sex, with bias and limits of agreement (bias -+ 1.96 SD).

    Arguments and errors as for `scatter_plot`.
    """
    films = _films(frame)
    measured = agreement(films.predicted, films.labelled)
    error, mean = films.predicted - films.labelled, (films.predicted + films.labelled) / 2
    figure, axes = _figure((8.4, 5.4), f"Error of predicted bone age: {cohort}", films, model)
    _dots(axes, films, mean, error)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    lines = {"bias": measured.bias}
    if films.n > 1:
        lines |= {"bias + 1.96 SD": measured.limits_high, "bias − 1.96 SD": measured.limits_low}
    for words, months in lines.items():
        axes.axhline(months, color=_INK, linewidth=1.2, linestyle="-" if words == "bias" else "--", zorder=3)
        label = f"{words}\n{months:+.1f} months".replace("-", "−")
        axes.annotate(label, (1.01, months), xycoords=("axes fraction", "data"), va="center", color=_INK)
    low, high = _whole_years(mean)
    reach = 1.08 * max(6, *np.abs(error), *map(abs, lines.values()))
    axes.set(xlim=(low, high), ylim=(-reach, reach))
    axes.set(xlabel="mean of predicted and labelled bone age (months)", ylabel="predicted minus labelled (months)")
    step = _tick_step(high - low)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_locator(MultipleLocator(_tick_step(2 * reach)))
    top = axes.secondary_xaxis("top", functions=(_to_years, _to_months))
    top.set_xlabel("mean of predicted and labelled bone age (years)")
    top.xaxis.set_major_locator(MultipleLocator(step / _YEAR))
    _save(figure, path)


def evaluation_table(groups: pd.DataFrame, *, cohort: str, split: str, model: str) -> str:
    """Write the measurements of `by_group` as Markdown: what was measured on which films, then one row a group.

    `split` says in words which films these are ("part report of rsna-2017").
    """
    rows = groups.to_dict("records")
    n, unread = rows[0]["n"], rows[0]["unread"]
    templates = {0: _TABLE_ROW_OF_NONE, 1: _TABLE_ROW_OF_ONE}
    lines = [
        f"Model {model} on cohort {cohort}, {split}: n = {n:,} radiographs"
        + (f"; {unread:,} more have no prediction." if unread else "."),
        "",
        "Errors are in months, predicted minus labelled. MAE: mean absolute error with its 95 % bootstrap interval "
        "over films. Limits of agreement: bias -+ 1.96 SD. Within 6 and 12 months: share of the n films.",
        "",
        _TABLE_HEADER,
        *(templates.get(row["n"], _TABLE_ROW).format_map(row) for row in rows),
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, eq=False)
class _Films:
    """The films that have a prediction, each array of shape (n,), and the number of those without one."""

    sex: np.ndarray
    labelled: np.ndarray
    predicted: np.ndarray
    unread: int

    @property
    def n(self) -> int:
        return self.predicted.size


def _films(frame: pd.DataFrame) -> _Films:
    predicted = frame["predicted_months"].to_numpy(np.float64)
    read = ~np.isnan(predicted)
    if not read.any():
        raise BoneAgeError(f"evaluation: none of {len(frame)} films has a prediction; there is nothing to draw")
    sex, labelled = frame["sex"].to_numpy(str), frame["labelled_months"].to_numpy(np.float64)
    return _Films(sex[read], labelled[read], predicted[read], int((~read).sum()))


def _figure(size: tuple[float, float], title: str, films: _Films, model: str) -> tuple[Figure, Axes]:
    """Make one clean pair of axes with a title that gives n and the model."""
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    counted = f"n = {films.n:,}" + (f" ({films.unread:,} more without a prediction)" if films.unread else "")
    figure.suptitle(f"{title}\n{counted}; model {model}", fontsize=11, linespacing=1.5, color=_INK)
    axes = figure.add_subplot()
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _dots(axes: Axes, films: _Films, across: np.ndarray, up: np.ndarray) -> None:
    """Draw films by sex, small and faint where there are many."""
    size, alpha = (22, 0.7) if films.n <= 1500 else (8, 0.35)
    for sex, words in SEX_LABELS.items():
        here = films.sex == sex
        if here.any():
            look = {"s": size, "alpha": alpha, "color": _COLOURS[sex], "marker": _MARKERS[sex], "linewidths": 0}
            axes.scatter(across[here], up[here], label=f"{words} (n = {here.sum():,})", zorder=2, **look)


def _whole_years(months: np.ndarray) -> tuple[float, float]:
    """Whole years that hold all values, half a year wider, in months."""
    low, high = np.floor(months.min() / _YEAR), np.ceil(months.max() / _YEAR)
    return float(low - 0.5) * _YEAR, float(high + 0.5) * _YEAR


def _tick_step(span: float) -> float:
    """Months between ticks that are whole or half years and not crowded, however far off a prediction is."""
    return next((step for step in (6, 12, 24, 60, 120) if span / step <= 12), span / 8)


def _to_years(months: ArrayLike) -> ArrayLike:
    return np.divide(months, _YEAR)


def _to_months(years: ArrayLike) -> ArrayLike:
    return np.multiply(years, _YEAR)


def _save(figure: Figure, path: str | Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary)
