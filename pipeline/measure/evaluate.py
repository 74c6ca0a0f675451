"""Measure a reader on a labelled cohort, and keep every prediction, two plots and a table.

The evaluation can be made again from these files, without the films.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...data.cohort import Cohort
from ...data.errors import BoneAgeError
from ...data.progress import tracked
from ...data.split import WHOLE
from ...data.text import for_markdown, shortened
from ..predict.bone_age import BoneAge
from ..reading import Reading
from .evaluation_plots import bland_altman_plot, scatter_plot
from .markdown import markdown_table, write_markdown
from .metrics import FEW, SEX_LABELS, Agreement, agreement, by_group, concordance, coverage_by_group, groups_of
from .reasons import reasons_table
from .results_io import film_row, read_measured, refuse_others, write_measured

NAME = "predictions"  # of the CSV of every film and the JSON of what was measured
MONTHS = ("labelled_months", "bone_age_months", "error_months", "interval_90_low", "interval_90_high")
_COLUMNS = ("id", "file", "status", "reasons", "causes", "sex", *MONTHS)
_PAGES = ("scatter.png", "bland-altman.png", "table.md")
_HEAD = ("films", "n", "not assessed", "MAE (95 % interval)", "median", "RMSE", "bias (SD)", "limits of agreement")
_HEAD += ("within 6", "within 12")
_COLUMN, _LEVEL = 40, 80  # characters of the column that makes groups, and of a group's name
_COEFFICIENTS_HEAD = ("films", "n", "R² (95 % interval)", "ICC (95 % interval)", "CCC (95 % interval)")
_COEFFICIENTS = (
    "R²: share of the labels' variance explained. ICC: intraclass correlation of single readings, two-way, absolute "
    "agreement (A,1). CCC: Lin's concordance correlation. All grow with the spread of ages, so that groups of another "
    "spread must not be compared by them.\n\n"
)
_INTERVALS = (
    "The 90 % interval of the readings. Covered: share of films whose label lies inside, with its 95 % interval "
    "(Wilson); width: mean, in months.\n\n"
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    films: one row a film of the cohort: id, file, status, reasons, causes, sex, labelled_months, bone_age_months,
        error_months (predicted minus labelled), interval_90_low, interval_90_high (months to 0.01; NaN where there is
        none).
    overall: agreement over the assessed films. groups: the same by sex and age band (`metrics.by_group`).
    """

    cohort: str
    split: str
    model: str
    films: pd.DataFrame
    overall: Agreement
    groups: pd.DataFrame

    def not_assessed(self) -> dict[str, int]:
        """How many films have no bone age, by status: rejected, failed."""
        statuses = self.films.loc[self.films["bone_age_months"].isna(), "status"]
        return {str(status): int(number) for status, number in statuses.value_counts(sort=False).items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a bundle: agreement in months to 0.001, bias and SD by sex, and on which films."""
        figures = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in self.overall.to_dict().items()
        }
        read = self.films.dropna(subset=["error_months"])
        each = {sex: read.loc[read["sex"] == sex, "error_months"].to_numpy(np.float64) for sex in SEX_LABELS}
        sexes = {
            sex: {"n": len(errors), "bias": round(float(errors.mean()), 3), "sd": round(float(errors.std(ddof=1)), 3)}
            for sex, errors in each.items()
            if len(errors) > 1
        }
        about = {"cohort": self.cohort, "split": self.split, "not_assessed": self.not_assessed()}
        return {**about, **figures, "by_sex": sexes}

    def coverage(self) -> pd.DataFrame:
        """How often the 90 % interval held the label, and its width (`metrics.coverage_by_group`)."""
        return coverage_by_group(self.films, self.by)

    @property
    def by(self) -> list[str]:
        """Names of the columns that make groups of one's own."""
        return [str(name) for name in self.films.columns if name not in _COLUMNS]

    def page(self) -> str:
        """The table, and below it agreement by coefficients, how often intervals hold, and which groups are small."""
        parts = [self.table().rstrip(), _COEFFICIENTS + markdown_table(_COEFFICIENTS_HEAD, self._coefficients())]
        coverage = self.coverage()
        if not coverage.empty:
            parts.append(_INTERVALS + coverage_table(coverage))
        small = [group_label(row) for row in self.groups.to_dict("records") if 0 < row["n"] < FEW]
        if small:
            parts.append(few_films(small))
        return "\n\n".join(parts) + "\n"

    def _coefficients(self) -> list[tuple[str, ...]]:
        """A row a group but the bands of age, within which labels spread too little."""
        read = self.films.dropna(subset=["bone_age_months"])
        rows = []
        for group, level, films in groups_of(read, by=self.by):
            if group != "age band":
                found = concordance(films["bone_age_months"], films["labelled_months"])
                cells = (
                    "" if math.isnan(value[0]) else "{:z.3f} ({:z.3f} to {:z.3f})".format(*value)
                    for value in (found.r2, found.icc, found.ccc)
                )
                rows.append((group_label({"group": group, "level": level}), f"{found.n:,}", *cells))
        return rows

    def table(self) -> str:
        """All groups as Markdown: what was measured on which films, then one row a group."""
        rows = self.groups.to_dict("records")
        lost = ", ".join(f"{number:,} {status}" for status, number in self.not_assessed().items())
        others = f"; {rows[0]['not_assessed']:,} more were not assessed ({lost})." if lost else "."
        return (
            f"Model {for_markdown(self.model)} on cohort {for_markdown(self.cohort)}, {self.split}: "
            f"n = {rows[0]['n']:,} radiographs{others}\n\n"
            "Errors are in months, predicted minus labelled. MAE: mean absolute error with its 95 % bootstrap interval "
            "over films. Limits of agreement: bias -+ 1.96 SD. Within 6 and 12 months: share of the n films.\n\n"
            f"{markdown_table(_HEAD, map(_cells, rows))}\n"
            + (f"\n{reasons}\n" if (reasons := reasons_table(self.films)) else "")
        )


def evaluate(
    bone_age: BoneAge, cohort: Cohort, out: str | Path | None = None, *, split: str = WHOLE, by: Sequence[str] = ()
) -> Evaluation:
    """Read every film of a cohort with its own sex and compare with its label.

    out: folder for predictions.csv and predictions.json, which `read_evaluation` reads, scatter.png, bland-altman.png
        and table.md; None writes nothing.
    split: in words, which films of the data these are.
    by: what the `groups` of the films are called, each a column of predictions.csv.
    Raises BoneAgeError when not one film was assessed; predictions.csv then says why. OutputError, before any film is
    read, for a file in `out` that may not be replaced.
    """
    if out is not None:
        refuse_others(out, NAME, [*_COLUMNS, *by], *_PAGES)
    if taken := [name for name in by if name in _COLUMNS]:
        raise BoneAgeError(
            f"{', '.join(taken)}: predictions.csv has a column so called already; rename it in the table"
        )
    readings = bone_age.predict_many((film.path, film.sex) for film in cohort)
    films = _frame(cohort, list(tracked("Reading", readings, len(cohort))), by)
    about = {"cohort": cohort.name, "split": split, "model": bone_age.model}
    if out is not None:
        write_measured(out, NAME, films, about)
    if films.dropna(subset=["bone_age_months"]).empty:
        raise BoneAgeError(
            f"{cohort.name}: none of its {len(cohort)} radiographs has a bone age, expected hands; the first: "
            f"{films['status'][0]}: {films['reasons'][0]}"
        )
    evaluation = from_films(films, about)
    if out is not None:
        _write(evaluation, Path(out))
    return evaluation


def read_evaluation(folder: str | Path) -> Evaluation:
    """The evaluation that `evaluate` wrote into a folder. Raises BoneAgeError where there is none."""
    films, about = read_measured(folder, NAME, _COLUMNS, MONTHS, made_by="boneage evaluate")
    return from_films(films, about)


def from_films(films: pd.DataFrame, about: Mapping[str, str]) -> Evaluation:
    """The evaluation of films as `Evaluation.films` has them; `about`: its cohort, split and model."""
    predicted = films.dropna(subset=["bone_age_months"])
    overall = agreement(predicted["bone_age_months"], predicted["labelled_months"])
    return Evaluation(
        **about,
        films=films,
        overall=overall,
        groups=by_group(films, [name for name in films.columns if name not in _COLUMNS]),
    )


def _frame(cohort: Cohort, readings: list[Reading], by: Sequence[str]) -> pd.DataFrame:
    rows = [
        film_row(film, reading) | {"file": reading.file} | dict(zip(by, film.groups, strict=True))
        for film, reading in zip(cohort, readings, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=[*_COLUMNS, *by])
    # without a number in it, a column would have the type object
    frame[[*MONTHS]] = frame[[*MONTHS]].astype("float64").round(2)
    frame["error_months"] = (frame["bone_age_months"] - frame["labelled_months"]).round(2)
    return frame


def _write(evaluation: Evaluation, out: Path) -> None:
    names = {"cohort": evaluation.cohort, "model": evaluation.model}
    scatter, bland_altman, table = (out / page for page in _PAGES)
    scatter_plot(evaluation.films, scatter, **names)
    bland_altman_plot(evaluation.films, bland_altman, **names)
    write_markdown(table, evaluation.page())


def coverage_table(coverage: pd.DataFrame) -> str:
    """The rows of `metrics.coverage_by_group` as Markdown."""
    kinds = {"band of reading": "read as ", "band of label": "labelled "}
    rows = (
        (
            f"{kinds[row['group']]}{row['level']}" if row["group"] in kinds else group_label(row),
            f"{row['n']:,}",
            f"{row['covered']:.1%} ({row['low']:.1%} to {row['high']:.1%})",
            f"{row['width']:.1f}",
        )
        for row in coverage.to_dict("records")
    )
    return markdown_table(("films", "n", "covered (95 % interval)", "width"), rows)


def few_films(groups: Iterable[str]) -> str:
    """A sentence that names groups of fewer than FEW films."""
    return f"Fewer than {FEW} films, so that figures and intervals are rough: {', '.join(map(for_markdown, groups))}."


def group_label(row: Mapping[Any, Any]) -> str:
    """A group in words; one's own with the name of its column, both shortened."""
    own = row["group"] not in ("all", "sex", "age band")
    column, level = shortened(str(row["group"]), _COLUMN), shortened(str(row["level"]), _LEVEL)
    return f"{column}: {level}" if own else level


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """One group's row of the table; blank where the group has too few films for a figure."""
    counts = (group_label(row), f"{row['n']:,}", f"{row['not_assessed']:,}")
    if not row["n"]:
        return *counts, *[""] * 7
    mae, bias, limits = "{mae:.2f}", "{bias:+.2f}", ""
    if row["n"] > 1:
        mae, bias = f"{mae} ({{mae_low:.2f}} to {{mae_high:.2f}})", f"{bias} ({{sd:.2f}})"
        limits = "{limits_low:+.1f} to {limits_high:+.1f}"
    cells = (mae, "{median_error:.2f}", "{rmse:.2f}", bias, limits, "{within_6:.1%}", "{within_12:.1%}")
    return *counts, *(cell.format_map(row) for cell in cells)
