"""Read a cohort: a table of hand radiographs with sex and bone age, and the files it names."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .child import AgeUnit, Child, age_of, height_of, parse_age, parse_date, parse_height
from .errors import ChildError, CohortError, SexError
from .files import bare_name
from .sex import Sex, parse_sex
from .table import Faults, Row, Table, list_ids, read_table
from .text import shortened

if TYPE_CHECKING:
    from .source import Source

log = logging.getLogger(__name__)

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
_INPUTS = _COHORT | {
    "age": {"age": ("age",), "age_months": ("age_months",), "age_years": ("age_years",)},
    "birth date": {"birth_date": ("birth_date",)},
    "exam date": {"exam_date": ("exam_date",)},
    "height": {"height": ("height",), "height_cm": ("height_cm",)},
}
_OUTPUT = "fingerprint"  # a column that only this program's own tables of readings have
_EXPECTED = (
    "expected a CSV with the columns id,boneage,male (RSNA training); Image ID,male,Bone Age (months) (RSNA "
    "validation); Case ID,Sex,Ground truth bone age (months) (RSNA test); or path or id, sex, and bone_age_months or "
    "bone_age_years, where other names can be given"
)
# Words of column names that speak of the film or the child
_SPEAKING = re.compile(r"\b(sex|gender|male|female|age|birth|dob|height|patient|path|file|filename)\b", re.IGNORECASE)
_MALE: dict[str, Sex] = {"true": "M", "1": "M", "false": "F", "0": "F"}
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
    table: the CSV that names it; None without one.
    source: the film itself where it is no file (`source.as_source`); `path` is what it is called then.
    """

    path: Path
    child: Child = Child()
    patient: str | None = None
    found: bool = False
    table: Path | None = None
    source: Source | None = None


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
    base, searched = _folders(sheet, images)
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


def read_inputs_table(
    path: str | Path, columns: Mapping[str, str] | None = None, images: str | Path | None = None
) -> tuple[InputRow, ...]:
    """Read a CSV of radiographs to predict: a path or id a row and, where the table has them, facts about the child.

    Each table that `read_cohort` reads is read, with `images` and columns of its roles. Usual columns: `path` or
    `file`, or `id`; `sex` (words) or `male` (True, False, 1, 0); `age` (10y3m, 10.25y, 123mo),
    `age_months` or `age_years` (numbers); `birth_date` and `exam_date` (2015-03-27); `height` (140.5cm) or `height_cm`
    (a number); `patient` or `patient_id`. Blank cells are facts not known. Further columns, bone ages too, are not
    used, and the log names those that look like one of the usual. `columns` maps these names to others. Relative paths
    start at the CSV's folder. Whether a file exists is left to the reader, so that a missing one fails its row only.
    Raises CohortError: no column for path or id, no rows, or every blank path or id, every id of several files and
    every fact that cannot be read, with its line number.
    """
    sheet = read_table(Path(path), _INPUTS, columns)
    if not {"path", "id"} & set(sheet.roles):
        raise CohortError(
            f"{path}: no column called path, file or id among {shortened(', '.join(sheet.header))}; name it with path="
        )
    _name_unused(sheet)
    by = "path" if "path" in sheet.roles else "id"
    base, searched = _folders(sheet, images)
    named = _files_by_name(searched) if by == "id" else {}
    rows: list[InputRow] = []
    for row in sheet.rows:
        if not row.cells[by]:
            sheet.faults.add(row.line, "blank cell", f"no {by}")
            continue
        file = _padded(base / row.cells["path"]) if by == "path" else _file_of_id(row, named, searched, sheet.faults)
        rows.append(InputRow(file, _child(row, sheet), row.cells.get("patient") or None, table=sheet.path))
    sheet.faults.raise_any()
    if not rows:
        raise CohortError(f"{path}: no rows under the header; expected one row a radiograph")
    return tuple(rows)


def cohort_table_in(folder: Path) -> Path | None:
    """The one CSV directly in a folder that can be a cohort's; None where there is none, or several.

    Tables of readings, which this program writes, are none.
    """
    usable = _usable_tables(folder, {})[0]
    return usable[0].path if len(usable) == 1 else None


def _cohort_table(where: Path, table: str | Path | None, columns: Mapping[str, str]) -> Table:
    """Read the CSV given, or the one CSV in the folder that can be a cohort's."""
    if not where.is_dir() or table is not None:
        sheet = read_table(where / table if table is not None else where, _COHORT, columns)
        if lacking := _lacking(sheet):
            raise CohortError(f"{sheet.path}: {lacking}; {_EXPECTED}")
        return sheet
    usable, passed_over = _usable_tables(where, columns)
    if len(usable) > 1:
        names = ", ".join(sheet.path.name for sheet in usable)
        raise CohortError(
            f"{where}: several tables could be the cohort's ({names}); give the CSV instead of the folder"
        )
    if not usable:
        seen = "\n".join(passed_over) or f"{where}: no CSV in it (save an Excel table as CSV)"
        raise CohortError(f"{where}: no table of radiographs; {_EXPECTED}. Seen:\n{seen}")
    return usable[0]


