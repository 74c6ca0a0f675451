"""What the plots share: clean axes under a title, a scale in years beside one in months, a file written whole."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text
from matplotlib.ticker import MultipleLocator

from ..data.child import YEAR
from ..data.files import MARK, whole_file
from ..data.quiet import no_warnings
from ..data.text import for_line, for_lines, shortened

_FONT = Path(__file__).parent / "report" / "fonts" / "NotoSansKR-Regular.otf"
INK, GRID = "#2b2b2b", "#dddddd"
_DPI = 150
_LETTERS = 11  # of a title, for each inch of a figure's width
_LINES = 3  # that a line of a title may take
_MAKERS = {".png": "Software"}  # where a format names what made the file; elsewhere it is Creator


class Plot(Figure):
    """A figure whose texts are shown as they are: no formulas, control characters as escapes, Korean letters too."""

    def __init__(self, size: tuple[float, float], dpi: float = _DPI) -> None:
        """`size`: width and height in inches."""
        super().__init__(figsize=size, dpi=dpi, layout="constrained")

    def draw(self, renderer: RendererBase) -> None:
        """Draw all of it, some texts of which are made only now."""
        family = matplotlib.rcParams["font.family"]
        plain: Any = {"text.parse_math": False, "font.family": _families() if family == ["sans-serif"] else family}
        with no_warnings(), matplotlib.rc_context(plain):  # of letters that no font has, which are shown as boxes
            for text in self.findobj(Text):
                assert isinstance(text, Text)
                text.set_parse_math(False)
                text.set_text(for_lines(text.get_text()))
                text.set_fontfamily(matplotlib.rcParams["font.family"])
            super().draw(renderer)


def new_plot(
    size: tuple[float, float], title: Sequence[str] = (), grid: Literal["both", "x", "y"] = "both"
) -> tuple[Plot, Axes]:
    """A plot of `size` (width and height in inches) with one pair of axes, its grid behind what is drawn."""
    figure = Plot(size)
    if title:
        add_title(figure, title)
    axes = figure.add_subplot()
    axes.grid(axis=grid, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def add_title(figure: Plot, lines: Sequence[str]) -> None:
    """Put a title above all axes of a plot; a line that is wider than the plot goes on in a next one, up to a third."""
    across = int(_LETTERS * figure.get_figwidth())
    shown = [short for line in lines for short in textwrap.wrap(shortened(for_line(line), _LINES * across), across)]
    look = {"parse_math": False, "fontfamily": _families(), "linespacing": 1.5, "color": INK}
    with no_warnings():
        title = figure.suptitle("\n".join(shown), fontsize=11, **look)
        width = title.get_window_extent().width
    title.set_fontsize(11 * min(1, 0.95 * figure.bbox.width / width))  # of wide letters


def label_of(text: str, across: int, most: int) -> str:
    """A name from outside as it stands beside an axis: at most so many characters, in lines of at most `across`."""
    return "\n".join(textwrap.wrap(shortened(for_line(text), most), across))


def tick_every(step: float, *scales: Axis) -> None:
    """Put a tick at each multiple of `step`, in the scale's own unit."""
    for scale in scales:
        scale.set_major_locator(MultipleLocator(step))


def add_years(axes: Axes, scale: Literal["x", "y"], label: str, step: float) -> None:
    """Add a scale in years on the side opposite to one in months; `step`: months between its ticks."""
    ways = (lambda months: np.divide(months, YEAR), lambda years: np.multiply(years, YEAR))
    top = scale == "x"
    years = axes.secondary_xaxis("top", functions=ways) if top else axes.secondary_yaxis("right", functions=ways)
    years.set(**{f"{scale}label": label})
    tick_every(step / YEAR, years.xaxis if top else years.yaxis)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, in the format of the suffix (.png, .pdf, .svg)."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, metadata={_MAKERS.get(temporary.suffix.lower(), "Creator"): MARK})


@cache
def report_family() -> str:
    """The family of the report's font, which has Korean letters, made known to matplotlib."""
    fontManager.addfont(_FONT)
    return FontProperties(fname=str(_FONT)).get_name()


def _families() -> list[str]:
    """Matplotlib's own font, and after it that of reports, for letters that the first lacks."""
    return ["sans-serif", report_family()]
