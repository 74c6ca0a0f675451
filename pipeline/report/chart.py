"""Bone age against chronological age, as on a growth chart: the child's point in the band of two SDs."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MultipleLocator

from ...data.child import YEAR
from ...data.remark import Remark
from ...data.sex import CHILDREN, Sex
from ..clinical.reference import Reference, brush_reference
from ..plotting import FONTS
from ..reading import Reading
from .language import Language

_SIZE = (3.3, 2.9)  # inches
_DPI = 300
_AROUND = 2  # years on either side of the child
_FEWEST = 6  # years, so that the chart shows the band widen
_FINE = 10  # years that have a tick each
_INK, _GRID, _BAND, _LINE, _POINT = "#2b2b2b", "#e3e3e3", "#cfe0ec", "#7a9bb5", "#b3261e"


def growth_chart(reading: Reading, language: Language, reference: Reference | None = None) -> bytes:
    """Draw a reading that has a bone age as a PNG; without a chronological age as a stripe across the chart.

    reference: the children that its SDS compares with; by default Brush's.
    """
    months, sex = reading.bone_age_months, reading.sex
    assert months is not None
    assert sex is not None
    say, font = language.say, FontProperties(fname=str(FONTS / "NotoSansKR-Regular.otf"), size=7)
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color=_GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    _draw_band(axes, sex, reference or brush_reference())
    interval = reading.interval_90 or (months, months)
    age = reading.chronological_age_months
    _draw_child(axes, months, interval, age)
    first, last = years_shown(months, interval, age)
    axes.set(xlim=(first, last), ylim=(first, last))
    axes.set_xlabel(say(Remark("chronological age (years)")), fontproperties=font, color=_INK)
    axes.set_ylabel(say(Remark("bone age (years)")), fontproperties=font, color=_INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(1 if last - first <= _FINE else 2))
        for label in axis.get_ticklabels():
            label.set_fontproperties(font)
    axes.tick_params(colors=_INK, length=2, width=0.5)
    for side in axes.spines.values():
        side.set(color=_INK, linewidth=0.5)
    words = say(Remark("2 SD, {children}", children=CHILDREN[sex]))
    below = age is not None and months < age  # the words stand on the other side of the line
    x, y, side = (0.03, 0.92, "left") if below else (0.97, 0.04, "right")
    axes.text(x, y, words, transform=axes.transAxes, ha=side, color=_LINE, fontproperties=font)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return buffer.getvalue()


def years_shown(months: float, interval: tuple[float, float], age: float | None) -> tuple[int, int]:
    """First and last year of both axes: those around the child's age, bone age and its interval, all in months."""
    ages = (months, *interval, months if age is None else age)
    first = max(int(np.floor(min(ages) / YEAR - _AROUND)), 0)
    last = int(np.ceil(max(ages) / YEAR + _AROUND))
    return first, max(last, first + _FEWEST)


def _draw_band(axes: Axes, sex: Sex, reference: Reference) -> None:
    """The line that an SDS is counted from and the band of two SDs on each side, at ages that have an SDS."""
    ages, centre, spread = reference.normal_band(sex)
    axes.fill_between(ages / YEAR, (centre - spread) / YEAR, (centre + spread) / YEAR, color=_BAND, linewidth=0)
    axes.plot(ages / YEAR, centre / YEAR, color=_LINE, linewidth=0.8)


def _draw_child(axes: Axes, months: float, interval: tuple[float, float], age: float | None) -> None:
    low, high = interval
    if age is None:
        axes.axhspan(low / YEAR, high / YEAR, color=_POINT, alpha=0.18, linewidth=0)
        axes.axhline(months / YEAR, color=_POINT, linewidth=1)
        return
    ends = [[(months - low) / YEAR], [(high - months) / YEAR]]
    point = {"x": [age / YEAR], "y": [months / YEAR], "yerr": ends}
    axes.errorbar(**point, fmt="o", markersize=4, elinewidth=1, capsize=2, capthick=1, color=_POINT)
