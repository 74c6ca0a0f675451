"""Draw an evaluation: predicted against labelled bone age, and a Bland-Altman plot. Each states its n and its model.

The frame has one row a film: sex ("F" or "M"), labelled_months, and bone_age_months, NaN where the film was
not assessed; such films are counted, not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...data.errors import BoneAgeError
from ..plotting import GRID, INK, YEAR, Plot, add_title, add_years, new_plot, save, tick_every
from .metrics import FEW, SEX_LABELS, agreement

_COLOURS = {"F": "#c2571a", "M": "#1f6fa8"}  # orange and blue, which colour-blind readers can distinguish
_MARKERS = {"F": "o", "M": "^"}
_STEPS = (6, 12, 24, 60, 120)  # months between ticks of ages
_LABEL = 0.24  # of the half height of a Bland-Altman plot: what a label of two lines takes


def scatter_plot(frame: pd.DataFrame, path: str | Path, *, cohort: str, model: str) -> None:
    """Draw predicted against labelled bone age by sex, with the line of identity, into an image file.

    `cohort` (with its part) and `model` are named in the title. The format follows the suffix (.png, .pdf, .svg).
    Raises BoneAgeError if no film has a prediction.
    """
    films = _films(frame)
    measured = agreement(films.predicted, films.labelled)
    low, high = _whole_years(np.concatenate([films.labelled, films.predicted]))
    figure, axes = new_plot((6.4, 6.9), _title(f"Predicted and labelled bone age: {cohort}", films, model))
    axes.plot((low, high), (low, high), color=INK, linewidth=1, label="identity", zorder=3)
    _dots(axes, films, films.labelled, films.predicted)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)  # never over a film
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(xlabel="labelled bone age (months)", ylabel="predicted bone age (months)")
    step = _tick_step(high - low)
    tick_every(step, axes.xaxis, axes.yaxis)
    add_years(axes, "x", "labelled bone age (years)", step)
    add_years(axes, "y", "predicted bone age (years)", step)
    corner = f"MAE {measured.mae:.2f} months"
    if films.n > 1:
        corner += f"\n95 % interval {measured.mae_low:.2f} to {measured.mae_high:.2f}"
    axes.text(0.98, 0.02, corner, transform=axes.transAxes, ha="right", va="bottom", color=INK)
    save(figure, path)


def bland_altman_plot(frame: pd.DataFrame, path: str | Path, *, cohort: str, model: str) -> None:
    """Draw error against the mean of prediction and label by sex, with bias -+ 1.96 SD; else as `scatter_plot`."""
    films = _films(frame)
    measured = agreement(films.predicted, films.labelled)
    error, mean = films.predicted - films.labelled, (films.predicted + films.labelled) / 2
    figure, axes = new_plot((8.4, 5.4), _title(f"Error of predicted bone age: {cohort}", films, model))
    _dots(axes, films, mean, error)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    lines = {"bias": measured.bias}
    if films.n > 1:
        lines = {"bias − 1.96 SD": measured.limits_low, **lines, "bias + 1.96 SD": measured.limits_high}
    low, high = _whole_years(mean)
    reach = 1.08 * max(6, *np.abs(error), *map(abs, lines.values()))
    for number, (words, months) in enumerate(lines.items()):
        axes.axhline(months, color=INK, linewidth=1.2, linestyle="-" if words == "bias" else "--", zorder=1.5)
        label = f"{words}\n{months:+.1f} months".replace("-", "−")
        side = number - len(lines) // 2  # below the bias, at it, above it: labels of lines that are close stand apart
        place = measured.bias + side * max(abs(months - measured.bias), _LABEL * reach)
        axes.annotate(label, (1.01, place), xycoords=("axes fraction", "data"), va="center", color=INK)
    axes.set(xlim=(low, high), ylim=(-reach, reach))
    axes.set(xlabel="mean of predicted and labelled bone age (months)", ylabel="predicted minus labelled (months)")
    step = _tick_step(high - low)
    tick_every(step, axes.xaxis)
    tick_every(_tick_step(2 * reach, (1, 2, 3, *_STEPS)), axes.yaxis)
    add_years(axes, "x", "mean of predicted and labelled bone age (years)", step)
    save(figure, path)


def before_and_after_plot(before: pd.DataFrame, after: pd.DataFrame, path: str | Path, model: str) -> None:
    """Draw the errors of the same films against their labels, before and after, with the mean of each sex as a line."""
    figure = Plot((9.6, 5.0))
    films = _films(after)
    add_title(figure, _title("Error before and after calibration", films, model))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, frame, words in zip(panels, (before, after), ("before", "after, on films held back"), strict=True):
        films = _films(frame)
        error = films.predicted - films.labelled
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.axhline(0, color=INK, linewidth=0.8)
        _dots(axes, films, films.labelled, error)
        for sex in SEX_LABELS:
            axes.axhline(error[films.sex == sex].mean(), color=_COLOURS[sex], linewidth=1.6, linestyle="--", zorder=3)
        axes.set_title(f"{words}: MAE {np.abs(error).mean():.2f} months", fontsize=10, color=INK)
        axes.set(xlabel="labelled bone age (months)")
    panels[0].set(ylabel="predicted minus labelled (months)")
    tick_every(_tick_step(float(np.ptp(films.labelled))), panels[0].xaxis)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(
        handles, [f"{label}, mean dashed" for label in labels], loc="outside lower center", ncols=2, frameon=False
    )
    save(figure, path)


@dataclass(frozen=True, eq=False)
class _Films:
    """The assessed films, each array of shape (n,), and the number of the others."""

    sex: np.ndarray
    labelled: np.ndarray
    predicted: np.ndarray
    not_assessed: int

    @property
    def n(self) -> int:
        return self.predicted.size


def _films(frame: pd.DataFrame) -> _Films:
    predicted = frame["bone_age_months"].to_numpy(np.float64)
    read = ~np.isnan(predicted)
    if not read.any():
        raise BoneAgeError(f"evaluation: none of {len(frame)} films has a bone age; there is nothing to draw")
    sex, labelled = frame["sex"].to_numpy(str), frame["labelled_months"].to_numpy(np.float64)
    return _Films(sex[read], labelled[read], predicted[read], int((~read).sum()))


def _title(title: str, films: _Films, model: str) -> tuple[str, str]:
    counted = f"n = {films.n:,}" + (f" ({films.not_assessed:,} more not assessed)" if films.not_assessed else "")
    rough = f"; figures of fewer than {FEW} films are rough" if films.n < FEW else ""
    return title, f"{counted}; model {model}{rough}"


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
    low, high = np.floor(months.min() / YEAR), np.ceil(months.max() / YEAR)
    return float(low - 0.5) * YEAR, float(high + 0.5) * YEAR


def _tick_step(span: float, steps: Sequence[float] = _STEPS) -> float:
    """Months between ticks, by default whole or half years: at most twelve ticks."""
    return next((step for step in steps if span / step <= 12), span / 8)
