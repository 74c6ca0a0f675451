"""Read a cohort: a table of hand radiographs with sex and bone age, and the files it names."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .child import AgeUnit
from .columns import COHORT, sex_of
from .errors import CohortError
from .files import identity_of, keep
from .sex import Sex
from .table import TABLES, Fields, Row, Table, list_ids, read_table
from .table_files import TableFiles
from .text import counted, shortened

log = logging.getLogger(__name__)

_GROUP = "group "  # before the name of a column that divides the films
_OUTPUT = "fingerprint"  # a column that only this program's own tables of readings have
_EXPECTED = (
    "expected path or id, sex, and bone_age_months or bone_age_years, where other names are given as by --column "
    "path=File --column 'bone_age_years=Bone age'; or the columns of RSNA's tables: id,boneage,male (training), Image "
    "ID,male,Bone Age (months) (validation), Case ID,Sex,Ground truth bone age (months) (test)"
)
_OLDEST_MONTHS = 240  # 20 years; the standards of Greulich and Pyle end at 19 years (boys) and 18 (girls)


@dataclass(frozen=True)
class Film:
    """One radiograph of a cohort.

    `bone_age_months` is the labelled bone age, 0 to 240 months. `patient` groups films of one child; without a patient
    column every film is its own patient. `groups`: what the table says of it in the columns that were asked for.
    """

    id: str
    path: Path
    sex: Sex
    bone_age_months: float
    patient: str
    groups: tuple[str, ...] = ()


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
            raise CohortError(f"{self.name}: {list_ids(unknown)} not among its {counted(len(self), 'radiograph')}")
        return Cohort(self.name, films)


def read_cohort(
    where: str | Path,
    *,
    table: str | Path | None = None,
    images: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    age_unit: AgeUnit | None = None,
    groups: Sequence[str] = (),
) -> Cohort:
    """Read a cohort from a folder, as RSNA publishes it, or from any CSV.

    where: a CSV, or a folder that holds one usable CSV beside its radiographs.
    table: the CSV in the folder `where`, needed only when several are usable.
    images: folder of the radiographs, relative to the CSV's folder. Ids are searched in it and in the folders in it
        (links to folders are not followed); relative paths start at it. Default: paths start at the CSV's folder, ids
        are searched in the folder with the CSV's own name (`boneage-training-dataset/`) or else in the CSV's folder.
    columns: role -> column name, for columns without a usual name. Roles: `path`, `id`, `sex` (words), `male` (True,
        False, 1, 0), `bone_age_months`, `bone_age_years`, `bone_age` (needs `age_unit`), `patient`.
    age_unit: "months" or "years", for a column whose name does not state it.
    groups: names of columns that divide the films, such as a scanner's; a blank cell is the group "not stated".

    A row has a path, or an id that is a file's name with or without suffix. Without an id column the path is the id.
    Raises CohortError: no usable table, or every fault of every row in one message (missing files, unknown sex, bone
    age outside 0-240 months, doubled ids or files, blank cells) with its line number.
    """
    where = Path(where)
    fields = COHORT | {f"{_GROUP}{name}": {f"{_GROUP}{name}": (name,)} for name in groups}
    sheet = _cohort_table(where, table, fields, columns or {})
    if unknown := [name for name in groups if f"{_GROUP}{name}" not in sheet.roles]:
        raise CohortError(f"{sheet.path}: no column {', '.join(unknown)}; it has {shortened(', '.join(sheet.header))}")
    unit = _age_unit(sheet, age_unit)
    files = TableFiles(sheet, images)

    faults = sheet.faults
    films: list[Film] = []
    line_of_id: dict[str, int] = {}
    line_of_file: dict[object, int] = {}
    for row in sheet.rows:
        for field, cell in row.cells.items():
            if not cell and not field.startswith(_GROUP):
                faults.add(row.line, "blank cell", f"no {field}")
        file = files.existing(row)
        sex = sex_of(row, sheet)
        age = _bone_age(row, unit, sheet)
        name = row.cells["id"] if "id" in row.cells else Path(row.cells["path"]).as_posix()
        if line_of_id.setdefault(name, row.line) != row.line:
            faults.add(row.line, "doubled id", f"{name} is already on line {line_of_id[name]}")
        elif file and (first := line_of_file.setdefault(identity_of(file) or file, row.line)) != row.line:
            faults.add(row.line, "doubled file", f"{file} is already on line {first}")
        within = tuple(row.cells[f"{_GROUP}{group}"] or "not stated" for group in groups)
        if file and sex and age is not None:
            films.append(Film(name, file, sex, age, row.cells.get("patient", name), within))
    faults.raise_any()
    keep([sheet.path, *(film.path for film in films)])
    if not films:
        raise CohortError(f"{sheet.path}: no rows under the header; expected one row a radiograph")
    _name_two_sexes(films, sheet.path)
    return Cohort(where.resolve().name if where.is_dir() else where.stem, tuple(films))


def _name_two_sexes(films: Sequence[Film], table: Path) -> None:
    """Log the patients whose films have two sexes, of which one must be wrong."""
    girls, boys = ({film.patient for film in films if film.sex == sex} for sex in ("F", "M"))
    if both := girls & boys:
        log.warning("%s: patients whose films have two sexes: %s; correct those that are wrong", table, list_ids(both))


def cohort_table_in(folder: Path) -> Path | None:
    """The one CSV directly in a folder that can be a cohort's and holds no readings; None for none or several."""
    usable = _usable_tables(folder, COHORT, {})[0]
    return usable[0].path if len(usable) == 1 else None


