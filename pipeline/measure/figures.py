"""Draw and tabulate an evaluation (scatter, Bland-Altman plot, Markdown table) and a comparison (differences, table).

Each says its n, and an evaluation its model. An evaluation's frame has one row a film: id, file, sex ("F" or "M"),
labelled_months, predicted_months (NaN where the film was rejected or not readable), status. Films without a prediction
are counted, not drawn. A comparison's frame has one row an arm, as `compare.Comparison` tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike

from ...data.errors import BoneAgeError
from ...data.files import whole_file
from .metrics import SEX_LABELS, agreement

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
_ARMS_HEADER = (
    "| question | arm | seeds | n | MAE (95 % interval) | difference to base (95 % interval) | by seed | images | "
    "pixels | minutes | cost |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)
_VERDICTS = {"better": "#1f6fa8", "worse": "#c2571a", "undecided": "#8a8a8a"}


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


def comparison_table(
    rows: pd.DataFrame, failures: Sequence[str], *, base: str, cohort: str, trained_on: int, device: str
) -> str:
    """Write the arms of a comparison as Markdown: how it was measured, then one row an arm, then the runs that failed.

    `base`: the base's settings in words; `trained_on`: films each run learned from; `device`: what it ran on.
    """
    arms = rows.to_dict("records")
    n = max((row["n"] for row in arms if row["seeds"]), default=0)
    lines = [
        f"Base: {base}.",
        "",
        f"{cohort}: every run learned from the same {trained_on:,} films of the part `train`, in the same order for a "
        f"seed, and its weights after the last epoch, fixed beforehand, read {n:,.0f} films of the part `choose`, "
        "which measured and chose nothing; the part `report` was not touched. Errors are in months. A film's error is "
        "the mean of its absolute errors over the seeds. Difference: MAE less the base's on the same films and seeds, "
        "below 0 where the arm is better, with a paired bootstrap. The intervals tell the chance of the films, not "
        "that of the seeds, which `by seed` shows. `images` went through the net in the training of one run; `pixels` "
        f"are theirs and `cost` the minutes of one training, both over the base's; device: {device}.",
        "",
        _ARMS_HEADER,
        *(_arm_line(row, arms[0]) for row in arms),
    ]
    if failures:
        lines += ["", "Runs that failed:", "", *(f"- {failure}" for failure in failures)]
    return "\n".join(lines) + "\n"


def difference_plot(rows: pd.DataFrame, path: str | Path, *, cohort: str, trained_on: int) -> None:
    """Draw each arm's difference to the base in MAE with its 95 % interval, and its seeds, into an image file.

    Arms of one question stand together; the base's own entries lie at 0. Better or worse is said of an arm whose
    interval and seeds all lie on one side of 0.
    """
    arms = rows.iloc[1:].to_dict("records")
    base = rows.iloc[0]
    figure = Figure(figsize=(9.2, 1.9 + 0.34 * len(arms)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    measured = f"base MAE {base['mae']:.2f} months on n = {base['n']:,.0f} films"
    if not base["seeds"]:
        measured = "the base failed"
    seeds = max(len(row["seeds"]) for row in rows.to_dict("records"))
    figure.suptitle(
        f"Difference in MAE to the base: {cohort}\n{measured}; {trained_on:,} films to learn from, "
        f"{seeds} seed{'' if seeds == 1 else 's'}",
        fontsize=11,
        linespacing=1.5,
        color=_INK,
    )
    axes = figure.add_subplot()
    axes.axvline(0, color=_INK, linewidth=1)
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    places, labels, place = [], [], 0.0
    for number, row in enumerate(arms):
        if number and row["question"] != arms[number - 1]["question"]:
            axes.axhline(place - 0.25, color=_GRID, linewidth=0.6)
            place += 0.5
        _arm(axes, row, place)
        places.append(place)
        labels.append(f"{row['question']}: {row['arm']}" if row["question"] else row["arm"])
        place += 1
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(place - 0.4, -0.6), xlabel="MAE less the base's (months); left of 0 the arm is better")
    axes.spines[["left", "right", "top"]].set_visible(False)
    handles = [Line2D([], [], color=colour, marker="o", label=words) for words, colour in _VERDICTS.items()]
    handles.append(Line2D([], [], color=_INK, marker="o", markerfacecolor="white", linestyle="", label="the base"))
    handles.append(Line2D([], [], color=_INK, marker="|", markersize=8, linestyle="", label="one seed"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    _save(figure, path)


def _arm_line(row: Mapping[Any, Any], base: Mapping[Any, Any]) -> str:
    """One arm's row of the table; what would be over the base's is blank where the base failed."""
    seeds = len(row["seeds"])
    cells = [row["question"], row["arm"], str(seeds)]
    if not seeds:
        return f"| {' | '.join(cells)} | 0 | failed | | | | | | |"
    difference, by_seed = "the base" if row["is_base"] else "", ""
    if pd.notna(row["difference"]):
        difference = "{difference:+.2f} ({difference_low:+.2f} to {difference_high:+.2f})".format_map(row)
        by_seed = ", ".join(f"{months:+.2f}" for months in row["by_seed"])
    cells += [f"{row['n']:,.0f}", "{mae:.2f} ({mae_low:.2f} to {mae_high:.2f})".format_map(row), difference, by_seed]
    cells += [f"{row['images']:,}", f"{row['pixels'] / base['pixels']:.2f}", f"{row['minutes']:.1f}"]
    cells.append(f"{row['minutes'] / base['minutes']:.2f}" if base["seeds"] else "")
    return f"| {' | '.join(cells)} |"


def _arm(axes: Axes, row: Mapping[Any, Any], place: float) -> None:
    """One arm: a dot with its interval and a stroke for each seed, or in words why there is none."""
    if row["is_base"]:
        axes.plot(0, place, "o", color=_INK, markerfacecolor="white", zorder=3)
    elif pd.notna(row["difference"]):
        low, high = row["difference_low"], row["difference_high"]
        better, worse, undecided = _VERDICTS.values()
        lowest, highest = min(low, *row["by_seed"]), max(high, *row["by_seed"])
        colour = better if highest < 0 else worse if lowest > 0 else undecided
        axes.plot((low, high), (place, place), color=colour, linewidth=2, solid_capstyle="butt", zorder=2)
        axes.plot(row["difference"], place, "o", color=colour, zorder=3)
        axes.plot(row["by_seed"], [place] * len(row["by_seed"]), "|", color=_INK, markersize=8, zorder=4)
        words = f"{row['difference']:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
        axes.annotate(words, (1.02, place), xycoords=("axes fraction", "data"), va="center", color=_INK, fontsize=9)
    else:
        axes.annotate("failed", (0, place), (6, 0), textcoords="offset points", va="center", color=_INK, style="italic")


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
