"""The files that a table of radiographs names, by path or by id."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import CohortError
from .files import bare_name
from .listing import is_hidden
from .table import Row, Table
from .url import Url, within


class TableFiles:
    """The files of a table's rows: each has a path, or an id that is a file's name with or without suffix.

    Ids are searched in a folder and in the folders in it (links to folders are not followed).
    """

    def __init__(self, table: Table, images: str | Path | None = None) -> None:
        """`images`: folder of the files, relative to the table's, else CohortError; default: as for `read_cohort`."""
        home = table.path.parent
        self._base = within(home, images) if images is not None else home
        self.by = "path" if "path" in table.roles else "id"
        if isinstance(self._base, Url):
            if self.by == "id":  # it would take a list of all that is in a store
                raise CohortError(
                    f"{table.path}: ids are searched in folders of this machine; give a column path for URLs"
                )
        elif not self._base.is_dir():
            raise CohortError(
                f"{self._base}: not a folder; give the folder of the radiographs that {table.path.name} names"
            )
        own = table.path.with_suffix("")
        self._searched = own if images is None and own.is_dir() else self._base
        self._faults = table.faults
        self._named = _files_by_name(self._searched) if self.by == "id" else {}

    def existing(self, row: Row) -> Path | None:
        """The one file of a row; None where there is none, or several, which is noted as a fault unless it is blank."""
        if self.by == "id":
            return self._one_named(row)
        file = _padded(within(self._base, row.cells["path"]))
        if file.is_file():
            return file
        if row.cells["path"]:
            self._faults.add(row.line, "missing file", str(file))
        return None

    def meant(self, row: Row) -> Path:
        """The file of a row, existing or not; several files for its id are noted as a fault."""
        if self.by == "path":
            return _padded(within(self._base, row.cells["path"]))
        files = self._of_name(bare_name(row.cells["id"])) or [self._searched / row.cells["id"]]
        if len(files) > 1:
            self._one_named(row)
        return files[0]

    def _one_named(self, row: Row) -> Path | None:
        name = row.cells["id"]
        files = self._of_name(bare_name(name)) if name else []
        if len(files) == 1:
            return files[0]
        if files:
            found = " and ".join(str(file.relative_to(self._searched)) for file in sorted(files)[:2])
            self._faults.add(row.line, "several files", f"{len(files)} for id {name} in {self._searched}: {found}")
        elif name:
            self._faults.add(row.line, "missing file", f"none for id {name} in {self._searched}")
        return None

    def _of_name(self, name: str) -> list[Path]:
        """The files of a name, or else those of the same number with leading zeros, which spreadsheets drop."""
        if name in self._named or not name.isdecimal():
            return self._named.get(name, [])
        return [file for other, files in self._named.items() if _is_padded(other, name) for file in files]


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    """List a folder once: file name without image suffix -> files so named; what is hidden is left out."""
    named: dict[str, list[Path]] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in files:
            if not name.startswith("."):
                named.setdefault(bare_name(name), []).append(Path(parent, name))
    return named


def _padded(file: Path) -> Path:
    """A file that exists; or else the one beside it of the same number with leading zeros, which spreadsheets drop."""
    if isinstance(file, Url) or not file.stem.isdecimal() or os.path.lexists(file) or not file.parent.is_dir():
        return file
    like = [other for other in file.parent.glob(f"0*{file.suffix}") if _is_padded(other.stem, file.stem)]
    return like[0] if len(like) == 1 else file


def _is_padded(name: str, number: str) -> bool:
    return name.isdecimal() and name.endswith(number) and not name.removesuffix(number).strip("0")
