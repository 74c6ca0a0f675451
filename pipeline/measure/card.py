"""The model card of a bundle: from the headers of its weights, an evaluation, and what changed films did to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ...data.config import without_defaults
from ...data.errors import BoneAgeError
from ...data.files import whole_file
from ...weights.bundle import Header, read_header
from ..predict.bone_age import BoneAge
from ..reading import Reading
from ..recipe import Recipe
from .evaluate import Evaluation
from .failures import AGE_MONTHS, CASES, show_cases
from .robustness import Promise, Robustness

NAME = "MODEL_CARD.md"
COVERED = (0.88, 0.92)  # share of all films whose label the 90 % interval shall hold
LEAST_COVERED, ENOUGH = 0.84, 50  # share in every band, and the films that a band needs to be asked for it
_LEANING = 2.0  # months of bias in a band that a reader should know of
_A_ROW = 3  # pictures


def write_card(
    folder: str | Path,
    evaluation: Evaluation,
    robustness: Robustness | None = None,
    device: str = "auto",
    engine: str = "auto",
) -> Path:
    """Write MODEL_CARD.md into a bundle's folder, with pictures of drawn hands that the bundle reads for it.

    Returns the card's file. Raises WeightsError for a folder that is no bundle, and BoneAgeError when evaluation or
    robustness is of other weights.
    """
    folder = Path(folder)
    segmenter, regressor = (read_header(folder / f"{kind}.safetensors") for kind in ("segmenter", "regressor"))
    for measured in (evaluation, robustness):
        if measured is not None and measured.model != (regressor.name or folder.name):
            raise BoneAgeError(
                f"{folder}: holds the weights {regressor.name or folder.name!r}, but {measured.model!r} was measured; "
                "measure these weights"
            )
    cases = show_cases(BoneAge.load(folder, device, engine), folder)
    with whole_file(folder / NAME) as temporary:
        temporary.write_text(model_card(segmenter, regressor, evaluation, robustness, cases), "utf-8")
    return folder / NAME


def model_card(
    segmenter: Header,
    regressor: Header,
    evaluation: Evaluation,
    robustness: Robustness | None,
    cases: Mapping[str, Reading],
) -> str:
    """The card as Markdown. `cases`: picture's file beside the card -> what the bundle read on it (`show_cases`)."""
    sections = {
        "What it is": _what(segmenter, regressor),
        "Data and terms": _data(segmenter, regressor),
        "Accuracy": _accuracy(evaluation),
        "The 90 % interval": _interval(regressor, evaluation.coverage()),
        "Robustness": robustness.table() if robustness else "Not measured for these weights.",
        "Known failures": _failures(evaluation, cases),
        "Recipe and cost": _recipe(regressor),
    }
    head = (
        f"# Model card: {regressor.name}\n\n"
        "Reads bone age in months from a radiograph of a child's hand and the child's sex. For research; not a\n"
        "medical device, and not to be used to decide on a child's care."
    )
    return "\n\n".join([head, *(f"## {title}\n\n{text.strip()}" for title, text in sections.items())]) + "\n"


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


def _what(segmenter: Header, regressor: Header) -> str:
    nets = regressor.arguments.get("nets") or [{"net": regressor.arguments, "input_size": regressor.input_size}]
    zooms = regressor.arguments.get("zooms", [1.0])
    views = "the crop" if zooms == [1.0] else "the crop at zooms of " + ", ".join(f"{zoom:g}" for zoom in zooms)
    over = "" if len(nets) == 1 else f"{len(nets)} regressors, "
    return "\n".join(
        [
            f"- Hand segmenter: {segmenter.architecture} with {segmenter.arguments.get('encoder', '?')}, "
            f"{segmenter.input_size} px input.",
            *(
                f"- Regressor: {net['net'].get('backbone', '?')}, sex joined {net['net'].get('fusion', '?')}, "
                f"{net['input_size']} px input."
                for net in nets
            ),
            f"- A reading is the mean over {over}{views} (version {regressor.crop_version}) and its mirror image, "
            f"bias-corrected by {_line(regressor.calibration or {})}.",
        ]
    )


