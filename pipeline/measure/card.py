"""The model card of a bundle: what its files state, an evaluation, and how readings of changed films differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data.config import without_defaults
from ...data.errors import BoneAgeError
from ...data.remark import joined
from ...data.table import begins_with
from ...regressor.calibration import Calibration
from ...weights.bundle import Bundle
from ...weights.header import read_header
from ..predict.bone_age import BoneAge
from ..reading import Reading
from ..recipe import Recipe
from .evaluate import Evaluation, coverage_table
from .failures import AGE_MONTHS, CASES, show_cases
from .markdown import write_markdown
from .metrics import SEX_LABELS
from .robustness import Promise, Robustness
from .screening import kinds_table

COVERED = (0.88, 0.92)  # share of all films whose label the 90 % interval shall hold
LEAST_COVERED, ENOUGH = 0.84, 50  # share in every band that has this many films
_LEANING = 2.0  # months of bias from which on the card names a band
_A_ROW = 3  # pictures


def write_card(
    bundle: Bundle,
    evaluation: Evaluation,
    robustness: Robustness | None = None,
    device: str = "auto",
    engine: str = "auto",
) -> Path:
    """Write the card of a stored bundle (`Bundle.card`), with pictures of drawn hands that the bundle reads for it.

    Returns the card's file. Raises BoneAgeError when evaluation or robustness is of other weights.
    """
    for measured in (evaluation, robustness):
        if measured is not None and measured.model != bundle.name:
            raise BoneAgeError(
                f"{bundle.file}: holds the weights {bundle.name!r}, but {measured.model!r} was measured; measure these "
                "weights"
            )
    cases = show_cases(BoneAge.load(bundle, device, engine), bundle.card.parent)
    write_markdown(bundle.card, model_card(bundle, evaluation, robustness, cases), ours=_is_card)
    return bundle.card


def model_card(
    bundle: Bundle, evaluation: Evaluation, robustness: Robustness | None, cases: Mapping[str, Reading]
) -> str:
    """The card as Markdown. `cases`: picture's file beside the card -> what the bundle read on it (`show_cases`)."""
    coverage = evaluation.coverage()
    bands = [row for row in evaluation.groups.to_dict("records") if row["group"] == "age band"]
    settings, segmenter = dict(bundle.recipe), read_header(bundle.segmenter.path)
    for text in ("data", "licence"):  # they stand above
        settings.pop(text, None)
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template("card.md").render(
        bundle=bundle,
        segmenter=segmenter,
        kinds=kinds_table(segmenter.metrics["kinds"]) if "kinds" in segmenter.metrics else "",
        regressors=[(read_header(net.path), ", ".join(f"{zoom:g}" for zoom in net.zooms)) for net in bundle.regressors],
        correction=_line(bundle.calibration or {}),
        evaluation=evaluation,
        statuses=", ".join(f"{n} {status}" for status, n in evaluation.films["status"].value_counts().items()),
        coverage="" if coverage.empty else coverage_table(coverage),
        promises=[] if coverage.empty else coverage_promises(coverage),
        robustness=robustness,
        leaning=[band for band in bands if abs(band["bias"]) >= _LEANING],
        age=AGE_MONTHS,
        pictures_a_row=_A_ROW,
        cases=[
            {"title": case.title, "file": file, "reading": _cell(reading)}
            for case, (file, reading) in zip(CASES.values(), cases.items(), strict=True)
        ],
        cost="; ".join(f"{name.replace('_', ' ')} {value}" for name, value in bundle.cost.items()),
        recipe=yaml.safe_dump(without_defaults(Recipe, settings), sort_keys=False).strip(),
    )


def _is_card(path: Path) -> bool:
    """Whether a file is a model card, which its first words tell; those of earlier versions have no mark."""
    return begins_with(path, "# Model card: ")


def coverage_promises(coverage: pd.DataFrame) -> list[Promise]:
    """What is promised of the 90 % interval, and whether the rows of `metrics.coverage_by_group` keep it."""
    overall, low, high = float(coverage["covered"].iloc[0]), *COVERED
    rows = coverage.to_dict("records")
    bands = [row for row in rows if row["group"].startswith("band") and row["n"] >= ENOUGH]
    under = [f"{row['group']} {row['level']}: {row['covered']:.1%}" for row in bands if row["covered"] < LEAST_COVERED]
    least = f"the least is {min(row['covered'] for row in bands):.1%}" if bands else "there is none"
    return [
        Promise(
            f"It holds the label of {low:.0%} to {high:.0%} of all films", low <= overall <= high, f"{overall:.1%}"
        ),
        Promise(
            f"No band of {ENOUGH} films or more has under {LEAST_COVERED:.0%}", not under, "; ".join(under) or least
        ),
    ]


def _line(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "nothing"
    lines = Calibration.from_dict(calibration)
    if not lines.by_sex:
        return line_words((lines.slope, lines.intercept))
    return " and ".join(f"{line_words(lines.line(sex))} for {words}" for sex, words in SEX_LABELS.items())


def line_words(line: tuple[float, float]) -> str:
    """A correction in words: "1.020 x - 3.1 months"."""
    slope, intercept = line
    return f"{slope:.3f} x {'-' if intercept < 0 else '+'} {abs(intercept):.1f} months"


def _cell(reading: Reading) -> str:
    """A reading in a cell of a table: months, status, and its reasons and notes."""
    if reading.bone_age_months is None:
        months = "no reading"
    elif reading.interval_90 is None:
        months = f"{reading.bone_age_months:.0f} months"
    else:
        months = "{:.0f} months ({:.0f} to {:.0f})".format(reading.bone_age_months, *reading.interval_90)
    remarks = joined((*reading.reasons, *reading.notes)) or "no warning"
    return f"{months}, `{reading.status}`: {remarks}"
