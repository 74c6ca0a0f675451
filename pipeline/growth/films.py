"""The readings of children, from a table that `boneage predict` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ...data.dates import parse_date
from ...data.errors import ChildError, CohortError, SexError
from ...data.remark import Verbatim
from ...data.sex import Sex, parse_sex
from ...data.table import Row, Table, read_table
from ...data.text import counted
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
    """Read a table of readings (`data.table.read_table`) that `boneage predict` wrote, or any with such columns.

    Needed: `patient`, `bone_age_months`, and `chronological_age_months` or `exam_date` (2015-03-27). Used where they
    are there: `sex`, `interval_90_low` and `interval_90_high`, `file`, `status`, `model`, `height_cm`, adult heights
    and target height. `columns` maps these to other names. Raises CohortError: a column that is not there, no
    patient at all, or cells that cannot be read.
    """
    sheet = read_table(Path(path), _COLUMNS, columns)
    lacking = [field for field in ("patient", "bone age") if field not in sheet.roles]
    lacking += [] if {"age", "exam date"} & set(sheet.roles) else ["age or exam date"]
    if lacking:
        raise CohortError(
            f"{path}: no column for {', '.join(lacking)}; expected a table of boneage predict, from a CSV with the "
            "column patient or made with --patient-ids"
        )
    films = [_film(row, sheet) for row in sheet.rows]
    sheet.faults.raise_any()
    if not any(film.patient for film in films):
        raise CohortError(
            f"{path}: {counted(len(films), 'reading')}, none with a patient, so no child can be followed; fill "
            "the column patient, name the one that has it (--column patient=NAME), or predict from a table with such a "
            "column or, of DICOMs, with --patient-ids"
        )
    return tuple(films)


@dataclass(frozen=True)
class _Cells:
    """The cells of a row, as values; what cannot be read is a fault."""

    row: Row
    sheet: Table

    def number(self, field: str) -> float | None:
        cell = self.row.cells.get(field, "")
        try:
            value = float(self.sheet.number(cell)) if cell else None
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            self.sheet.faults.add(self.row.line, field, f"{cell!r} is not a number")
        return value

    def ends(self, low: str, high: str) -> tuple[float, float] | None:
        least, most = self.number(low), self.number(high)
        return None if least is None or most is None else (least, most)

    def sex(self) -> Sex | None:
        try:
            return parse_sex(cell) if (cell := self.row.cells.get("sex")) else None
        except SexError:
            self.sheet.faults.add(self.row.line, "sex", f"{self.row.cells['sex']!r}, expected F or M")
            return None

    def exam_date(self) -> date | None:
        try:
            return parse_date(cell, "exam_date") if (cell := self.row.cells.get("exam date")) else None
        except ChildError as error:
            self.sheet.faults.add(self.row.line, "exam date", str(error))
            return None

    def adult_heights(self) -> Iterator[AdultHeight]:
        for method, name in HEIGHTS.items():
            if (cm := self.number(f"{name}_cm")) is not None:
                over = self.ends(f"{name}_interval_90_low", f"{name}_interval_90_high")
                yield AdultHeight(Verbatim(method), cm, over, method)

    def target_height(self) -> tuple[float, float, float] | None:
        target, low, high = map(self.number, _TARGET)
        return None if target is None or low is None or high is None else (target, low, high)


def _film(row: Row, sheet: Table) -> Film:
    """The film of a row."""
    cells = _Cells(row, sheet)
    return Film(
        patient=row.cells.get("patient", ""),
        file=row.cells.get("file") or f"line {row.line}",
        sex=cells.sex(),
        bone_age=cells.number("bone age"),
        interval_90=cells.ends("lower end", "upper end"),
        age=cells.number("age"),
        exam_date=cells.exam_date(),
        status=row.cells.get("status", ""),
        model=row.cells.get("model", ""),
        height=cells.number("height"),
        adult_heights=tuple(cells.adult_heights()),
        target_height=cells.target_height(),
    )
