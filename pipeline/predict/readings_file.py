"""A table of readings that grows row by row on the disk, and that a run can resume after any stop.

Rows are appended to a CSV beside the table, `OUT.partial`, and are on the disk before more films are read. At the end
the table is written in the order of the films, whole or not at all, and the partial file is removed. So the table never
holds half a row or half a cohort. A row at the end of the partial file that a stop cut short is removed on resuming.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self
from zlib import crc32

from ...data.errors import OutputError, with_remedy
from ...data.files import identity_of, lock_beside, locked, refuse_foreign, refuse_special, whole_file
from ...data.table import begins_with
from .rows import COLUMNS, Row, from_line, header_line, to_line

log = logging.getLogger(__name__)
PARQUET = ".parquet"  # suffix of a table that is not a CSV
SUFFIXES = (".csv", ".txt", "", PARQUET)
_ROW_GROUP = 4096  # rows of Parquet that are in memory at once
_NO_PYARROW = "Parquet needs pyarrow, which is not installed; pip install 'boneage[parquet]', or write a CSV"


class ReadingsFile:
    """The rows of one run, on the disk; in memory there is only where each of them stands."""

    def __init__(self, path: str | Path, *, resume: bool = False, overwrite: bool = False) -> None:
        """Begin, or go on with, the table at `path`: Parquet where the name ends in .parquet, else a CSV.

        `resume`: keep the rows that the table, or a run that was stopped, has already. `overwrite`: replace a finished
        table at the end. Raises OutputError: another suffix; Parquet without pyarrow; a file that is there and may not
        be replaced; rows of a stopped run that would be lost; another run that writes the same table.
        """
        self.path, self._resume = Path(path), resume
        self._parquet = self.path.suffix.lower() == PARQUET
        self.partial = partial_of(self.path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise OutputError(f"{self.path}: ends in {self.path.suffix}, expected {', '.join(filter(None, SUFFIXES))}")
        if self._parquet:
            pyarrow_modules()
        refuse_foreign(self.path, self._is_ours)
        refuse_special(self.partial)
        self._may_replace = resume or overwrite
        self._refuse_finished()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._order = array("q")  # of each film in the order of the run, where its row stands in the partial file
        self._sums = array("L")  # and the row's checksum: not every file system has locks that keep others from it
        self._where: dict[str, list[int]] = {}  # fingerprint -> where its rows stand
        self._busy = Lock()  # of the place in the file, which the threads that read films share
        self._end, self._shared = 0, False
        if (lock := lock_beside(self.partial)) is None:
            raise _another_run(self.partial)
        self._lock = lock
        try:
            self._file = _locked(self.partial)
        except BaseException:
            lock.close()
            raise
        try:
            self._refuse_finished()  # once more, now that no other run can finish it
            self._found = identity_of(self.path)
            self._start()
            self._end = self._sound_length()
            self._file.truncate(self._end)
        except BaseException as error:
            self._close(remove=not self._size())
            if isinstance(error, OSError):
                raise self._cannot_write(error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the table if the run went well; else leave its rows, if any, in the partial file."""
        finished = False
        try:
            if kind is None:
                self._finish()
                finished = True
        finally:
            rows = self._end > len(header_line())
            self._close(remove=not self._shared and (finished or not rows))
            if rows and not (finished or self._shared) and self.partial.exists():
                log.warning("%s keeps the rows of the films read so far; go on with --resume", self.partial)

    def _refuse_finished(self) -> None:
        if self.path.exists() and not self._may_replace:
            raise OutputError(
                f"{self.path}: is a finished table; add to it with --resume, replace it with --overwrite, or give "
                "another name"
            )

    def _check(self, alone: bool) -> None:
        """Raise OutputError where another run changed the partial file: not every file system has locks."""
        with suppress(FileNotFoundError):  # it was deleted, and can be read all the same
            alone = alone and os.path.samestat(os.fstat(self._file.fileno()), self.partial.stat())
        if not alone:
            self._shared = True
            raise _another_run(self.partial)

    def _size(self) -> int:
        """Bytes of the partial file."""
        return os.fstat(self._file.fileno()).st_size

    def _close(self, *, remove: bool) -> None:
        """Close the partial file, or remove it: before it is closed, where the system can, so that no run opens it."""
        if remove and os.name != "nt":
            self.partial.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk, which was reported when it was written to
            self._file.close()
        if remove:
            self.partial.unlink(missing_ok=True)
        self._lock.close()

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
                    self._check(self._size() == self._end)
                    at = self._end
                    with self._busy:
                        self._file.seek(at)
                        self._file.write(line)
                        self._file.flush()
                    self._end += len(line)
                self._order.append(at)
                self._sums.append(crc32(line))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _before(self, fingerprint: str) -> Iterator[tuple[int, bytes]]:
        """The records that were there before this run with this fingerprint, and where."""
        for at in self._where.get(fingerprint, ()):
            yield at, self._record_at(at)

    def _record_at(self, at: int) -> bytes:
        with self._busy:
            return _record(self._file, at)

    def _records(self) -> Iterator[bytes]:
        """The rows of this run in its order. Raises OutputError where they are no longer as they were written."""
        for at, checksum in zip(self._order, self._sums, strict=True):
            record = self._record_at(at)
            self._check(crc32(record) == checksum)
            yield record

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(f"{self.partial}: {with_remedy(error)}; then go on with --resume")

    def _is_ours(self, path: Path) -> bool:
        """Whether the file at the table's place is a table of readings."""
        return is_parquet_table(path) if self._parquet else begins_with(path, header_line().decode())

    def _start(self) -> None:
        """Begin the partial file where there is none yet: with the header, and with what the finished table holds."""
        head, there = header_line(), self._file.read(len(header_line()))
        self._file.seek(0, os.SEEK_END)
        if there == head and self._file.tell() > len(head) and not self._resume:
            raise OutputError(
                f"{self.partial}: holds the rows of a run that was stopped; go on with --resume, or delete it to begin "
                "again"
            )
        if there != head and not head.startswith(there):
            raise OutputError(
                f"{self.partial}: holds rows of another version, or is no table of this program, so it cannot be gone "
                "on with; delete it to begin again"
            )
        if self._file.tell() > len(head):
            return
        self._file.seek(0)
        self._file.write(head)
        if self._resume and self.path.exists():
            self._file.writelines(self._finished_rows())
        self._file.flush()

    def _finished_rows(self) -> Iterator[bytes]:
        if self._parquet:
            _, parquet = pyarrow_modules()
            with parquet.ParquetFile(self.path) as file:
                for group in file.iter_batches(_ROW_GROUP):
                    yield from map(to_line, group.to_pylist())
            return
        with open(self.path, "rb") as file:
            _record(file)
            while record := _record(file):
                yield record

    def _sound_length(self) -> int:
        """Bytes of the partial file up to its last whole row, noting where each row stands."""
        _record(self._file, 0)
        end = self._file.tell()
        while (record := _record(self._file)).endswith(b"\n"):
            try:
                fingerprint = from_line(record)["fingerprint"]
            except ValueError:  # torn in its middle; what follows cannot be separated from it
                break
            self._where.setdefault(fingerprint, []).append(end)
            end = self._file.tell()
        return end

    def _finish(self) -> None:
        if identity_of(self.path) != self._found:
            raise OutputError(
                f"{self.path}: was written by another run since this one began, so it is not replaced; give another "
                "name"
            )
        with whole_file(self.path, ours=self._is_ours) as temporary:
            write = write_parquet if self._parquet else _write_csv
            write(self._records(), temporary)
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
            if (stored := self._rows_in(temporary)) != len(self._order):
                raise OutputError(
                    f"{self.path}: {stored} of {len(self._order)} rows could be stored, so it was not written; go on "
                    "with --resume"
                )

    def _rows_in(self, path: Path) -> int:
        if self._parquet:
            return pyarrow_modules()[1].ParquetFile(path).metadata.num_rows
        with open(path, "rb") as file:
            return sum(1 for _ in iter(lambda: _record(file), b"")) - 1