def _line(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "nothing"
    slope, intercept = calibration["slope"], calibration["intercept"]
    return f"{slope:.3f} x {'-' if intercept < 0 else '+'} {abs(intercept):.1f} months"


def _data(segmenter: Header, regressor: Header) -> str:
    return (
        f"{regressor.data.get('description') or 'Films as the training was given them.'}\n\n"
        f"- Regressor: {regressor.data.get('films', '?')} films.\n"
        f"- Segmenter: {segmenter.data.get('films', '?')} films without hand-drawn masks, bootstrapped from classical\n"
        "  masks, cut-out hands and synthetic hands.\n"
        f"- Terms of the weights: {regressor.licence or 'as the films'}"
    )


def _accuracy(evaluation: Evaluation) -> str:
    statuses = evaluation.films["status"].value_counts()
    counted = ", ".join(f"{number} {status}" for status, number in statuses.items())
    return (
        "These films were not trained on, nor did they choose the epoch or fit the calibration. Their labels are\n"
        f"clinical reports, which carry the reader's own error. Films by status: {counted}.\n\n"
        f"{evaluation.table()}"
    )


def _interval(regressor: Header, coverage: pd.DataFrame) -> str:
    if coverage.empty:
        return "These weights give none: they carry no calibration."
    kinds = {"all": "", "sex": "", "band of reading": "read as ", "band of label": "labelled "}
    rows = [
        f"| {kinds[row['group']]}{row['level']} | {row['n']} | {row['covered']:.1%} | {row['width']:.1f} |"
        for row in coverage.to_dict("records")
    ]
    return "\n".join(
        [
            f"Fitted on {(regressor.calibration or {}).get('n', '?')} other films. Covered: the share of films whose "
            "label lies inside; width: its mean, in months.",
            "",
            "| films | n | covered | width |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            *(f"- {promise}" for promise in coverage_promises(coverage)),
        ]
    )


def _failures(evaluation: Evaluation, cases: Mapping[str, Reading]) -> str:
    bands = [row for row in evaluation.groups.to_dict("records") if row["group"] == "age band"]
    leaning = [
        "- Bone ages of {} are read {:.1f} months too {} on average (n = {}).".format(
            row["level"], abs(row["bias"]), "old" if row["bias"] > 0 else "young", row["n"]
        )
        for row in bands
        if abs(row["bias"]) >= _LEANING
    ]
    shown = [*zip(CASES.values(), cases.items(), strict=True)]
    rows = [shown[start : start + _A_ROW] for start in range(0, len(shown), _A_ROW)]
    table = [f"|{'  |' * _A_ROW}", f"|{':-:|' * _A_ROW}"]
    for row in rows:
        table.append("| " + " | ".join(f"![{case.title}]({file})" for case, (file, _) in row) + " |")
        table.append("| " + " | ".join(f"**{case.title}**<br>{_told(reading)}" for case, (_, reading) in row) + " |")
    return "\n".join(
        [
            *leaning,
            "- Not measured: hands in plaster, skeletal dysplasia, adults, films of other hospitals.",
            "",
            f"Drawn hands of a girl of {AGE_MONTHS:g} months, no radiographs, and what these weights made of them:",
            "",
            *table,
        ]
    )


def _told(reading: Reading) -> str:
    """What a reading says, for a cell of a table."""
    if reading.bone_age_months is None:
        months = "no reading"
    elif reading.interval_90 is None:
        months = f"{reading.bone_age_months:.0f} months"
    else:
        months = "{:.0f} months ({:.0f} to {:.0f})".format(reading.bone_age_months, *reading.interval_90)
    said = "; ".join((*reading.reasons, *reading.notes)) or "no warning"
    return f"{months}, `{reading.status}`: {said}"


def _recipe(regressor: Header) -> str:
    """Cost, and the recipe's values that are not defaults; its texts on data and terms stand above."""
    recipe = dict(regressor.recipe)
    cost = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in dict(recipe.pop("cost", {})).items())
    values = without_defaults(Recipe, {name: recipe[name] for name in recipe if name not in ("data", "licence")})
    return (
        f"Cost of the training: {cost or 'not stored'}. What the recipe sets; all else is by default:\n\n"
        f"```yaml\n{yaml.safe_dump(values, sort_keys=False).strip()}\n```"
    )