def _cohort_table(where: Path, table: str | Path | None, fields: Fields, columns: Mapping[str, str]) -> Table:
    """Read the CSV given, or the one CSV in the folder that can be a cohort's."""
    if not where.is_dir() or table is not None:
        sheet = read_table(where / table if table is not None else where, fields, columns)
        if lacking := _lacking(sheet):
            raise CohortError(f"{sheet.path}: {lacking}; {_EXPECTED}")
        return sheet
    usable, passed_over = _usable_tables(where, fields, columns)
    if len(usable) > 1:
        names = ", ".join(sheet.path.name for sheet in usable)
        raise CohortError(
            f"{where}: several tables could be the cohort's ({names}); give the CSV instead of the folder"
        )
    if not usable:
        found = "\n".join(passed_over) or f"{where}: no CSV or .xlsx in it"
        raise CohortError(f"{where}: no table of radiographs; {_EXPECTED}. Found:\n{found}")
    return usable[0]


def _usable_tables(folder: Path, fields: Fields, columns: Mapping[str, str]) -> tuple[list[Table], list[str]]:
    """The CSVs directly in a folder that can be a cohort's, and for each other one why it cannot."""
    usable: list[Table] = []
    passed_over: list[str] = []
    for path in sorted(path for path in folder.glob("[!.~]*") if path.suffix.lower() in TABLES and path.is_file()):
        try:
            sheet = read_table(path, fields, columns)
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
        raise CohortError(f"{sheet.path}: the unit of its bone ages is not stated; give --age-unit months or years")
    if asked not in (None, unit):
        raise CohortError(f"{sheet.path}: its column is for bone ages in {unit}, but {asked} were asked for")
    return unit


def _bone_age(row: Row, unit: AgeUnit, sheet: Table) -> float | None:
    """Read bone age in months; None if blank, or out of range and noted."""
    text = row.cells["bone age"]
    if not text:
        return None
    try:
        number = float(sheet.number(text))
    except ValueError:
        number = math.nan
    age = number * 12 if unit == "years" else number
    if 0 <= age <= _OLDEST_MONTHS and "_" not in text:  # which Python takes within numbers
        return age
    sheet.faults.add(row.line, "bone age", f"{text!r} {unit}, expected a number in 0-{_OLDEST_MONTHS} months")
    return None
