"""Text from outside (file names, DICOM values, cells) made harmless for the place where it is written."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime, time

_LONGEST_NAME = 120  # bytes of a file's name, which systems limit to 255, numbers and suffixes included
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that change the order in which text is shown
_UNSEEN = f"\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff{_BIDI}"  # and half characters of undecodable names
_BLANK = "\xad\u034f\u115f\u1160\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\uffa0\U000e0000-\U000e007f"  # of no width
_JOINED = r"[^\0-\u024f\u200c\u200d]"  # beside which a joiner has a use: letters of India and Persia, emoji
_JOINER = f"(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
_FOR_LINE = re.compile(f"[\x00-\x1f{_UNSEEN}{_BLANK}]|{_JOINER}")
_FOR_LINES = re.compile(f"[\x00-\x09\x0b-\x1f{_UNSEEN}{_BLANK}]|{_JOINER}")
_FOR_CELL = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_UNSEEN}]")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)
_NEEDS_QUOTES = re.compile(r'[",;\t\r\n]|^\s|\s$')  # spreadsheets of some languages split at semicolons
_NOT_IN_MARKDOWN = re.compile(r"[|\[]|<(?=[a-z/!?])", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([|<\[])")
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # devices of Windows, not files


def for_line(text: str) -> str:
    """For one line of a terminal, a log, a page or a PDF: control characters, bidi marks and what is unseen as escapes.

    Letters and accents that are stored apart, as macOS has them in names, become one, which more fonts have.
    """
    return _FOR_LINE.sub(_escape, unicodedata.normalize("NFC", text))


def for_lines(text: str) -> str:
    """As `for_line`, but line ends stay: for a text of several lines whose parts are harmless already."""
    return _FOR_LINES.sub(_escape, unicodedata.normalize("NFC", text))


def escaped(letters: str) -> str:
    """Letters as escapes: each but those of printable ASCII by its number."""
    return letters.encode("unicode_escape").decode()


def for_cell(text: str) -> str:
    """For a cell of a table: control characters and bidi marks as escapes. Tabs and line ends stay, within quotes."""
    return _FOR_CELL.sub(_escape, text)


def csv_line(cells: list[str]) -> str:
    """One record of a CSV with its line end; an apostrophe, which `from_csv_cell` drops, is put before formulas."""
    return ",".join(map(_csv_cell, cells)) + "\n"


def from_csv_cell(text: str) -> str:
    """The text of a cell that `csv_line` wrote; for all other cells, the cell."""
    return text[1:] if _GUARDED.match(text) else text


def cell_text(value: object) -> str:
    """The text of a cell of a workbook or of Parquet, as a CSV would have it; "" where nothing or NaN stands there."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"  # what a sheet keeps; 1377.0, as columns with blanks hold whole numbers, is 1377
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return str(value).strip()


def for_markdown(text: str) -> str:
    """For a cell or a line of Markdown: as `for_line`; no cell ends, no tag of HTML begins, no link or picture."""
    return _NOT_IN_MARKDOWN.sub(r"\\\g<0>", for_line(text))


def from_markdown(text: str) -> str:
    """What `for_markdown` was given, where that was a line, for a terminal."""
    return _ESCAPED.sub(r"\1", text)


def for_dicom(text: str) -> str:
    """For a DICOM text in any character set: ASCII, in one line, and one value (a backslash would begin another)."""
    return for_line(text.replace("±", "+-").replace("\\", "/")).encode("ascii", "replace").decode().replace("\\", "/")


def for_file_name(text: str) -> str:
    """For the name of a file, without suffix: letters, digits, dot and dash, not hidden, at most 120 bytes."""
    name = _NOT_IN_NAMES.sub("_", text.encode("utf-8", "replace").decode()).strip(".-") or "_"
    name = f"_{name}" if _RESERVED.match(name) else name
    return name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")


def shortened(text: str, length: int = 200) -> str:
    """At most `length` characters of a text: its begin and its end."""
    half = (length - 5) // 2
    return text if len(text) <= length else f"{text[:half]} ... {text[-half:]}"


def counted(number: int, one: str, several: str = "") -> str:
    """A number and what there are so many of: "1 film", "2,000 films"; `several`: a plural that takes no s."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _csv_cell(text: str) -> str:
    text = for_cell(text)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _escape(match: re.Match[str]) -> str:
    return escaped(match[0])
