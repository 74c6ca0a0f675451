"""What the user names to be read, as a list of files with the sex given for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..data.cohort import SUFFIXES, InputRow, bare_name, read_inputs_table
from ..data.errors import CohortError, ReadError, SexError
from ..data.sex import Sex


def read_inputs(
    inputs: Sequence[str | Path], sex: Sex | None = None, columns: Mapping[str, str] | None = None
) -> tuple[InputRow, ...]:
    """List the radiographs behind files, folders and CSVs, in the order given, each with the sex given for it.

    A folder stands for the radiographs in it and in its folders, sorted by path: files with a picture's or DICOM's
    suffix, or with none; what is hidden is left out. A CSV stands for its rows (`read_inputs_table`, which `columns`
    is for). Any other path stands for itself, existing or not: a missing file fails where it is read.
    `sex` applies to all; a row's own goes before it. Raises CohortError for a CSV that cannot be used, ReadError for a
    folder without radiographs, SexError where a CSV's row contradicts `sex`.
    """
    return tuple(row for path in map(Path, inputs) for row in _rows(path, sex, columns))


def output_names(files: Sequence[Path]) -> tuple[str, ...]:
    """Give each file a name of its own for what is written about it: its stem, numbered where that is taken."""
    names: dict[str, None] = {}
    stems = {bare_name(file.name) for file in files}
    for file in files:
        name = stem = bare_name(file.name)
        number = 1
        while name in names or (name != stem and name in stems):
            number += 1
            name = f"{stem}-{number}"
        names[name] = None
    return tuple(names)


def _rows(path: Path, sex: Sex | None, columns: Mapping[str, str] | None) -> Iterator[InputRow]:
    if path.suffix.lower() == ".csv":
        rows = read_inputs_table(path, columns)
        against = [row for row in rows if sex and row.sex and row.sex != sex]
        if against:
            raise SexError(
                f"{path}: says {against[0].sex} for {len(against)} of its {len(rows)} rows (first: "
                f"{against[0].path.name}), --sex says {sex}; leave --sex out or correct the table"
            )
        return (InputRow(row.path, row.sex or sex) for row in rows)
    if path.is_dir():
        return (InputRow(file, sex) for file in _radiographs_in(path))
    return iter((InputRow(path, sex),))


def _radiographs_in(folder: Path) -> list[Path]:
    try:
        found = [path for path in sorted(folder.rglob("*")) if _may_be_a_radiograph(path.relative_to(folder))]
    except OSError as error:
        raise CohortError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    files = [path for path in found if path.is_file()]
    if not files:
        raise ReadError(
            f"{folder}: no radiographs in this folder; expected files ending in {', '.join(sorted(SUFFIXES))} or in no "
            "suffix, as DICOM files often are"
        )
    return files


def _may_be_a_radiograph(path: Path) -> bool:
    if any(part.startswith((".", "__MACOSX")) for part in path.parts) or path.name == "DICOMDIR":
        return False
    return path.suffix.lower() in SUFFIXES or path.suffix[1:].isdigit() or not path.suffix  # .2 ends a DICOM's UID
