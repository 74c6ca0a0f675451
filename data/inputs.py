"""What the user names to be read, as a list of files with what is known of the child for each."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from .child import Age, Child
from .cohort import InputRow, read_inputs_table
from .errors import ChildError, CohortError, ReadError, SexError
from .files import SUFFIXES, bare_name
from .remark import Remark, Value, Verbatim
from .sex import Sex, parse_sex
from .source import Film, as_source, is_film, why_no_film
from .text import for_file_name, for_line

_LONGEST_STEM = 200  # bytes; a name has at most 255, with what is written about a film and its suffix


def read_inputs(
    inputs: Film | Iterable[Film | InputRow],
    child: Child | Sex | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[InputRow, ...]:
    """List the radiographs behind files, folders, patterns and CSVs, in the order given, each with its child.

    A folder stands for the files in it and in its folders, sorted by path: those with a picture's or DICOM's suffix,
    or with none; what is hidden is left out. A pattern (`films/*.png`, `studies/**/*.dcm`) that names no file itself
    stands for whatever matches it, sorted, folders included. A CSV stands for its rows (`read_inputs_table`, which
    `columns` is for). Any other path stands for itself, existing or not: a missing file fails where it is read. What
    was found in a folder or by a pattern says so (`InputRow.found`): not each such file is a film. A film that is no
    path (`source.as_source`) stands for itself, and so does an InputRow, with its own facts alone.

    `child`, or the sex alone, applies to all; a row's own facts go before it. Raises CohortError for a CSV that cannot
    be used, ReadError for a folder or pattern without radiographs, SexError or ChildError where a CSV's row contradicts
    `child`.
    """
    given = child if isinstance(child, Child) else Child(sex=parse_sex(child) if child else None)
    listed = (inputs,) if is_film(inputs) else cast("Iterable[Film | InputRow]", inputs)
    return tuple(row for item in listed for row in _rows(item, given, columns))


def films_among(rows: Iterable[InputRow]) -> tuple[list[Path], Counter[Remark]]:
    """The files without those that were found and can be no films, and how many there are of each kind of these.

    Raises ReadError when no film is left.
    """
    files: list[Path] = []
    no_films: Counter[Remark] = Counter()
    for row in rows:
        if row.found and (kind := why_no_film(row.path)):
            no_films[kind] += 1
        else:
            files.append(row.path)
    if not files:
        raise no_film_among(no_films)
    return files, no_films


def no_film_among(no_films: Counter[Remark]) -> ReadError:
    """The error for files of which none is a film; `no_films`: how many there are of each kind."""
    kinds = (Remark("{number:,} {kind}", number=number, kind=kind) for kind, number in no_films.most_common())
    return ReadError(None, Remark("there are no radiographs among the files: {kinds}", kinds=tuple(kinds)))


def output_names(files: Sequence[Path]) -> tuple[str, ...]:
    """Give each file a name of its own for what is written about it: its stem, numbered where that is taken.

    Names that differ in case alone count as one, as some systems read them; control characters and marks of direction
    are left out, and long names are cut.
    """
    names: list[str] = []
    stems = [_stem(file) for file in files]
    own, taken = {stem.casefold() for stem in stems}, set[str]()
    for stem in stems:
        name, number = stem, 1
        while name.casefold() in taken or (name != stem and name.casefold() in own):
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return tuple(names)


def _stem(file: Path) -> str:
    stem = bare_name(file.name)
    return stem if for_line(stem) == stem and len(stem.encode()) <= _LONGEST_STEM else for_file_name(stem)


def _rows(item: Film | InputRow, child: Child, columns: Mapping[str, str] | None) -> Iterator[InputRow]:
    if isinstance(item, InputRow):
        yield item
    elif isinstance(item, (str, os.PathLike)):
        yield from _rows_behind(Path(item), child, columns)
    else:
        source = as_source(item)
        yield InputRow(Path(source.name), child, source=source)


def _rows_behind(path: Path, child: Child, columns: Mapping[str, str] | None) -> Iterator[InputRow]:
    if glob.has_magic(str(path)) and not path.exists():
        yield from _matches(path, child, columns)
    elif path.suffix.lower() == ".csv":
        for row in _agreeing(path, read_inputs_table(path, columns), child):
            yield InputRow(row.path, row.child.completed_by(child), row.patient)
    elif path.is_dir():
        for file in _radiographs_in(path):
            yield InputRow(file, child, found=True)
    else:
        yield InputRow(path, child)


def _matches(pattern: Path, child: Child, columns: Mapping[str, str] | None) -> Iterator[InputRow]:
    matches = [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207 - Path.glob takes relative patterns only
    if pattern.suffix.lower() == ".csv":
        for table in matches:
            yield from _rows_behind(table, child, columns)
    else:
        # ** matches a folder and the files in it: each file is listed once
        listed = dict.fromkeys(file for match in matches for file in _candidates(match))
        yield from (InputRow(file, child, found=True) for file in listed)
        matches = list(listed)
    if not matches:
        remark = Remark("no radiographs match this pattern; ** stands for any folders, * for any name")
        raise ReadError(pattern, remark)


def _candidates(match: Path) -> list[Path]:
    if match.is_dir():
        return _listed(match)
    return [match] if _may_be_a_radiograph(Path(match.name)) else []


def _agreeing(table: Path, rows: Sequence[InputRow], child: Child) -> Sequence[InputRow]:
    """The rows, none of which says of its child what the options deny."""
    for field in fields(Child):
        said = getattr(child, field.name)
        against = [row for row in rows if said is not None and getattr(row.child, field.name) not in (None, said)]
        if against:
            theirs, option = getattr(against[0].child, field.name), field.name.removesuffix("_cm").replace("_", "-")
            kind = SexError if field.name == "sex" else ChildError
            remark = Remark(
                "says {theirs} for {number} of its {rows} rows (first: {first}), {option} says {stated}; leave "
                "{option} out or correct the table",
                theirs=_shown(theirs),
                number=len(against),
                rows=len(rows),
                first=Verbatim(against[0].path.name),
                option=Verbatim(f"--{option}"),
                stated=_shown(said),
            )
            raise kind(table, remark)
    return rows


def _shown(fact: Any) -> Value:
    """A fact about a child, of any of `Child`'s fields, as a value of a remark."""
    return fact.remark if isinstance(fact, Age) else Verbatim(fact) if isinstance(fact, str) else fact


def _radiographs_in(folder: Path) -> list[Path]:
    files = _listed(folder)
    if not files:
        remark = Remark(
            "no radiographs in this folder; expected files ending in {suffixes} or in no suffix, as DICOM files often "
            "are",
            suffixes=Verbatim(", ".join(sorted(SUFFIXES))),
        )
        raise ReadError(folder, remark)
    return files


def _listed(folder: Path) -> list[Path]:
    try:
        found = [path for path in sorted(folder.rglob("*")) if _may_be_a_radiograph(path.relative_to(folder))]
    except OSError as error:
        raise CohortError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    return [path for path in found if path.is_file()]


def _may_be_a_radiograph(path: Path) -> bool:
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return False
    return path.suffix.lower() in SUFFIXES or path.suffix[1:].isdigit() or not path.suffix  # .2 ends a DICOM's UID
