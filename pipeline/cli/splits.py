"""Splits, ids and segmenters that commands name, read from where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...data.errors import CohortError

if TYPE_CHECKING:
    from ...data.cohort import Cohort
    from ...data.split import Split


def part_of(cohort: Cohort, split: str | None, part: str | None) -> tuple[Cohort, str]:
    """The films of the part asked for, else all, and in words which they are."""
    if part and not split:
        raise click.UsageError("--part names a part of a split; give --split too")
    if split is None:
        return cohort, "every film of it"
    part = part or "report"
    return _read_split(split).take(cohort, part), f"part {part} of the split {Path(split).name}"


def _read_split(name: str) -> Split:
    from ...data.split import read_split, rsna_split

    return rsna_split() if name == "rsna" else read_split(name)


def training_split(cohort: Cohort, name: str | None, out: Path) -> Split:
    """The split asked for, else the one stored in `out`, else a new one stored there; never RSNA's test films."""
    from ...data.split import make_split, read_split, refuse_test_ids, write_split

    stored = out / "split.csv"
    if name:
        split = _read_split(name)
    elif stored.exists():
        split = read_split(stored)
    else:
        split = make_split(cohort)
    refuse_test_ids(film.id for film in cohort if split.parts.get(film.id) != "report")
    write_split(split, stored)
    return split


def read_ids(path: Path | None) -> frozenset[str]:
    """The ids in a CSV's column id; none without a CSV."""
    from ...data.table import read_table

    if path is None:
        return frozenset()
    sheet = read_table(path, {"id": {"id": ("id",)}})
    sheet.faults.raise_any()
    if "id" not in sheet.roles:
        raise CohortError(f"{path}: no column called id among {', '.join(sheet.header)}; expected a CSV of ids")
    return frozenset(row.cells["id"] for row in sheet.rows)
