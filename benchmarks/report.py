"""What a part found: tables of measurements and the bars it is held to, for terminal, page and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from boneage.data.files import whole_file

from .clock import Sample

BARS = ("part", "held to", "measured", "met")
RULES = ("part", "held to", "measured")  # what of a bar's row is not a yes or a no


@dataclass(frozen=True)
class Table:
    """Rows of one unit: what was measured, its sample, and a cell for each further column."""

    title: str
    unit: str
    rows: Sequence[tuple[str, Sample, tuple[str, ...]]]
    columns: tuple[str, ...] = ()
    note: str = ""

    @property
    def head(self) -> tuple[str, ...]:
        """The columns' names."""
        return ("", "n", f"median, {self.unit}", "least", "most", *self.columns)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The rows in words."""
        return [
            (what, str(sample.n), *map(short, (sample.median, sample.low, sample.high)), *more)
            for what, sample, more in self.rows
        ]


@dataclass(frozen=True)
class Bar:
    """What a figure is held to, what it is, and whether that is met."""

    asked: str
    found: str
    met: bool


@dataclass(frozen=True)
class Findings:
    """All that one part found."""

    tables: Sequence[Table]
    bars: Sequence[Bar] = field(default=())


def short(value: float) -> str:
    """Three digits that count, and no more zeros than needed: 1,234, 56.7, 0.0123."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):.{max(2 - _magnitude(value), 0)}f}"


def show(part: str, findings: Findings, console: Console) -> None:
    """Print one part."""
    for table in findings.tables:
        _show(console, f"{part}: {table.title}", table.head, table.cells, table.note)
    if findings.bars:
        _show(console, f"{part}: held to", BARS[1:], [row[1:] for row in _bars(part, findings)], "")


def to_json(facts: Mapping[str, str], parts: Mapping[str, Findings]) -> str:
    """Every value of every row, with the machine's facts."""
    record: dict[str, Any] = {"machine": dict(facts), "parts": {}}
    for part, findings in parts.items():
        tables = [
            {
                "title": table.title,
                "unit": table.unit,
                "note": table.note,
                "rows": [
                    {"what": what, "n": sample.n, "median": sample.median, "values": sample.values}
                    | dict(zip(table.columns, more, strict=True))
                    for what, sample, more in table.rows
                ],
            }
            for table in findings.tables
        ]
        bars = [{"held to": bar.asked, "measured": bar.found, "met": bar.met} for bar in findings.bars]
        record["parts"][part] = {"tables": tables, "bars": bars}
    return json.dumps(record, indent=1)


def to_markdown(facts: Mapping[str, str], parts: Mapping[str, Findings]) -> str:
    """A page of its own: the machine, the bars, and every part's tables."""
    lines = ["# Benchmark", "", *_grid(("", ""), list(facts.items())), "", "## Held to", ""]
    lines += [*_grid(BARS, bar_rows(parts)), ""]
    for part, findings in parts.items():
        lines += [f"## {part}", "", *part_lines(findings), ""]
    return "\n".join(lines)


def bar_rows(parts: Mapping[str, Findings]) -> list[tuple[str, ...]]:
    """A row for each bar."""
    return [row for part, findings in parts.items() for row in _bars(part, findings)]


def part_lines(findings: Findings) -> list[str]:
    """One part's tables in Markdown."""
    lines: list[str] = []
    for table in findings.tables:
        lines += [f"**{table.title}**", "", *_grid(table.head, table.cells), ""]
        lines += [table.note, ""] if table.note else []
    return lines[:-1]


def fill(page: str, parts: Mapping[str, Findings], facts_line: str) -> str:
    """A page whose marked places hold what was found; the prose around them, and parts not measured now, stay.

    A place begins with `<!-- benchmark: NAME -->` and ends with `<!-- end -->`. NAME is a part's, or `bars` for the
    bars of all parts. ValueError when a part has no place on the page.
    """
    for part, findings in parts.items():
        page = _put(page, part, [*part_lines(findings), "", facts_line])
    kept = [row for row in _rows_of(_held(page, "bars")) if row[0] not in parts]
    return _put(page, "bars", _grid(BARS, kept + bar_rows(parts)))


def write(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text if text.endswith("\n") else text + "\n", "utf-8")


def _magnitude(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


def _bars(part: str, findings: Findings) -> list[tuple[str, ...]]:
    return [(part, bar.asked, bar.found, "met" if bar.met else "**not met**") for bar in findings.bars]


def _show(console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str) -> None:
    shown = Shown(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for place, column in enumerate(head):
        words = place == 0 or column in RULES
        shown.add_column(column, justify="left" if words else "right", no_wrap=place == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(cell.replace("**", "") for cell in row))
    console.print(shown)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---" if place == 0 or column in RULES else "--:" for place, column in enumerate(head)]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def _place(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- benchmark: {re.escape(name)} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def _held(page: str, name: str) -> str:
    found = _place(name).search(page)
    if not found:
        raise ValueError(f"the page has no place '<!-- benchmark: {name} -->' ... '<!-- end -->'; add one")
    return found[2]


def _rows_of(grid: str) -> list[tuple[str, ...]]:
    """The rows of a Markdown table, without its head and rule."""
    lines = [line for line in grid.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def _put(page: str, name: str, lines: Sequence[str]) -> str:
    _held(page, name)
    return _place(name).sub(lambda found: "\n".join([found[1], *lines, "", found[3]]), page, count=1)
