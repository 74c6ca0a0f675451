"""Results for people and programs: text, JSON lines and CSV on stdout, everything else on stderr, one exit code."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from ..data.files import whole_file
from .reading import Reading, in_years

if TYPE_CHECKING:
    from .evaluate import Evaluation

T = TypeVar("T")

DISCLAIMER = "Research use only; not a medical device."
CSV_COLUMNS = (
    "file",
    "status",
    "reasons",
    "sex",
    "bone_age_months",
    "interval_90_low",
    "interval_90_high",
    "hand_box_x",
    "hand_box_y",
    "hand_box_width",
    "hand_box_height",
    "notes",
    "model",
)
_STYLES = {"ok": "green", "review": "yellow", "rejected": "red", "failed": "red"}
_INTERVAL = "90 % interval"


def console() -> Console:
    """Stdout with colours where it is a terminal, and lines of any length."""
    return Console(soft_wrap=True, highlight=False, emoji=False, markup=False)


def with_progress(items: Iterable[T], total: int, what: str, *, results_show_it: bool = True) -> Iterator[T]:
    """Pass `items` on under a progress bar on stderr, where that is a terminal.

    `results_show_it`: results are printed as they come, so no bar is needed where they go to a terminal too.
    """
    watched = total > 1 and sys.stderr.isatty() and not (results_show_it and sys.stdout.isatty())
    if not watched:
        yield from items
        return
    # stdout stays as it is: rich would send what is printed there to the bar's own console
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        yield from progress.track(items, total, description=what)


def show_json(readings: Iterable[Reading]) -> list[Reading]:
    """Print one JSON object a line, each as soon as it is known, and return the readings."""
    shown = []
    for reading in readings:
        print(json.dumps(reading.to_dict()), flush=True)
        shown.append(reading)
    return shown


def show_text(readings: Iterable[Reading], files: Sequence[str]) -> list[Reading]:
    """Print a paragraph for one film, a line each for several `files`, and return the readings.

    A single file that fails is left to the caller, who says so as an error.
    """
    terminal = console()
    width = max(map(len, files))
    shown = []
    if len(files) > 1:
        head = (
            f"{'file':{width}}  {'status':8}  sex  {'months':>6}  {'bone age':>9}  {_INTERVAL:>14}  reasons and notes"
        )
        terminal.print(Text(head, "bold"))
    for reading in readings:
        if len(files) > 1:
            terminal.print(_line(reading, width))
        elif reading.status != "failed":
            terminal.print(_paragraph(reading))
        shown.append(reading)
    return shown


def show_segments(records: Iterable[Mapping[str, Any]], out: str | Path) -> list[str]:
    """Print a line for each record of `segment.segment_file`, and return their statuses."""
    terminal = console()
    statuses = []
    for record in records:
        status, box = record["status"], record["hand_box"]
        where = "hand at x {}, y {}, {} x {} pixels".format(*box) if box else "no hand"
        text = Text(f"{record['file']}  ").append(f"{status:8}", _STYLES[status]).append(f"  {where}")
        terminal.print(text.append("".join(f"; {words}" for words in (*record["reasons"], *record["notes"]))))
        statuses.append(status)
    return statuses


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the figures of an evaluation, over all films and by sex and age band."""
    terminal, overall = console(), evaluation.overall
    lost = ", ".join(f"{number} {status}" for status, number in evaluation.not_aged().items())
    films = f"{overall.n} of {len(evaluation.films)} films were aged" + (f" ({lost})" if lost else "")
    terminal.print(f"Model {evaluation.model} on {evaluation.cohort}, {evaluation.split}")
    terminal.print(f"{films}; all figures are over these, in months, predicted minus labelled.\n")
    rows = [("films", "n", "not aged", "MAE", "95 % interval", "median", "RMSE", "bias", "within 6", "within 12")]
    rows += [_figures(row) for row in evaluation.groups.to_dict("records")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for level, *cells in rows:
        aligned = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        terminal.print("  ".join((f"{level:{widths[0]}}", *aligned)).rstrip())


def _figures(row: Mapping[Any, Any]) -> tuple[str, ...]:
    counts = row["level"], str(row["n"]), str(row["unread"])
    if not row["n"]:
        return *counts, *[""] * 7
    interval = "{mae_low:.2f} to {mae_high:.2f}".format_map(row) if row["n"] > 1 else ""
    rest = "{median_error:.2f} {rmse:.2f} {bias:+.2f} {within_6:.0%} {within_12:.0%}".format_map(row).split()
    return *counts, f"{row['mae']:.2f}", interval, *rest


def write_csv(readings: Iterable[Reading], path: str | Path) -> None:
    """Write one row a reading under CSV_COLUMNS, whole or not at all; what is not known is blank."""
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for reading in readings:
            values = reading.to_dict()
            writer.writerow(
                (
                    values["file"],
                    values["status"],
                    "; ".join(reading.reasons),
                    values["sex"],
                    values["bone_age_months"],
                    *(values["interval_90"] or (None, None)),
                    *(values["hand_box"] or (None, None, None, None)),
                    "; ".join(reading.notes),
                    values["model"],
                )
            )


def conclude(statuses: Sequence[str], done: str) -> tuple[str, int]:
    """Say how many of several films were not `done` ("aged", "segmented"; "" if none), and give the exit code.

    0: all were; 1: some failed or were rejected; 2: not one could be read.
    """
    lost = Counter(status for status in statuses if status in ("failed", "rejected"))
    if not lost:
        return "", 0
    kinds = ", ".join(f"{number} {status}" for status, number in sorted(lost.items()))
    summary = "" if len(statuses) == 1 else f"{lost.total()} of {len(statuses)} not {done} ({kinds})"
    return summary, 2 if lost["failed"] == len(statuses) else 1


def _paragraph(reading: Reading) -> Text:
    rows: list[tuple[str, str]] = []
    if reading.bone_age_months is not None:
        rows.append(("bone age", f"{in_years(reading.bone_age_months)} ({reading.bone_age_months:.1f} months)"))
    if reading.interval_90:
        low, high = reading.interval_90
        rows.append((_INTERVAL, f"{in_years(low)} to {in_years(high)} ({low:.1f} to {high:.1f} months)"))
    rows.append(("sex", reading.sex or "not known"))
    label = len(_INTERVAL)
    text = Text().append(reading.file, "bold")
    for name, value in rows:
        text.append(f"\n  {name:{label}}  {value}")
    text.append(f"\n  {'status':{label}}  ").append(reading.status, _STYLES[reading.status])
    for name, sentences in (("reason", reading.reasons), ("note", reading.notes)):
        for sentence in sentences:
            text.append(f"\n  {name:{label}}  {sentence}")
    return text.append(f"\n  {'model':{label}}  {reading.model}")


def _line(reading: Reading, width: int) -> Text:
    months = years = interval = ""
    if reading.bone_age_months is not None:
        months, years = f"{reading.bone_age_months:.1f}", in_years(reading.bone_age_months)
    if reading.interval_90:
        interval = "{:.1f} to {:.1f}".format(*reading.interval_90)
    text = Text(f"{reading.file:{width}}  ").append(f"{reading.status:8}", _STYLES[reading.status])
    words = "; ".join((*reading.reasons, *reading.notes))
    return text.append(f"  {reading.sex or '?':3}  {months:>6}  {years:>9}  {interval:>14}  {words}".rstrip())
