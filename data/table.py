"""CSV files: read with columns recognised by name and all faults reported at once, written whole."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CohortError
from .files import whole_file

# Field of a row -> roles that its column can have (sex as a word, or as male yes or no) -> usual names of the column
Fields = Mapping[str, Mapping[str, tuple[str, ...]]]

_FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Row:
    """One row: the line it starts on (the header is line 1) and its cells by field."""

    line: int
    cells: dict[str, str]


@dataclass
class Faults:
    """Faults of a table, collected row by row and raised together."""

    path: Path
    found: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)

    def add(self, line: int, kind: str, detail: str) -> None:
        """Note a fault on a line; faults of one kind are counted together."""
        self.found.append((line, kind, detail))

    def raise_any(self) -> None:
        """Raise CohortError with the count of each kind and the first 20 faults, if there are any."""
        if not self.found:
            return
        total = len(self.found)
        self.found.sort(key=lambda fault: fault[0])
        kinds = ", ".join(f"{kind}: {n}" for kind, n in Counter(kind for _, kind, _ in self.found).items())
        lines = [f"{self.path}: {total} fault{'s' if total > 1 else ''} ({kinds}); mend the table and try again"]
        lines += [f"  line {line}: {kind}: {detail}" for line, kind, detail in self.found[:_FAULTS_SHOWN]]
        if total > _FAULTS_SHOWN:
            lines.append(f"  ... and {total - _FAULTS_SHOWN} more")
        raise CohortError("\n".join(lines))


@dataclass(frozen=True)
class Table:
    """A CSV with its columns recognised.

    `roles`: field -> role of its column; a field without a column is in neither `roles` nor the rows. `faults`: those
    found while reading; the caller adds its own and raises them together.
    """

    path: Path
    header: tuple[str, ...]
    separator: str
    roles: dict[str, str]
    rows: tuple[Row, ...]
    faults: Faults


def read_table(path: Path, fields: Fields, columns: Mapping[str, str] | None = None) -> Table:
    """Read a CSV (comma, semicolon or tab; a byte order mark and spaces around cells are dropped, blank lines skipped).

    `columns` maps a role to a column's name where that is not a usual one; names are compared without case.
    Rows with the wrong number of cells are left out and noted in the table's `faults`.
    Raises CohortError: not a UTF-8 CSV, a column that does not exist, two columns for one field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise CohortError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CohortError(f"{path}: not a UTF-8 text file; save the table as CSV (UTF-8)") from None
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)

    header: tuple[str, ...] = ()
    numbers: dict[str, tuple[str, int]] = {}
    rows: list[Row] = []
    faults = Faults(path)
    start = 1
    try:
        for raw in reader:
            line, start = start, reader.line_num + 1  # a quoted cell may span lines
            cells = [cell.strip() for cell in raw]
            if not any(cells):
                continue
            if not header:
                header = tuple(cells)
                numbers = _recognise(path, header, fields, columns or {})
            elif len(cells) < len(header) or any(cells[len(header) :]):
                faults.add(line, "wrong number of cells", f"{len(cells)}, the header has {len(header)}")
            else:
                rows.append(Row(line, {field: cells[number] for field, (_, number) in numbers.items()}))
    except csv.Error as error:
        raise CohortError(f"{path}: line {start} is not CSV ({error})") from None
    if not header:
        raise CohortError(f"{path}: empty; expected a header and one row a radiograph")
    return Table(path, header, separator, {field: role for field, (role, _) in numbers.items()}, tuple(rows), faults)


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV in UTF-8, whole or not at all; a row may lack columns, which are blank then."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def list_ids(ids: Iterable[str], shown: int = 10) -> str:
    """Name ids in a message: "3 ids (1377, 1378, 1379)", at most `shown` of them."""
    ordered = sorted(ids, key=lambda id: (len(id), id))
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return f"{len(ordered)} id{'s' if len(ordered) > 1 else ''} ({', '.join(ordered[:shown])}{more})"


def _recognise(
    path: Path, header: tuple[str, ...], fields: Fields, columns: Mapping[str, str]
) -> dict[str, tuple[str, int]]:
    """Find the column of each field: field -> (role, column number)."""
    known = {role for alternatives in fields.values() for role in alternatives}
    if unknown := sorted(set(columns) - known):
        raise CohortError(f"columns: unknown role {', '.join(unknown)}; expected some of {', '.join(sorted(known))}")
    names = [_fold(name) for name in header]
    numbers: dict[str, tuple[str, int]] = {}
    for field, alternatives in fields.items():
        named = {role: (columns[role],) for role in alternatives if role in columns}
        hits: list[tuple[str, int]] = []
        for role, usual in (named or alternatives).items():
            wanted = {_fold(name) for name in usual}
            if role in named and not wanted & set(names):
                raise CohortError(f"{path}: no column {columns[role]!r} for {role}; it has {', '.join(header)}")
            hits += [(role, number) for number, name in enumerate(names) if name in wanted]
        if len(hits) > 1:
            seen = ", ".join(header[number] for _, number in hits)
            raise CohortError(
                f"{path}: several columns for {field} ({seen}); name the one to use, or rename the others"
            )
        if hits:
            numbers[field] = hits[0]
    return numbers


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()
