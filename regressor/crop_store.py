"""Prepared crops on disk, cut once: keyed by the radiograph's content, opened without reading them.

A store is a folder. `store.json` states how the crops were made (crop version, size, segmenter); every `shard-*.npy`
holds some hundred crops (uint8, n x size x size) and the `.csv` beside it a row for each: content key, file, finding,
checksum. A shard is written whole before its CSV, so all that the CSVs list is complete, whenever writing stopped.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import TrainingError, one_line
from ..data.files import sha256_of, whole_file
from ..data.table import write_table

_CHECKSUM = "crc32"  # a column of a shard's table


@dataclass(frozen=True)
class StoreKind:
    """How a store's crops were made; a store holds crops of one kind."""

    crop_version: int
    size: int
    segmenter: str  # SHA-256 of the segmenter's weights file, or how else the film was cut, such as "whole-frame"

    @property
    def name(self) -> str:
        """A name for a folder of such crops."""
        return f"{self.size}px-v{self.crop_version}-{self.segmenter[:12]}"


@dataclass(frozen=True)
class StoredCrop:
    """One row: content key, the file it was read from with its size and time, and what the segmenter found.

    `status`: ok, review or rejected; a rejected film has a blank crop. The box is in original pixels.
    """

    key: str
    file: str
    bytes: int
    modified_ns: int
    status: str
    reasons: str
    box_x: int
    box_y: int
    box_width: int
    box_height: int


class CropStore:
    """Crops of one kind in one folder; opening reads the tables only, crops are memory-mapped."""

    def __init__(self, folder: str | Path, kind: StoreKind) -> None:
        """Open or begin a store. Raises TrainingError when the folder holds crops of another kind."""
        self.folder, self.kind = Path(folder), kind
        self._rows: dict[str, tuple[StoredCrop, int, int]] = {}
        self._files: dict[tuple[str, int, int], str] = {}
        self._shards: list[NDArray[np.uint8]] = []
        self._checksums: dict[str, str] = {}  # key -> CRC-32 of the crop; stores of earlier versions have none
        self._next = 0  # number of the next shard
        self.folder.mkdir(parents=True, exist_ok=True)
        described = self.folder / "store.json"
        if described.exists():
            try:
                found = json.loads(described.read_text("utf-8"))
            except ValueError as error:
                raise self._damaged(described, error) from error
            if found != asdict(kind):
                raise TrainingError(
                    f"{self.folder}: holds crops made with {found}, expected {asdict(kind)}; give another folder"
                )
        else:
            with whole_file(described) as temporary:
                temporary.write_text(json.dumps(asdict(kind)), "utf-8")
        for table in sorted(self.folder.glob("shard-*.csv")):
            try:
                self._open_shard(table)
            except (ValueError, KeyError, TypeError, EOFError, csv.Error) as error:
                raise self._damaged(table.with_suffix(""), error) from error

    def _damaged(self, file: Path, error: Exception) -> TrainingError:
        return TrainingError(
            f"{file}: is damaged ({one_line(error)}), so its crops cannot be used; delete {self.folder}, and all are "
            "cut again"
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> NDArray[np.uint8]:
        """The crop of a content key, uint8, size x size, memory-mapped."""
        _, shard, row = self._rows[key]
        return self._shards[shard][row]

    def is_whole(self, key: str) -> bool:
        """Whether a crop is what was stored, by its checksum; opening does not look, as that reads every crop."""
        return self._checksums[key] in ("", _checksum(self[key]))

    def row(self, key: str) -> StoredCrop:
        """The row of a crop."""
        return self._rows[key][0]

    def key_of(self, path: str | Path) -> str:
        """The content key of a file: SHA-256, remembered while its size and modification time stay."""
        stat = Path(path).stat()
        known = self._files.get((str(path), stat.st_size, stat.st_mtime_ns))
        return known or sha256_of(path)

    def append(self, rows: Sequence[StoredCrop], crops: Sequence[NDArray[np.uint8]]) -> None:
        """Add crops, uint8, size x size each, as one shard; ValueError unless there is one for each row."""
        pile = np.stack(crops)
        if pile.dtype != np.uint8 or pile.shape != (len(rows), self.kind.size, self.kind.size):
            raise ValueError(f"{len(rows)} rows of {self.kind.size} px came with crops {pile.dtype} {pile.shape}")
        table = self.folder / f"shard-{self._next:05d}.csv"
        with whole_file(table.with_suffix(".npy"), ours=_is_array) as temporary:
            np.save(temporary, pile)
        checked = [{**asdict(row), _CHECKSUM: _checksum(crop)} for row, crop in zip(rows, pile, strict=True)]
        write_table(table, [*(field.name for field in fields(StoredCrop)), _CHECKSUM], checked)
        self._open_shard(table)

    def _open_shard(self, table: Path) -> None:
        crops = np.load(table.with_suffix(".npy"), mmap_mode="r")
        with open(table, newline="", encoding="utf-8") as file:
            records = list(csv.DictReader(file))
            rows = [_row(record) for record in records]
            if crops.dtype != np.uint8 or crops.shape != (len(rows), self.kind.size, self.kind.size):
                raise ValueError(f"{len(rows)} rows of {self.kind.size} px stand beside {crops.dtype} {crops.shape}")
            for number, (row, record) in enumerate(zip(rows, records, strict=True)):
                self._rows[row.key] = (row, len(self._shards), number)
                self._checksums[row.key] = record.get(_CHECKSUM) or ""
                self._files[row.file, row.bytes, row.modified_ns] = row.key
        self._shards.append(crops)
        self._next = int(table.stem.removeprefix("shard-")) + 1

    def __reduce__(self) -> tuple[type[CropStore], tuple[Path, StoreKind]]:
        """Workers reopen the store instead of receiving its crops."""
        return CropStore, (self.folder, self.kind)


def _is_array(path: Path) -> bool:
    """Whether a file is an array, as a stop between an array and its table leaves one."""
    return path.read_bytes()[:6] == b"\x93NUMPY"


def _row(record: Mapping[str, str]) -> StoredCrop:
    if record["status"] not in ("ok", "review", "rejected"):
        raise ValueError(f"no status: {record['status']!r}")
    cells = ((field, record[field.name]) for field in fields(StoredCrop))
    values: dict[str, Any] = {field.name: int(cell) if field.type == "int" else cell for field, cell in cells}
    return StoredCrop(**values)


def _checksum(crop: NDArray[np.uint8]) -> str:
    return f"{zlib.crc32(crop.tobytes()):08x}"
