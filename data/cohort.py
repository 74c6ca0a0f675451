"""Read a cohort: a table of hand radiographs with sex and bone age, and the files it names."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .child import Child, parse_age, parse_date, parse_height
from .errors import ChildError, CohortError, SexError
from .sex import Sex, parse_sex
from .table import Faults, Row, Table, list_ids, read_table

AgeUnit = Literal["months", "years"]

# The names with capitals are the headers of RSNA's validation and test tables; `id`, `boneage` and `male` are those of
# its training table.
_PATH_AND_SEX = {"path": {"path": ("path", "file")}, "sex": {"sex": ("sex",), "male": ("male",)}}
_COHORT = _PATH_AND_SEX | {
    "id": {"id": ("id", "Image ID", "Case ID")},
    "bone age": {
        "bone_age_months": ("bone_age_months", "boneage", "Bone Age (months)", "Ground truth bone age (months)"),
        "bone_age_years": ("bone_age_years",),
        "bone_age": ("bone_age",),
    },
    "patient": {"patient": ("patient", "patient_id")},
}
_INPUTS = _PATH_AND_SEX | {
    "age": {"age": ("age",), "age_months": ("age_months",), "age_years": ("age_years",)},
    "birth date": {"birth_date": ("birth_date",)},
    "exam date": {"exam_date": ("exam_date",)},
    "height": {"height": ("height",), "height_cm": ("height_cm",)},
    "patient": {"patient": ("patient", "patient_id")},
}
_EXPECTED = (
    "expected a CSV with the columns id,boneage,male (RSNA training); Image ID,male,Bone Age (months) (RSNA "
    "validation); Case ID,Sex,Ground truth bone age (months) (RSNA test); or path or id, sex, and bone_age_months or "
    "bone_age_years, where other names can be given"
)
_MALE: dict[str, Sex] = {"true": "M", "1": "M", "false": "F", "0": "F"}
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"))
_OLDEST_MONTHS = 240  # 20 years; the standards of Greulich and Pyle end at 19 years (boys) and 18 (girls)


@dataclass(frozen=True)
class Film:
    """One radiograph of a cohort.

    `bone_age_months` is the labelled bone age, 0 to 240 months. `patient` groups films of one child; without a patient
    column every film is its own patient.
    """

    id: str
    path: Path
    sex: Sex
    bone_age_months: float
    patient: str


@dataclass(frozen=True)
class Cohort:
    """Films in the order of their table, ids unique."""

    name: str
    films: tuple[Film, ...]

    def __len__(self) -> int:
        return len(self.films)

    def __iter__(self) -> Iterator[Film]:
        return iter(self.films)

    def subset(self, ids: Iterable[str]) -> Cohort:
        """Return the films with these ids, in the cohort's order; CohortError names ids the cohort does not have."""
        wanted = set(ids)
        films = tuple(film for film in self.films if film.id in wanted)
        if unknown := wanted.difference(film.id for film in films):
            raise CohortError(f"{self.name}: {list_ids(unknown)} not among its {len(self)} radiographs")
        return Cohort(self.name, films)


@dataclass(frozen=True)
class InputRow:
    """One radiograph to predict.

    path: its file, existing or not.
    child: what the user says of the child.
    patient: the child's id, where a table has one.
    found: the file was found in a folder or by a pattern, not named, so it may well be no film.
    """

    path: Path
    child: Child = Child()
    patient: str | None = None
    found: bool = False


