"""The cells of a Parquet file as text, as a CSV would have them (extra parquet)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import CohortError, one_line
from .text import cell_text

SUFFIX = ".parquet"
_ROWS = 65_536  # in memory at once
_EXTRA = "install it with: pip install 'boneage[parquet]', or save the table as CSV (UTF-8)"


def parquet_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of the header and of each row that is not blank; the header counts as line 1.

    Numbers and dates are written as `12.5` and `2015-03-27`; what is null or no number is blank, and so are columns of
    bytes, lists and records, which are not even read: they may be the pixels of all films. Raises CohortError: not a
    Parquet file, or no pyarrow.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError as error:
        raise CohortError(f"{path}: reading Parquet needs pyarrow, which is not installed; {_EXTRA}") from error
    try:
        with path.open("rb") as file:
            table = parquet.ParquetFile(file)
            names = table.schema_arrow.names
            yield 1, names
            read = [number for number, column in enumerate(table.schema_arrow) if _is_plain(column.type)]
            line = 1
            for group in table.iter_batches(_ROWS, columns=[*dict.fromkeys(names[number] for number in read)]):
                for values in zip(*(column.to_pylist() for column in group.columns), strict=True):
                    line += 1
                    if any(texts := [cell_text(value) for value in values]):
                        cells = dict(zip(read, texts, strict=True))
                        yield line, [cells.get(number, "") for number in range(len(names))]
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file or folder") from None
    except IsADirectoryError:
        raise CohortError(
            f"{path}: is a folder of Parquet files; give the files in it ('{path.name}/*{SUFFIX}' in quotes), or write "
            "them as one"
        ) from None
    except (OSError, ArrowException) as error:
        raise CohortError(f"{path}: is not a whole Parquet file ({one_line(error)}); write it again") from error


def _is_plain(kind: Any) -> bool:
    """Whether a column holds what a cell of a CSV could: text, numbers, dates, yes and no."""
    from pyarrow import types

    blobs = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return not types.is_nested(kind) and not any(is_blob(kind) for is_blob in blobs)
