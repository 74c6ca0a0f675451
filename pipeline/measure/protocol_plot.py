"""Draw what a protocol of robustness measured: a row a transformation, in groups by kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from ..plotting import GRID, Plot, add_title, save

_DOT, _BAR = "#1f6fa8", "#9bbcd4"


def stress_plot(summary: pd.DataFrame, titles: Mapping[str, str], path: str | Path, *, model: str) -> None:
    """Draw share of films whose assessment changes, and mean change of the reading, of each copy, into an image file.

    `summary`: as `Stress.summary` has it, without the film as it is. `titles`: of the copies by name.
    """
    n = int(summary["n"].to_numpy().max())
    kinds = summary["kind"].tolist()
    gaps = np.cumsum([0.0, *(0.6 * (one != other) for one, other in zip(kinds[1:], kinds, strict=False))])
    rows = np.arange(len(summary)) + gaps
    figure = Plot((10.0, 0.24 * float(rows[-1]) + 1.6))
    add_title(figure, [f"Readings of transformed films: n = {n:,}; model {model}"])
    share, change = figure.subplots(1, 2, sharey=True, width_ratios=(1.1, 1))
    low, high = (summary["changed"] - summary["changed_low"], summary["changed_high"] - summary["changed"])
    share.errorbar(summary["changed"], rows, xerr=[low.clip(0), high.clip(0)], fmt="o", color=_DOT, ms=4, elinewidth=1)
    share.set(xlabel="films whose assessment changes (95 % interval)", xlim=(-0.02, None))
    share.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    change.barh(rows, summary["change"], height=0.6, color=_BAR)
    change.set(xlabel="mean absolute change of the reading (months)", xlim=(0, None))
    for row, (months, review, lost) in zip(
        rows, summary[["change", "review", "lost"]].fillna(0).to_numpy(), strict=True
    ):
        words = [f"{n:.0f} {what}" for n, what in ((review, "to review"), (lost, "not assessed")) if n]
        change.annotate(", ".join(words), (months, row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    change.set_xlim(0, 1.35 * float(np.nanmax(summary["change"].to_numpy(), initial=1e-3)))
    share.set_yticks(rows, [titles[name] for name in summary["copy"]], fontsize=8)
    share.set_ylim(rows[-1] + 0.7, rows[0] - 0.7)
    for axes in (share, change):
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    save(figure, path)
