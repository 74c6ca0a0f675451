"""What the plots share: clean axes under a title, a scale in years beside one in months, a file written whole."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike

from ..data.child import YEAR
from ..data.files import MARK, whole_file
from ..data.text import for_plot

INK, GRID = "#2b2b2b", "#dddddd"
_DPI = 150
_LETTERS = 11  # of a title, for each inch of a figure's width
_MAKERS = {".png": "Software"}  # where a format names what made the file; elsewhere it is Creator


def new_plot(
    size: tuple[float, float], title: str = "", grid: Literal["both", "x", "y"] = "both"
) -> tuple[Figure, Axes]:
    """A figure of `size` (width and height in inches) with one pair of axes, its grid behind what is drawn."""
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    if title:
        add_title(figure, title)
    axes = figure.add_subplot()
    axes.grid(axis=grid, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def add_title(figure: Figure, title: str) -> None:
    """Put a title above all axes of a figure; a line that is wider than the figure goes on in a next one."""
    across = int(_LETTERS * figure.get_figwidth())
    lines = [short for line in title.splitlines() for short in textwrap.wrap(line, across)]
    figure.suptitle(for_plot("\n".join(lines)), fontsize=11, linespacing=1.5, color=INK)


def tick_every(step: float, *scales: Axis) -> None:
    """Put a tick at each multiple of `step`, in the scale's own unit."""
    for scale in scales:
        scale.set_major_locator(MultipleLocator(step))


def add_years(axes: Axes, scale: Literal["x", "y"], label: str, step: float) -> None:
    """Add a scale in years on the side opposite to one in months; `step`: months between its ticks."""
    ways = (_to_years, _to_months)
    top = scale == "x"
    years = axes.secondary_xaxis("top", functions=ways) if top else axes.secondary_yaxis("right", functions=ways)
    years.set(**{f"{scale}label": label})
    tick_every(step / YEAR, years.xaxis if top else years.yaxis)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, in the format of the suffix (.png, .pdf, .svg)."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, metadata={_MAKERS.get(temporary.suffix.lower(), "Creator"): MARK})


def _to_years(months: ArrayLike) -> ArrayLike:
    return np.divide(months, YEAR)


def _to_months(years: ArrayLike) -> ArrayLike:
    return np.multiply(years, YEAR)