def read_cohort(
    where: str | Path,
    *,
    table: str | Path | None = None,
    images: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    age_unit: AgeUnit | None = None,
) -> Cohort:
    """Read a cohort from a folder, as RSNA publishes it, or from any CSV.

    where: a CSV, or a folder that holds one usable CSV beside its radiographs.
    table: the CSV in the folder `where`, needed only when several are usable.
    images: folder of the radiographs, relative to the CSV's folder. Ids are searched in it and in the folders in it
        (links to folders are not followed); relative paths start at it. Default: paths start at the CSV's folder, ids
        are searched in the folder with the CSV's own name (`boneage-training-dataset/`) or else in the CSV's folder.
    columns: role -> column name, for columns without a usual name. Roles: `path`, `id`, `sex` (words), `male` (True,
        False, 1, 0), `bone_age_months`, `bone_age_years`, `bone_age` (needs `age_unit`), `patient`.
    age_unit: "months" or "years", for a column whose name does not tell.

    A row has a path, or an id that is a file's name with or without suffix. Without an id column the path is the id.
    Raises CohortError: no usable table, or every fault of every row in one message (missing files, unknown sex, bone
    age outside 0-240 months, doubled ids or files, blank cells) with its line number.
    """
    where = Path(where)
    sheet = _cohort_table(where, table, columns or {})
    unit = _age_unit(sheet, age_unit)
    home = sheet.path.parent
    base = home / images if images is not None else home
    if not base.is_dir():
        raise CohortError(f"{base}: not a folder; give the folder of the radiographs that {sheet.path.name} names")
    own = sheet.path.with_suffix("")
    searched = own if images is None and own.is_dir() else base
    named = _files_by_name(searched) if "path" not in sheet.roles else {}

    faults = sheet.faults
    films: list[Film] = []
    line_of_id: dict[str, int] = {}
    line_of_file: dict[Path, int] = {}
    for row in sheet.rows:
        for field, cell in row.cells.items():
            if not cell:
                faults.add(row.line, "blank cell", f"no {field}")
        file = _listed_file(row, base, faults) if "path" in row.cells else _named_file(row, named, searched, faults)
        sex = _sex(row, sheet.roles["sex"], faults)
        age = _bone_age(row, unit, sheet.separator, faults)
        name = row.cells["id"] if "id" in row.cells else Path(row.cells["path"]).as_posix()
        if line_of_id.setdefault(name, row.line) != row.line:
            faults.add(row.line, "doubled id", f"{name} is already on line {line_of_id[name]}")
        elif file and line_of_file.setdefault(file, row.line) != row.line:
            faults.add(row.line, "doubled file", f"{file} is already on line {line_of_file[file]}")
        if file and sex and age is not None:
            films.append(Film(name, file, sex, age, row.cells.get("patient", name)))
    faults.raise_any()
    if not films:
        raise CohortError(f"{sheet.path}: no rows under the header; expected one row a radiograph")
    return Cohort(where.resolve().name if where.is_dir() else where.stem, tuple(films))


def read_inputs_table(path: str | Path, columns: Mapping[str, str] | None = None) -> tuple[InputRow, ...]:
    """Read a CSV of radiographs to predict: a path a row and, where the table has them, facts about the child.

    Usual columns: `path` or `file`; `sex` (words) or `male` (True, False, 1, 0); `age` (10y3m, 10.25y, 123mo),
    `age_months` or `age_years` (numbers); `birth_date` and `exam_date` (2015-03-27); `height` (140.5cm) or `height_cm`
    (a number); `patient` or `patient_id`. Blank cells are facts not known; further columns are ignored. `columns` maps
    these names to others. Relative paths start at the CSV's folder. Whether a file exists is left to the reader, so
    that a missing one fails its own row only. Raises CohortError: no path column, no rows, or every blank path and
    every fact that cannot be read, with its line number.
    """
    sheet = read_table(Path(path), _INPUTS, columns)
    if "path" not in sheet.roles:
        raise CohortError(f"{path}: no column called path or file among {', '.join(sheet.header)}; name it with path=")
    faults = sheet.faults
    rows: list[InputRow] = []
    for row in sheet.rows:
        if not row.cells["path"]:
            faults.add(row.line, "blank cell", "no path")
        rows.append(
            InputRow(sheet.path.parent / row.cells["path"], _child(row, sheet), row.cells.get("patient") or None)
        )
    faults.raise_any()
    if not rows:
        raise CohortError(f"{path}: no rows under the header; expected one row a radiograph")
    return tuple(rows)


def _cohort_table(where: Path, table: str | Path | None, columns: Mapping[str, str]) -> Table:
    """Read the CSV given, or the one CSV in the folder that can be a cohort's."""
    if not where.is_dir() or table is not None:
        sheet = read_table(where / table if table is not None else where, _COHORT, columns)
        if lacking := _lacking(sheet):
            raise CohortError(f"{sheet.path}: {lacking}; {_EXPECTED}")
        return sheet
    usable: list[Table] = []
    passed_over: list[str] = []
    for path in sorted(path for path in where.glob("[!.]*") if path.suffix.lower() == ".csv"):
        try:
            sheet = read_table(path, _COHORT, columns)
        except CohortError as error:
            passed_over.append(str(error))
            continue
        if lacking := _lacking(sheet):
            passed_over.append(f"{path}: {lacking}")
        else:
            usable.append(sheet)
    if len(usable) > 1:
        names = ", ".join(sheet.path.name for sheet in usable)
        raise CohortError(
            f"{where}: several tables could be the cohort's ({names}); give the CSV instead of the folder"
        )
    if not usable:
        seen = "\n".join(passed_over) or f"{where}: no CSV in it (save an Excel table as CSV)"
        raise CohortError(f"{where}: no table of radiographs; {_EXPECTED}. Seen:\n{seen}")
    return usable[0]


