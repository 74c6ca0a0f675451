"""Train a regressor: data loaders, checkpoints, logs, early stopping and exact resuming around the task."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from ...data.config import config_values, load_config, save_config
from ...data.errors import BoneAgeError, ConfigError, TrainingError, one_line
from ...data.progress import progress
from ...data.text import counted
from ...weights.fitting import OwnStops, stops_told
from ...weights.header import Header
from ...weights.weights_file import load_net
from ..config import RegressorConfig, Stage
from ..network import SEX_CODING, BoneAgeNet, build_from, save_regressor
from .checkpoints import OTHERWISE, Checkpoints, check_checkpoint, run_of
from .dataset import Batch, CropSet, EpochOrder, LabelledCrops
from .distil import Teacher
from .memory import keep_freed_memory
from .precision import fastest_precision
from .task import RegressorTask

log = logging.getLogger(__name__)

BATCHES_BETWEEN = 100  # batches between two checkpoints within an epoch: some minutes on two cores


@dataclass(frozen=True)
class Trained:
    """Where the weights are, their validation MAE in months, and what the training cost."""

    weights: Path
    validation_mae: float
    epochs: int
    minutes: float


class WithinEpoch(Callback):
    """Store `last.ckpt` within an epoch too, so that a stop loses minutes where an epoch takes a quarter of an hour."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store every BATCHES_BETWEEN batches; the epoch's last batch is left to the checkpoint of the epoch."""
        if (batch_idx + 1) % BATCHES_BETWEEN == 0 and not trainer.is_last_batch:
            trainer.save_checkpoint(self.path, weights_only=False)


class EpochLoader(DataLoader[Batch]):
    """A loader that goes on within an epoch; Lightning takes it for one because it has these methods."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: Lightning's own progress counts the batches that are done."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing, as above."""


class CropLoaders(L.LightningDataModule):
    """Loaders for the epoch at hand: the stage's size and augmentation, the process's share of the films."""

    def __init__(
        self, training: LabelledCrops, validation: LabelledCrops, config: RegressorConfig, workers: int
    ) -> None:
        super().__init__()
        self.training, self.validation, self.config, self.workers = training, validation, config, workers

    def train_dataloader(self) -> DataLoader[Batch]:
        """Called anew at every epoch, since size and augmentation change with the stage."""
        assert self.trainer is not None
        epoch = self.trainer.current_epoch
        films = CropSet(self.training, self.config.stage_at(epoch), self.config.augmentation, self.config.seed)
        loop = self.trainer.fit_loop
        done = loop.epoch_loop.batch_progress.current.ready if loop.restarting else 0
        return self._loader(films, epoch, self.config.seed, drop_last=True, done=done)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation films at the final size, in their own order, as they are."""
        stage = Stage(epochs=1, size=self.config.input_size)
        return self._loader(CropSet(self.validation, stage, "none", 0), 0, None, drop_last=False)

    def _loader(
        self, films: CropSet, epoch: int, seed: int | None, drop_last: bool, done: int = 0
    ) -> DataLoader[Batch]:
        """`done`: batches of the epoch that an earlier part of the run has learned from."""
        assert self.trainer is not None
        size = min(self.config.batch_size, len(films))
        order = EpochOrder(len(films), epoch, seed, self.trainer.global_rank, self.trainer.world_size, done * size)
        return EpochLoader(
            films,
            size,
            sampler=order,
            num_workers=self.workers,
            drop_last=drop_last,
            # a generator of its own, so that loading draws nothing from the training's randomness
            generator=torch.Generator().manual_seed(epoch),
        )


class Epochs(Callback):
    """Reports the batches of each epoch as a task, and each epoch as a line of the log."""

    def __init__(self) -> None:
        self._task = ExitStack()
        self._advance: Callable[[], None] | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin the task with the first batch; Lightning calls no hook at the start where an epoch goes on."""
        if self._advance is None:
            task = f"Epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
            self._advance = self._task.enter_context(progress(task, int(trainer.num_training_batches)))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report a batch."""
        assert self._advance is not None
        self._advance()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End the task; log the epoch and its MAEs in months."""
        self._task.close()
        self._advance = None
        errors = [float(trainer.callback_metrics[name]) for name in ("train_mae", "val_mae")]
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        log.info("%s: MAE %.2f months on the films learned from, %.2f on the part choose", epoch, *errors)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """End the task."""
        self._task.close()


