"""Draw what a training of a regressor logged: its errors after each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from ..regressor.config import RegressorConfig
from .plotting import GRID, INK, new_plot, save

FILE = "learning-curve.png"
_LINES = {"train_mae": ("films learned from, as augmented", "#1f6fa8"), "val_mae": ("part choose", "#c2571a")}


def learning_curve(folder: Path, config: RegressorConfig, films: tuple[int, int]) -> Path | None:
    """Draw `folder/learning-curve.png` from the CSV logs of a run, which a stop divides in versions; None without any.

    films: how many were learned from, and how many the epoch was chosen by.
    """
    logs = [pd.read_csv(log) for log in sorted(folder.glob("logs/csv/version_*/metrics.csv"), key=_version)]
    if not logs:
        return None
    epochs = pd.concat(logs).groupby("epoch").last()  # the last value of each column: an epoch may be done again
    figure, axes = new_plot(
        (7.2, 4.4), (f"Error by epoch: {config.net.backbone}", f"n = {films[0]:,} to learn, {films[1]:,} to choose")
    )
    for column, (words, colour) in _LINES.items():
        axes.plot(epochs.index + 1, epochs[column], "o-", markersize=4, color=colour, label=words)
    errors = epochs[[*_LINES]].to_numpy(np.float64)
    kept = int(errors[:, 1].argmin()) if config.keep == "best" else len(errors) - 1
    at = epochs.index[kept] + 1, errors[kept, 1]
    axes.plot(*at, "o", markersize=10, markerfacecolor="none", color=INK, label=f"kept: {at[1]:.2f} months")
    end = 0.5
    for stage in config.stages[:-1]:
        end += stage.epochs
        if end < epochs.index[-1] + 1:
            axes.axvline(end, color=GRID, linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="mean absolute error (months)", xlim=(0.5, epochs.index[-1] + 1.5))
    axes.set_ylim(0, 1.1 * max(errors[np.isfinite(errors)], default=1.0))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save(figure, folder / FILE)
    return folder / FILE


def _version(log: Path) -> int:
    return int(log.parent.name.removeprefix("version_"))