def _usable_tables(folder: Path, columns: Mapping[str, str]) -> tuple[list[Table], list[str]]:
    """The CSVs directly in a folder that can be a cohort's, and for each other one why it cannot."""
    usable: list[Table] = []
    passed_over: list[str] = []
    for path in sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() == ".csv" and path.is_file()):
        try:
            sheet = read_table(path, _COHORT, columns)
        except CohortError as error:
            passed_over.append(str(error))
            continue
        if lacking := _lacking(sheet):
            passed_over.append(f"{path}: {lacking}")
        elif _OUTPUT in sheet.header:
            passed_over.append(f"{path}: holds readings of this program, not labels")
        else:
            usable.append(sheet)
    return usable, passed_over


def _folders(sheet: Table, images: str | Path | None) -> tuple[Path, Path]:
    """Where a table's paths start, and where files are searched by id. Raises CohortError where that is no folder."""
    home = sheet.path.parent
    base = home / images if images is not None else home
    if not base.is_dir():
        raise CohortError(f"{base}: not a folder; give the folder of the radiographs that {sheet.path.name} names")
    own = sheet.path.with_suffix("")
    return base, own if images is None and own.is_dir() else base


def _name_unused(sheet: Table) -> None:
    """Log the columns that are not used although their names speak of the film or the child."""
    words = (name.replace("_", " ") for name in sheet.header)
    unused = [
        name
        for name, said in zip(sheet.header, words, strict=True)
        if _SPEAKING.search(said) and name not in sheet.used and "bone" not in said.casefold()
    ]
    if unused:
        log.warning(
            "%s: not used: the column %s; --column ROLE=NAME says what a column holds", sheet.path, ", ".join(unused)
        )


def _lacking(sheet: Table) -> str:
    """Say what a table lacks to be a cohort's; "" if nothing."""
    lacking = [field for field in ("sex", "bone age") if field not in sheet.roles]
    if "path" not in sheet.roles and "id" not in sheet.roles:
        lacking.insert(0, "path or id")
    return f"no column for {', '.join(lacking)} among {shortened(', '.join(sheet.header))}" if lacking else ""


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


def _listed_file(row: Row, base: Path, faults: Faults) -> Path | None:
    """Give the file a row's path leads to."""
    file = _padded(base / row.cells["path"])
    if file.is_file():
        return file
    if row.cells["path"]:
        faults.add(row.line, "missing file", str(file))
    return None


def _named_file(row: Row, named: Mapping[str, list[Path]], searched: Path, faults: Faults) -> Path | None:
    """Give the one file named by a row's id."""
    name = row.cells["id"]
    files = _of_name(bare_name(name), named) if name else []
    if len(files) == 1:
        return files[0]
    if files:
        seen = " and ".join(str(file.relative_to(searched)) for file in sorted(files)[:2])
        faults.add(row.line, "several files", f"{len(files)} for id {name} in {searched}: {seen}")
    elif name:
        faults.add(row.line, "missing file", f"none for id {name} in {searched}")
    return None


def _file_of_id(row: Row, named: Mapping[str, list[Path]], searched: Path, faults: Faults) -> Path:
    """The file of a row's id; where there is none, a path that does not exist, for the reader to say so."""
    files = _of_name(bare_name(row.cells["id"]), named)
    return (len(files) > 1 and _named_file(row, named, searched, faults)) or (files or [searched / row.cells["id"]])[0]


def _of_name(name: str, named: Mapping[str, list[Path]]) -> list[Path]:
    """The files of a name, or else those of the same number with leading zeros, which spreadsheets drop."""
    if name in named or not name.isdecimal():
        return named.get(name, [])
    return [file for other, files in named.items() if _is_padded(other, name) for file in files]


def _padded(file: Path) -> Path:
    """A file that exists; or else the one beside it of the same number with leading zeros, which spreadsheets drop."""
    if not file.stem.isdecimal() or os.path.lexists(file) or not file.parent.is_dir():
        return file
    like = [other for other in file.parent.glob(f"0*{file.suffix}") if _is_padded(other.stem, file.stem)]
    return like[0] if len(like) == 1 else file


def _is_padded(name: str, number: str) -> bool:
    return name.isdecimal() and name.endswith(number) and not name.removesuffix(number).strip("0")


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
        "age_months": lambda text, where: age_of(_number(text, sheet), "months", where),
        "age_years": lambda text, where: age_of(_number(text, sheet), "years", where),
        "birth_date": parse_date,
        "exam_date": parse_date,
        "height": parse_height,
        "height_cm": lambda text, where: height_of(_number(text, sheet), where),
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
