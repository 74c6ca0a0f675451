"""Read a table of radiographs to predict: their files, and what is known of each child."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .child import (
    Child,
    age_of,
    height_of,
    parent_of,
    parse_age,
    parse_height,
    parse_parent,
    parse_pseudonym,
    parse_weight,
    weight_of,
)
from .columns import INPUTS, sex_of
from .dates import parse_date
from .errors import ChildError, CohortError, as_film_error
from .files import identity_of
from .side import parse_side
from .table import Row, Table, read_table
from .table_files import TableFiles
from .text import shortened
from .url import as_path

if TYPE_CHECKING:
    from .source import Source

log = logging.getLogger(__name__)

# Words of column names that speak of the film or the child, and where words meet in a name such as AgeMonths
_SPEAKING = re.compile(
    r"\b(sex|gender|male|female|age|birth\w*|dob|height|weight|mother|father|patient|path|file|filename"
    r"|(exam|examination|study|acquisition) ?date|alter|geburt\w*|geschlecht|gewicht|größe)\b",
    re.IGNORECASE,
)
_MEET = re.compile(r"_|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class InputRow:
    """One radiograph to predict.

    path: its file, existing or not.
    child: what is known of the child.
    patient: the child's id, where a table has one.
    found: the file was found in a folder or by a pattern, not named, so it may well be no film.
    table: the CSV that names it; None without one.
    source: the film itself where it is no file (`source.as_source`); `path` is what it is called then.
    """

    path: Path
    child: Child = Child()
    patient: str | None = None
    found: bool = False
    table: Path | None = None
    source: Source | None = None

    def opened(self) -> Source | None:
        """The film, opened once; None where it cannot be opened: reading it raises the error."""
        from .source import open_source

        try:
            return self.source or open_source(self.path, found=self.found)
        except BaseException as error:
            as_film_error(self.path, error)  # raises what is meant to end the program
            return None


def read_inputs_table(
    path: str | Path, columns: Mapping[str, str] | None = None, images: str | Path | None = None
) -> tuple[InputRow, ...]:
    """Read a CSV of radiographs to predict: a path or id a row and, where the table has them, facts about the child.

    Each table that `read_cohort` reads is read, with `images` and columns of its roles. Usual columns: `path` or
    `file`, or `id`; `sex` (words) or `male` (True, False, 1, 0); `age` (10y3m, 10.25y, 123mo), `age_months` or
    `age_years` (numbers); `birth_date` and `exam_date` (2015-03-27, 27.03.2015); `height` (140.5cm) or `height_cm` (a
    number), and so `weight` (32.5kg), and `mother` and `father` (165cm), of whom it is the height; `side` (left or
    right); `pseudonym`, which reports carry; `patient` or `patient_id`. Blank cells are facts not known. Further
    columns, bone ages too, are not used, and the log names those that look like one of the usual. `columns` maps these
    names to others. Relative paths start at the CSV's folder. Whether a file exists is left to the reader, so that a
    missing one fails its row only.
    Raises CohortError: no column for path or id, no rows, or every blank path or id, every id of several files, every
    film of two sexes and every fact that cannot be read, with its line number.
    """
    sheet = read_table(as_path(path), INPUTS, columns)
    if not {"path", "id"} & set(sheet.roles):
        raise CohortError(
            f"{path}: no column called path, file or id among {shortened(', '.join(sheet.header))}; name it as by "
            "--column path=NAME"
        )
    _name_unused(sheet)
    files = TableFiles(sheet, images)
    rows: list[InputRow] = []
    stated: dict[object, tuple[int, str]] = {}
    for row in sheet.rows:
        if row.cells[files.by]:
            child, patient = _child(row, sheet), row.cells.get("patient") or None
            rows.append(InputRow(files.meant(row), child, patient, table=sheet.path))
            if child.sex:
                film = identity_of(rows[-1].path) or rows[-1].path
                line, sex = stated.setdefault(film, (row.line, child.sex))
                if sex != child.sex:
                    sheet.faults.add(row.line, "sex", f"{child.sex}, but {sex} for the same film on line {line}")
        else:
            sheet.faults.add(row.line, "blank cell", f"no {files.by}")
    sheet.faults.raise_any()
    if not rows:
        raise CohortError(f"{path}: no rows under the header; expected one row a radiograph")
    return tuple(rows)


def _name_unused(sheet: Table) -> None:
    """Log the columns that are not used although their names speak of the film or the child."""
    unused = [
        name
        for name in sheet.header
        if _SPEAKING.search(_MEET.sub(" ", name)) and name not in sheet.used and "bone" not in name.casefold()
    ]
    if unused:
        log.warning(
            "%s: not used: the column %s; --column ROLE=NAME says what a column holds", sheet.path, ", ".join(unused)
        )


def _child(row: Row, sheet: Table) -> Child:
    """What a row states of the child; None for a cell that is blank, or cannot be read and is a fault."""
    readers: dict[str, Callable[[str, str], Any]] = {
        "age": parse_age,
        "age_months": lambda text, where: age_of(sheet.number(text), "months", where),
        "age_years": lambda text, where: age_of(sheet.number(text), "years", where),
        "birth_date": parse_date,
        "exam_date": parse_date,
        "height": parse_height,
        "height_cm": lambda text, where: height_of(sheet.number(text), where),
        "weight": parse_weight,
        "weight_kg": lambda text, where: weight_of(sheet.number(text), where),
        "mother": parse_parent,
        "mother_cm": lambda text, where: parent_of(sheet.number(text), where),
        "father": parse_parent,
        "side": parse_side,
        "pseudonym": parse_pseudonym,
        "father_cm": lambda text, where: parent_of(sheet.number(text), where),
    }
    facts: dict[str, Any] = {}
    for field, role in sheet.roles.items():
        if role not in readers or not row.cells[field]:
            continue
        try:
            facts[field] = readers[role](row.cells[field], role)
        except ChildError as error:
            sheet.faults.add(row.line, field, str(error))
    return Child(
        sex=sex_of(row, sheet),
        age=facts.get("age"),
        birth_date=facts.get("birth date"),
        exam_date=facts.get("exam date"),
        height_cm=facts.get("height"),
        weight_kg=facts.get("weight"),
        mother_cm=facts.get("mother"),
        father_cm=facts.get("father"),
        side=facts.get("side"),
        pseudonym=facts.get("pseudonym"),
    )
