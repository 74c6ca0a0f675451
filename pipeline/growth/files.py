"""Write the growth of children: two tables, and for each child a plot and, if asked for, a report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...data.files import refuse_foreign
from ...data.inputs import output_names
from ...data.remark import joined
from ...data.table import has_columns, write_table
from ...data.text import for_file_name
from ..clinical.reference import Reference, brush_reference
from .growth import Growth, Rate
from .plot import growth_plot
from .report import write_growth_report

_RATE_COLUMNS = ("years", "months_a_year", "interval_90_low", "interval_90_high")
_END_COLUMNS = ("exam_date", "age_months", "bone_age_months")
CHILD_COLUMNS = (
    *("patient", "sex", "films"),
    *(f"{end}_{name}" for end in ("first", "last") for name in _END_COLUMNS),
    *(*_RATE_COLUMNS, "contradictions", "notes"),
)
STEP_COLUMNS = ("patient", "from", "to", *_RATE_COLUMNS)

REPORTS = ("html", "pdf")  # kinds of a report


def write_growth(
    growths: Sequence[Growth],
    out: str | Path,
    *,
    reference: Reference | None = None,
    report: str | None = None,
    language: str = "en",
) -> None:
    """Write `out/children.csv`, `out/steps.csv` and a plot for each child with several films, named by the patient.

    reference: the healthy children that are shown; by default Brush's. report: one of REPORTS, to write a report on
    each of these children too, in a language.
    """
    children, steps = Path(out, "children.csv"), Path(out, "steps.csv")
    drawn = [growth for growth in growths if len(growth.films) > 1]
    names = file_names([growth.patient for growth in drawn])
    plots = [Path(out, f"{name}.png") for name in names]
    reports = [Path(out, f"{name}.{report}") for name in names] if report else []
    compared = reference or brush_reference()
    refuse_foreign(children, has_columns(CHILD_COLUMNS))
    refuse_foreign(steps, has_columns(STEP_COLUMNS))
    for path in (*plots, *reports):
        refuse_foreign(path)
    write_table(children, CHILD_COLUMNS, list(map(_child_row, growths)))
    write_table(steps, STEP_COLUMNS, _step_rows(growths))
    for growth, path in zip(drawn, plots, strict=True):
        growth_plot(growth, path, compared)
    for growth, path in zip(drawn, reports, strict=False):
        write_growth_report(growth, path, language, compared)


def file_names(patients: Sequence[str]) -> tuple[str, ...]:
    """A unique file name for each patient, of letters, digits, dots and dashes."""
    return output_names([Path(for_file_name(patient)) for patient in patients])


def _step_rows(growths: Sequence[Growth]) -> list[dict[str, Any]]:
    """One row for each film and the next of the same child, with the rate between them and its interval."""
    return [
        {"patient": growth.patient, "from": film.file, "to": following.file} | _rate_cells(rate)
        for growth in growths
        for (film, following), rate in zip(pairwise(growth.films), growth.steps, strict=True)
    ]


def _child_row(growth: Growth) -> dict[str, Any]:
    """The films, first and last age and bone age, the rate with its interval, contradictions and notes."""
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
