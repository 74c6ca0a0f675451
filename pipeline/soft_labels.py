"""Soft labels: the labels of films averaged with what a trained bundle predicts from the same crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.table import has_columns, write_table
from ..handseg.crop import CROP_VERSION
from ..regressor.config import SoftLabels
from ..regressor.reader import BoneAgeReader
from ..regressor.training.dataset import LabelledCrops
from ..weights.backend import chosen_backend
from ..weights.bundle import Bundle, read_bundle
from .crops import read_crops

FILE = "soft-labels.csv"
_COLUMNS: tuple[str, ...] = ("id", "crop", "label_months", "predicted_months", "weights_sha256")


def soften(crops: LabelledCrops, config: SoftLabels | None, out: Path) -> LabelledCrops:
    """The crops with soft labels, in months; as they are where there is no `config`.

    What was predicted stands in `out` / FILE, so that a run that goes on need not predict again. Raises WeightsError
    for weights that are not there or were made for other crops.
    """
    if config is None:
        return crops
    bundle = read_bundle(config.weights)
    predicted = _known(crops, bundle, out / FILE)
    if predicted is None:
        predicted = _predict(crops, bundle)
        columns = (crops.ids, crops.keys, crops.months, predicted)
        rows = [dict(zip(_COLUMNS, (*row, bundle.digest), strict=True)) for row in zip(*columns, strict=True)]
        write_table(out / FILE, _COLUMNS, rows)
    months = (1 - config.share) * crops.months + config.share * predicted
    return replace(crops, months=months.astype(np.float32))


def _known(crops: LabelledCrops, bundle: Bundle, file: Path) -> NDArray[np.float64] | None:
    """What an earlier part of the run predicted from the same crops with the same weights; else None."""
    if not file.exists() or not has_columns(_COLUMNS)(file):
        return None
    stored = pd.read_csv(file, dtype={"id": str, "crop": str})
    if tuple(stored["crop"]) != crops.keys or set(stored["weights_sha256"]) != {bundle.digest}:
        return None
    return stored["predicted_months"].to_numpy(np.float64)


def _predict(crops: LabelledCrops, bundle: Bundle) -> NDArray[np.float64]:
    reader = BoneAgeReader.load(bundle.regressors, CROP_VERSION, chosen_backend(), bundle.calibration)
    return read_crops(reader, crops, calibrated=True)
