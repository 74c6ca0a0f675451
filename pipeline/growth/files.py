"""Write the growth of children: two tables, and for each child a plot over the band of healthy children."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ...data.child import YEAR
from ...data.files import refuse_foreign
from ...data.inputs import output_names
from ...data.remark import joined
from ...data.sex import Sex
from ...data.table import has_columns, write_table
from ...data.text import for_file_name, for_line, for_plot, shortened
from ..clinical.reference import brush_reference
from ..plotting import INK, new_plot, save, tick_every
from .growth import Growth, Rate

_RATE_COLUMNS = ("years", "months_a_year", "interval_90_low", "interval_90_high")
_END_COLUMNS = ("exam_date", "age_months", "bone_age_months")
CHILD_COLUMNS = (
    *("patient", "sex", "films"),
    *(f"{end}_{name}" for end in ("first", "last") for name in _END_COLUMNS),
    *(*_RATE_COLUMNS, "contradictions", "notes"),
)
STEP_COLUMNS = ("patient", "from", "to", *_RATE_COLUMNS)

_BAND, _COLOUR = "#cfd8dc", "#1f6fa8"
_MARGIN = 1.0  # years shown before the first film and after the last
_LONGEST = 60  # characters of a name in a title, which would else leave no room for the axes
_CHILDREN = {"F": "girl", "M": "boy", None: "sex not known"}


def write_growth(growths: Sequence[Growth], out: str | Path) -> None:
    """Write `out/children.csv`, `out/steps.csv` and a plot for each child with several films, named by the patient."""
    children, steps = Path(out, "children.csv"), Path(out, "steps.csv")
    drawn = [growth for growth in growths if len(growth.films) > 1]
    plots = [Path(out, f"{name}.png") for name in file_names([growth.patient for growth in drawn])]
    refuse_foreign(children, has_columns(CHILD_COLUMNS))
    refuse_foreign(steps, has_columns(STEP_COLUMNS))
    for path in plots:
        refuse_foreign(path)
    write_table(children, CHILD_COLUMNS, growth_table(growths))
    write_table(steps, STEP_COLUMNS, steps_table(growths))
    for growth, path in zip(drawn, plots, strict=True):
        growth_plot(growth, path)


def file_names(patients: Sequence[str]) -> tuple[str, ...]:
    """A unique file name for each patient, of letters, digits, dots and dashes."""
    return output_names([Path(for_file_name(patient)) for patient in patients])


def growth_table(growths: Sequence[Growth]) -> list[dict[str, Any]]:
    """One row a child: films, first and last age and bone age, the rate with its interval, contradictions and notes."""
    return [_child_row(growth) for growth in growths]


def steps_table(growths: Sequence[Growth]) -> list[dict[str, Any]]:
    """One row for each film and the next of the same child, with the rate between them and its interval."""
    return [
        {"patient": growth.patient, "from": film.file, "to": following.file} | _rate_cells(rate)
        for growth in growths
        for (film, following), rate in zip(pairwise(growth.films), growth.steps, strict=True)
    ]


def growth_plot(growth: Growth, path: str | Path) -> None:
    """Draw one child into an image file, whose format follows the suffix.

    The plot is over age, with the line where bone age equals age and, if the sex is known, the band of the Brush
    Foundation's children: age and 2 SD on both sides, at ages that have an SDS. If only dates are known, it is over the
    years since the first film, without band.
    """
    figure, axes = new_plot((6.4, 6.2))
    axes.spines[["top", "right"]].set_visible(False)
    across = np.array(growth.times) / YEAR
    up = np.array([film.bone_age for film in growth.films], float) / YEAR
    low, high = _ends(growth, up)
    shown = (float(across.min() - _MARGIN), float(across.max() + _MARGIN))
    heights = [float(low.min()), float(high.max())]
    if growth.by_date:
        axes.set_xlabel("years since the first film")
    else:
        axes.set_xlabel("chronological age (years)")
        shown = (max(shown[0], 0.0), shown[1])
        heights += _draw_reference(axes, growth.sex, shown)
    _draw_films(axes, growth, across, up, low, high)
    axes.set(xlim=shown, ylim=(max(min(heights) - 0.25, 0.0), max(heights) + 0.25), ylabel="bone age (years)")
    for axis, span in ((axes.xaxis, shown[1] - shown[0]), (axes.yaxis, max(heights) - min(heights))):
        tick_every(0.5 if span < 4 else 1 if span < 12 else 2, axis)
    axes.set_title(for_plot(_title(growth)), fontsize=10.5, color=INK, loc="left", pad=10)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    save(figure, path)


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


def _draw_reference(axes: Axes, sex: Sex | None, across: tuple[float, float]) -> list[float]:
    """Draw line and band between two ages in years; return bone ages that the axis must show."""
    axes.plot(across, across, color=INK, linewidth=1, linestyle="--", label="bone age = chronological age", zorder=1)
    shown = [*across]
    if sex:
        ages, centre, spread = brush_reference().normal_band(sex, across[0] * YEAR, across[1] * YEAR)
        if len(ages):
            lower, upper = (centre - spread) / YEAR, (centre + spread) / YEAR
            axes.fill_between(
                ages / YEAR, lower, upper, color=_BAND, linewidth=0, zorder=0, label="Brush Foundation, ± 2 SD"
            )
            shown += [float(lower.min()), float(upper.max())]
    return shown


def _draw_films(
    axes: Axes, growth: Growth, across: np.ndarray, up: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    axes.vlines(
        across, low, high, color=_COLOUR, linewidth=1.4, alpha=0.6, zorder=2, label="90 % interval of a reading"
    )
    axes.plot(across, up, color=_COLOUR, linewidth=1.4, zorder=3)
    review = np.array([film.status == "review" for film in growth.films])
    for shown, fill, words in ((~review, _COLOUR, "reading"), (review, "white", "reading to be reviewed")):
        if shown.any():
            axes.scatter(across[shown], up[shown], s=42, color=fill, edgecolors=_COLOUR, zorder=4, label=words)


def _child_row(growth: Growth) -> dict[str, Any]:
    ends = (growth.films[0], growth.films[-1]) if growth.films else (None, None)
    row: dict[str, Any] = {"patient": growth.patient, "sex": growth.sex, "films": len(growth.films)}
    for name, film in zip(("first", "last"), ends, strict=True):
        facts = (film.exam_date, film.age, film.bone_age) if film else (None,) * 3
        row |= {f"{name}_{what}": fact for what, fact in zip(_END_COLUMNS, facts, strict=True)}
    row |= _rate_cells(growth.rate)
    return row | {"contradictions": joined(growth.contradictions), "notes": joined(growth.notes)}


def _rate_cells(rate: Rate | None) -> dict[str, Any]:
    low, high = rate.interval_90 if rate and rate.interval_90 else (None, None)
    numbers = (rate.years, rate.months_a_year, low, high) if rate else (None,) * 4
    return {n: None if x is None else round(x, 2) for n, x in zip(_RATE_COLUMNS, numbers, strict=True)}
