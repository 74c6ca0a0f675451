"""Pictures of a child's growth: bone age against age, how fast it grows, and the adult heights predicted at each film.

The words are those of a language; the picture of all three together, a file for each child, is in English.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from ...data.child import YEAR
from ...data.remark import Remark, Verbatim, joined
from ...data.text import for_line, shortened
from ..clinical.reference import Reference
from ..plotting import GRID, INK, Plot, report_family, save, tick_every
from ..report.language import Language
from .growth import Growth

_BAND, _COLOUR, _FALL, _TARGET = "#cfd8dc", "#1f6fa8", "#b3261e", "#f1e3cf"
_METHODS: Mapping[str, tuple[str, str, float]] = {  # colour, marker, and years that it is moved so as not to be hidden
    "Bayley-Pinneau": ("#1f6fa8", "o", -0.03),
    "RWT": ("#8a4b00", "s", 0.0),
    "Khamis-Roche": ("#17603a", "^", 0.03),
}
_MARGIN = 1.0  # years shown before the first film and after the last
_LONGEST = 26  # characters of a name in a title, of which two stand in a line as wide as the plot
_CHILDREN = {"F": "girl", "M": "boy", None: "sex not known"}
Draw: TypeAlias = Callable[[Axes, Growth, Language, Reference], None]


def growth_plot(growth: Growth, path: str | Path, reference: Reference) -> None:
    """Draw one child into an image file, whose format follows the suffix.

    Above is bone age over chronological age, with the line where both are equal, the line that the rate is of, falls
    in red, and, if the sex is known, the band of the reference at ages that have an SDS; below are the rate from each
    film to the next, and the adult heights, where there are any. If only dates are known, all is over the years since
    the first film, without band.
    """
    parts: list[Draw] = [draw_bone_age]
    parts += [draw_velocity] if has_velocity(growth) else []
    parts += [draw_heights] if has_heights(growth) else []
    tall = [5.4, 2.2, 2.6][: len(parts)] if has_velocity(growth) else [5.4, 2.6][: len(parts)]
    figure = Plot((6.4, 0.9 + sum(tall)))
    panels = figure.subplots(len(parts), squeeze=False, height_ratios=tall)[:, 0]
    for draw, axes in zip(parts, panels, strict=True):
        draw(axes, growth, Language(), reference)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7.5)
    panels[0].set_title(_title(growth), fontsize=10.5, color=INK, loc="left", pad=10)
    figure.set_figwidth(8.2)  # the keys stand beside the panels
    save(figure, path)


def part_of(draw: Draw, growth: Growth, language: Language, reference: Reference, size: tuple[float, float]) -> bytes:
    """One of the three pictures alone as a PNG of `size` (width and height in inches), with its words in a language."""
    with matplotlib.rc_context({"font.family": report_family(), "font.size": 7}):
        figure = Plot(size, dpi=300)
        axes = figure.subplots()
        draw(axes, growth, language, reference)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=6, columnspacing=1, handlelength=1.6)
        buffer = io.BytesIO()
        figure.savefig(buffer)
    return buffer.getvalue()


def has_velocity(growth: Growth) -> bool:
    """Whether there is a rate from any film to the next."""
    return any(growth.steps)


def has_heights(growth: Growth) -> bool:
    """Whether an adult height was predicted at any film, or a target height is known."""
    return any(film.adult_heights or film.target_height is not None for film in growth.films)


def draw_bone_age(axes: Axes, growth: Growth, language: Language, reference: Reference) -> None:
    """Bone ages with their intervals over age, in the reference's band; the line of the rate, and falls."""
    say = language.say
    across, up = _years(growth), np.array([film.bone_age for film in growth.films], float) / YEAR
    low, high = _ends(growth, up)
    shown = _prepare(axes, growth, language)
    heights = [float(low.min()), float(high.max())]
    if not growth.by_date:
        heights += _draw_reference(axes, growth, language, reference, shown)
    axes.vlines(
        across, low, high, color=_COLOUR, linewidth=1.4, alpha=0.6, zorder=2, label=say(Remark("90 % interval"))
    )
    if growth.rate:
        ends = across[[0, -1]]
        line = np.array([growth.rate.bone_age_at(years) for years in ends]) / YEAR
        label = say(Remark("line of the rate"))
        axes.plot(ends, line, color=_COLOUR, linewidth=1.4, zorder=3, label=label)
    label = say(Remark("bone age falls"))
    for first in np.flatnonzero(np.diff(up) < 0):
        axes.plot(across[first : first + 2], up[first : first + 2], color=_FALL, linewidth=2, zorder=3, label=label)
        label = "_"  # named once
    review = np.array([film.status == "review" for film in growth.films])
    for of_kind, fill, words in (
        (~review, _COLOUR, Remark("reading")),
        (review, "white", Remark("reading to be reviewed")),
    ):
        if of_kind.any():
            points = {"x": across[of_kind], "y": up[of_kind]}
            axes.scatter(**points, s=36, color=fill, edgecolors=_COLOUR, zorder=4, label=say(words))
    axes.set(ylim=(max(min(heights) - 0.25, 0.0), max(heights) + 0.25), ylabel=say(Remark("bone age (years)")))
    tick_every(_step(max(heights) - min(heights)), axes.yaxis)


