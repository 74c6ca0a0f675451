"""The cells of an Excel workbook as text, as a CSV would have them (extra excel)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import CohortError, one_line
from .text import cell_text, shortened

SUFFIX = ".xlsx"
_LARGEST = 256 * 2**20  # bytes when unpacked; a table of 100,000 films has some 20 MB
_EXTRA = "install it with: pip install 'boneage[excel]', or save the table as CSV (UTF-8)"


def workbook_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that is not blank, of the one sheet that has any.

    Numbers and dates are written as `12.5` and `2015-03-27`, whatever format the sheet shows them in; a formula is the
    value that was stored with it. Rows are as wide as the header, which is the first of them. Raises CohortError: not a
    workbook, several sheets with cells, too large, or no openpyxl.
    """
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        raise CohortError(f"{path}: reading a workbook needs openpyxl, which is not installed; {_EXTRA}") from error
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
            if size > _LARGEST:
                raise CohortError(f"{path}: {size >> 20} MB when unpacked, expected at most {_LARGEST >> 20}; use CSV")
            sheets = (name for name in parts.namelist() if name.startswith("xl/worksheets/"))
            formulas = any(b"</f>" in parts.read(name) for name in sheets)
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        rows = {sheet.title: _rows(sheet) for sheet in book.worksheets}
        if formulas:
            _refuse_unknown(path, book, load_workbook(path, read_only=True, keep_links=False))
        book.close()
    except FileNotFoundError:
        raise CohortError(f"{path}: no such file or folder") from None
    except CohortError:
        raise
    except Exception as error:  # openpyxl raises errors of every kind on damaged files
        raise CohortError(f"{path}: not a workbook ({one_line(error)}); save it as .xlsx or CSV again") from error
    filled = [title for title, there in rows.items() if there]
    if len(filled) > 1:
        raise CohortError(
            f"{path}: several sheets have cells ({', '.join(filled)}); save the one of the films as a file of its own"
        )
    yield from rows[filled[0]] if filled else ()


def _refuse_unknown(path: Path, stored: Any, formulas: Any) -> None:
    """Raise CohortError for a formula without the value that a spreadsheet stores with it: its cell would be blank."""
    for values, sheet in zip(stored.worksheets, formulas.worksheets, strict=True):
        for row, cells in zip(values.iter_rows(), sheet.iter_rows(), strict=True):
            for value, cell in zip(row, cells, strict=True):
                blank = value.value is None and value.data_type != "str"  # which "" is stored as
                if cell.data_type == "f" and blank:
                    raise CohortError(
                        f"{path}: line {cell.row} has the formula {shortened(str(cell.value), 60)} without its value; "
                        "open it in a spreadsheet and save it again"
                    )


def _rows(sheet: Any) -> list[tuple[int, list[str]]]:
    rows = ((number, list(map(cell_text, row))) for number, row in enumerate(sheet.iter_rows(values_only=True), 1))
    filled = [(number, cells) for number, cells in rows if any(cells)]
    width = max((place for place, cell in enumerate(filled[0][1], 1) if cell), default=0) if filled else 0
    return [(number, _fitted(cells, width)) for number, cells in filled]


def _fitted(cells: list[str], width: int) -> list[str]:
    """The cells without blank ones beyond `width`, and at least so many."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells + [""] * (width - len(cells))
