"""Measure how much a reading depends on the way a film was copied, and which promises hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from ...data.cohort import Cohort, Film
from ...data.errors import ReadError
from ...data.progress import tracked
from ...data.read import read_radiograph
from ...data.remark import joined
from ...data.split import WHOLE, make_split
from ...data.text import for_markdown
from ...handseg.orientation import ROTATED
from ..predict.bone_age import BoneAge
from ..reading import Reading
from .copies import COPIES, PLAIN, Copy, write_copies
from .markdown import markdown_table, write_markdown
from .metrics import agreement
from .reasons import reasons_table
from .results_io import film_row, read_measured, refuse_others, write_measured

NAME = "robustness"  # of the CSV of every reading, the JSON of what was measured, and the table
SAME = ("mirrored", "inverted", "png-16", "dicom", "dicom-window", "dicom-monochrome1")
ROTATIONS = ("rotated-90", "rotated-180", "rotated-270")
SAME_WITHIN = 1.0  # months that copies of SAME may change a reading by on average
ROTATED_WITHIN = 3.0  # months from the reading of the upright film, unless a note states the rotation
FAR = 12.0  # months
SEED = 0  # of a sample of films
YES = "yes"
_STATUSES = ("ok", "review", "rejected", "failed")
_MONTHS = ("labelled_months", "bone_age_months", "interval_90_low", "interval_90_high", "change_months")
_COLUMNS = ("id", "copy", "status", "reasons", "causes", "notes", "rotation_noted", "sex", *_MONTHS)
_HEAD = ("copy", "n", "ok / review / rejected / failed", "MAE (95 % interval)", "change, mean", "95th percentile")
_HEAD += ("over 12",)


@dataclass(frozen=True)
class Promise:
    """What was promised of some copies, whether it holds, and what was measured."""

    text: str
    kept: bool
    measured: str

    def __str__(self) -> str:
        """One sentence for a table's foot."""
        return f"{self.text}: {'**kept**' if self.kept else '**not kept**'} ({self.measured})."


