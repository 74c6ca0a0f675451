"""The model card of a bundle, written from the headers of its weights and the evaluation at the end of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..weights.bundle import Header, read_header
from .evaluate import Evaluation


def model_card(folder: Path, evaluation: Evaluation) -> str:
    """Markdown for the bundle in `folder` (segmenter.safetensors, regressor.safetensors)."""
    segmenter = read_header(folder / "segmenter.safetensors")
    regressor = read_header(folder / "regressor.safetensors")
    calibration = regressor.calibration or {}
    within = evaluation.films.dropna(subset=["interval_90_low", "interval_90_high", "labelled_months"])
    covered = within["labelled_months"].between(within["interval_90_low"], within["interval_90_high"]).mean()
    width = (within["interval_90_high"] - within["interval_90_low"]).mean()
    lost = ", ".join(f"{number} {status}" for status, number in evaluation.not_aged().items()) or "none"
    return "\n".join(
        [
            f"# Model card: {regressor.name}",
            "",
            "Reads bone age in months from a radiograph of a child's hand and the child's sex. For research; not a",
            "medical device, and not to be used to decide on a child's care.",
            "",
            "## What it is",
            "",
            f"- Hand segmenter: {_net(segmenter)}, {segmenter.input_size} px input.",
            f"- Regressor: {_net(regressor)}, {regressor.input_size} px input, crop version {regressor.crop_version}.",
            f"- A reading is the mean over the crop and its mirror image, bias-corrected by {_line(calibration)}.",
            "",
            "## What it was trained on",
            "",
            f"{regressor.data.get('description') or 'Films as the training was given them.'}",
            f"Regressor: {regressor.data.get('films', '?')} films. Segmenter: {segmenter.data.get('films', '?')} films",
            "without hand-drawn masks, bootstrapped from classical masks, cut-out hands and synthetic hands.",
            "",
            f"Licence of the weights: {regressor.licence or 'as the films'}",
            "",
            "## How accurate it is",
            "",
            "These films were not trained on, nor did they choose the epoch or fit the calibration. Their labels",
            f"are clinical reports, which carry the reader's own error. Films without a reading: {lost}.",
            "",
            evaluation.table(),
            "",
            f"The 90 % interval, fitted on {calibration.get('n', '?')} other films, held the label on {covered:.1%} of",
            f"{len(within)} films; its mean width is {width:.1f} months.",
            "",
            "## What to beware of",
            "",
            "- Readings lean to the middle: young bone ages are read too old, old ones too young, as the bias shows.",
            "- Not measured: hands in plaster, skeletal dysplasia, films of other hospitals.",
            "- A film turned on its side is read wrongly; most of them, not all, come back as `review`.",
            "- Of several hands on one film the largest is read, and the result says so.",
            "",
            "## Recipe",
            "",
            "```yaml",
            yaml.safe_dump(dict(regressor.recipe), sort_keys=False).strip(),
            "```",
            "",
        ]
    )


def _net(header: Header) -> str:
    arguments: dict[str, Any] = dict(header.arguments)
    name = arguments.get("encoder") or arguments.get("backbone") or "?"
    kind = f"{header.architecture} with {name}"
    return f"{kind}, sex joined {arguments['fusion']}" if "fusion" in arguments else kind


def _line(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "nothing"
    return f"{calibration['slope']:.3f} x + {calibration['intercept']:.1f} months"