def train_regressor(
    training: LabelledCrops,
    validation: LabelledCrops,
    out: str | Path,
    config: RegressorConfig = RegressorConfig(),
    *,
    data: Mapping[str, Any] | None = None,
    licence: str = "",
    resume: bool = False,
    workers: int = 1,
    devices: int | str = "auto",
    nodes: int = 1,
) -> Trained:
    """Train on `training`, measure on `validation`, write the weights of the epoch to keep as `regressor.safetensors`.

    `out` gets them, the resolved configuration, checkpoints (`last.ckpt`, and `best.ckpt` where the best is kept), CSV
    and TensorBoard logs. With `resume` a stopped run goes on from `last.ckpt` exactly as if it had not stopped. `data`
    and `licence` go into the header.
    Raises TrainingError when `out` holds another run, when there is nothing to resume, or films are too few.
    """
    out = Path(out)
    last = out / "last.ckpt"
    _check(training, validation, config, out, resume)
    save_config(config, out / "regressor.yaml")
    keep_freed_memory()
    L.seed_everything(config.seed, verbose=False)
    task = _task(training, config)
    run = run_of(training, validation, config)
    if resume:
        check_checkpoint(last, task, run)
    trainer = _trainer(config, out, devices, nodes, task.steps_per_epoch, run)
    loaders = CropLoaders(training, validation, config, workers)
    _fit(trainer, task, loaders, last if resume else None)
    trainer.strategy.barrier()
    kept = torch.load(out / f"{config.keep}.ckpt", map_location="cpu", weights_only=True)
    mae = float(kept["val_mae"])
    if not math.isfinite(mae):
        raise TrainingError(
            f"{out}: the training diverged (its MAE on the part choose is {mae}), so there is nothing to keep; begin "
            "again in another folder, with a lower learning_rate"
        )
    task.load_state_dict(kept["state_dict"])
    minutes = task.seconds_spent / 60
    target = out / "regressor.safetensors"
    if trainer.is_global_zero:
        header = Header(
            kind="regressor",
            architecture="boneage.regressor.BoneAgeNet",
            arguments=config_values(config.net),
            input_size=config.input_size,
            crop_version=training.store.kind.crop_version,
            label_mean=task.label_mean,
            label_sd=task.label_sd,
            sex_coding=SEX_CODING,
            metrics={"validation_mae": {"value": mae, "n": len(validation), "split": "choose, one view"}},
            data=data or {},
            recipe=_for_header(config),
            licence=licence,
        )
        save_regressor(target, header, task.kept)
    return Trained(target, mae, trainer.current_epoch, minutes)


