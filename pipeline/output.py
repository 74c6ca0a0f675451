"""Results for people and programs: text and JSON lines on stdout, everything else on stderr, one exit code."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..data.remark import Remark, joined
from ..data.text import for_line, for_lines
from .reading import DISCLAIMER as DISCLAIMER
from .reading import Reading, in_years

if TYPE_CHECKING:
    from .growth.growth import Film, Growth
    from .predict.cohort import Tally

T = TypeVar("T")

_COLOURS = {"ok": "green", "review": "yellow", "rejected": "red", "failed": "red"}
_INTERVAL = "90 % interval"


@contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Give a function that moves a progress bar one on, which shows rate and time left on stderr if that is a terminal.

    What is printed meanwhile to a terminal appears above the bar; what is printed to a file stays as it is.
    """
    if total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from .progress import bar

    with bar(total, what) as move_on:
        yield move_on


def with_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass `items` on under a `progress_bar`."""
    with progress_bar(total, what) as move_on:
        for item in items:
            yield item
            move_on()


def show_json(reading: Reading) -> None:
    """Print a reading as one JSON object on a line."""
    print(json.dumps(reading.to_dict()), flush=True)


def text_printer(files: Sequence[str]) -> Callable[[Reading], None]:
    """A function that prints a reading: a paragraph where `files` is a single one, else a line under a heading.

    A single file that fails is left to the caller, who says so as an error.
    """
    if len(files) < 2:
        return lambda reading: click.echo(_paragraph(reading)) if reading.status != "failed" else None
    width = max(len(for_line(file)) for file in files)
    head = f"{'file':{width}}  {'status':8}  sex  {'months':>6}  {'bone age':>9}  {_INTERVAL:>14}  reasons and notes"
    headings = iter([head])

    def show(reading: Reading) -> None:
        for heading in headings:
            click.echo(_styled(heading, bold=True))
        click.echo(_line(reading, width))

    return show


def show_segments(records: Iterable[Mapping[str, Any]], out: str | Path) -> list[str]:
    """Print a line for each record of `segment.segment_file`, and return their statuses."""
    statuses = []
    for record in records:
        status, box = record["status"], record["hand_box"]
        where = "hand at x {}, y {}, {} x {} pixels".format(*box) if box else "no hand"
        words = "; ".join((where, *record["reasons"], *record["notes"]))
        click.echo(f"{for_line(record['file'])}  {_status(status)}  {for_line(words)}")
        statuses.append(status)
    return statuses


def show_markdown(text: str) -> None:
    """Print Markdown, laid out on a terminal; into a file or pipe it goes as it is."""
    if not sys.stdout.isatty():
        click.echo(for_lines(text), nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(for_lines(text)))


def show_growth(growths: Sequence[Growth]) -> None:
    """Print a line for each child with several films, and what contradicts itself or is to be noted."""
    shown = [growth for growth in growths if len(growth.films) > 1 or growth.contradictions]
    cells = (tuple(map(for_line, _growth_cells(growth))) for growth in shown)
    rows = [("patient", "sex", "films", "from", "to", "bone age grows by"), *cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    click.echo(_styled(head, bold=True))
    for line, growth in zip(lines, shown, strict=True):
        click.echo(line)
        for colour, sentences in (("red", growth.contradictions), ("yellow", growth.notes)):
            for sentence in sentences:
                click.echo(_styled(f"  {for_line(sentence)}", fg=colour))


def _growth_cells(growth: Growth) -> tuple[str, ...]:
    times = growth.times or (0.0,)
    ends = [f"{time / 12:.1f} y" if growth.by_date else str(in_years(time)) for time in (times[0], times[-1])]
    rate = str(growth.rate) if growth.rate else "no rate"
    return growth.patient, growth.sex or "?", str(len(growth.films)), *ends, rate


def growth_summary(growths: Sequence[Growth], films: Sequence[Film]) -> str:
    """How many children there are, with several films, with one, contradictory; and films that are nobody's."""
    several = sum(len(growth.films) > 1 for growth in growths)
    against = sum(bool(growth.contradictions) for growth in growths)
    nobodys = sum(not film.patient for film in films)
    children = "1 child" if len(growths) == 1 else f"{len(growths):,} children"
    words = f"{children}: {several:,} with several films that count, {len(growths) - several:,} with one or none"
    words += f"; {against:,} with contradictions" if against else ""
    return words + (f"; {_counted(nobodys, 'film')} without a patient left out" if nobodys else "")


def summary(tally: Tally) -> str:
    """A run in some lines: films by status, those not assessed by reason, and the files that are no films."""
    kinds = ", ".join(f"{tally.statuses[status]:,} {status}" for status in _COLOURS if tally.statuses[status])
    before = f"; {tally.before:,} of them were read before" if tally.before else ""
    lines = [f"{_counted(tally.films, 'film')}: {kinds}{before}"]
    width = max((len(f"{number:,}") for number in tally.not_assessed.values()), default=0)
    lines += [words] if (words := conclude(tally.statuses, "assessed")[0]) else []
    causes = (((status, for_line(str(why))), number) for (status, why), number in tally.not_assessed.most_common())
    lines += [f"  {number:>{width},}  {status}: {why}" for (status, why), number in causes]
    return "\n".join([*lines, *([left_out(tally.no_films)] if tally.no_films else [])])


