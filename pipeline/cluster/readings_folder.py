"""The folder of a cluster's readings: they are stored in parts, from which the table is made at the end.

A part holds the rows of a fixed number of successive films, so its number follows from a film's, and a part that is
written twice is the same. A run that resumes reads the parts that are missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from ...data.errors import OutputError
from ...data.files import MARK
from ...data.inputs_table import InputRow
from ...data.remark import Verbatim
from ...handseg.pairs import Side
from ..predict.batch import NO_FILE, FilmRows, fingerprint_of, model_of
from ..predict.readings_file import arrow_schema, is_parquet_table, pyarrow_modules, write_parquet
from ..predict.rows import COLUMNS, Row, to_line
from .store import Store

MANIFEST, PARTS, TABLE = "_manifest.json", "_parts", "readings.parquet"  # what begins with _ is no data to readers
FILM = "film"  # a part's first column: the film's number in the order of the inputs
_PART = re.compile(r"\d+\.parquet")
_KEY = b"boneage"  # of a part's metadata


@dataclass(frozen=True)
class Manifest:
    """What decides the rows of all parts alike, and stands in the folder.

    weights, weights_sha256: name and digest of the bundle. hand: what is read of two. patient_ids: whether rows have
    what DICOMs state of them. rows_per_part: films of a part. reference: of SDSs, if not Brush's.
    """

    weights: str
    weights_sha256: str
    hand: Side
    patient_ids: bool
    rows_per_part: int
    reference: str = ""
    boneage: str = version("boneage")

    def to_json(self) -> bytes:
        """The file's bytes."""
        return (json.dumps({"": MARK, **asdict(self)}, indent=2) + "\n").encode()


class ReadingsFolder:
    """Manifest, parts and table in a folder, to which nothing is written before `begin`."""

    def __init__(self, place: str | Path, manifest: Manifest, *, resume: bool = False, overwrite: bool = False) -> None:
        """Plan a folder, or go on with one.

        `resume`: keep the parts that are there. `overwrite`: remove them, and the table. Raises OutputError: a folder
        that holds what this program did not write, one of another run while neither is asked for, and with `resume`
        one of other weights, of another version or of other settings.
        """
        self._pyarrow, self._parquet = pyarrow_modules()
        self.store, self.manifest = Store(place), manifest
        names = self.store.names()
        before = self._manifest_there(names)
        if before and not (resume or overwrite):
            done = "is finished" if TABLE in names else "holds the parts of a run that was stopped"
            raise OutputError(
                f"{self.store.place}: {done}; go on with --resume, begin again with --overwrite, or give another folder"
            )
        if before and resume:
            self._refuse_others(before)
        if TABLE in names and not is_parquet_table(io.BytesIO(self.store.read(TABLE))):
            raise OutputError(f"{self.store.place / TABLE}: is not a table of readings; move it away")
        parts = {f"{PARTS}/{name}" for name in self.store.names(PARTS) if _PART.fullmatch(name)}
        self._old = {*parts, *({TABLE} & names)} if overwrite else set[str]()
        self._there = {int(Path(name).stem) for name in parts - self._old}

    def begin(self) -> None:
        """Write the manifest, once all else is found to be in order, and remove what is to be overwritten."""
        for name in self._old:
            self.store.remove(name)
        self.store.write(MANIFEST, self.manifest.to_json())

    def part(self, number: int, films: Sequence[InputRow]) -> list[FilmRows] | None:
        """What became of these films, if a part of theirs is there."""
        if number not in self._there:
            return None
        name = _name_of(number)
        try:
            table = self._parquet.read_table(io.BytesIO(self.store.read(name)))
        except self._pyarrow.ArrowInvalid:
            return None  # a damaged disk: it is read again
        if table.column_names != [FILM, *COLUMNS]:
            raise OutputError(f"{self.store.place / name}: is not a part that this program wrote; move it away")
        if (table.schema.metadata or {}).get(_KEY) != _key_of(films):
            return None
        by_film = {film: list(rows) for film, rows in groupby(table.to_pylist(), key=lambda row: row.pop(FILM))}
        return [_from_rows(by_film[number * self.manifest.rows_per_part + place]) for place in range(len(films))]

    def is_up_to_date(self, number: int, films: Sequence[InputRow]) -> bool:
        """Whether there is a part of these films, none of which could not be opened then and can be opened now."""
        read, of = self.part(number, films), self.manifest
        if read is None:
            return False
        model = model_of(of.weights_sha256, of.hand, of.reference)
        lost = (
            item
            for item, film in zip(films, read, strict=True)
            if film.rows and film.rows[0]["fingerprint"] == fingerprint_of(NO_FILE, item.child, model)
        )
        return not any(item.opened() for item in lost)

    def add(self, number: int, films: Sequence[InputRow], read: Sequence[FilmRows]) -> None:
        """Store a part: what became of these films."""
        first = number * self.manifest.rows_per_part
        rows = [
            {FILM: first + place, **row}
            for place, (item, film) in enumerate(zip(films, read, strict=True))
            for row in _to_rows(item, film)
        ]
        schema = arrow_schema({FILM: int, **COLUMNS}).with_metadata({_KEY: _key_of(films)})
        content = io.BytesIO()
        self._parquet.write_table(self._pyarrow.Table.from_pylist(rows, schema), content)
        self.store.write(_name_of(number), content.getvalue())
        self._there.add(number)

    def finish(self, rows: Iterable[Row]) -> None:
        """Write the table of all rows, the same to the byte as that of a run on one machine."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, TABLE)
            write_parquet(map(to_line, rows), path)
            self.store.write(TABLE, path.read_bytes())

    def _manifest_there(self, names: set[str]) -> dict[str, Any] | None:
        """The manifest of an earlier run. Raises OutputError for a folder of anything else."""
        if MANIFEST in names:
            try:
                values = json.loads(self.store.read(MANIFEST))
                if values.pop("") == MARK:
                    return values
            except (ValueError, TypeError, AttributeError, KeyError):
                pass
            raise OutputError(f"{self.store.place / MANIFEST}: is not of this program; give another folder")
        if names:
            raise OutputError(
                f"{self.store.place}: holds {min(names)}, which is not of such a run; give an empty or new folder"
            )
        return None

    def _refuse_others(self, before: dict[str, Any]) -> None:
        for name, value in asdict(self.manifest).items():
            if name != "weights" and (there := before.get(name)) != value:  # their digest says whether they differ
                raise OutputError(
                    f"{self.store.place}: was begun with {name.replace('_', '-')} {there}, and this run has {value}, "
                    "so its parts would not fit together; give what it was begun with, or another folder"
                )


def _name_of(number: int) -> str:
    return f"{PARTS}/{number:06}.parquet"


def _key_of(films: Sequence[InputRow]) -> bytes:
    """What the rows of a part follow from beside the manifest: the films by their names, and what was given of them."""
    facts = [(str(item.path), item.child, item.patient, item.found) for item in films]
    return hashlib.sha256(repr(facts).encode()).hexdigest().encode()


def _to_rows(item: InputRow, film: FilmRows) -> Sequence[Row]:
    """The rows of a film in a part; what is no film has one without a status, whose reason says what it is."""
    if film.no_film is None:
        return film.rows
    return [dict.fromkeys(COLUMNS) | {"file": str(item.path), "reasons": str(film.no_film)}]


def _from_rows(rows: Sequence[Row]) -> FilmRows:
    if rows[0]["status"] is None:
        return FilmRows(no_film=Verbatim(rows[0]["reasons"]))
    return FilmRows(rows)
