"""Draw a comparison of trainings: the difference of each arm's MAE to the base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ...data.text import counted
from ..plotting import GRID, INK, label_of, new_plot, save
from .comparison import difference_words

_VERDICTS = {"better": "#1f6fa8", "worse": "#c2571a", "undecided": "#8a8a8a"}
_LABEL = (36, 60)  # characters of a line, and of an arm's name


def difference_plot(rows: pd.DataFrame, path: str | Path, *, cohort: str, trained_on: int) -> None:
    """Draw each arm's difference to the base in MAE with its 95 % interval, and its seeds, into an image file.

    rows: one row an arm, the base first (`comparison.Comparison`). Arms of one question stand together; the base lies
    at 0. An arm is better or worse where its interval and all of its seeds lie on one side of 0.
    """
    arms = rows.iloc[1:].to_dict("records")
    base = rows.iloc[0]
    measured = f"base MAE {base['mae']:.2f} months on n = {base['n']:,.0f}" if base["seeds"] else "the base failed"
    seeds = max(len(row["seeds"]) for row in rows.to_dict("records"))
    title = (
        f"Difference in MAE to the base: {cohort}",
        f"{measured}; {counted(trained_on, 'film')} to learn from, {counted(seeds, 'seed')}",
    )
    figure, axes = new_plot((9.2, 1.9 + 0.34 * len(arms)), title, grid="x")
    axes.axvline(0, color=INK, linewidth=1)
    places, labels, place = [], [], 0.0
    for number, row in enumerate(arms):
        if number and row["question"] != arms[number - 1]["question"]:
            axes.axhline(place - 0.25, color=GRID, linewidth=0.6)
            place += 0.5
        _arm(axes, row, place)
        places.append(place)
        name = f"{row['question']}: {row['arm']}" if row["question"] else row["arm"]
        labels.append(label_of(name, *_LABEL))
        place += 1
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(place - 0.4, -0.6), xlabel="MAE less the base's (months); left of 0 the arm is better")
    axes.spines[["left", "right", "top"]].set_visible(False)
    handles = [Line2D([], [], color=colour, marker="o", label=words) for words, colour in _VERDICTS.items()]
    if any(row["is_base"] for row in arms):
        handles.append(Line2D([], [], color=INK, marker="o", markerfacecolor="white", linestyle="", label="the base"))
    handles.append(Line2D([], [], color=INK, marker="|", markersize=8, linestyle="", label="one seed"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    save(figure, path)


def _arm(axes: Axes, row: Mapping[Any, Any], place: float) -> None:
    """One arm: a dot with its interval and a stroke for each seed, or why there is none."""
    if row["is_base"]:
        axes.plot(0, place, "o", color=INK, markerfacecolor="white", zorder=3)
    elif pd.notna(row["difference"]):
        low, high = row["difference_low"], row["difference_high"]
        better, worse, undecided = _VERDICTS.values()
        lowest, highest = min(low, *row["by_seed"]), max(high, *row["by_seed"])
        colour = better if highest < 0 else worse if lowest > 0 else undecided
        axes.plot((low, high), (place, place), color=colour, linewidth=2, solid_capstyle="butt", zorder=2)
        axes.plot(row["difference"], place, "o", color=colour, zorder=3)
        axes.plot(row["by_seed"], [place] * len(row["by_seed"]), "|", color=INK, markersize=8, zorder=4)
        words = difference_words(row).replace("-", "−")
        axes.annotate(words, (1.02, place), xycoords=("axes fraction", "data"), va="center", color=INK, fontsize=9)
    else:
        words = "no seed that the base has too" if row["seeds"] else "failed"
        axes.annotate(words, (0, place), (6, 0), textcoords="offset points", va="center", color=INK, style="italic")