@dataclass(frozen=True, eq=False)
class Robustness:
    """What was measured.

    readings: one row a film and copy: id, copy (a name of `COPIES`), status, reasons, causes, notes, rotation_noted
        ("yes" where a note states how the hand was rotated), sex, labelled_months, bone_age_months, interval_90_low,
        interval_90_high, change_months (to the reading of the plain copy), all months to 0.01 and NaN where there is
        none.
    """

    cohort: str
    split: str
    model: str
    readings: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """One row a copy, in the order of COPIES.

        copy; n films; ok, review, rejected, failed: their number; mae, mae_low, mae_high: against the label, over the
        assessed films; compared: films assessed both as this copy and as the plain one; change_mean, change_95: mean
        and 95th percentile of the absolute change between the two; far: share of changes over 12 months. Months; NaN
        where nothing was assessed.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return pd.DataFrame([_summarised(name, self._rows_of(name)) for name in COPIES])

    def promises(self) -> list[Promise]:
        """What is promised of the copies, and whether it holds."""
        summary = self._summary.set_index("copy")
        rows = {name: summary.loc[name] for name in SAME}
        most = summary.loc[PLAIN, "compared"]
        measured = "; ".join(
            f"{COPIES[name].title} {row['change_mean']:.2f}"
            + (f" with {most - row['compared']} without a bone age" if row["compared"] < most else "")
            for name, row in rows.items()
        )
        same = Promise(
            f"Mirrored, inverted, 16-bit and DICOM copies change the reading by less than {SAME_WITHIN:g} month on "
            "average",
            all(row["change_mean"] < SAME_WITHIN for row in rows.values()),
            measured,
        )
        return [same, *(self._rotated(name) for name in ROTATIONS)]

    def table(self) -> str:
        """Everything as Markdown: what was measured on which films, a row a copy, and the promises."""
        n = self.readings["id"].nunique()
        lines = [
            f"Model {for_markdown(self.model)} on cohort {for_markdown(self.cohort)}, {self.split}: "
            f"n = {n:,} radiographs, each written as "
            f"{len(COPIES)} files and read back.",
            "",
            "All months. MAE: mean absolute error against the label with its 95 % bootstrap interval, over the "
            "assessed films. Change: absolute difference of the reading to that of the first copy, its mean and 95th "
            f"percentile, and the share of films that it moves by more than {FAR:g} months.",
            "",
            markdown_table(_HEAD, map(_cells, self._summary.to_dict("records"))),
            "",
            *(f"- {promise}" for promise in self.promises()),
            f"- Films with such a note as they are: {np.sum(self._rows_of(PLAIN)['rotation_noted'] == YES)} of {n:,}.",
            "",
            reasons_table(self.readings),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def _rows_of(self, name: str) -> pd.DataFrame:
        return self.readings.loc[self.readings["copy"] == name]

    def _rotated(self, name: str) -> Promise:
        films = self._rows_of(name)
        near = np.abs(films["change_months"].to_numpy(np.float64)) <= ROTATED_WITHIN  # False for NaN
        noted = films["rotation_noted"].to_numpy(str) == YES
        either = int((near | noted).sum())
        return Promise(
            f"A film {COPIES[name].title} is read within {ROTATED_WITHIN:g} months of the upright one, or a note "
            "states its rotation",
            either == len(films),
            f"{either} of {len(films)}; {int(near.sum())} read so, {int(noted.sum())} with the note",
        )


def measure_robustness(
    bone_age: BoneAge, cohort: Cohort, out: str | Path | None = None, *, split: str = WHOLE
) -> Robustness:
    """Write every copy of `COPIES` of each film of a cohort, read the files, and compare with the plain copy.

    out: folder for robustness.csv and robustness.json, which `read_robustness` reads, and robustness.md, if any.
    split: in words, which films of the data these are.
    """
    if out is not None:
        refuse_others(out, NAME, _COLUMNS, f"{NAME}.md")
    rows = [
        row
        for film in tracked("Copying and reading", cohort, len(cohort))
        for row in _rows(film, read_copies(bone_age, film))
    ]
    readings = pd.DataFrame(rows, columns=_COLUMNS)
    readings[list(_MONTHS)] = readings[list(_MONTHS)].astype("float64").round(2)
    robustness = Robustness(cohort.name, split, bone_age.model, readings)
    if out is not None:
        about = {"cohort": cohort.name, "split": split, "model": bone_age.model}
        write_measured(out, NAME, readings, about)
        write_markdown(Path(out) / f"{NAME}.md", robustness.table())
    return robustness


def read_robustness(folder: str | Path) -> Robustness:
    """What `measure_robustness` wrote into a folder. Raises BoneAgeError where there is none."""
    readings, about = read_measured(folder, NAME, _COLUMNS, _MONTHS, made_by="boneage robustness")
    return Robustness(**about, readings=readings)


def sample(cohort: Cohort, films: int) -> Cohort:
    """About `films` films of a cohort, stratified by sex and bone age, always the same; all if it has no more."""
    if films >= len(cohort):
        return cohort
    return make_split(cohort, {"sample": films, "rest": 1.0}, SEED).take(cohort, "sample")


def read_copies(bone_age: BoneAge, film: Film, copies: Mapping[str, Copy] = COPIES) -> Mapping[str, Reading]:
    """The reading of every copy; if the film itself cannot be read, each is `failed`."""
    try:
        pixels = read_radiograph(film.path).pixels
    except ReadError as error:
        return dict.fromkeys(copies, Reading(str(film.path), "failed", (error.remark,), film.sex))
    with TemporaryDirectory(prefix="boneage-") as folder:
        files = write_copies(pixels, folder, film.id, copies)
        readings = bone_age.predict_many((file, film.sex) for file in files.values())
        return dict(zip(files, readings, strict=True))


def _rows(film: Film, readings: Mapping[str, Reading]) -> Iterator[dict[str, object]]:
    plain = readings[PLAIN].bone_age_months
    for name, reading in readings.items():
        months = reading.bone_age_months
        yield film_row(film, reading) | {
            "copy": name,
            "notes": joined(reading.notes),
            "rotation_noted": YES if set(reading.notes) & set(ROTATED.values()) else "",
            "change_months": None if plain is None or months is None else months - plain,
        }


def _summarised(name: str, films: pd.DataFrame) -> dict[str, object]:
    predicted, change = films.dropna(subset=["bone_age_months"]), films["change_months"].dropna().abs()
    measured = agreement(predicted["bone_age_months"], predicted["labelled_months"]) if len(predicted) else None
    return {
        "copy": name,
        "n": len(films),
        **{status: list(films["status"]).count(status) for status in _STATUSES},
        **{figure: getattr(measured, figure, np.nan) for figure in ("mae", "mae_low", "mae_high")},
        "compared": len(change),
        "change_mean": change.mean(),
        "change_95": change.quantile(0.95),
        "far": (change > FAR).mean(),
    }


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """One copy's row of the table; blank where nothing was measured."""
    mae = "{mae:.2f}" if math.isnan(row["mae_low"]) else "{mae:.2f} ({mae_low:.2f} to {mae_high:.2f})"
    change = ("{change_mean:.2f}", "{change_95:.2f}", "{far:.1%}")
    return (
        COPIES[row["copy"]].title,
        str(row["n"]),
        " / ".join(str(row[status]) for status in _STATUSES),
        "" if math.isnan(row["mae"]) else mae.format_map(row),
        *("" if row["copy"] == PLAIN or not row["compared"] else cell.format_map(row) for cell in change),
    )