def partial_of(table: str | Path) -> Path:
    """The file in which a table grows. Raises OutputError for a folder without a name of its own, as . is."""
    path = Path(table)
    if not path.name:
        raise OutputError(f"{path}: is a folder, expected a file for the table; give its name too")
    return path.with_name(f"{path.name}.partial")


def _locked(path: Path) -> BinaryIO:
    """Open a file that may be new, for this process alone. Raises OutputError while another one has it open."""
    while True:
        handle = os.open(
            path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o666
        )
        file = open(handle, "r+b")  # noqa: SIM115 - closed by ReadingsFile
        try:
            if not locked(handle):
                file.close()
                raise _another_run(path)
            if os.path.samestat(os.fstat(handle), path.stat()):
                return file
        except FileNotFoundError:
            pass  # the run that had it finished, and removed it, between opening and locking: begin anew
        file.close()


def _another_run(path: Path) -> OutputError:
    return OutputError(f"{path}: another run is writing this table; wait until it has ended, or give another name")


def is_parquet_table(file: Path | BinaryIO) -> bool:
    """Whether a file is a table of readings in Parquet."""
    pyarrow, parquet = pyarrow_modules()
    try:
        return parquet.read_schema(file).names == list(COLUMNS)
    except pyarrow.ArrowInvalid:
        return False


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


def arrow_schema(columns: Mapping[str, type]) -> Any:
    """The schema of Parquet for columns of these types."""
    pyarrow, _ = pyarrow_modules()
    kinds = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64()}
    return pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])


def write_parquet(records: Iterable[bytes], path: Path) -> None:
    """Write records of the CSV (`rows.to_line`) as the table in Parquet."""
    pyarrow, parquet = pyarrow_modules()
    schema = arrow_schema(COLUMNS)
    rows = map(from_line, records)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))


def pyarrow_modules() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet, which not each installation has; OutputError where they are not."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise OutputError(_NO_PYARROW) from None
    return pyarrow, parquet
