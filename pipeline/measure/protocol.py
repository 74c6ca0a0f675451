"""Robustness in the form of a published benchmark: how often an altered copy changes what a film means for the child.

Santomartino et al. (Radiology: Artificial Intelligence 2024;6:e230240, doi 10.1148/ryai.230240) read films after 33
transformations of seven kinds: rotations, flips, brightness, contrast, inversion, laterality marker and resolution.
They compared the absolute errors, and the share of clinically significant errors, those that change the diagnosis of
delayed, normal or advanced; the latter differed from those of unaltered films for 19 of the 33. The abstract states
kinds and number; the steps within a kind are this project's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from ...data.child import Age, AgeUnit, age_of, parse_age
from ...data.cohort import Cohort, Film
from ...data.errors import BoneAgeError
from ...data.progress import tracked
from ...data.remark import Remark
from ...data.sex import Sex
from ...data.split import WHOLE
from ...data.text import for_markdown
from ..clinical.assessment import assessed
from ..predict.bone_age import BoneAge
from ..reading import Assessment, Reading
from .copies import PLAIN, Copy, Pixels, Random, Write, grey, png, rotated
from .markdown import markdown_table, write_markdown
from .metrics import FEW, agreement, share_of
from .protocol_plot import stress_plot
from .results_io import film_row, refuse_others, write_measured
from .robustness import read_copies

ANGLES = range(30, 360, 30)  # degrees
FACTORS = (0.4, 0.6, 0.8, 0.9, 1.1, 1.2, 1.4, 1.6)  # of brightness, and of contrast about the mean grey
PARTS = (2, 4)  # of the resolution along a side
SIGNIFICANT = 0.05  # p of McNemar's test, as published
_MARKER = 0.1  # height of the letter, as a share of the shorter side
MONTHS = ("labelled_months", "bone_age_months", "interval_90_low", "interval_90_high", "age_months", "change_months")
COLUMNS = ("id", "copy", "status", "reasons", "causes", "sex", "assessment", "labelled_assessment", *MONTHS)
_HEAD = ("transformation", "n", "review", "not assessed", "MAE (95 % interval)", "change, mean")
_HEAD += ("assessment changed (95 % interval)", "significant errors", "as it is", "p")


@dataclass(frozen=True)
class Protocol:
    """A benchmark: its name for a user, its source, and its copies by name, PLAIN first; `kinds`: of the others."""

    name: str
    source: str
    copies: Mapping[str, Copy]
    kinds: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Stress:
    """What was measured by a protocol.

    readings: one row a film and copy: id, copy, status, reasons, causes, sex, assessment, labelled_assessment (what
        reading and label mean at the child's age; "" where there is none), and in months to 0.01, NaN where there is
        none: labelled_months, bone_age_months, interval_90_low, interval_90_high, age_months, change_months (to the
        reading of the film as it is).
    """

    protocol: Protocol
    cohort: str
    split: str
    model: str
    readings: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """One row a copy, in the order of the protocol.

        copy; kind; n films; review, lost: how many are to be reviewed, and have no bone age; mae, mae_low, mae_high,
        change (mean absolute change of the reading), months; compared: films with an assessment as this copy and as
        they are; changed, changed_low, changed_high: share of these whose assessment changes, with its 95 % interval by
        Wilson's score; errors, errors_plain: share of these whose assessment is not that of the label, as this copy and
        as they are; p: of McNemar's exact test between the two. NaN where nothing was compared.
        """
        plain = self._rows_of(PLAIN).set_index("id")
        kinds = {PLAIN: "", **self.protocol.kinds}
        names = self.protocol.copies
        return pd.DataFrame([_summarised(name, kinds[name], self._rows_of(name), plain) for name in names])

    def table(self) -> str:
        """Everything as Markdown: what was measured on which films, a row a copy, and the published count."""
        rows = self.summary()
        others = rows.loc[rows["copy"] != PLAIN]
        differs = int((others["p"] < SIGNIFICANT).sum())
        ageless = bool(np.all(self.readings["age_months"].to_numpy() == self.readings["labelled_months"].to_numpy()))
        assumed = (
            " The films come without chronological ages: each child is taken to be as old as the label says, and so to "
            "be normal. A copy then counts where it moves the reading beyond 2 SD of that age."
            if ageless
            else ""
        )
        n = len(self.readings["id"].drop_duplicates())
        few = f" Fewer than {FEW} films can hardly show a difference." if n < FEW else ""
        return (
            f"Protocol {self.protocol.name}: {self.protocol.source}\n\n"
            f"Model {for_markdown(self.model)} on cohort {for_markdown(self.cohort)}, {self.split}: "
            f"n = {n:,} radiographs, each as "
            f"{len(others)} copies. Errors are in months. Assessment: delayed, normal or advanced, by 2 SD. "
            "Changed: share of films whose assessment is another than that of the film as it is. Significant errors: "
            "share whose assessment is another than that of the label, and p of McNemar's exact test against the film "
            f"as it is.{assumed}\n\n"
            f"{markdown_table(_HEAD, [self._cells(row) for row in rows.to_dict('records')])}\n\n"
            f"- The share of significant errors differs from that of films as they are (p < {SIGNIFICANT:g}) for "
            f"{differs} of {len(others)} transformations.{few}\n"
            f"- {self._changes(others)}\n"
        )

    def _changes(self, others: pd.DataFrame) -> str:
        compared = others.dropna(subset=["changed"])
        if not np.any(compared["changed"].to_numpy()):
            return "The assessment changes on no film that has one."
        worst = compared.sort_values("changed", ascending=False).iloc[0]
        return (
            f"The assessment changes on {compared['changed'].mean():.1%} of films on average over the transformations, "
            f"and most often, on {worst['changed']:.1%}, where they are {self.protocol.copies[worst['copy']].title}."
        )

    def _rows_of(self, name: str) -> pd.DataFrame:
        return self.readings.loc[self.readings["copy"] == name]

    def _cells(self, row: Mapping[Any, Any]) -> tuple[str, ...]:
        title = self.protocol.copies[row["copy"]].title
        first = (title, str(row["n"]), str(row["review"]), str(row["lost"]))
        mae = "" if math.isnan(row["mae"]) else f"{row['mae']:.2f} ({row['mae_low']:.2f} to {row['mae_high']:.2f})"
        if row["copy"] == PLAIN or not row["compared"]:
            return *first, mae, *[""] * 5
        changed = "{changed:.1%} ({changed_low:.1%} to {changed_high:.1%})"
        cells = ("{change:.2f}", changed, "{errors:.1%}", "{errors_plain:.1%}", "{p:.3f}")
        return *first, mae, *(cell.format_map(row) for cell in cells)


def measure_protocol(
    bone_age: BoneAge,
    cohort: Cohort,
    protocol: Protocol,
    out: str | Path | None = None,
    *,
    split: str = WHOLE,
    ages: Mapping[str, Age] | None = None,
) -> Stress:
    """Write every copy of a protocol of each film, read the files, and compare with the film as it is.

    out: folder for NAME.csv, NAME.json, NAME.md and NAME.png, NAME being the protocol's; None writes nothing.
    split: in words, which films of the data these are. ages: chronological ages by id, by default the labels.
    """
    if out is not None:
        refuse_others(out, protocol.name, COLUMNS, f"{protocol.name}.md", f"{protocol.name}.png")
    rows = [
        row
        for film in tracked("Copying and reading", cohort, len(cohort))
        for row in _rows(film, read_copies(bone_age, film, protocol.copies), _age(film, ages))
    ]
    readings = pd.DataFrame(rows, columns=COLUMNS)
    readings[list(MONTHS)] = readings[list(MONTHS)].astype("float64").round(2)
    stress = Stress(protocol, cohort.name, split, bone_age.model, readings)
    if out is not None:
        about = {"cohort": cohort.name, "split": split, "model": bone_age.model}
        write_measured(out, protocol.name, readings, about)
        write_markdown(Path(out) / f"{protocol.name}.md", stress.table())
        titles = {name: copy.title for name, copy in protocol.copies.items()}
        stress_plot(stress.summary().iloc[1:], titles, Path(out) / f"{protocol.name}.png", model=bone_age.model)
    return stress


def ages_of(cohort: Cohort, column: str) -> dict[str, Age]:
    """Chronological ages by id, from the column that is the cohort's first group.

    Plain numbers are read in the unit that the column's name states; others as `--age` takes them, or BoneAgeError.
    """
    unit: AgeUnit | None = next((unit for unit in get_args(AgeUnit) if unit[:-1] in column.lower()), None)
    return {
        film.id: age_of(film.groups[0], unit, f"{film.id}, column {column}")
        if unit
        else parse_age(film.groups[0], f"{film.id}, column {column}")
        for film in cohort
    }


def protocol_of(name: str) -> Protocol:
    """The protocol of this name. Raises BoneAgeError for another."""
    if name not in PROTOCOLS:
        raise BoneAgeError(f"{name}: no such protocol; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided p of McNemar's exact test (Psychometrika 1947;12:153-157), by the numbers of pairs that differ."""
    n, least = only_one + only_other, min(only_one, only_other)
    return min(2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n, 1.0)


def _age(film: Film, ages: Mapping[str, Age] | None) -> Age:
    return ages[film.id] if ages is not None else Age(film.bone_age_months, 1.0, Remark("age given"))


def _meaning(months: float | None, sex: Sex, age: Age) -> Assessment | None:
    reading = Reading("", "ok", sex=sex, bone_age_months=months)
    return assessed(reading, age).assessment


def _rows(film: Film, readings: Mapping[str, Reading], age: Age) -> Iterator[dict[str, object]]:
    plain, labelled = readings[PLAIN].bone_age_months, _meaning(film.bone_age_months, film.sex, age)
    for name, reading in readings.items():
        months = reading.bone_age_months
        yield film_row(film, reading) | {
            "copy": name,
            "assessment": _meaning(months, film.sex, age) or "",
            "labelled_assessment": labelled or "",
            "age_months": age.months,
            "change_months": None if plain is None or months is None else months - plain,
        }


def _summarised(name: str, kind: str, films: pd.DataFrame, plain: pd.DataFrame) -> dict[str, object]:
    read = films.dropna(subset=["bone_age_months"])
    measured = agreement(read["bone_age_months"], read["labelled_months"]) if len(read) else None
    before = plain["assessment"].reindex(films["id"]).fillna("").to_numpy(str)
    after, label = films["assessment"].to_numpy(str), films["labelled_assessment"].to_numpy(str)
    both = (before != "") & (after != "")
    wrong, wrong_before = (after != label)[both], (before != label)[both]
    share = share_of((after != before)[both]) if both.any() else dict.fromkeys(("covered", "low", "high"), math.nan)
    return {
        "copy": name,
        "kind": kind,
        "n": len(films),
        "review": list(films["status"]).count("review"),
        "lost": len(films) - len(read),
        **{figure: getattr(measured, figure, math.nan) for figure in ("mae", "mae_low", "mae_high")},
        "change": films["change_months"].abs().mean(),
        "compared": int(both.sum()),
        "changed": share["covered"],
        "changed_low": share["low"],
        "changed_high": share["high"],
        "errors": wrong.mean() if both.any() else math.nan,
        "errors_plain": wrong_before.mean() if both.any() else math.nan,
        "p": mcnemar(int((wrong & ~wrong_before).sum()), int((wrong_before & ~wrong).sum())),
    }


def _by_angle(angle: int) -> Write:
    quarters, rest = divmod(angle, 90)
    return png(lambda pixels, _: rotated(pixels, angle) if rest else np.rot90(pixels, quarters))


def _by_brightness(factor: float) -> Write:
    return png(lambda pixels, _: pixels * np.float32(factor))


def _by_contrast(factor: float) -> Write:
    def changed(pixels: Pixels, _: Random) -> Pixels:
        mean = pixels.mean(dtype=np.float64)
        return (mean + factor * (pixels - mean)).astype(np.float32)

    return png(changed)


def _marked(pixels: Pixels, _: Random) -> Pixels:
    """With a white L in the upper left corner, where film markers lie."""
    height = _MARKER * min(pixels.shape)
    scale, thick = height / 21, max(round(height / 8), 1)  # OpenCV's letters are 21 pixels high at a scale of 1
    marked = pixels.copy()
    cv2.putText(marked, "L", (round(height / 2), round(1.5 * height)), cv2.FONT_HERSHEY_SIMPLEX, scale, 1.0, thick)
    return marked


def _coarser(part: int) -> Write:
    def write(pixels: Pixels, path: Path, _: Random) -> None:
        picture = grey(pixels)
        size = max(picture.width // part, 1), max(picture.height // part, 1)
        picture.resize(size, Image.Resampling.BOX).save(path, compress_level=1)

    return write


def _santomartino() -> Protocol:
    copies = {PLAIN: Copy("as it is", ".png", png(lambda pixels, _: pixels))}
    kinds: dict[str, str] = {}

    def add(kind: str, name: str, title: str, write: Write) -> None:
        copies[name], kinds[name] = Copy(title, ".png", write), kind

    for angle in ANGLES:
        add("rotation", f"rotated-{angle}", f"rotated by {angle} degrees", _by_angle(angle))
    add("flip", "flipped-left-right", "flipped left to right", png(lambda pixels, _: pixels[:, ::-1]))
    add("flip", "flipped-upside-down", "flipped upside down", png(lambda pixels, _: pixels[::-1]))
    for factor in FACTORS:
        add("brightness", f"brightness-{factor:g}", f"{factor:g} times as bright", _by_brightness(factor))
    for factor in FACTORS:
        add("contrast", f"contrast-{factor:g}", f"of {factor:g} times the contrast", _by_contrast(factor))
    add("inversion", "inverted", "inverted", png(lambda pixels, _: 1 - pixels))
    add("laterality marker", "marker", "marked with an L", png(_marked))
    for part in PARTS:
        add("resolution", f"resolution-{part}", f"of 1/{part} of the resolution", _coarser(part))
    source = (
        "33 transformations of the seven kinds of Santomartino et al., Radiology: Artificial Intelligence "
        "2024;6:e230240 (doi 10.1148/ryai.230240). The steps within a kind are this project's, so the two are not to "
        "be compared step by step. Published, for the winner of RSNA's challenge on 1,202 films of another source: the "
        "share of significant errors differed for 19 of 33."
    )
    return Protocol("santomartino-2024", source, copies, kinds)


PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in (_santomartino(),)}
