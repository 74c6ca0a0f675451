"""Tables: read with columns recognised by name and all faults reported at once (CSV, .xlsx, Parquet); CSVs written."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CohortError
from .files import whole_file
from .parquet_table import SUFFIX as PARQUET
from .parquet_table import parquet_lines
from .text import counted, csv_line, for_line, from_csv_cell, shortened
from .workbook import SUFFIX as WORKBOOK
from .workbook import workbook_lines

# Field of a row -> roles that its column can have (sex as a word, or as male yes or no) -> usual names of the column
Fields = Mapping[str, Mapping[str, tuple[str, ...]]]

TABLES = (".csv", ".tsv", WORKBOOK, PARQUET)  # suffixes of the tables of films that are read
_FAULTS_SHOWN = 20
_LONGEST_DETAIL = 300  # characters of one fault
_SEPARATOR_LINE = re.compile(r'"?sep=(.*?)"?', re.IGNORECASE)  # first line of some spreadsheets' CSV
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# by the byte order mark, the longer ones first, or by the zeros of the first letter
_ENCODINGS = {"utf-32": (BOM_UTF32_LE, BOM_UTF32_BE), "utf-16": (BOM_UTF16_LE, BOM_UTF16_BE)}
_WITHOUT_MARK = ((slice(1, 2), "utf-16-le"), (slice(0, 1), "utf-16-be"))
_NO_TEXT = {  # what a file begins with that is given as a CSV and is none
    b"PK\x03\x04": "is a workbook or an archive, not text; call it .xlsx, or save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "is a workbook of an old kind (.xls), not text; save it as .xlsx or CSV (UTF-8)",
    b"\x1f\x8b": "is compressed (gzip), not text; unpack it",
}
_QUOTED = re.compile(r'"[^"]*"')
# Column names that stand for a field where no column has a usual name of it
_SECOND_NAMES = {  # field -> role, names
    "path": ("path", ("filename", "file_name", "datei", "dateiname", "파일", "파일명")),
    "sex": ("sex", ("gender", "patient sex", "patientsex", "patient_sex", "geschlecht", "성별")),
    "age": ("age", ("alter", "나이", "만나이")),
    "birth date": ("birth_date", ("geburtsdatum", "생년월일")),
    "exam date": ("exam_date", ("untersuchungsdatum", "aufnahmedatum", "검사일", "촬영일")),
    "height": ("height", ("größe", "körpergröße", "körperhöhe", "신장", "키")),
    "weight": ("weight", ("gewicht", "körpergewicht", "체중")),
    "side": ("side", ("seite", "좌우")),
    "patient": ("patient", ("patienten-id", "patienten_id", "환자번호")),
}
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")  # three digits could also be thousands


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
        head = f"{self.path}: {counted(total, 'fault')} ({kinds}); mend the table and try again"
        shown = [f"  line {line}: {kind}: {detail}" for line, kind, detail in self.found[:_FAULTS_SHOWN]]
        lines = [for_line(head), *(for_line(shortened(line, _LONGEST_DETAIL)) for line in shown)]
        if total > _FAULTS_SHOWN:
            lines.append(f"  ... and {total - _FAULTS_SHOWN} more")
        raise CohortError("\n".join(lines))


@dataclass(frozen=True)
class Table:
    """A table with its columns recognised.

    `roles`: field -> role of its column; a field without a column is in neither `roles` nor the rows. `faults`: those
    found while reading; the caller adds its own and raises them together. `used`: names of the columns of `roles`.
    """

    path: Path
    header: tuple[str, ...]
    separator: str
    roles: dict[str, str]
    rows: tuple[Row, ...]
    faults: Faults
    used: frozenset[str] = frozenset()

    def number(self, text: str) -> str:
        """A number of this table as Python reads it: 12,5 is 12.5.

        12,345 is 12.345 where the cells are not separated by commas, as spreadsheets write CSV that have decimal
        commas. Elsewhere it could be meant as thousands, and stays as it is.
        """
        plain = self.separator == "," and not _DECIMAL_COMMA.fullmatch(text)
        return text if plain else text.replace(",", ".")


def read_table(path: Path, fields: Fields, columns: Mapping[str, str] | None = None) -> Table:
    """Read a CSV (comma, semicolon, tab or bar); byte order marks, spaces around cells and blank lines are dropped.

    A first line `sep=;` names the separator. A file called .xlsx is read as a workbook (`workbook_lines`), one called
    .parquet as Parquet (`parquet_lines`). `columns` maps a role to a column's name where that is not a usual one; names
    are compared without case. Rows with the wrong number of cells, and rows that a stray quote joined, are left out and
    noted in the table's `faults`.
    Raises CohortError: not a UTF-8 CSV, a column that does not exist, two columns for one field.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe might be waited for without end
        raise CohortError(f"{path}: is not a regular file, expected a table; copy it to a file first")
    faults = Faults(path)
    typed = {WORKBOOK: workbook_lines, PARQUET: parquet_lines}.get(path.suffix.lower())
    separator, lines = (",", typed(path)) if typed else _csv_lines(path, faults)
    header: tuple[str, ...] = ()
    numbers: dict[str, tuple[str, int]] = {}
    rows: list[Row] = []
    for line, cells in lines:
        if not header:
            header = tuple(cells)
            numbers = _recognise(path, header, fields, columns or {})
        elif not _fits(cells, len(header)):
            faults.add(line, "wrong number of cells", f"{len(cells)}, the header has {len(header)}")
        else:
            rows.append(Row(line, {field: cells[number] for field, (_, number) in numbers.items()}))
    if not header:
        raise CohortError(f"{path}: empty; expected a header and one row a radiograph")
    roles = {field: role for field, (role, _) in numbers.items()}
    used = frozenset(header[number] for _, number in numbers.values())
    return Table(path, header, separator, roles, tuple(rows), faults, used)


