"""What a part found: tables of measurements and the bars it is held to, for terminal, page and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from boneage.data.files import whole_file
from boneage.pipeline.measure.markdown import markdown_table

from .clock import Sample

BARS = ("part", "held to", "measured", "met")
PLACE = "<!-- benchmark: {} -->\n"
END = "<!-- end -->"


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
    magnitude = int(f"{value:e}".split("e")[1])
    return f"{float(f'{value:.3g}'):.{max(2 - magnitude, 0)}f}"


def show(part: str, findings: Findings, console: Console) -> None:
    """Print one part."""
    for table in findings.tables:
        _show(console, f"{part}: {table.title}", table.head, table.cells, table.note)
    if findings.bars:
        _show(console, f"{part}: held to", BARS[1:], [row[1:] for row in _bars(part, findings)], "")


def to_json(facts: Mapping[str, str], parts: Mapping[str, Findings]) -> str:
    """Every value of every row, with the machine's facts."""
    return json.dumps({"machine": facts, "parts": {part: _record(found) for part, found in parts.items()}}, indent=1)


def to_markdown(facts: Mapping[str, str], parts: Mapping[str, Findings]) -> str:
    """A page of its own: the machine, the bars, and every part's tables."""
    heads = "\n\n".join(f"## {part}\n\n{PLACE.format(part)}{END}" for part in ("bars", *parts))
    return fill(f"# Benchmark\n\n{markdown_table(('', ''), list(facts.items()))}\n\n{heads}\n", parts, "")


def bar_rows(parts: Mapping[str, Findings]) -> list[tuple[str, ...]]:
    """A row for each bar."""
    return [row for part, findings in parts.items() for row in _bars(part, findings)]


def in_markdown(findings: Findings) -> str:
    """One part's tables in Markdown."""
    tables = (
        f"**{table.title}**\n\n{markdown_table(table.head, table.cells)}" + (f"\n\n{table.note}" if table.note else "")
        for table in findings.tables
    )
    return "\n\n".join(tables)


def fill(page: str, parts: Mapping[str, Findings], facts_line: str) -> str:
    """A page whose marked places hold what was found; the prose around them, and parts not measured now, stay.

    A place begins with `<!-- benchmark: NAME -->` and ends with `<!-- end -->`. NAME is a part's, or `bars` for the
    bars of all parts. ValueError when a part has no place on the page.
    """
    for part, findings in parts.items():
        page = _put(page, part, f"{in_markdown(findings)}\n\n{facts_line}".rstrip())
    kept = [row for row in _rows_of(_place(page, "bars")[1]) if row[0] not in parts]
    return _put(page, "bars", markdown_table(BARS, kept + bar_rows(parts), words=3))


def write(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole_file(path, ours=_has_places) as temporary:
        temporary.write_text(text if text.endswith("\n") else text + "\n", "utf-8")


def _has_places(path: Path) -> bool:
    """Whether a file is a page to fill, or what was measured before."""
    return END in path.read_text("utf-8") or path.suffix == ".json"


def _bars(part: str, findings: Findings) -> list[tuple[str, ...]]:
    return [(part, bar.asked, bar.found, "met" if bar.met else "**not met**") for bar in findings.bars]


def _record(findings: Findings) -> dict[str, Any]:
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
    return {"tables": tables, "bars": bars}


def _show(console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str) -> None:
    shown = Shown(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for place, column in enumerate(head):
        words = place == 0 or column in BARS[:3]
        shown.add_column(column, justify="left" if words else "right", no_wrap=place == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(cell.replace("**", "") for cell in row))
    console.print(shown)


def _place(page: str, name: str) -> tuple[str, str, str]:
    """A page up to a marked place, what the place holds, and the page from its end on."""
    before, start, rest = page.partition(PLACE.format(name))
    held, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no place '{PLACE.format(name).strip()}' ... '{END}'; add one")
    return before + start, held, end + after


def _rows_of(table: str) -> list[tuple[str, ...]]:
    """The rows of a Markdown table, without its head and rule."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def _put(page: str, name: str, text: str) -> str:
    before, _, after = _place(page, name)
    return f"{before}\n{text}\n\n{after}"
