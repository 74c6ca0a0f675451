"""The readings of children, from a table that `boneage predict` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ...data.dates import parse_date
from ...data.errors import ChildError, CohortError, SexError
from ...data.remark import Verbatim
from ...data.sex import Sex, parse_sex
from ...data.table import Faults, read_table
from ...data.text import counted
from ..predict.readings_file import parquet_rows
from ..reading import AdultHeight

HEIGHTS = {  # method of an adult height -> beginning of its columns
    "Bayley-Pinneau": "adult_height",
    "RWT": "adult_height_rwt",
    "Khamis-Roche": "adult_height_khamis_roche",
}
_TARGET = ("target_height_cm", "target_height_range_low", "target_height_range_high")
_COLUMNS = {
    "patient": {"patient": ("patient", "patient_id")},
    "file": {"file": ("file", "path")},
    "bone age": {"bone_age_months": ("bone_age_months",)},
    "lower end": {"interval_90_low": ("interval_90_low",)},
    "upper end": {"interval_90_high": ("interval_90_high",)},
    "age": {"chronological_age_months": ("chronological_age_months",)},
    "exam date": {"exam_date": ("exam_date",)},
    "height": {"height_cm": ("height_cm",)},
    **{
        name: {name: (name,)}
        for height in HEIGHTS.values()
        for name in (f"{height}_cm", f"{height}_interval_90_low", f"{height}_interval_90_high")
    },
    **{name: {name: (name,)} for name in ("sex", "status", "model", *_TARGET)},
}
_WORDS = ("patient", "file", "sex", "exam date", "status", "model")  # fields that are no numbers


@dataclass(frozen=True)
class Film:
    """One reading of a child, as in its table; None where the cell is blank. Ages are in months.

    height: in cm. adult_heights: those predicted. target_height: with the lower and upper end of its range, in cm.
    """

    patient: str
    file: str
    sex: Sex | None
    bone_age: float | None
    interval_90: tuple[float, float] | None
    age: float | None
    exam_date: date | None
    status: str
    model: str
    height: float | None = None
    adult_heights: tuple[AdultHeight, ...] = ()
    target_height: tuple[float, float, float] | None = None


def read_readings(path: str | Path, columns: Mapping[str, str] | None = None) -> tuple[Film, ...]:
    """Read a table of readings, a CSV or Parquet, as `boneage predict` writes them, or any with such columns.

    Needed: `patient`, `bone_age_months`, and `chronological_age_months` or `exam_date` (2015-03-27). Used where they
    are there: `sex`, `interval_90_low` and `interval_90_high`, `file`, `status`, `model`, `height_cm`, adult heights
    and target height. `columns` maps these to other names, of a CSV. Raises CohortError: a column that is not there, no
    patient at all, or cells that cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        faults, found, rows = _parquet(path)
    else:
        sheet = read_table(path, _COLUMNS, columns)
        faults, found = sheet.faults, set(sheet.roles)
        rows = [
            (row.line, {name: cell if name in _WORDS else sheet.number(cell) for name, cell in row.cells.items()})
            for row in sheet.rows
        ]
    lacking = [field for field in ("patient", "bone age") if field not in found]
    lacking += [] if found & {"age", "exam date"} else ["age or exam date"]
    if lacking:
        raise CohortError(
            f"{path}: no column for {', '.join(lacking)}; expected a table of boneage predict, from a CSV with the "
            "column patient or made with --patient-ids"
        )
    films = [_film(line, cells, faults) for line, cells in rows]
    faults.raise_any()
    if not any(film.patient for film in films):
        raise CohortError(
            f"{path}: {counted(len(films), 'reading')}, none with a patient, so no child can be followed; fill "
            "the column patient, name the one that has it (--column patient=NAME), or predict from a table with such a "
            "column or, of DICOMs, with --patient-ids"
        )
    return tuple(films)


def _parquet(path: Path) -> tuple[Faults, set[str], list[tuple[int, dict[str, Any]]]]:
    names = {field: next(iter(roles)) for field, roles in _COLUMNS.items()}
    raw = parquet_rows(path)
    found = {field for field, name in names.items() if raw and name in raw[0]}
    cells = ({field: row[names[field]] for field in found if row[names[field]] is not None} for row in raw)
    return Faults(path), found, list(enumerate(cells, 2))  # as in a CSV, whose header is line 1


@dataclass(frozen=True)
class _Cells:
    """The cells of a row: numbers where the table is typed, else text; a blank one is missing or ""."""

    line: int
    cells: Mapping[str, Any]
    faults: Faults

    def number(self, field: str) -> float | None:
        cell = self.cells.get(field, "")
        try:
            value = None if cell == "" else float(cell)
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            self.faults.add(self.line, field, f"{cell!r} is not a number")
        return value

    def ends(self, low: str, high: str) -> tuple[float, float] | None:
        least, most = self.number(low), self.number(high)
        return None if least is None or most is None else (least, most)

    def sex(self) -> Sex | None:
        try:
            return parse_sex(self.cells["sex"]) if self.cells.get("sex") else None
        except SexError:
            self.faults.add(self.line, "sex", f"{self.cells['sex']!r}, expected F or M")
            return None

    def exam_date(self) -> date | None:
        try:
            return parse_date(self.cells["exam date"], "exam_date") if self.cells.get("exam date") else None
        except ChildError as error:
            self.faults.add(self.line, "exam date", str(error))
            return None

    def adult_heights(self) -> Iterator[AdultHeight]:
        for method, name in HEIGHTS.items():
            if (cm := self.number(f"{name}_cm")) is not None:
                over = self.ends(f"{name}_interval_90_low", f"{name}_interval_90_high")
                yield AdultHeight(Verbatim(method), cm, over, method)

    def target_height(self) -> tuple[float, float, float] | None:
        target, low, high = map(self.number, _TARGET)
        return None if target is None or low is None or high is None else (target, low, high)


def _film(line: int, row: Mapping[str, Any], faults: Faults) -> Film:
    """The film of a row."""
    cells = _Cells(line, row, faults)
    return Film(
        patient=str(row.get("patient", "")),
        file=row.get("file") or f"line {line}",
        sex=cells.sex(),
        bone_age=cells.number("bone age"),
        interval_90=cells.ends("lower end", "upper end"),
        age=cells.number("age"),
        exam_date=cells.exam_date(),
        status=row.get("status", ""),
        model=row.get("model", ""),
        height=cells.number("height"),
        adult_heights=tuple(cells.adult_heights()),
        target_height=cells.target_height(),
    )
