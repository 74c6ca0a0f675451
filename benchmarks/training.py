"""Training: images a second of the loader alone, of the step alone and of both.

It changes the process (the threads of OpenCV, the allocator), so nothing else is measured after it.
"""

from __future__ import annotations

import functools
import logging
import time
import warnings
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from boneage.data.sex import Sex
from boneage.data.synthetic import synthetic_hand
from boneage.data.text import counted
from boneage.handseg.crop import CROP_VERSION
from boneage.pipeline.predict.parallel import cores
from boneage.regressor.config import NetConfig, RegressorConfig, Stage
from boneage.regressor.crop_store import CropStore, StoredCrop, StoreKind
from boneage.regressor.network import BoneAgeNet
from boneage.regressor.training.dataset import Batch, LabelledCrops
from boneage.regressor.training.memory import keep_freed_memory
from boneage.regressor.training.task import RegressorTask
from boneage.regressor.training.train import CropLoaders

from .clock import Sample, in_turns
from .report import Bar, Findings, Table
from .setting import Setting

ROUNDS = 3
SIZE = 256  # pixels
HANDS = 64  # drawn; the store holds each of them several times
CROPS, STEPS = 1024, 7
AHEAD = 4  # batches that two workers have ready before the first is asked for
# as the shipped weights' last stage, whose frozen blocks make the step cheap and whose augmentation is the dearest
CONFIG = RegressorConfig(
    net=NetConfig("tf_efficientnet_lite2", fusion="both", hidden=(256,)),
    freeze=3,
    stages=(Stage(1, SIZE, 1.2, 0.25),),
    augmentation="clinic",
)

_workers = functools.partial(counted, one="worker")
TIMES_STEP, SCALING = 2.0, 1.5  # loader over step; two workers over one


def measure(setting: Setting) -> Findings:
    """Loader and step in turns, alone and together, with 0, 1 and 2 workers."""
    crops = _crops(setting.folder / "crops", 8 * CONFIG.batch_size if setting.quick else CROPS)
    batches = list(islice(_loader(crops, 0), 4))
    steps = 3 if setting.quick else STEPS
    workers = (0, 1, 2)
    in_memory: DataLoader[Batch] = DataLoader(batches * steps, batch_size=None)  # pyright: ignore[reportArgumentType]
    measures = {"step alone": lambda: step_rate(in_memory, steps)}
    for number in workers:
        measures[f"loader alone, {_workers(number)}"] = lambda number=number: loader_rate(_loader(crops, number))
        measures[f"both, {_workers(number)}"] = lambda number=number: step_rate(_loader(crops, number), steps)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep_freed_memory()
    measured = in_turns(measures, setting.rounds(ROUNDS), warm_ups=0)
    samples = {name: Sample(tuple(values)) for name, values in measured.items()}
    step = samples["step alone"]
    rows = [(name, sample, (f"{sample.over(step):.2f}",)) for name, sample in samples.items()]
    note = (
        f"{CONFIG.net.backbone}, its first {CONFIG.freeze} blocks frozen, batches of {CONFIG.batch_size}, "
        f"augmentation {CONFIG.augmentation}, on the processor; the first batches do not count."
    )
    speed = Table(f"training at {SIZE} px", "images/s", rows, ("x step alone",), note)
    best = max(samples[f"loader alone, {_workers(number)}"].over(step) for number in workers)
    scaling = samples[f"loader alone, {_workers(2)}"].over(samples[f"loader alone, {_workers(1)}"])
    return Findings(
        [speed],
        [
            Bar(f"loader alone: at least {TIMES_STEP:g} x what the step takes", f"{best:.1f} x", best >= TIMES_STEP),
            Bar(
                f"loader alone: two workers at least {SCALING} x one, on two cores or more",
                f"{scaling:.2f} x on {cores()} cores",
                scaling >= SCALING,
            ),
        ],
    )


def loader_rate(loader: DataLoader[Batch]) -> float:
    """Images a second that a loader gives when nothing holds it up; the first batches were loaded ahead."""
    batches = iter(loader)
    for _ in range(AHEAD):
        next(batches)
    start = time.perf_counter()
    images = sum(len(months) for _, _, months in batches)
    return images / (time.perf_counter() - start)


def step_rate(batches: DataLoader[Batch], steps: int) -> float:
    """Images a second of `steps` steps of the training's own task, from the second on."""
    torch.manual_seed(0)
    net = BoneAgeNet(CONFIG.net)
    net.freeze(CONFIG.freeze)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    ends: list[float] = []  # of the steps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            limit_train_batches=steps,
            gradient_clip_val=CONFIG.clip,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[LambdaCallback(on_train_batch_end=lambda *_: ends.append(time.perf_counter()))],
        )
        trainer.fit(RegressorTask(net, CONFIG, 120.0, 40.0, steps), train_dataloaders=batches)
    return CONFIG.batch_size * (len(ends) - 1) / (ends[-1] - ends[0])


def _loader(crops: LabelledCrops, workers: int) -> DataLoader[Batch]:
    """The training's own loader, as the first epoch of the only process gets it."""
    loaders = CropLoaders(crops, crops, CONFIG, workers)
    loaders.trainer = SimpleNamespace(current_epoch=0, global_rank=0, world_size=1)  # pyright: ignore
    return loaders.train_dataloader()


def _sex_of(number: int) -> Sex:
    return "M" if number % 2 else "F"


def _crops(folder: Path, number: int) -> LabelledCrops:
    store = CropStore(folder, StoreKind(CROP_VERSION, SIZE, "drawn"))
    rng = np.random.default_rng(0)
    drawn = min(HANDS, number)
    months = rng.uniform(12, 210, drawn).astype(np.float32)
    hands = [synthetic_hand(float(age), _sex_of(k), k, (SIZE, SIZE)).pixels for k, age in enumerate(months)]
    pictures = [np.rint(hand * 255).astype(np.uint8) for hand in hands]
    keys = tuple(f"film-{k}" for k in range(number))
    rows = [StoredCrop(key, key, 1, 1, "ok", "", 300, 250, 900, 1500) for key in keys]
    store.append(rows, [pictures[k % drawn] for k in range(number)])
    sexes: tuple[Sex, ...] = tuple(_sex_of(k) for k in range(number))
    return LabelledCrops(store, keys, keys, sexes, np.resize(months, number))
