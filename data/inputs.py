"""What the user names to be read, as a list of files with what is known of the child for each."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from .child import Age, Child
from .cohort import cohort_table_in
from .errors import ChildError, ReadError, SexError
from .files import bare_name, keep
from .inputs_table import InputRow, read_inputs_table
from .listing import files_below, is_folder, is_hidden, is_pattern, matches
from .remark import Remark, Value, Verbatim
from .sex import Sex, parse_sex
from .source import Film, as_source, is_film
from .table import TABLES
from .text import for_file_name, for_line
from .url import Url, as_path, refuse_unknown

log = logging.getLogger(__name__)
_OPTIONS = {  # by the fact, where its option has another name
    "height_cm": "height",
    "weight_kg": "weight",
    "mother_cm": "mother",
    "father_cm": "father",
    "pseudonym": "name",
}
_LONGEST_STEM = 200  # bytes; a name has at most 255, with what is written about a film and its suffix


def read_inputs(
    inputs: Film | Iterable[Film | InputRow],
    child: Child | Sex | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
) -> tuple[InputRow, ...]:
    """List the radiographs behind files, folders, patterns and CSVs, in the order given, each with its child.

    A folder stands for all files in it and in its folders (`listing.files_below`); where a cohort's table lies in it,
    alone of its kind, its rows come first, with what they state of the children. A pattern (`films/*.png`,
    `studies/**/*.dcm`) that names no file itself stands for whatever matches it, sorted, folders included. A CSV, a
    workbook or a Parquet file stands for its rows (`read_inputs_table`, which `columns` and `images` are for). Any
    other path stands for itself, existing or not: a missing file fails where it is read. What was found in a folder or
    by a pattern says so (`InputRow.found`): not each such file is a film. A URL (`url.Url`) is a table by its suffix,
    or a film. A film that is no path (`source.as_source`) stands for itself, and so does an InputRow, with its own
    facts alone.

    `child`, or the sex alone, applies to all; a row's own facts go before it. Raises CohortError for a CSV that cannot
    be used, ReadError for a folder or pattern without radiographs, SexError or ChildError where a CSV's row contradicts
    `child`.
    """
    given = child if isinstance(child, Child) else Child(sex=parse_sex(child) if child else None)
    listed = (inputs,) if is_film(inputs) else cast("Iterable[Film | InputRow]", inputs)
    known = _Known(given, columns, images)
    rows = tuple(row for item in listed for row in _rows(item, known))
    refuse_unknown(row.path for row in rows)
    keep(named_files(rows))
    return rows


def named_files(rows: Iterable[InputRow]) -> list[Path]:
    """The files that are read by their names, and their tables; what was found in a folder may be an earlier output."""
    return [path for row in rows for path in (None if row.found else row.path, row.table) if path]


def output_names(files: Sequence[Path]) -> tuple[str, ...]:
    """Give each file a name of its own for what is written about it: its stem, numbered where that is taken.

    Names that differ in case alone, or in how accents are stored, count as one, as some systems read them; control
    characters, marks of direction, and dots and dashes at the start are left out, and long names are cut.
    """
    names: list[str] = []
    stems = [_stem(file) for file in files]
    own, taken = set(map(_folded, stems)), set[str]()
    for stem in stems:
        name, number = stem, 1
        while _folded(name) in taken or (name != stem and _folded(name) in own):
            number += 1
            name = f"{stem}-{number}"
        taken.add(_folded(name))
        names.append(name)
    return tuple(names)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(file: Path) -> str:
    stem = bare_name(file.name)
    option_or_hidden = stem.startswith(("-", "."))
    plain = for_line(stem) == unicodedata.normalize("NFC", stem) and not option_or_hidden
    return stem if plain and len(stem.encode()) <= _LONGEST_STEM else for_file_name(stem)


@dataclass(frozen=True)
class _Known:
    """What is given of all inputs: facts of the child, names of columns, and the folder of films that tables name."""

    child: Child
    columns: Mapping[str, str] | None
    images: str | Path | None


def _rows(item: Film | InputRow, known: _Known) -> Iterator[InputRow]:
    if isinstance(item, InputRow):
        yield item
    elif isinstance(item, (str, os.PathLike)):
        yield from _rows_behind(as_path(item), known)
    else:
        source = as_source(item)
        yield InputRow(Path(source.name), known.child, source=source)


def _rows_behind(path: Path, known: _Known) -> Iterator[InputRow]:
    is_url = isinstance(path, Url)  # a store is not listed
    if not is_url and is_pattern(path) and not os.path.lexists(path):
        yield from _matches(path, known)
    elif path.suffix.lower() in TABLES:
        refuse_unknown([path])
        yield from _rows_of(path, known)
    elif not is_url and is_folder(path):
        yield from _rows_in(path, known)
    else:
        yield InputRow(path, known.child)


def _rows_of(table: Path, known: _Known) -> Iterator[InputRow]:
    for row in _agreeing(table, read_inputs_table(table, known.columns, known.images), known.child):
        yield replace(row, child=row.child.completed_by(known.child))


def _rows_in(folder: Path, known: _Known) -> Iterator[InputRow]:
    """All files of a folder; those that its cohort's table names, if it has one, first and with what that states."""
    files = files_below(folder)
    if not files:
        raise ReadError(folder, Remark("no radiographs in this folder; it is empty"))
    named: set[str] = set()
    if (table := cohort_table_in(folder)) is not None:
        log.warning("%s: what is known of the children is taken from %s", folder, table.name)
        for row in _rows_of(table, known):
            named.add(os.path.realpath(row.path))
            yield row
    yield from (InputRow(file, known.child, found=True) for file in files if os.path.realpath(file) not in named)


def _matches(pattern: Path, known: _Known) -> Iterator[InputRow]:
    found = matches(pattern)
    if not found:
        remark = Remark("no radiographs match this pattern; ** stands for any folders, * for any name")
        raise ReadError(pattern, remark)
    if pattern.suffix.lower() in TABLES:
        for table in found:
            yield from _rows_behind(table, known)
        return
    # ** matches a folder and the files in it: each file is listed once
    files = {os.path.realpath(file): file for match in reversed(found) for file in _below(match)}
    yield from (InputRow(file, known.child, found=True) for file in sorted(files.values()))


def _below(match: Path) -> list[Path]:
    return files_below(match) if is_folder(match) and not is_hidden(match.name) else [match]


def _agreeing(table: Path, rows: Sequence[InputRow], child: Child) -> Sequence[InputRow]:
    """Return the rows unchanged; raise SexError or ChildError if one contradicts an option."""
    for field in fields(Child):
        said = getattr(child, field.name)
        against = [row for row in rows if said is not None and getattr(row.child, field.name) not in (None, said)]
        if against:
            theirs = getattr(against[0].child, field.name)
            option = _OPTIONS.get(field.name, field.name.replace("_", "-"))
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
