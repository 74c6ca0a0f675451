"""Wrists that someone marked on radiographs: a table."""

from __future__ import annotations

import math
from pathlib import Path

from ...data.errors import TrainingError
from ...data.table import Table, read_table

Wrist = tuple[float, float]  # shares of the film's width and height, from its upper left corner

_COLUMNS = ("id", "width", "height", "wrist_x", "wrist_y")


def read_wrists(path: str | Path) -> dict[str, Wrist]:
    """Where the middle of the wrist is on films, by their ids: the end of the hand, where the carpals meet the radius.

    Columns of the CSV: `id`; `width` and `height` of the film and `wrist_x` and `wrist_y` on it, all in pixels of any
    size of the film. Raises CohortError as `read_table` and for places that are no numbers or not on the film,
    TrainingError where a column is missing.
    """
    table = read_table(Path(path), {name: {name: (name,)} for name in _COLUMNS})
    if missing := [name for name in _COLUMNS if name not in table.roles]:
        raise TrainingError(f"{path}: no column {', '.join(missing)}; expected {', '.join(_COLUMNS)}")
    wrists = {row.cells["id"]: wrist for row in table.rows if (wrist := _wrist(table, row.cells, row.line))}
    table.faults.raise_any()
    return wrists


def _wrist(table: Table, cells: dict[str, str], line: int) -> Wrist | None:
    try:
        width, height, x, y = (float(table.number(cells[name])) for name in _COLUMNS[1:])
    except ValueError:
        width = height = x = y = math.nan
    if 0 <= x <= width and 0 <= y <= height and 0 < min(width, height) < math.inf:
        return x / width, y / height
    table.faults.add(line, "no place on the film", ", ".join(f"{name} {cells[name]!r}" for name in _COLUMNS[1:]))
    return None