def _lacking(sheet: Table) -> str:
    """Say what a table lacks to be a cohort's; "" if nothing."""
    lacking = [field for field in ("sex", "bone age") if field not in sheet.roles]
    if "path" not in sheet.roles and "id" not in sheet.roles:
        lacking.insert(0, "path or id")
    return f"no column for {', '.join(lacking)} among {', '.join(sheet.header)}" if lacking else ""


def _age_unit(sheet: Table, asked: AgeUnit | None) -> AgeUnit:
    """Tell the unit of the bone ages: by the column, else as asked; never guessed."""
    stated: dict[str, AgeUnit] = {"bone_age_months": "months", "bone_age_years": "years"}
    unit = stated.get(sheet.roles["bone age"]) or asked
    if unit is None:
        raise CohortError(f"{sheet.path}: the unit of its bone ages is not told; say months or years")
    if asked not in (None, unit):
        raise CohortError(f"{sheet.path}: its column is for bone ages in {unit}, but {asked} were asked for")
    return unit


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    """List a folder once: file name without image suffix -> files so named; what is hidden is left out."""
    named: dict[str, list[Path]] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            if not name.startswith("."):
                named.setdefault(bare_name(name), []).append(Path(parent, name))
    return named


def bare_name(name: str) -> str:
    """Drop a radiograph's suffix and no other: DICOM files are often named 1.2.840.113619.2 without one."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in SUFFIXES else name


def _listed_file(row: Row, base: Path, faults: Faults) -> Path | None:
    """Give the file a row's path leads to."""
    file = base / row.cells["path"]
    if file.is_file():
        return file
    if row.cells["path"]:
        faults.add(row.line, "missing file", str(file))
    return None


def _named_file(row: Row, named: Mapping[str, list[Path]], searched: Path, faults: Faults) -> Path | None:
    """Give the one file named by a row's id."""
    name = row.cells["id"]
    files = named.get(bare_name(name), []) if name else []
    if len(files) == 1:
        return files[0]
    if files:
        seen = " and ".join(str(file.relative_to(searched)) for file in sorted(files)[:2])
        faults.add(row.line, "several files", f"{len(files)} for id {name} in {searched}: {seen}")
    elif name:
        faults.add(row.line, "missing file", f"none for id {name} in {searched}")
    return None


def _sex(row: Row, role: str, faults: Faults) -> Sex | None:
    """Read sex from a word, or from True, False, 1 or 0 in a column `male`; None if blank, or unknown and noted."""
    text = row.cells["sex"]
    if role == "male":
        sex = _MALE.get(text.lower())
        if text and sex is None:
            faults.add(row.line, "unknown sex", f"male is {text!r}, expected True or False, 1 or 0")
        return sex
    try:
        return parse_sex(text) if text else None
    except SexError:
        faults.add(row.line, "unknown sex", f"{text!r}, expected F or M")
        return None


def _bone_age(row: Row, unit: AgeUnit, separator: str, faults: Faults) -> float | None:
    """Read bone age in months; None if blank, or out of range and noted."""
    text = row.cells["bone age"]
    if not text:
        return None
    try:
        number = float(text if separator == "," else text.replace(",", "."))  # 12,5 as many spreadsheets write it
    except ValueError:
        number = math.nan
    age = number * 12 if unit == "years" else number
    if 0 <= age <= _OLDEST_MONTHS:
        return age
    faults.add(row.line, "bone age", f"{text!r} {unit}, expected a number in 0-{_OLDEST_MONTHS} months")
    return None


def _child(row: Row, sheet: Table) -> Child:
    """What a row says of the child; None for what is blank, or cannot be read and is noted."""
    readers: dict[str, Callable[[str, str], Any]] = {
        "age": parse_age,
        "age_months": lambda text, where: parse_age(f"{_number(text, sheet)}mo", where),
        "age_years": lambda text, where: parse_age(f"{_number(text, sheet)}y", where),
        "birth_date": parse_date,
        "exam_date": parse_date,
        "height": parse_height,
        "height_cm": lambda text, where: parse_height(f"{_number(text, sheet)}cm", where),
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
        sex=_sex(row, sheet.roles["sex"], sheet.faults) if "sex" in sheet.roles else None,
        age=facts.get("age"),
        birth_date=facts.get("birth date"),
        exam_date=facts.get("exam date"),
        height_cm=facts.get("height"),
    )


def _number(text: str, sheet: Table) -> str:
    """A number as it is written, 12,5 as many spreadsheets write it included."""
    return text if sheet.separator == "," else text.replace(",", ".")
