"""Results for people and programs: text and JSON lines on stdout. On a terminal a film is one line of 80 columns."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..data.remark import Remark, joined
from ..data.text import counted, for_line, for_lines, from_markdown
from .reading import DISCLAIMER as DISCLAIMER
from .reading import Reading, in_years

if TYPE_CHECKING:
    from rich.table import Table

    from .growth.films import Film
    from .growth.growth import Growth
    from .predict.cohort import Tally

_COLOURS = {"ok": "green", "review": "yellow", "rejected": "red", "failed": "red"}
_CELL_END = re.compile(r"(?<!\\)\|")  # of a table of Markdown
_LONGEST_NAME = 22  # characters of a file's name in a row on a terminal


def show_json(reading: Reading) -> None:
    """Print a reading as one JSON object on a line."""
    print(json.dumps(reading.to_dict()), flush=True)


def text_printer(files: Sequence[str]) -> Callable[[Reading], None]:
    """A function that prints a reading: a paragraph where `files` is a single one, else a line under a heading.

    A single file that fails is left to the caller, who says so as an error.
    """
    if len(files) < 2:
        return lambda reading: _print(_paragraph(reading)) if reading.status != "failed" else None
    rows = _Rows(files, f"{'status':8}  sex  {'bone age':>9}  {'months':>6}  {'90 % interval':>14}    SDS")

    def show(reading: Reading) -> None:
        facts = [reading.assessment] if reading.assessment else []
        facts += [f"adult height {height.cm:.1f} cm by {height.method}" for height in reading.adult_heights]
        facts += [f"target height {reading.target_height_cm:.1f} cm"] if reading.target_height_cm is not None else []
        rows.show(reading.file, _cells(reading), (*facts, *reading.reasons, *reading.notes))

    return show


def segment_printer(files: Sequence[str]) -> Callable[[Mapping[str, Any]], None]:
    """A function that prints a line for a record of `segment.segment_file`."""
    rows = _Rows(files, f"{'status':8}  hand")

    def show(record: Mapping[str, Any]) -> None:
        box = record["hand_box"]
        where = "x {}, y {}, {} x {} pixels".format(*box) if box else "none"
        remarks = (*record["reasons"], *record["notes"])
        rows.show(record["file"], f"{_status(record['status'])}  {where}", remarks)

    return show


class _Rows:
    """Rows under a heading, one for each file. Its remarks end the row; on a terminal they follow below it.

    On a terminal files are named without the folder that they share, and a long name is shortened at its beginning.
    """

    def __init__(self, files: Sequence[str], heading: str) -> None:
        self._on_terminal = sys.stdout.isatty()
        self._folder = _folder_of(files) if self._on_terminal else ""
        self._width = max(4, *(len(self._name(file)) for file in files))
        self._headings = [f"{'file':{self._width}}  {heading}"]
        if self._folder:
            self._headings.insert(0, f"files in {for_line(self._folder)}")

    def show(self, file: str, cells: str, remarks: Sequence[Remark | str]) -> None:
        """Print a row, the first under the heading."""
        for heading in self._headings:
            _print(_styled(heading, bold=True))
        self._headings = []
        row = f"{self._name(file):{self._width}}  {cells}"
        if not self._on_terminal:
            _print(f"{row}  {for_line(joined(remarks))}".rstrip())
            return
        _print(row.rstrip())
        width = shutil.get_terminal_size().columns
        for remark in remarks:
            lines = textwrap.wrap(for_line(str(remark)), width, initial_indent="  ", subsequent_indent="  ")
            _print(_styled("\n".join(lines), dim=True))

    def _name(self, file: str) -> str:
        name = for_line(file[len(self._folder) :])
        if not self._on_terminal or len(name) <= _LONGEST_NAME:
            return name
        _, separator, whole = (end := name[1 - _LONGEST_NAME :]).partition(os.sep)
        return f"…{separator}{whole or end}"


def _folder_of(files: Sequence[str]) -> str:
    """The folder that all files are in, with its separator; "" where there is none."""
    shared = os.path.commonprefix([file.rpartition(os.sep)[0] + os.sep for file in files])  # noqa: RUF071 - by letters
    folder = shared[: shared.rfind(os.sep) + 1]
    return "" if folder == os.sep else folder


def show_markdown(text: str) -> None:
    """Print Markdown, laid out on a terminal; into a file or pipe it goes as it is."""
    if not sys.stdout.isatty():
        print(for_lines(text), end="", flush=True)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(markup=False, emoji=False)
    for block in for_lines(text).strip().split("\n\n"):
        console.print(_table(block, console.width) if block.startswith("|") else Markdown(block), "")


def _table(block: str, width: int) -> Table:
    """A table of Markdown, whose cells are folded and never cut on a terminal of `width` characters."""
    from rich.table import Table

    head, rule, *rows = (
        [from_markdown(cell.strip()) for cell in _CELL_END.split(line)[1:-1]] for line in block.splitlines()
    )
    table = Table(box=None, padding=(0, 1), collapse_padding=width < 100, pad_edge=False)
    for name, line in zip(head, rule, strict=True):
        table.add_column(name, justify="right" if line.endswith(":") else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def show_growth(growths: Sequence[Growth]) -> None:
    """Print a line for each child with several films, and what contradicts itself or is to be noted."""
    shown = [growth for growth in growths if len(growth.films) > 1 or growth.contradictions]
    cells = (tuple(map(for_line, _growth_cells(growth))) for growth in shown)
    rows = [("patient", "sex", "films", "from", "to", "bone age grows by"), *cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    _print(_styled(head, bold=True))
    for line, growth in zip(lines, shown, strict=True):
        _print(line)
        for colour, remarks in (("red", growth.contradictions), ("yellow", growth.notes)):
            for remark in remarks:
                _print(_styled(f"  {for_line(str(remark))}", fg=colour))


def _growth_cells(growth: Growth) -> tuple[str, ...]:
    times = growth.times or (0.0,)
    ends = [f"{time / 12:.1f} y" if growth.by_date else str(in_years(time)) for time in (times[0], times[-1])]
    rate = str(growth.rate) if growth.rate else "no rate"
    return growth.patient, growth.sex or "?", str(len(growth.films)), *ends, rate


def growth_summary(growths: Sequence[Growth], films: Sequence[Film]) -> str:
    """Counts of children: with several films, with one, with contradictions; and of films without a patient."""
    several = sum(len(growth.films) > 1 for growth in growths)
    against = sum(bool(growth.contradictions) for growth in growths)
    nobodys = sum(not film.patient for film in films)
    words = f"{counted(len(growths), 'child', 'children')}: {several:,} with several films that count"
    words += f", {len(growths) - several:,} with one or none"
    words += f"; {against:,} with contradictions" if against else ""
    return words + (f"; {counted(nobodys, 'film')} without a patient left out" if nobodys else "")


def summary(tally: Tally, done: str = "assessed") -> str:
    """A run in some lines: films by status, those not `done` by reason, and the files that are no films."""
    kinds = ", ".join(f"{tally.statuses[status]:,} {status}" for status in _COLOURS if tally.statuses[status])
    before = f"; {tally.before:,} of them were read before" if tally.before else ""
    lines = [f"{counted(tally.films, 'film')}: {kinds}{before}"]
    if tally.lost:
        lost = ", ".join(f"{number} {status}" for status, number in tally.lost.items())
        lines.append(f"{tally.lost.total()} of {tally.films} not {done} ({lost})")
    width = max((len(f"{number:,}") for number in tally.not_assessed.values()), default=0)
    causes = (((status, for_line(str(why))), number) for (status, why), number in tally.not_assessed.most_common())
    lines += [f"  {number:>{width},}  {status}: {why}" for (status, why), number in causes]
    if tally.no_films:
        others = ", ".join(f"{number:,} {for_line(str(kind))}" for kind, number in tally.no_films.most_common())
        lines.append(f"{counted(tally.no_films.total(), 'file')} left out as no films: {others}")
    return "\n".join(lines)


def _paragraph(reading: Reading) -> str:
    rows = reading.rows()
    width = max(len(label) for label, _ in rows)
    lines = (f"  {label:{width}}  {_status(text, 0) if label == 'status' else for_line(text)}" for label, text in rows)
    return "\n".join((_styled(for_line(reading.file), bold=True), *lines))


def _cells(reading: Reading) -> str:
    months = years = interval = sds = ""
    if reading.bone_age_months is not None:
        months, years = f"{reading.bone_age_months:.1f}", str(in_years(reading.bone_age_months))
    if reading.interval_90:
        interval = "{:.1f} to {:.1f}".format(*reading.interval_90)
    if reading.sds is not None:
        sds = f"{reading.sds:+.2f}"
    return f"{_status(reading.status)}  {reading.sex or '?':3}  {years:>9}  {months:>6}  {interval:>14}  {sds:>5}"


def _status(status: str, width: int = 8) -> str:
    return _styled(f"{status:{width}}", fg=_COLOURS[status])


def _print(text: str) -> None:
    """Print, above a bar if there is one; click.echo writes past the stream that stands for stdout then."""
    print(text, flush=True)


def _styled(text: str, **style: Any) -> str:
    """Text with a style where stdout is a terminal."""
    return click.style(text, **style) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text
