"""Measure which pictures would get a bone age: pictures of many kinds, each with its status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from ...data.errors import BoneAgeError, CohortError
from ...data.files import keep, refuse_foreign
from ...data.progress import tracked
from ...data.read import read_radiograph
from ...data.remark import joined
from ...data.table import has_columns, read_table, write_table
from ...handseg.finder import HandFinder
from .markdown import markdown_table, write_markdown

COLUMNS = ("file", "kind", "repo")  # of pictures.csv: below its folder, what it shows, where it comes from
STATUSES = ("ok", "review", "rejected", "failed")


@dataclass(frozen=True)
class Screened:
    """A picture, its kind and source, its status, and why."""

    file: str
    kind: str
    source: str
    status: str
    reasons: str


def screen(folder: str | Path, finder: HandFinder) -> Iterator[Screened]:
    """Look for a hand on every picture that `folder/pictures.csv` lists; CohortError for a table without COLUMNS."""
    sheet = read_table(Path(folder) / "pictures.csv", {column: {column: (column,)} for column in COLUMNS})
    if len(sheet.roles) < len(COLUMNS):
        raise CohortError(f"{sheet.path}: cannot be used; expected the columns {', '.join(COLUMNS)}")
    sheet.faults.raise_any()
    rows = [tuple(row.cells[column] for column in COLUMNS) for row in sheet.rows]
    keep([sheet.path, *(Path(folder) / name for name, _, _ in rows)])
    for name, kind, source in tracked("Reading", rows, len(rows)):
        try:
            verdict = finder.find([read_radiograph(Path(folder) / name)])[0].verdict
        except BoneAgeError as error:
            yield Screened(name, kind, source, "failed", str(error))
        else:
            yield Screened(name, kind, source, verdict.status, joined(verdict.reasons))


def write_screened(out: str | Path, screened: Iterable[Screened]) -> str:
    """Write `out/screening.csv`, a row a picture, and `out/screening.md`, a row a kind; returns the latter's text."""
    table, page = Path(out, "screening.csv"), Path(out, "screening.md")
    columns = [field.name for field in fields(Screened)]
    refuse_foreign(table, has_columns(columns))
    refuse_foreign(page)
    rows = [asdict(one) for one in screened]
    write_table(table, columns, rows)
    text = screening_table(pd.DataFrame(rows, columns=columns))
    write_markdown(page, text)
    return text


def screening_table(pictures: pd.DataFrame) -> str:
    """How many pictures of each kind, from how many sources, came back with each status, in Markdown."""
    rows = []
    for kind, group in [*pictures.groupby("kind"), ("all", pictures)]:
        counts = [int((group["status"] == status).sum()) for status in STATUSES]
        rows.append([str(kind).replace("_", " "), *map(str, (group["source"].nunique(), len(group), *counts))])
    return markdown_table(("kind", "sources", "n", *STATUSES), rows)


def kinds_table(kinds: Mapping[str, Mapping[str, int]]) -> str:
    """What a segmenter's header says of pictures whose source did not teach it, by kind, hands last, in Markdown."""
    rows, totals = [], {"all that are no whole hand": [0] * 4, "all hands": [0] * 4}
    for kind, row in sorted(kinds.items(), key=lambda item: (item[0].startswith("hand"), item[0])):
        counts = [row[name] for name in ("n", "accepted", "aged", "ok")]
        total = totals["all hands" if kind.startswith("hand") else "all that are no whole hand"]
        total[:] = map(sum, zip(total, counts, strict=True))
        rows.append([kind.replace("_", " "), *map(str, (row["sources"], *counts))])
    rows += [[name, "", *map(str, counts)] for name, counts in totals.items()]
    return markdown_table(("kind", "sources", "n", "not refused", "with a bone age", "`ok`"), rows)
