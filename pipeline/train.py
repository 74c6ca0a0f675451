"""Train the whole system: segmenter, cached crops, regressors, calibration, evaluation, bundles of weights."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..data.cohort import Cohort
from ..data.config import config_values, load_config, save_config
from ..data.errors import TrainingError
from ..data.files import MARK, whole_file, whole_folder
from ..data.split import CHOOSE, REPORT, SPLIT_FILE, TRAIN, Split, write_split
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
from ..weights.bundle import (
    FILE,
    RECIPE,
    REGRESSOR,
    Bundle,
    NetFile,
    RegressorFile,
    read_bundle,
    terms_of,
    write_bundle,
)
from ..weights.torch_engine import device_name
from .crops import cache_crops, labelled, read_crops
from .learning_curve import learning_curve
from .measure.card import write_card
from .measure.evaluate import evaluate
from .measure.robustness import measure_robustness, sample
from .predict.bone_age import BoneAge
from .preflight import check_parts, check_regressors, check_room, check_segmenter, check_split
from .recipe import Recipe
from .soft_labels import soften

log = logging.getLogger(__name__)

ROBUSTNESS_FILMS = 150  # of the reporting part; each is read as 18 copies, about 2 s of a CPU core a film
FEWEST_TO_CHOOSE = 20  # films; with fewer no 90 % interval can be fitted, should some be rejected
CROPS = "crops"  # folder of a training; it goes when that is done
_TRAINED = "trained.json"  # in the folder of a regressor whose training is done


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
    keep_crops: bool = False,
    workers: int = 1,
    devices: int | str = "auto",
    nodes: int = 1,
) -> tuple[Path, ...]:
    """Train everything on the split's `train` part and return the folders of the finished bundles.

    The epoch is chosen and intervals are fitted on `choose`; `report` is read once, at the end, for the figures.
    `segmenter`: None trains one from the films, `cutouts` and `negatives`, less the ids in `exclude`.
    `finer`: films of the same split with more detail, such as sharper copies; those of `train` are learned from too.
    `out` keeps every step (segmenter, regressors, a bundle's evaluation and robustness) but the crops, which go at the
    end unless `keep_crops`, and checkpoints, which go with each regressor that is done. With `resume` finished
    trainings are kept, the one under way goes on, and a run that is finished is left as it is.
    Raises TrainingError or ConfigError, before anything is read, for films, nets and disks that will not do, and when
    `out` holds another recipe's run, or one that is not to be resumed. A run that never began to train is no hindrance.
    """
    out = Path(out)
    folders = tuple(out / bundle.name for bundle in recipe.bundles)
    if _is_begun(out, recipe, split, resume) and all((folder / FILE).exists() for folder in folders):
        log.info("%s: this training is done; there is nothing to go on with", out)
        return folders
    check_parts(cohort, split, {TRAIN: 2, CHOOSE: FEWEST_TO_CHOOSE, REPORT: 1})
    if segmenter is None:
        check_segmenter(recipe.segmenter)
    films = len(cohort) + (len(split.take(finer, TRAIN)) if finer else 0)
    check_room(out, films, recipe.crop_size, check_regressors(recipe.regressors))
    _begin(out, recipe, split)
    recipe = replace(recipe, licence=terms_of(recipe.licence, *_sources(recipe)))
    terms = recipe.licence if segmenter is None else terms_of(recipe.licence, segmenter)
    if segmenter is None:
        own: dict[str, Any] = {"cutouts": cutouts, "negatives": negatives, "exclude": exclude, "workers": workers}
        own |= {"data": recipe.data, "licence": recipe.licence}
        segmenter = NetFile.of(
            train_segmenter_on(split.take(cohort, TRAIN), out / "segmenter", recipe.segmenter, **own)
        )
    options: dict[str, Any] = {"workers": workers, "devices": devices, "nodes": nodes}
    crops = _crops(cohort, split, out, segmenter, recipe.crop_size, finer)
    minutes, trained = 0.0, list[Path]()
    for number, config in enumerate(recipe.regressors, 1):
        if trained:
            config = _after(trained[-1], config)
        result = _trained(crops, out / f"regressor-{number}", config, recipe, resume, options)
        minutes += result.minutes
        trained.append(result.weights)
    if not is_first_process():  # the rest is for one process
        return folders
    cost = {"regressor_minutes": round(minutes, 1), "device": device_name()}
    for config, folder in zip(recipe.bundles, folders, strict=True):
        numbers = config.regressors or (len(trained),)
        nets = tuple(RegressorFile.of(trained[number - 1], config.zooms) for number in numbers)
        about: dict[str, Any] = {"licence": terms, "recipe": config_values(recipe), "cost": cost}
        bundle = Bundle(config.name, segmenter, nets, **about)
        make_bundle(bundle, crops[CHOOSE], split.take(cohort, REPORT), folder, out / "bundles" / config.name)
    if not keep_crops:
        _drop(crops[CHOOSE].store)
    return folders


def outcome(folder: Path) -> str:
    """What a training made, in lines: a bundle's folder, its error, where figures are, and how to read with it."""
    report = read_bundle(folder).metrics["report"]
    interval = "" if report["mae_low"] is None else " (95 % interval {mae_low:.2f} to {mae_high:.2f})".format(**report)
    lost = sum(report["not_assessed"].values())
    steps = folder.parent / "bundles" / folder.name / "evaluation"
    return (
        f"{folder}: MAE {report['mae']:.2f} months{interval} on {counted(report['n'], 'film')} that no training saw"
        f"{f', {lost} more not assessed' if lost else ''}\n"
        f"  model card: {folder / 'MODEL_CARD.md'}\n"
        f"  table, plots, predictions: {steps}\n"
        f"  learning curves: {folder.parent / 'regressor-*' / 'learning-curve.png'}\n"
        f"  read a film: boneage predict hand.png --sex F --weights {folder}"
    )


def train_regressor_on(
    cohort: Cohort,
    split: Split,
    out: str | Path,
    config: RegressorConfig,
    *,
    segmenter: NetFile,
    resume: bool = False,
    keep_crops: bool = False,
    workers: int = 1,
    devices: int | str = "auto",
    nodes: int = 1,
    data: str = "",
    licence: str = "",
) -> Trained:
    """Cut the cohort's crops, found with `segmenter`, then train one regressor; checks and crops as `train_bundle`.

    The stages may be smaller than the crops, which are cut at the last stage's size.
    """
    out = Path(out)
    if not (out / _TRAINED).exists():
        check_parts(cohort, split, {TRAIN: 2, CHOOSE: 1})
        check_room(out, len(cohort), config.input_size, check_regressors((config,)))
        if (out / "last.ckpt").exists():
            check_split(split, out)
        if is_first_process():
            write_split(split, out / SPLIT_FILE)
    elif done := _done(out, config, resume):
        return done
    crops = _crops(cohort, split, out, segmenter, config.input_size)
    options: dict[str, Any] = {"workers": workers, "devices": devices, "nodes": nodes}
    trained = _trained(crops, out, config, Recipe(data=data, licence=licence), resume, options)
    if is_first_process() and not keep_crops:
        _drop(crops[CHOOSE].store)
    return trained


def train_segmenter_on(
    cohort: Cohort,
    out: str | Path,
    config: SegmenterConfig,
    *,
    cutouts: str | Path | None = None,
    negatives: str | Path | None = None,
    exclude: frozenset[str] = frozenset(),
    wrists: Mapping[Path, tuple[float, float]] | None = None,
    data: str = "",
    licence: str = "",
    workers: int = 1,
) -> Path:
    """Bootstrap a segmenter on a cohort's films, less the ids in `exclude`; returns its weights file.

    `negatives`: folder of pictures that are no whole hand, by which it learns to judge what a film shows. `wrists`:
    where the hand ends on films, as shares of width and height, by which it learns what is missing of a hand.
    """
    films = [film.path for film in cohort if film.id not in exclude]
    about = {"films": len(films), "description": data, "held_back": len(cohort) - len(films)}
    given: dict[str, Any] = {"negatives": negatives, "wrists": wrists, "workers": workers}
    return train_segmenter(films, cutouts, out, config, data=about, licence=licence, **given)


def _sources(recipe: Recipe) -> list[NetFile]:
    """The nets from before the training that its regressors learn from.

    They are start and teacher of the first, and the regressors of every bundle whose predictions soften labels.
    """
    first = recipe.regressors[0]
    named = [NetFile.of(file) for file in (first.start, first.teacher and first.teacher.weights) if file]
    bundles = [read_bundle(config.soft_labels.weights) for config in recipe.regressors if config.soft_labels]
    return [*named, *(net for bundle in bundles for net in bundle.regressors)]


def _is_begun(out: Path, recipe: Recipe, split: Split, resume: bool) -> bool:
    """Whether `out` holds this run, a net of which was trained at least in part; TrainingError if it may not go on."""
    stored = out / RECIPE
    nets = [*out.glob("regressor-*"), *out.glob("segmenter")]
    if not (stored.exists() and nets) or not is_first_process():  # the first of a distributed run has checked already
        return False
    if load_config(Recipe, stored) != recipe:
        raise TrainingError(f"{stored}: the folder holds a run of another recipe; give another folder")
    check_split(split, out)
    if not resume:
        raise TrainingError(f"{out}: already holds a run; give --resume to go on with it, or another folder")
    return True


def _begin(out: Path, recipe: Recipe, split: Split) -> None:
    if not is_first_process():
        return
    if not (recipe.data and recipe.licence):
        log.warning(
            "the recipe states no data or no licence, so the model card cannot say what the films are and under "
            "which terms the weights are; boneage train --show-recipe explains both"
        )
    save_config(recipe, out / RECIPE)
    write_split(split, out / SPLIT_FILE)


def _done(out: Path, config: RegressorConfig, resume: bool) -> Trained | None:
    """The result of a finished training, None without one. Raises TrainingError where it may not be taken up."""
    if not (out / _TRAINED).exists():
        return None
    if not resume:
        raise TrainingError(f"{out}: already holds a run, which is done; use its {REGRESSOR}, or give another folder")
    if load_config(RegressorConfig, stored := out / "regressor.yaml") != config:
        raise TrainingError(f"{stored}: the run was made with another configuration; resume with that one")
    log.info("%s: this regressor is trained; there is nothing to go on with", out)
    values = json.loads((out / _TRAINED).read_text("utf-8"))
    return Trained(out / REGRESSOR, **{name: value for name, value in values.items() if name != "made_by"})


def _drop(store: CropStore) -> None:
    """Delete crops, and the folder that held them where it is empty now."""
    shutil.rmtree(store.folder, ignore_errors=True)
    with suppress(OSError):
        store.folder.parent.rmdir()


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
    kind = StoreKind(CROP_VERSION, size, segmenter.sha256)
    store = CropStore(out / CROPS / kind.name, kind)
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
    if done := _done(out, config, resume):
        return done
    training = soften(crops[TRAIN], config.soft_labels, out)
    about = {"films": len(training), "description": recipe.data}
    going_on = resume and (out / "last.ckpt").exists()
    trained = train_regressor(
        training, crops[CHOOSE], out, config, data=about, licence=recipe.licence, resume=going_on, **options
    )
    if is_first_process():
        learning_curve(out, config, (len(training), len(crops[CHOOSE])))
        values = {name: value for name, value in asdict(trained).items() if name != "weights"}
        with whole_file(out / _TRAINED) as temporary:
            temporary.write_text(json.dumps(values | {"made_by": MARK}), "utf-8")
        for checkpoint in out.glob("*.ckpt"):  # needed only to go on
            checkpoint.unlink()
    return trained


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
