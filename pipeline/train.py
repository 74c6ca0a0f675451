"""Train the whole system: segmenter, cached crops, regressors, calibration, evaluation, bundles of weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.cohort import Cohort
from ..data.config import config_values, load_config, save_config
from ..data.errors import TrainingError
from ..data.files import whole_folder
from ..data.split import CHOOSE, REPORT, TRAIN, Split
from ..data.text import counted
from ..handseg.config import SegmenterConfig
from ..handseg.crop import CROP_VERSION
from ..handseg.finder import HandFinder
from ..handseg.training.bootstrap import train_segmenter
from ..regressor.calibration import fit_calibration
from ..regressor.config import RegressorConfig
from ..regressor.crop_store import CropStore, StoreKind
from ..regressor.reader import BoneAgeReader
from ..regressor.training.dataset import LabelledCrops
from ..regressor.training.train import Trained, is_first_process, train_regressor
from ..weights.backend import chosen_backend
from ..weights.bundle import Bundle, NetFile, RegressorFile, read_bundle, write_bundle
from ..weights.torch_engine import device_name
from .crops import cache_crops, labelled, read_crops
from .measure.card import write_card
from .measure.evaluate import evaluate
from .measure.robustness import measure_robustness, sample
from .predict.bone_age import BoneAge
from .recipe import Recipe

log = logging.getLogger(__name__)

ROBUSTNESS_FILMS = 150  # of the reporting part; each is read as 18 copies, about 2 s of a CPU core a film
FEWEST_TO_CHOOSE = 20  # films; with fewer no 90 % interval can be fitted, should some be rejected


def train_bundle(
    cohort: Cohort,
    split: Split,
    out: str | Path,
    recipe: Recipe,
    *,
    cutouts: str | Path | None = None,
    negatives: str | Path | None = None,
    segmenter: NetFile | None = None,
    finer: Cohort | None = None,
    exclude: frozenset[str] = frozenset(),
    resume: bool = False,
    workers: int = 1,
    devices: int | str = "auto",
    nodes: int = 1,
) -> tuple[Path, ...]:
    """Train everything on the split's `train` part and return the folders of the finished bundles.

    The epoch is chosen and intervals are fitted on `choose`; `report` is read once, at the end, for the figures.
    `segmenter`: None trains one from the films, `cutouts` and `negatives`, less the ids in `exclude`.
    `finer`: films of the same split with more detail, such as sharper copies; those of `train` are learned from too.
    `out` keeps every step (segmenter, crops, regressors, a bundle's evaluation and robustness); with `resume` finished
    trainings are kept and the one under way goes on. Raises TrainingError when `out` holds another recipe's run.
    """
    out = Path(out)
    _begin(out, recipe, resume)
    for part, least in ((TRAIN, 2), (CHOOSE, FEWEST_TO_CHOOSE), (REPORT, 1)):
        if len(split.take(cohort, part)) < least:
            raise TrainingError(f"{cohort.name}: fewer than {least} films in the part {part!r}; split otherwise")
    own: dict[str, Any] = {"cutouts": cutouts, "negatives": negatives, "exclude": exclude, "workers": workers}
    if segmenter is None:
        file = train_segmenter_on(
            split.take(cohort, TRAIN),
            out / "segmenter",
            recipe.segmenter,
            data=recipe.data,
            licence=recipe.licence,
            **own,
        )
        segmenter = NetFile.of(file)
    options: dict[str, Any] = {"workers": workers, "devices": devices, "nodes": nodes}
    crops = _crops(cohort, split, out, segmenter, recipe.crop_size, finer)
    minutes, trained = 0.0, list[Path]()
    for number, config in enumerate(recipe.regressors, 1):
        if trained:
            config = _after(trained[-1], config)
        result = _trained(crops, out / f"regressor-{number}", config, recipe, resume, options)
        minutes += result.minutes
        trained.append(result.weights)
    folders = tuple(out / bundle.name for bundle in recipe.bundles)
    if not is_first_process():  # the rest is for one process
        return folders
    cost = {"regressor_minutes": round(minutes, 1), "device": device_name()}
    for config, folder in zip(recipe.bundles, folders, strict=True):
        numbers = config.regressors or (len(trained),)
        nets = tuple(RegressorFile.of(trained[number - 1], config.zooms) for number in numbers)
        about: dict[str, Any] = {"licence": recipe.licence, "recipe": config_values(recipe), "cost": cost}
        bundle = Bundle(config.name, segmenter, nets, **about)
        make_bundle(bundle, crops[CHOOSE], split.take(cohort, REPORT), folder, out / "bundles" / config.name)
    return folders


def train_regressor_on(
    cohort: Cohort,
    split: Split,
    out: str | Path,
    config: RegressorConfig,
    *,
    segmenter: NetFile,
    resume: bool = False,
    workers: int = 1,
    devices: int | str = "auto",
    nodes: int = 1,
    data: str = "",
    licence: str = "",
) -> Trained:
    """Cut and cache the cohort's crops in `out/crops`, found with `segmenter`, then train one regressor.

    The stages may be smaller than the crops, which are cut at the last stage's size.
    """
    out = Path(out)
    crops = _crops(cohort, split, out, segmenter, config.input_size)
    options: dict[str, Any] = {"workers": workers, "devices": devices, "nodes": nodes}
    return _trained(crops, out, config, Recipe(data=data, licence=licence), resume, options)


def train_segmenter_on(
    cohort: Cohort,
    out: str | Path,
    config: SegmenterConfig,
    *,
    cutouts: str | Path | None = None,
    negatives: str | Path | None = None,
    exclude: frozenset[str] = frozenset(),
    data: str = "",
    licence: str = "",
    workers: int = 1,
) -> Path:
    """Bootstrap a segmenter on a cohort's films, less the ids in `exclude`; returns its weights file.

    `negatives`: folder of pictures that are no whole hand, by which it learns to judge what a film shows.
    """
    films = [film.path for film in cohort if film.id not in exclude]
    about = {"films": len(films), "description": data, "held_back": len(cohort) - len(films)}
    return train_segmenter(
        films, cutouts, out, config, data=about, licence=licence, workers=workers, negatives=negatives
    )


def _begin(out: Path, recipe: Recipe, resume: bool) -> None:
    if not is_first_process():  # the first process of a distributed run has checked already
        return
    stored = out / "recipe.yaml"
    if stored.exists() and load_config(Recipe, stored) != recipe:
        raise TrainingError(f"{stored}: the folder holds a run of another recipe; give another folder")
    if stored.exists() and not resume:
        raise TrainingError(f"{out}: already holds a run; give --resume to go on with it, or another folder")
    if not stored.exists():
        save_config(recipe, stored)


def _after(weights: Path, config: RegressorConfig) -> RegressorConfig:
    """The configuration with the regressor before it as its teacher, where it wants one, or else as its start.

    One that starts from ImageNet begins anew, unless it wants a teacher.
    """
    if config.teacher is not None:
        return replace(config, teacher=replace(config.teacher, weights=str(weights)))
    return config if config.imagenet else replace(config, start=str(weights))


def _crops(
    cohort: Cohort, split: Split, out: Path, segmenter: NetFile, size: int, finer: Cohort | None = None
) -> dict[str, LabelledCrops]:
    """The crops of the parts that training reads: `train`, with the finer copies after it, and `choose`."""
    parts = {part: split.take(cohort, part) for part in (TRAIN, CHOOSE)}
    if finer is not None:
        parts[TRAIN] = Cohort(cohort.name, (*parts[TRAIN], *split.take(finer, TRAIN)))
    store = CropStore(out / "crops", StoreKind(CROP_VERSION, size, segmenter.sha256))
    finder = HandFinder.load(segmenter, size, chosen_backend())
    for part in parts.values():
        cache_crops(part, store, finder)
    return {name: labelled(part, store) for name, part in parts.items()}


def _trained(
    crops: Mapping[str, LabelledCrops],
    out: Path,
    config: RegressorConfig,
    recipe: Recipe,
    resume: bool,
    options: Mapping[str, Any],
) -> Trained:
    about = {"films": len(crops[TRAIN]), "description": recipe.data}
    going_on = resume and (out / "last.ckpt").exists()
    return train_regressor(
        crops[TRAIN], crops[CHOOSE], out, config, data=about, licence=recipe.licence, resume=going_on, **options
    )


def make_bundle(bundle: Bundle, choose: LabelledCrops, report: Cohort, folder: str | Path, steps: str | Path) -> Bundle:
    """Calibrate a bundle on `choose`, measure it on `report`, and store it with its model card in `folder`.

    Neither may have been trained on. `folder` appears whole, and the nets' files are copied into it; `steps` gets every
    prediction. Returns the bundle that is stored.
    """
    reader = BoneAgeReader.load(bundle.regressors, CROP_VERSION, chosen_backend())
    calibration = fit_calibration(read_crops(reader, choose), choose.months, choose.sexes)
    bundle = replace(bundle, calibration=calibration.to_dict())
    bone_age, words = BoneAge.load(bundle), "films that no training saw"
    evaluation = evaluate(bone_age, report, Path(steps) / "evaluation", split=words)
    some = sample(report, ROBUSTNESS_FILMS)
    log.info("reading changed copies of %s", counted(len(some), "film"))
    drawn = words if len(some) == len(report) else f"a sample, stratified by sex and bone age, of the {words}"
    robustness = measure_robustness(bone_age, some, Path(steps) / "robustness", split=drawn)
    bundle = replace(bundle, metrics={**bundle.metrics, "report": evaluation.to_dict()})
    with whole_folder(folder) as making:
        write_card(write_bundle(bundle, making), evaluation, robustness)
    return read_bundle(folder)
