"""A table of readings that grows row by row on the disk and can be gone on with after any stop.

Rows are appended to a CSV beside the table, `OUT.partial`, and are on the disk before more films are read. When all
are there, the table itself is written in the order of the films, whole or not at all, and the partial file goes.
So the table never holds half a row or half a cohort; the partial file can be followed while it grows, and whatever a
stop tore off its end is cut off before more is added.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from ...data.errors import CohortError, OutputError
from ...data.files import whole_file
from .rows import COLUMNS, Row, from_line, header_line, to_line

log = logging.getLogger(__name__)
PARQUET = ".parquet"  # suffix of a table that is not a CSV
_ROW_GROUP = 4096  # rows of Parquet that are in memory at once
_NO_PYARROW = "Parquet needs pyarrow, which is not installed; pip install 'boneage[parquet]', or write a CSV"


class ReadingsFile:
    """The rows of one run, on the disk; in memory there is only where each of them stands."""

    def __init__(self, path: str | Path, *, resume: bool = False) -> None:
        """Begin, or go on with, the table at `path`: Parquet where the name ends in .parquet, else a CSV.

        `resume`: keep the rows that the table, or a run that was stopped, has already. Raises OutputError: Parquet
        without pyarrow; rows of a stopped run that would be lost; a table that this version did not write.
        """
        self.path, self._resume = Path(path), resume
        self._parquet = self.path.suffix.lower() == PARQUET
        self.partial = self.path.with_name(f"{self.path.name}.partial")
        if self._parquet:
            _pyarrow()
        stopped = self.partial.exists() and self.partial.stat().st_size > len(header_line())
        if stopped and not resume:
            raise OutputError(
                f"{self.partial}: holds the rows of a run that was stopped; go on with --resume, or delete it to begin "
                "again"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._order = array("q")  # of each film in the order of the run, where its row stands in the partial file
        self._where: dict[str, list[int]] = {}  # fingerprint -> where its rows stand
        self._start(stopped)
        self._end = self._sound_length()
        self._file = open(self.partial, "r+b")  # noqa: SIM115 - closed by __exit__
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the table if the run went well; else leave its rows, if any, in the partial file."""
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
        if kind is None or self._end == len(header_line()):
            self.partial.unlink()
        else:
            log.warning("%s keeps the rows of the films read so far; go on with --resume", self.partial)

    def rows_of(self, fingerprint: str) -> Iterator[Row]:
        """The rows that were there before this run with this fingerprint, read from the disk."""
        return (from_line(record) for _, record in self._before(fingerprint))

    def add(self, rows: Iterable[Row]) -> None:
        """Give the table its next rows, on the disk when this returns; those that are there from before stay."""
        try:
            for row in rows:
                line = to_line(row)
                at = next((there for there, same in self._before(row["fingerprint"]) if same == line), None)
                if at is None:
                    at = self._end
                    self._file.write(line)
                    self._end += len(line)
                self._order.append(at)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.partial}: cannot be written ({error.strerror}); mend that, then go on with --resume"
            ) from error

    def _before(self, fingerprint: str) -> Iterator[tuple[int, bytes]]:
        """The records that were there before this run with this fingerprint, and where."""
        places = self._where.get(fingerprint)
        if places:
            with open(self.partial, "rb") as file:
                yield from ((at, _record(file, at)) for at in places)

    def _start(self, stopped: bool) -> None:
        """Have a partial file: the one that a stop left, or a new one with what the finished table holds."""
        if stopped:
            return
        with whole_file(self.partial) as temporary, open(temporary, "wb") as file:
            file.write(header_line())
            if self._resume and self.path.exists():
                file.writelines(self._finished_rows())

    def _finished_rows(self) -> Iterator[bytes]:
        foreign = OutputError(
            f"{self.path}: is not a table that this version wrote, so it cannot be gone on with; give another name, or "
            "leave --resume out to replace it"
        )
        if self._parquet:
            pyarrow, parquet = _pyarrow()
            try:
                with parquet.ParquetFile(self.path) as file:
                    if file.schema_arrow.names != list(COLUMNS):
                        raise foreign
                    for group in file.iter_batches(_ROW_GROUP):
                        yield from map(to_line, group.to_pylist())
            except pyarrow.ArrowInvalid:
                raise foreign from None
            return
        with open(self.path, "rb") as file:
            if _record(file) != header_line():
                raise foreign
            while record := _record(file):
                yield record

    def _sound_length(self) -> int:
        """Bytes of the partial file up to its last whole row, noting where each row stands."""
        with open(self.partial, "rb") as file:
            if _record(file) != header_line():
                raise OutputError(
                    f"{self.partial}: holds rows of another version, so they cannot be gone on with; delete it to "
                    "begin again"
                )
            end = file.tell()
            while (record := _record(file)).endswith(b"\n"):
                try:
                    fingerprint = from_line(record)["fingerprint"]
                except ValueError:  # torn in its middle; what follows cannot be told from it
                    break
                self._where.setdefault(fingerprint, []).append(end)
                end = file.tell()
        return end

    def _finish(self) -> None:
        with whole_file(self.path) as temporary:
            with open(self.partial, "rb") as rows:
                write = _write_parquet if self._parquet else _write_csv
                write((_record(rows, at) for at in self._order), temporary)
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())


def parquet_rows(path: str | Path) -> list[dict[str, Any]]:
    """All rows of a Parquet file. Raises OutputError without pyarrow, CohortError where it cannot be read."""
    pyarrow, parquet = _pyarrow()
    try:
        return parquet.read_table(path).to_pylist()
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file or folder") from None
    except pyarrow.ArrowInvalid as error:
        raise CohortError(f"{path}: is not a whole Parquet file ({error})") from error


def _record(file: BinaryIO, at: int | None = None) -> bytes:
    """The CSV record that begins here or at `at`, its line ends included: quotes come in pairs. b"" at the end."""
    if at is not None:
        file.seek(at)
    record = file.readline()
    while record.count(b'"') % 2 and (more := file.readline()):
        record += more
    return record


def _write_csv(records: Iterable[bytes], path: Path) -> None:
    with open(path, "wb") as file:
        file.write(header_line())
        file.writelines(records)


def _write_parquet(records: Iterable[bytes], path: Path) -> None:
    pyarrow, parquet = _pyarrow()
    kinds = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    rows = map(from_line, records)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))


def _pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet, which not each installation has."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise OutputError(_NO_PYARROW) from None
    return pyarrow, parquet