def _fit(trainer: L.Trainer, task: RegressorTask, loaders: CropLoaders, last: Path | None) -> None:
    """Train, from the checkpoint `last` if there is one; TrainingError where no training can go on from it."""
    with stops_told(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Checkpoint directory")  # it holds the run's settings already
        try:
            trainer.fit(task, datamodule=loaders, ckpt_path=None if last is None else str(last), weights_only=True)
        except (BoneAgeError, OSError, MemoryError):
            raise
        except Exception as error:  # Lightning raises errors of every kind where it cannot take a state over
            if last is None or task.began:
                raise
            raise TrainingError(f"{last}: the run cannot go on from it ({one_line(error)}); {OTHERWISE}") from error


def _trainer(
    config: RegressorConfig, out: Path, devices: int | str, nodes: int, steps: int, run: Mapping[str, Any]
) -> L.Trainer:
    """Lightning's trainer, with the checkpoints and logs of a `run` in `out`; `steps`: of an epoch."""
    callbacks: list[Callback] = [OwnStops(), Epochs(), WithinEpoch(out / "last.ckpt")]
    if config.keep == "best":
        callbacks.append(ModelCheckpoint(out, "best", monitor="val_mae", save_top_k=1, enable_version_counter=False))
        callbacks.append(EarlyStopping("val_mae", patience=config.patience, check_on_train_epoch_end=True))
    # the last epoch is always stored, with the state of the callbacks before, so that a run can go on
    latest = ModelCheckpoint(out, "last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True)
    callbacks.append(latest)
    # a teacher's projections are not used in every epoch, so DDP must find unused parameters
    ddp = "ddp" if config.teacher is None else "ddp_find_unused_parameters_true"
    several = nodes > 1 or (devices if isinstance(devices, int) else torch.cuda.device_count()) > 1
    return L.Trainer(
        default_root_dir=out,
        max_epochs=config.epochs,
        accelerator="auto",
        devices=devices if torch.cuda.is_available() or devices != "auto" else 1,
        num_nodes=nodes,
        strategy=ddp if several else "auto",
        precision=fastest_precision(),
        gradient_clip_val=config.clip or None,
        use_distributed_sampler=False,  # EpochOrder shares the films out itself
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=min(20, steps),
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
        plugins=[Checkpoints(run)],
        logger=[CSVLogger(out / "logs", "csv"), TensorBoardLogger(out / "logs", "tensorboard")],
    )


def _check(
    training: LabelledCrops, validation: LabelledCrops, config: RegressorConfig, out: Path, resume: bool
) -> None:
    if len(training) < 2 or len(validation) < 1:
        raise TrainingError(
            f"{counted(len(training), 'film')} to train on and {len(validation)} to validate on are too few"
        )
    if training.store.kind.size < config.input_size:
        raise TrainingError(
            f"{training.store.folder}: crops of {training.store.kind.size} px, the last stage trains at "
            f"{config.input_size} px; cache larger crops or end at a smaller stage"
        )
    known_keys, known_ids = set(training.keys), set(training.ids)  # one film may have several files
    shared = [i for i, key in zip(validation.ids, validation.keys, strict=True) if key in known_keys or i in known_ids]
    if shared:
        raise TrainingError(
            f"{counted(len(shared), 'film')} in both training and validation, such as {shared[0]}; split anew"
        )
    last, stored = out / "last.ckpt", out / "regressor.yaml"
    if resume and not last.exists():
        raise TrainingError(f"{last}: not there, so there is nothing to resume; leave --resume out")
    if not resume and last.exists():
        raise TrainingError(f"{out}: already holds a run; give --resume to go on with it, or another folder")
    if resume and stored.exists() and load_config(RegressorConfig, stored) != config:
        raise TrainingError(f"{stored}: the run was made with another configuration; resume with that one")


def _task(training: LabelledCrops, config: RegressorConfig) -> RegressorTask:
    net = BoneAgeNet(config.net)
    mean, sd = float(training.months.mean()), float(training.months.std())
    if config.start:
        header, start = load_net(config.start, "regressor", build_from)
        try:
            net.start_from(start)
        except ConfigError as error:
            raise ConfigError(f"{config.start}: {error}") from error
        assert header.label_mean is not None
        assert header.label_sd is not None
        mean, sd = header.label_mean, header.label_sd
    elif config.imagenet:
        net.start_from_imagenet()
    teacher = None
    if config.teacher is not None:
        teacher, mean, sd = Teacher.load(config.teacher.weights, net)
    net.freeze(config.freeze)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    steps = max(len(training) // config.batch_size, 1)
    return RegressorTask(net, config, mean, max(sd, 1e-3), steps, teacher)


def _for_header(config: RegressorConfig) -> dict[str, Any]:
    """The configuration for a weights header: files by name, since their folders mean nothing elsewhere."""
    values = config_values(config)
    values["start"] = Path(config.start).name
    if config.teacher is not None:
        values["teacher"]["weights"] = Path(config.teacher.weights).name
    if config.soft_labels is not None:
        values["soft_labels"]["weights"] = Path(config.soft_labels.weights).name
    return values


def is_first_process() -> bool:
    """Whether this process of a distributed training is the one that writes files and messages."""
    return getattr(rank_zero_only, "rank", 0) == 0  # an attribute that Lightning sets on the function
