"""A reading as one flat row of a table, under the names that CSV and Parquet carry."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...data.text import csv_line, from_csv_cell
from ..reading import Reading

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]  # by COLUMNS; what is not known is None

_OF_A_RUN = ("patient", "exam_date", "fingerprint")  # columns that no reading fills

# Column -> type of its values. A pair of JSON is two columns here, a list of sentences one cell.
COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("file", "status", "reasons", "cause", "sex"), str),
    **dict.fromkeys(("bone_age_months", "interval_90_low", "interval_90_high"), float),
    "interval_words": str,
    "chronological_age_months": float,
    "chronological_age_source": str,
    **dict.fromkeys(("difference_months", "reference_mean_months", "reference_sd_months"), float),
    **dict.fromkeys(("sds", "sds_interval_90_low", "sds_interval_90_high"), float),
    **dict.fromkeys(("sds_reference", "assessment"), str),
    **dict.fromkeys(("height_cm", "weight_kg", "mother_cm", "father_cm"), float),
    **dict.fromkeys(("adult_height_cm", "adult_height_interval_90_low", "adult_height_interval_90_high"), float),
    "adult_height_category": str,
    **dict.fromkeys(("adult_height_rwt_cm", "adult_height_rwt_interval_90_low"), float),
    **dict.fromkeys(("adult_height_rwt_interval_90_high", "adult_height_khamis_roche_cm"), float),
    **dict.fromkeys(("target_height_cm", "target_height_range_low", "target_height_range_high"), float),
    **dict.fromkeys(("hand", "side"), str),
    **dict.fromkeys(("hand_box_x", "hand_box_y", "hand_box_width", "hand_box_height"), int),
    **dict.fromkeys(("notes", "model", "model_sha256", "boneage_version"), str),
    **dict.fromkeys(_OF_A_RUN, str),
}
_PARTS = {2: ("low", "high"), 4: ("x", "y", "width", "height")}
_BETWEEN_SENTENCES = "; "


def row_of(reading: Reading, fingerprint: str = "") -> Row:
    """Flatten a reading. `fingerprint`: of what decided it, by which a run that goes on knows it again."""
    row: Row = dict.fromkeys(COLUMNS)
    for name, value in reading.to_dict().items():
        if name in row:
            row[name] = _BETWEEN_SENTENCES.join(value) or None if isinstance(value, list) else value
        elif value is not None and name != "caveats":  # the same for every film: a run says them once
            row |= {f"{name}_{part}": item for part, item in zip(_PARTS[len(value)], value, strict=True)}
    return row | {"fingerprint": fingerprint}


def to_dataframe(readings: Iterable[Reading]) -> pd.DataFrame:
    """Readings as a table of pandas, a row each, with the columns of `boneage predict --csv` that a reading fills."""
    import pandas as pd

    columns = [name for name in COLUMNS if name not in _OF_A_RUN]
    return pd.DataFrame([row_of(reading) for reading in readings], columns=columns)


def to_line(row: Row) -> bytes:
    """One record of a CSV, in UTF-8 with its line's end."""
    return _line(row[name] for name in COLUMNS)


def header_line() -> bytes:
    """The record that names the columns."""
    return _line(COLUMNS)


def from_line(line: bytes) -> Row:
    """The row of a record; ValueError where it is no whole row of this table."""
    try:
        cells = next(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} cells, expected {len(COLUMNS)}")
    return {
        name: kind(cell) if cell else None
        for (name, kind), cell in zip(COLUMNS.items(), map(from_csv_cell, cells), strict=True)
    }


def _line(cells: Any) -> bytes:
    return csv_line(["" if cell is None else str(cell) for cell in cells]).encode()