def draw_velocity(axes: Axes, growth: Growth, language: Language, _: Reference) -> None:
    """The rate from each film to the next with its 90 % interval, in the middle of the time between them."""
    say, across = language.say, _years(growth)
    _prepare(axes, growth, language)
    axes.axhline(12, color=INK, linewidth=1, linestyle="--", label=say(Remark("as fast as age: 12")), zorder=1)
    label, ends = say(Remark("from film to film")), say(Remark("90 % interval"))
    steps = [(rate, *span) for rate, *span in zip(growth.steps, across, across[1:], strict=False) if rate is not None]
    steps.sort(key=lambda step: step[0].months_a_year < 0)  # falls last, so that the legend has not their colour
    for rate, start, end in steps:
        colour = _FALL if rate.months_a_year < 0 else _COLOUR
        axes.hlines(rate.months_a_year, start, end, color=colour, linewidth=2.2, label=label, zorder=3)
        if rate.interval_90:
            axes.vlines((start + end) / 2, *rate.interval_90, color=colour, alpha=0.6, label=ends, zorder=2)
            ends = "_"
        label = "_"
    axes.set_ylabel(say(Remark("months of bone age a year")))


def draw_heights(axes: Axes, growth: Growth, language: Language, _: Reference) -> None:
    """The adult height by each method at each film, with its range over the bone age's interval; target height."""
    say, across = language.say, _years(growth)
    _prepare(axes, growth, language)
    for name, (colour, marker, moved) in _METHODS.items():
        found = [
            (years + moved, height)
            for years, film in zip(across, growth.films, strict=True)
            for height in film.adult_heights
            if height.method == name
        ]
        if not found:
            continue
        x, y = [years for years, _ in found], [height.cm for _, height in found]
        axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1, label=name, zorder=3)
        for years, height in found:
            if height.ends:
                axes.vlines(years, *height.ends, color=colour, alpha=0.5, linewidth=1.2, zorder=2)
    targets = [film for film in growth.films if film.target_height is not None]
    if targets and targets[-1].target_height is not None:
        target, low, high = targets[-1].target_height
        axes.axhspan(low, high, color=_TARGET, linewidth=0, zorder=0)
        axes.axhline(target, color=INK, linewidth=1, linestyle=":", label=say(Remark("Target height")), zorder=1)
    axes.set_ylabel(say(Remark("adult height (cm)")))


def _prepare(axes: Axes, growth: Growth, language: Language) -> tuple[float, float]:
    """What the panels share: a light grid, and an axis of years around the films; returns its ends."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    across = _years(growth)
    shown = (float(across.min() - _MARGIN), float(across.max() + _MARGIN))
    if not growth.by_date:
        shown = (max(shown[0], 0.0), shown[1])
    words = Remark("years since the first film") if growth.by_date else Remark("chronological age (years)")
    axes.set(xlim=shown, xlabel=language.say(words))
    tick_every(_step(shown[1] - shown[0]), axes.xaxis)
    return shown


def _years(growth: Growth) -> np.ndarray:
    return np.array(growth.times) / YEAR


def _step(span: float) -> float:
    """Years between ticks of an axis of so many years."""
    return 0.5 if span < 4 else 1 if span < 12 else 2


def _title(growth: Growth) -> str:
    """Patient, sex and model; then the rate, or why there is none."""
    model = next((film.model for film in growth.films if film.model), "")
    name, by = (shortened(for_line(text), _LONGEST) for text in (growth.patient, model))
    lines = [f"Patient {name}, {_CHILDREN[growth.sex]}" + (f"; model {by}" if by else "")]
    if growth.rate:
        lines.append(f"bone age grows by {growth.rate}".replace("-", "−"))
    else:
        lines += textwrap.wrap("no rate: " + (joined(growth.contradictions) or "all films are of one day"), 70)
    return "\n".join(lines)


def _ends(growth: Growth, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the readings' intervals in years; the reading itself where there is none."""
    ends = [film.interval_90 or (months * YEAR, months * YEAR) for film, months in zip(growth.films, up, strict=True)]
    low, high = np.array(ends, float).T / YEAR
    return low, high


def _draw_reference(
    axes: Axes, growth: Growth, language: Language, reference: Reference, across: tuple[float, float]
) -> list[float]:
    """Draw line and band between two ages in years; return bone ages that the axis must show."""
    equal = language.say(Remark("bone age = chronological age"))
    axes.plot(across, across, color=INK, linewidth=1, linestyle="--", label=equal, zorder=1)
    if growth.sex is None:
        return [*across]
    ages, centre, spread = reference.normal_band(growth.sex, across[0] * YEAR, across[1] * YEAR)
    if not len(ages):
        return [*across]
    lower, upper = (centre - spread) / YEAR, (centre + spread) / YEAR
    label = language.say(Remark("{name}, ± 2 SD", name=Verbatim(shortened(for_line(reference.name), _LONGEST))))
    axes.fill_between(ages / YEAR, lower, upper, color=_BAND, linewidth=0, zorder=0, label=label)
    return [*across, float(lower.min()), float(upper.max())]
