"""Measurements kept as a CSV of every reading and a JSON of what was measured, so that figures can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ...data.cohort import Film
from ...data.errors import BoneAgeError
from ...data.files import MARK, refuse_foreign, whole_file
from ...data.remark import joined
from ...data.table import has_columns, write_table
from ...data.text import from_csv_cell
from ..reading import Reading
from .reasons import causes_of

ABOUT = ("cohort", "split", "model")  # cohort, in words which of its films, and the weights


def film_row(film: Film, reading: Reading) -> dict[str, object]:
    """The columns that every measurement has of a film and its reading, in months; None where there is no value."""
    low, high = reading.interval_90 or (None, None)
    return {
        "id": film.id,
        "status": reading.status,
        "reasons": joined(reading.reasons),
        "causes": causes_of(reading.reasons),
        "sex": film.sex,
        "labelled_months": film.bone_age_months,
        "bone_age_months": reading.bone_age_months,
        "interval_90_low": low,
        "interval_90_high": high,
    }


def refuse_others(folder: str | Path, name: str, columns: Sequence[str], *pages: str) -> None:
    """Raise OutputError where `write_measured`, or the writing of `pages`, would be refused: now, not in hours."""
    refuse_foreign(Path(folder, f"{name}.csv"), has_columns(columns))
    for file in (f"{name}.json", *pages):
        refuse_foreign(Path(folder, file))


def write_measured(folder: str | Path, name: str, readings: pd.DataFrame, about: Mapping[str, str]) -> None:
    """Write `folder/name.csv` and `folder/name.json`; numbers are in months, to 0.01."""
    cells = readings.map(lambda cell: f"{cell:.2f}" if isinstance(cell, float) else cell, na_action="ignore")
    write_table(
        Path(folder) / f"{name}.csv", list(readings.columns), cells.replace({float("nan"): None}).to_dict("records")
    )
    with whole_file(Path(folder) / f"{name}.json") as temporary:
        temporary.write_text(
            json.dumps({key: about[key] for key in ABOUT} | {"made_by": MARK}, indent=2) + "\n", "utf-8"
        )


def read_measured(
    folder: str | Path, name: str, columns: Sequence[str], months: Sequence[str], *, made_by: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read what `write_measured` wrote: the readings, columns `months` as numbers, and what was measured.

    All other columns are text, "" where blank. Raises BoneAgeError, which names the command `made_by`, where a file is
    missing, of another kind, or lacks one of `columns`, as those of earlier versions do.
    """
    folder = Path(folder)
    try:
        readings = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False).map(from_csv_cell)
        about = json.loads((folder / f"{name}.json").read_text("utf-8"))
        if lacking := [column for column in columns if column not in readings]:
            raise ValueError(f"the CSV has no column {', '.join(lacking)}")
        readings[list(months)] = readings[list(months)].replace("", "nan").astype("float64")
        return readings, {key: str(about[key]) for key in ABOUT}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BoneAgeError(
            f"{folder}: {name}.csv and {name}.json are not there or not whole ({error}); expected a folder that "
            f"`{made_by} -o` of this version wrote"
        ) from error