def _csv_lines(path: Path, faults: Faults) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The separator of a CSV, and number and cells of each line that is not blank; joined rows are faults."""
    text = _text_of(path)
    headings = [line for line in text.splitlines() if line.strip()][:2] or [""]
    stated = _SEPARATOR_LINE.fullmatch(headings[0].strip(" "))
    separator = _stated_separator(path, stated[1], headings[-1]) if stated else _separator_in(headings[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)

    def lines() -> Iterator[tuple[int, list[str]]]:
        start, width = 1, 0
        try:
            for raw in reader:
                line, start = start, reader.line_num + 1  # a quoted cell may span lines
                cells = [from_csv_cell(cell.strip()) for cell in raw]
                if not any(cells) or (stated and not width and raw[0].lower().startswith("sep=")):
                    continue
                if width and _fits(cells, width) and _joined(raw, separator, width):
                    detail = f"a quoted cell goes on to line {start - 1}; close or drop the quote"
                    faults.add(line, "stray quote", detail)
                    continue
                width = width or len(cells)
                yield line, cells
        except csv.Error as error:
            raise CohortError(
                f"{path}: line {start} is not CSV ({error}); if it has a quote that is not closed, close or drop it"
            ) from None

    return separator, lines()


def _stated_separator(path: Path, stated: str, heading: str) -> str:
    """What a first line sep= states. Raises CohortError where the header below it is separated by something else."""
    used = _separator_in(heading)
    if len(stated) == 1 and stated != '"' and (stated in heading or used not in heading):
        return stated
    seems = f"; the header below it seems to be separated by {_SEPARATORS[used]}" if used in heading else ""
    raise CohortError(
        f"{path}: its first line, sep={stated}, names another separator{seems}; delete that line, or mend it"
    )


def _separator_in(heading: str) -> str:
    """What separates the cells of a header; commas where nothing does."""
    return max(_SEPARATORS, key=_QUOTED.sub("", heading).count)


def _fits(cells: Sequence[str], width: int) -> bool:
    """Whether a row has the cells of a header, and no others that are not blank."""
    return len(cells) >= width and not any(cells[width:])


def read_ids(path: str | Path) -> frozenset[str]:
    """The ids in a CSV's column `id`. Raises CohortError as `read_table`, and where there is no such column."""
    sheet = read_table(Path(path), {"id": {"id": ("id",)}})
    sheet.faults.raise_any()
    if "id" not in sheet.roles:
        raise CohortError(f"{path}: no column called id among {', '.join(sheet.header)}; expected a CSV of ids")
    return frozenset(row.cells["id"] for row in sheet.rows)


