"""Soft labels: predictions of a bundle are averaged with the labels of the films to learn from, and with no others."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from boneage.data.errors import ConfigError
from boneage.handseg.crop import CROP_VERSION
from boneage.pipeline import soft_labels
from boneage.pipeline.preflight import check_regressors
from boneage.pipeline.recipe import Recipe
from boneage.pipeline.soft_labels import FILE, soften
from boneage.pipeline.train import _sources
from boneage.regressor.config import NetConfig, RegressorConfig, SoftLabels, Stage
from boneage.regressor.crop_store import CropStore, StoredCrop, StoreKind
from boneage.regressor.reader import BoneAgeReader
from boneage.regressor.training.dataset import LabelledCrops
from boneage.weights.bundle import read_bundle

SIZE = 64


@pytest.fixture
def crops(tmp_path) -> LabelledCrops:
    """Crops of noise, which any net reads as something."""
    store = CropStore(tmp_path / "crops", StoreKind(CROP_VERSION, SIZE, "none"))
    keys = ("a", "b", "c")
    pixels = [np.random.default_rng(k).integers(0, 256, (SIZE, SIZE), np.uint8) for k in range(3)]
    store.append([StoredCrop(key, key, 1, 1, "ok", "", 0, 0, 1, 1) for key in keys], pixels)
    return LabelledCrops(store, keys, keys, ("F", "M", "M"), np.array([50, 100, 150], np.float32))


def test_labels_are_averaged_with_the_calibrated_predictions_of_the_crops(crops, tiny_bundle, tmp_path):
    bundle = read_bundle(tiny_bundle)
    reader = BoneAgeReader.load(bundle.regressors, CROP_VERSION, calibration=bundle.calibration)
    predicted = reader.months([crops.store[key] for key in crops.keys], crops.sexes)
    soft = soften(crops, SoftLabels(str(tiny_bundle), 0.25), tmp_path)
    assert soft.months == pytest.approx(0.75 * crops.months + 0.25 * predicted, abs=1e-3)
    assert soft.months.dtype == np.float32
    assert (soft.keys, soft.sexes) == (crops.keys, crops.sexes)
    assert crops.months.tolist() == [50, 100, 150]
    assert soften(crops, None, tmp_path) is crops
    with (tmp_path / FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], float(row["label_months"])) for row in rows] == [("a", 50), ("b", 100), ("c", 150)]
    assert [float(row["predicted_months"]) for row in rows] == pytest.approx(predicted)


def test_a_run_that_goes_on_predicts_again_only_what_is_of_other_crops_or_weights(
    crops, tiny_bundle, tmp_path, monkeypatch
):
    predict, calls = soft_labels._predict, []
    monkeypatch.setattr(soft_labels, "_predict", lambda *of: calls.append(1) or predict(*of))
    config = SoftLabels(str(tiny_bundle))
    first = soften(crops, config, tmp_path)
    assert soften(crops, config, tmp_path).months.tolist() == first.months.tolist()
    assert len(calls) == 1
    fewer = replace(crops, keys=crops.keys[:2], ids=crops.ids[:2], sexes=crops.sexes[:2], months=crops.months[:2])
    assert soften(fewer, config, tmp_path).months.tolist() == first.months[:2].tolist()
    assert len(calls) == 2
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace(read_bundle(tiny_bundle).digest, "0" * 64))
    soften(fewer, config, tmp_path)
    assert len(calls) == 3


def test_weights_that_are_not_there_are_an_error_before_a_film_is_read():
    config = RegressorConfig(NetConfig("test_efficientnet"), stages=(Stage(1, SIZE),), soft_labels=SoftLabels("none"))
    with pytest.raises(ConfigError, match="none"):
        check_regressors((config,))
    for share in (0, 1.1):
        with pytest.raises(ValueError, match="the share is"):
            SoftLabels(share=share)


def test_the_nets_whose_predictions_soften_labels_are_among_those_whose_terms_travel():
    recipe = Recipe(regressors=(RegressorConfig(), RegressorConfig(soft_labels=SoftLabels("fast"))))
    assert _sources(recipe) == list(read_bundle("fast").regressors)
