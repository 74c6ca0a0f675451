"""Compare ways to train a regressor: every arm of a plan on the same films, each measured against the base."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...data.cohort import Cohort
from ...data.config import config_values, make_config, save_config
from ...data.errors import BoneAgeError, ConfigError, TrainingError
from ...data.files import MARK, whole_file
from ...data.split import CHOOSE, SPLIT_FILE, TRAIN, Split, make_split, read_split, write_split
from ...data.table import write_table
from ...data.text import counted
from ...handseg.crop import CROP_VERSION
from ...regressor.config import RegressorConfig
from ...regressor.reader import BoneAgeReader
from ...regressor.training.dataset import LabelledCrops
from ...regressor.training.train import train_regressor
from ...weights.backend import chosen_backend
from ...weights.bundle import NetFile, RegressorFile
from ...weights.torch_engine import device_name
from ..crops import cache_crops, labelled, read_crops
from ..preflight import check_parts, check_regressors, check_room, check_split
from ..soft_labels import soften
from .comparison import Comparison
from .comparison_plot import difference_plot
from .markdown import write_markdown
from .metrics import agreement, paired_difference
from .plan import BASE, Arm, Plan, View, images_and_pixels
from .views import open_view

log = logging.getLogger(__name__)

Crops = Mapping[tuple[View, int], Mapping[str, LabelledCrops]]  # by view and size, then by part


@dataclass(frozen=True)
class _Run:
    """One arm with one seed, and the folder of its training."""

    arm: Arm
    seed: int
    view: View
    settings: RegressorConfig
    folder: Path

    @property
    def _record(self) -> Path:
        return self.folder / "run.json"

    @property
    def finished(self) -> bool:
        """Whether the run is done; TrainingError when it was done with other settings."""
        if not self._record.exists():
            return False
        stored = json.loads(self._record.read_text("utf-8"))
        settings = make_config(RegressorConfig, stored["settings"], str(self._record))
        if settings != self.settings or stored["view"] != self.view:
            raise TrainingError(
                f"{self.folder}: {self.arm.title} was trained with other settings; give another folder or arm name"
            )
        return True

    def train(self, crops: Mapping[str, LabelledCrops], workers: int) -> None:
        """Train, from the start or from where a run stopped, then read the films that measure."""
        training = soften(crops[TRAIN], self.settings.soft_labels, self.folder)
        about = {"films": len(training), "description": f"comparison, {self.arm.title}, seed {self.seed}"}
        going_on = (self.folder / "last.ckpt").exists()
        measuring, settings = crops[CHOOSE], self.settings
        trained = train_regressor(
            training, measuring, self.folder, settings, data=about, resume=going_on, workers=workers, devices=1
        )
        reader = BoneAgeReader.load([RegressorFile.of(trained.weights)], CROP_VERSION, chosen_backend("auto", "torch"))
        frame = _predictions(reader, crops[CHOOSE])
        cells = frame.map(lambda cell: f"{cell:.3f}" if isinstance(cell, float) else cell)
        write_table(self.folder / "predictions.csv", list(frame.columns), cells.to_dict("records"))
        record = {
            "arm": self.arm.title,
            "seed": self.seed,
            "view": self.view,
            "minutes": round(trained.minutes, 3),
            "device": device_name(),
            "settings": config_values(self.settings),
            "made_by": MARK,
        }
        with whole_file(self._record) as temporary:
            temporary.write_text(json.dumps(record, indent=1), "utf-8")
        for checkpoint in self.folder.glob("*.ckpt"):  # needed only to go on
            checkpoint.unlink()

    def errors(self) -> NDArray[np.float64]:
        """Absolute errors in months, in the order of the films."""
        frame = pd.read_csv(self.folder / "predictions.csv", dtype={"id": str})
        return frame["error_months"].abs().to_numpy(np.float64)

    def minutes(self) -> float:
        """Time the training took."""
        return float(json.loads(self._record.read_text("utf-8"))["minutes"])


def compare(
    cohort: Cohort, split: Split, plan: Plan, out: str | Path, *, segmenter: NetFile, workers: int = 1
) -> Comparison:
    """Train every arm with every seed on the split's part `train`, and measure it against the base on `choose`.

    All arms see the same films, those usable in every view of the plan, and for one seed in the same order.
    The weights after the last epoch are measured, so `choose` chooses nothing; the part `report` is never read.
    `segmenter` cuts the view `hand`. `out` gets `comparison.md`, `differences.png`, `plan.yaml`,
    `films.csv` (id and part), the crops, and in `runs` the predictions of every run. When called again, finished runs
    are kept and a stopped one goes on, so arms and seeds may be added to a plan. A run that fails is reported and does
    not stop the others. Raises TrainingError when `out` holds runs on other films or with other settings.
    """
    out = Path(out)
    runs = [
        _Run(arm, seed, plan.view_of(arm), plan.settings_of(arm, seed), out / "runs" / arm.folder / f"seed-{seed}")
        for seed in plan.seeds  # the first seed of every arm comes before the second of any
        for arm in plan.all_arms
        if arm is BASE or not plan.is_base(arm)
    ]
    done = {(run.arm.folder, run.seed): run for run in runs if run.finished}
    _check(cohort, split, plan, out, runs)
    if (out / "runs").exists():
        check_split(split, out)
    write_split(split, out / SPLIT_FILE)
    crops = _shared_crops(cohort, split, plan, out, {(run.view, run.settings.input_size) for run in runs}, segmenter)
    save_config(plan, out / "plan.yaml")
    failures = []
    for number, run in enumerate(runs, 1):
        if (run.arm.folder, run.seed) in done:
            continue
        log.info("run %d of %d: %s, seed %d", number, len(runs), run.arm.title, run.seed)
        try:
            run.train(crops[run.view, run.settings.input_size], workers)
        except Exception as error:  # whatever it is, the other arms can still be compared
            reason = " ".join(str(error).split()) or repr(error)
            failures.append(f"{run.arm.title}, seed {run.seed}: {reason}")
            log.error("failed: %s", failures[-1], exc_info=not isinstance(error, BoneAgeError))
        else:
            done[run.arm.folder, run.seed] = run
    trained_on = len(next(iter(crops.values()))[TRAIN])
    rows = _rows(plan, done, trained_on)
    plots = (out / "differences.png",) if rows["difference"].notna().to_numpy(bool).any() else ()
    page = out / "comparison.md"
    comparison = Comparison(plan, cohort.name, trained_on, rows, tuple(failures), (page, *plots))
    write_markdown(page, comparison.table())
    for plot in plots:
        difference_plot(rows, plot, cohort=cohort.name, trained_on=trained_on)
    return comparison


def _check(cohort: Cohort, split: Split, plan: Plan, out: Path, runs: Sequence[_Run]) -> None:
    """Raise TrainingError or ConfigError, which names the arm, for what would stop a run or all of them."""
    check_parts(cohort, split, {TRAIN: 2, CHOOSE: 2})
    parameters = 0
    for run in runs:
        try:
            parameters = max(parameters, check_regressors((run.settings,)))
        except ConfigError as error:
            raise ConfigError(f"arm {run.arm.title}: {error}") from error
    kinds = {(run.view, run.settings.input_size) for run in runs}
    films = (plan.films or len(split.take(cohort, TRAIN))) + len(split.take(cohort, CHOOSE))
    check_room(out, films * len(kinds), max(size for _, size in kinds), parameters)


def _shared_crops(
    cohort: Cohort, split: Split, plan: Plan, out: Path, kinds: set[tuple[View, int]], segmenter: NetFile
) -> Crops:
    """The crops of every view and size, of the same films in the same order."""
    parts = {TRAIN: _drawn(split.take(cohort, TRAIN), plan), CHOOSE: split.take(cohort, CHOOSE)}
    stores = {}
    for view, size in sorted(kinds):
        store, finder = open_view(view, out / "crops" / f"{view}-{size}", size, segmenter)
        for part in parts.values():
            cache_crops(part, store, finder)
        stores[view, size] = store
    for name, part in parts.items():
        usable = [set(labelled(part, store).ids) for store in stores.values()]
        parts[name] = part.subset(set.intersection(*usable))
    films = Split({film.id: name for name, part in parts.items() for film in part})
    stored = out / "films.csv"
    if not stored.exists():
        write_split(films, stored)
    elif read_split(stored) != films:
        raise TrainingError(f"{stored}: the folder holds a comparison on other films; give another folder")
    return {kind: {name: labelled(part, store) for name, part in parts.items()} for kind, store in stores.items()}


def _drawn(films: Cohort, plan: Plan) -> Cohort:
    """The number of films that the plan wants, stratified by sex and bone age."""
    if plan.films > len(films):
        raise TrainingError(
            f"{films.name}: {counted(len(films), 'film')}, the plan wants {plan.films}; lower `films` in it"
        )
    if plan.films in (0, len(films)):
        return films
    return make_split(films, {"drawn": plan.films, "left": 1.0}, plan.films_seed).take(films, "drawn")


def _predictions(reader: BoneAgeReader, crops: LabelledCrops) -> pd.DataFrame:
    months = read_crops(reader, crops)
    if not np.isfinite(months).all():
        raise TrainingError("the trained net reads no number from some films; the training diverged")
    return pd.DataFrame(
        {
            "id": crops.ids,
            "sex": crops.sexes,
            "labelled_months": crops.months,
            "bone_age_months": months,
            "error_months": months - crops.months,
        }
    )


def _rows(plan: Plan, done: Mapping[tuple[str, int], _Run], films: int) -> pd.DataFrame:
    """One row an arm; see Comparison."""
    errors = {name: run.errors() for name, run in done.items()}
    rows = []
    for arm in plan.all_arms:
        is_base = arm is BASE or plan.is_base(arm)
        folder = BASE.folder if is_base else arm.folder
        seeds = [seed for seed in plan.seeds if (folder, seed) in done]
        images, pixels = images_and_pixels(plan.settings_of(arm, plan.seeds[0]), films)
        row = {"question": arm.question, "arm": arm.name, "is_base": is_base, "seeds": tuple(seeds)}
        row |= {"images": images, "pixels": pixels}
        if seeds:
            row["minutes"] = np.mean([done[folder, seed].minutes() for seed in seeds])
            # a film's error is the mean of its absolute errors over the seeds
            mean = np.mean([errors[folder, seed] for seed in seeds], axis=0)
            measured = asdict(agreement(mean, np.zeros_like(mean)))
            row |= {name: measured[name] for name in ("n", "mae", "mae_low", "mae_high")}
        paired = [(errors[folder, seed], errors[BASE.folder, seed]) for seed in seeds if (BASE.folder, seed) in done]
        if paired and not is_base:
            gap = paired_difference(*np.mean(paired, axis=0))
            row |= {"difference": gap.mae, "difference_low": gap.low, "difference_high": gap.high}
            row["by_seed"] = tuple(float(own.mean() - base.mean()) for own, base in paired)
        rows.append(row)
    months = ["mae", "mae_low", "mae_high", "difference", "difference_low", "difference_high", "by_seed"]
    names = ["question", "arm", "is_base", "seeds", "n", *months, "images", "pixels", "minutes"]
    return pd.DataFrame(rows, columns=names)
