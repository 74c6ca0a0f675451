"""Measure which pictures would get a bone age: pictures of many kinds, each with its status."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...data.errors import BoneAgeError, CohortError
from ...data.files import whole_file
from ...data.progress import tracked
from ...data.read import read_radiograph
from ...handseg.finder import HandFinder
from .markdown import markdown_table

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
    """Look for a hand on every picture that `folder/pictures.csv` lists, with the columns COLUMNS.

    Raises CohortError for a table that cannot be used.
    """
    table = Path(folder) / "pictures.csv"
    try:
        with open(table, newline="", encoding="utf-8") as file:
            rows = [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise CohortError(f"{table}: cannot be used ({error!r}); expected the columns {', '.join(COLUMNS)}") from error
    for name, kind, source in tracked("Reading", rows, len(rows)):
        try:
            verdict = finder.find([read_radiograph(Path(folder) / name)])[0].verdict
        except BoneAgeError as error:
            yield Screened(name, kind, source, "failed", str(error))
        else:
            yield Screened(name, kind, source, verdict.status, "; ".join(map(str, verdict.reasons)))


def write_screened(out: str | Path, screened: Iterable[Screened]) -> str:
    """Write `out/screening.csv`, a row a picture, and `out/screening.md`, a row a kind; returns the latter's text."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pictures = pd.DataFrame(screened)
    with whole_file(out / "screening.csv") as temporary:
        pictures.to_csv(temporary, index=False, lineterminator="\n")
    text = screening_table(pictures)
    with whole_file(out / "screening.md") as temporary:
        temporary.write_text(text + "\n", "utf-8")
    return text


def screening_table(pictures: pd.DataFrame) -> str:
    """How many pictures of each kind, from how many sources, came back with each status, in Markdown."""
    rows = []
    for kind, group in [*pictures.groupby("kind"), ("all", pictures)]:
        counts = [int((group["status"] == status).sum()) for status in STATUSES]
        rows.append([str(kind).replace("_", " "), *map(str, (group["source"].nunique(), len(group), *counts))])
    return markdown_table(("kind", "sources", "n", *STATUSES), rows)


def kinds_table(kinds: Mapping[str, Mapping[str, int]]) -> str:
    """What a segmenter's header says of pictures whose source did not teach it, by kind, in Markdown.

    Hands, which are to be accepted, stand below all others.
    """
    rows, totals = [], {"all that are no whole hand": [0, 0, 0], "all hands": [0, 0, 0]}
    for kind, row in sorted(kinds.items(), key=lambda item: (item[0].startswith("hand"), item[0])):
        counts = [row[name] for name in ("n", "accepted", "sure")]
        total = totals["all hands" if kind.startswith("hand") else "all that are no whole hand"]
        total[:] = map(sum, zip(total, counts, strict=True))
        rows.append([kind.replace("_", " "), *map(str, (row["sources"], *counts))])
    rows += [[name, "", *map(str, counts)] for name, counts in totals.items()]
    return markdown_table(("kind", "sources", "n", "not refused", "taken for a whole hand"), rows)