def left_out(no_films: Counter[Remark]) -> str:
    """Say which of the files found are no films: "2 files left out as no films: 1 DICOM Basic Text SR, 1 ..."."""
    kinds = ", ".join(f"{number:,} {for_line(str(kind))}" for kind, number in no_films.most_common())
    return f"{_counted(no_films.total(), 'file')} left out as no films: {kinds}"


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def conclude(statuses: Iterable[str] | Mapping[str, int], done: str) -> tuple[str, int]:
    """Say how many of several films were not `done` ("assessed", "segmented"; "" if none), and give the exit code.

    0: all were; 1: some failed or were rejected; 2: not one could be read.
    """
    counts: Counter[str] = Counter(statuses)
    total, lost = (
        counts.total(),
        Counter({status: counts[status] for status in ("failed", "rejected") if counts[status]}),
    )
    if not lost:
        return "", 0
    kinds = ", ".join(f"{number} {status}" for status, number in sorted(lost.items()))
    words = "" if total == 1 else f"{lost.total()} of {total} not {done} ({kinds})"
    return words, 2 if lost["failed"] == total else 1


def _paragraph(reading: Reading) -> str:
    rows: list[tuple[str, str]] = []
    if reading.bone_age_months is not None:
        rows.append(("bone age", f"{in_years(reading.bone_age_months)} ({reading.bone_age_months:.1f} months)"))
    if reading.interval_90:
        low, high = reading.interval_90
        rows.append((_INTERVAL, f"{reading.interval_words} ({low:.1f} to {high:.1f} months)"))
    rows.append(("sex", reading.sex or "not known"))
    rows += _clinical_rows(reading)
    label = max(len(_INTERVAL), *(len(name) for name, _ in rows))
    rows.append(("status", _status(reading.status, width=0)))
    for name, sentences in (("reason", reading.reasons), ("note", reading.notes), ("caveat", reading.caveats)):
        rows += [(name, str(sentence)) for sentence in sentences]
    rows.append(("model", f"{reading.weights}, boneage {reading.boneage_version}"))
    lines = (f"  {name:{label}}  {value if name == 'status' else for_line(value)}" for name, value in rows)
    return "\n".join((_styled(for_line(reading.file), bold=True), *lines))


def _clinical_rows(reading: Reading) -> list[tuple[str, str]]:
    """What a chronological age and a height add to a paragraph; no row for what is not known."""
    rows: list[tuple[str, str]] = []
    if reading.chronological_age_months is not None:
        age = f"{in_years(reading.chronological_age_months)} ({reading.chronological_age_months:.1f} months)"
        rows.append(("chronological age", f"{age}, {reading.chronological_age_source}"))
    if reading.difference_months is not None:
        rows.append(("difference", f"{reading.difference_months:+.1f} months"))
    if reading.sds is not None:
        ends = _range(reading.sds_interval_90, "+.2f")
        rows.append(("SDS", f"{reading.sds:+.2f}{ends}: {reading.assessment}"))
        rows.append(("SDS from", str(reading.sds_reference)))
    if reading.reference_mean_months is not None:
        mean = f"{in_years(reading.reference_mean_months)} ({reading.reference_mean_months:.1f} months)"
        rows.append(("mean at this age", f"{mean}, SD {reading.reference_sd_months:.1f} months"))
    if reading.adult_height_cm is not None:
        ends = _range(reading.adult_height_interval_90, ".1f")
        rows.append(("adult height", f"{reading.adult_height_cm:.1f} cm{ends}, {reading.adult_height_category} table"))
    return rows


def _range(ends: tuple[float, float] | None, form: str) -> str:
    return f" ({ends[0]:{form}} to {ends[1]:{form}} over the {_INTERVAL})" if ends else ""


def _line(reading: Reading, width: int) -> str:
    months = years = interval = ""
    if reading.bone_age_months is not None:
        months, years = f"{reading.bone_age_months:.1f}", str(in_years(reading.bone_age_months))
    if reading.interval_90:
        interval = "{:.1f} to {:.1f}".format(*reading.interval_90)
    facts = [f"{reading.assessment}, SDS {reading.sds:+.2f}"] if reading.sds is not None else []
    facts += [f"adult height {reading.adult_height_cm:.1f} cm"] if reading.adult_height_cm is not None else []
    words = for_line(joined((*facts, *reading.reasons, *reading.notes)))
    cells = f"{reading.sex or '?':3}  {months:>6}  {years:>9}  {interval:>14}  {words}"
    return f"{for_line(reading.file):{width}}  {_status(reading.status)}  {cells}".rstrip()


def _status(status: str, width: int = 8) -> str:
    return _styled(f"{status:{width}}", fg=_COLOURS[status])


def _styled(text: str, **style: Any) -> str:
    """Text with a style, which click leaves out again where stdout is not a terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)