def write_table(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV in UTF-8, whole or not at all; cells may be missing. OutputError where `path` has other columns."""
    with (
        whole_file(path, ours=has_columns(columns)) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        file.write(csv_line(list(columns)))
        file.writelines(
            csv_line(["" if (cell := row.get(name)) is None else str(cell) for name in columns]) for row in rows
        )


def has_columns(columns: Sequence[str]) -> Callable[[Path], bool]:
    """For `whole_file`: whether a file is a table with these columns and no others, as `write_table` writes it."""
    head = csv_line(list(columns))
    return lambda there: begins_with(there, head)


def begins_with(path: Path, heading: str) -> bool:
    """Whether the first line of a file is `heading`, by which a table that this program wrote is known again."""
    with open(path, "rb") as file:
        return file.read(len(heading.encode())) == heading.encode()


def list_ids(ids: Iterable[str], shown: int = 10) -> str:
    """Name ids in a message: "3 ids (1377, 1378, 1379)", at most `shown` of them."""
    ordered = sorted(ids, key=lambda id: (len(id), id))
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return f"{counted(len(ordered), 'id')} ({', '.join(ordered[:shown])}{more})"


def _text_of(path: Path) -> str:
    """The text of a CSV: UTF-8, or UTF-16 or 32 as spreadsheets save "Unicode text"."""
    try:
        content = path.read_bytes()
        if what := next((what for begin, what in _NO_TEXT.items() if content.startswith(begin)), None):
            raise CohortError(f"{path}: {what}")
        encoding = next((name for name, marks in _ENCODINGS.items() if content.startswith(marks)), None)
        encoding = encoding or next((name for part, name in _WITHOUT_MARK if content[part] == b"\0"), "utf-8-sig")
        return io.TextIOWrapper(io.BytesIO(content), encoding).read().lstrip("\ufeff")
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file or folder") from None
    except UnicodeError:
        raise CohortError(f"{path}: not a UTF-8 text file; save the table as CSV (UTF-8)") from None
    except (OSError, ValueError) as error:
        raise CohortError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}); check its permissions"
        ) from None


def _joined(cells: Sequence[str], separator: str, columns: int) -> bool:
    """Whether a cell seems to hold whole further rows: a quote was opened and closed only lines later."""
    for place, cell in enumerate(cells if columns > 1 else ()):
        first, *further = (line.count(separator) for line in cell.splitlines() or [""])
        # the rest of one row and the begin of another, in which the quote is in the same column; or a row between them
        if further and (max(further) >= columns - 1 or (first, further[-1]) == (columns - 1 - place, place)):
            return True
    return False


def _recognise(
    path: Path, header: tuple[str, ...], fields: Fields, columns: Mapping[str, str]
) -> dict[str, tuple[str, int]]:
    """Find the column of each field: field -> (role, column number)."""
    known = {role for alternatives in fields.values() for role in alternatives}
    if unknown := sorted(set(columns) - known):
        roles = shortened(", ".join(unknown))
        raise CohortError(f"columns: unknown role {roles}; expected some of {', '.join(sorted(known))}")
    names = [_fold(name) for name in header]
    numbers: dict[str, tuple[str, int]] = {}
    for field, alternatives in fields.items():
        named = {role: (columns[role],) for role in alternatives if role in columns}
        for role, (name,) in named.items():
            if _fold(name) not in names:
                has = shortened(", ".join(header))
                raise CohortError(f"{path}: no column {shortened(name)!r} for {role}; it has {has}")
        hits = _numbered(names, named or alternatives)
        role, usual = _SECOND_NAMES.get(field, ("", ()))
        if role in alternatives and not named and (not hits or field == "sex"):  # two columns for it may disagree
            hits += _numbered(names, {role: usual})
        if len(hits) > 1:
            names = ", ".join(header[number] for _, number in hits)
            raise CohortError(
                f"{path}: several columns for {field} ({names}); name the one to use, or rename the others"
            )
        if hits:
            numbers[field] = hits[0]
    return numbers


def _numbered(names: Sequence[str], roles: Mapping[str, tuple[str, ...]]) -> list[tuple[str, int]]:
    """The columns that have one of the usual names of a role: (role, column number)."""
    return [
        (role, number)
        for role, usual in roles.items()
        for number, name in enumerate(names)
        if name in map(_fold, usual)
    ]


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()
