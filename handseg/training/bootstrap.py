"""Train the segmenter without hand-drawn masks: classical masks first, then rounds of predict, filter, retrain.

After the last round, heads are fitted on the encoder: one for the rotation of the hand, one for what a film shows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import CSVLogger
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn
from torch.utils.data import DataLoader

from ...data.config import config_values, load_config, save_config
from ...data.errors import BoneAgeError, TrainingError, one_line
from ...data.files import MARK, refuse_foreign, whole_file
from ...data.progress import progress, tracked
from ...data.read import read_radiograph
from ...data.text import counted
from ...weights.checksums import load_whole
from ...weights.fitting import OwnStops, stops_told
from ...weights.header import Header
from ...weights.weights_file import load_net
from ..config import SegmenterConfig
from ..heads import SECOND
from ..letterbox import letterbox
from ..network import HandUNet, build_from, build_unet, normalise, save_segmenter, start_from_imagenet
from ..quality import certainty, solidity
from ..segmenter import HandMap, HandSegmenter
from .classical import classical_mask
from .content_examples import listed_pictures
from .content_training import learn_contents
from .examples import Example, Pools, SegmentationSet, draw_synthetic, read_cutouts
from .missing_training import learn_missing
from .orientation_head import learn_rotations
from .wrists import Wrist

log = logging.getLogger(__name__)

HELD_OUT_CUTOUTS = 7  # of the cut-out hands, for the validation figure; the rest train
SYNTHETIC_HANDS = 400
TAUGHT_AGREEMENT = 0.95  # intersection over union of a mask with the mirrored film's mask
CERTAIN = 0.86  # as quality.certainty measures it; the first round reaches 0.81 to 0.91
# Wider than quality.py's limits, so that small and large hands teach too, but no fragments and no whole frames.
LEARNT_AREA, LEARNT_SHAPE = (0.05, 0.55), (0.40, 0.92)


class SegmenterTask(L.LightningModule):
    """One round's training: binary cross-entropy plus Dice, AdamW, one cosine; validation logs IoU."""

    def __init__(self, net: nn.Module, config: SegmenterConfig) -> None:
        super().__init__()
        self.net, self.config = net, config
        self.entropy, self.dice = nn.BCEWithLogitsLoss(), DiceLoss("binary")

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Loss of one batch: pictures in [0, 1] and masks, n x 1 x size x size."""
        pictures, masks = batch
        logits = self.net(normalise(pictures).contiguous(memory_format=torch.channels_last))
        loss = self.entropy(logits, masks) + self.dice(logits, masks)
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Log the mean intersection over union; an empty mask found empty counts as 1."""
        pictures, masks = batch
        found = self.net(normalise(pictures).contiguous(memory_format=torch.channels_last)) > 0
        truth = masks > 0.5
        both, either = (found & truth).sum((1, 2, 3)), (found | truth).sum((1, 2, 3))
        self.log("iou", torch.where(either > 0, both / either.clamp(min=1), 1.0).mean(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with 10 % warm-up, then a cosine to zero over the round."""
        optimiser = torch.optim.AdamW(
            self.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.config.learning_rate, total_steps=self.config.steps, pct_start=0.1
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_segmenter(
    films: Sequence[Path],
    cutouts: str | Path | None,
    out: str | Path,
    config: SegmenterConfig = SegmenterConfig(),
    *,
    data: dict[str, Any] | None = None,
    licence: str = "",
    workers: int = 1,
    negatives: str | Path | None = None,
    wrists: Mapping[Path, Wrist] | None = None,
) -> Path:
    """Bootstrap a segmenter from unlabelled `films` and cut-out hands; write `out/segmenter.safetensors`.

    `cutouts`: folder with `images/` and `masks/`, may be None. `negatives`: folder of pictures that are no whole hand,
    as `content_examples.listed_pictures` reads it; without it the net has no head for what a film shows. `wrists`: as
    for `learn_missing`. `data` and `licence` go into the weights' header. Finished rounds are kept in `out`, so a run
    that was stopped goes on with the next round. Returns the weights file.
    Raises TrainingError when there is nothing to learn from or `out` holds another configuration's run.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    _same_run(config, out)
    L.seed_everything(config.seed, verbose=False)
    net = build_unet(config.encoder, config.decoder_channels)
    if config.imagenet:
        start_from_imagenet(net.encoder)
    hands = read_cutouts(cutouts, config.input_size) if cutouts else []
    kept, held = hands[: -HELD_OUT_CUTOUTS or None], hands[-HELD_OUT_CUTOUTS:]
    synthetic = draw_synthetic(SYNTHETIC_HANDS, config.input_size, config.seed)
    validation = SegmentationSet(Pools(held, synthetic[-20:], []), config.shares, config.input_size, 96, config.seed)
    figures: dict[str, float] = {}
    for number in range(config.rounds):
        stored = out / f"round-{number}.pt"
        if stored.exists():
            figures = _load_round(stored, net)
            log.info("round %d: already done, IoU %.4f", number, figures["iou"])
            continue
        labelled = _labelled_films(_drawn(films, config, number), net if number else None, config)
        log.info("round %d: %s with masks that passed the filter", number, counted(len(labelled), "film"))
        if not _enough(labelled, kept, films, number, config):
            break
        seed, films_a_round = config.seed + 1000 * (number + 1), config.steps * config.batch_size
        pools = Pools(kept, synthetic[:-20], labelled)
        training = SegmentationSet(pools, config.shares, config.input_size, films_a_round, seed)
        figures = _fit(SegmenterTask(net, config), training, validation, config, workers, out / f"round-{number}")
        log.info("round %d: IoU %.4f on held-out composites", number, figures["iou"])
        with whole_file(stored) as temporary:
            torch.save({"made_by": MARK, "state": net.state_dict(), "figures": figures}, temporary)
    header = Header(
        kind="segmenter",
        architecture="smp.Unet",
        arguments={"encoder": config.encoder, "decoder_channels": list(config.decoder_channels)},
        input_size=config.input_size,
        metrics={"composite_iou": {"value": figures["iou"], "n": len(validation), "split": "held-out cut-outs"}},
        data=data or {},
        recipe=config_values(config),
        licence=licence,
    )
    target = out / "segmenter.safetensors"
    header = with_missing(with_rotations(header, net, films, config), net, films, config, wrists)
    if negatives:
        header = with_contents(header, net, films, negatives, config, out)
    save_segmenter(target, header, net)
    return target


def _load_round(stored: Path, net: nn.Module) -> dict[str, float]:
    """Give the net the weights of a finished round, and return its figures; TrainingError where it is damaged."""
    what_to_do = "delete it, and its round is trained again"
    record = load_whole(stored, what_to_do)
    try:
        net.load_state_dict(record["state"])
        return dict(record["figures"])
    except Exception as error:  # of every kind, as what it may hold
        raise TrainingError(f"{stored}: is no round of this net ({one_line(error)}); {what_to_do}") from error


def _enough(
    labelled: Sequence[Any], cutouts: Sequence[Any], films: Sequence[Path], number: int, config: SegmenterConfig
) -> bool:
    """Whether a round has films to learn from. The first may have cut-out hands alone; TrainingError without both."""
    if not labelled and number:
        log.warning("round %d: no mask was sure enough to learn from; the round before stays", number)
        return False
    if not labelled and not cutouts:
        raise TrainingError(
            f"none of {min(len(films), config.films)} films got a plausible mask and there are no more than "
            f"{HELD_OUT_CUTOUTS} cut-out hands; give more with --cutouts"
        )
    return True


def with_rotations(header: Header, net: nn.Module, films: Sequence[Path], config: SegmenterConfig) -> Header:
    """Fit the head for the hand's rotation to a trained `net`, in place; return the `header` with its figures."""
    figure = learn_rotations(net, films, config)
    if not figure:
        return header
    return replace(
        header,
        arguments={**header.arguments, "turn_grid": config.turn.grid},
        metrics={**header.metrics, **figure},
        recipe={**header.recipe, "turn": config_values(config.turn)},
    )


def with_missing(
    header: Header,
    net: HandUNet,
    films: Sequence[Path],
    config: SegmenterConfig,
    wrists: Mapping[Path, Wrist] | None = None,
) -> Header:
    """Fit the head for what is missing of a hand to a trained `net`, in place; return the `header` with its figures."""
    figures = learn_missing(net, films, config, wrists)
    if not figures:
        return header
    size = config.input_size // 16, config.missing.hidden, config.missing.nets
    marked = {"marked_wrists": sum(film in wrists for film in films)} if wrists else {}
    return replace(
        header,
        arguments={**header.arguments, "missing": list(size)},
        half=sorted({*header.half, "missing_head."}),
        metrics={**header.metrics, **figures},
        data={**header.data, **marked},
        recipe={**header.recipe, "missing": config_values(config.missing)},
    )


def add_heads(
    weights: str | Path,
    films: Sequence[Path],
    negatives: str | Path | None,
    out: str | Path,
    config: SegmenterConfig,
    wrists: Mapping[Path, Wrist] | None = None,
) -> Path:
    """Fit heads to the segmenter in `weights`; write `out/segmenter.safetensors`.

    With `negatives` it is the head for what a film shows; without them, with `wrists` (as for `learn_missing`), and
    where there is none yet, that for what is missing of a hand. Masks do not change. WeightsError as `load_net`.
    """
    out = Path(out)
    target = out / "segmenter.safetensors"
    refuse_foreign(target)
    header, net = load_net(weights, "segmenter", build_from)
    out.mkdir(parents=True, exist_ok=True)
    if wrists or not negatives or net.missing_head is None:
        net.missing_head = None
        header = with_missing(header, net, films, config, wrists)
    if negatives:
        net.content_head = net.second = None
        header = with_contents(header, net, films, negatives, config, out)
    save_segmenter(target, header, net)
    return target


def with_contents(
    header: Header, net: HandUNet, films: Sequence[Path], negatives: str | Path, config: SegmenterConfig, out: Path
) -> Header:
    """Fit the head for what a film shows to a trained `net`, in place; return the `header` with its figures.

    The header names the sources of the `negatives` and the number of pictures of each. No other tensor changes. `out`:
    a folder that keeps the examples as the encoder computes them.
    """
    pictures = listed_pictures(negatives)
    figures = learn_contents(net, films, pictures, config, out / "examples.pt")
    assert net.content_head is not None
    second = net.second.head.hidden if net.second else 0
    return replace(
        header,
        arguments={**header.arguments, "content_hidden": net.content_head.hidden, SECOND: second},
        half=sorted({*header.half, "content_head.", "second."}),
        metrics={**header.metrics, **figures},
        data={**header.data, "negatives": dict(sorted(Counter(one.source for one in pictures).items()))},
        recipe={**header.recipe, "content": config_values(config.content)},
    )


def _same_run(config: SegmenterConfig, out: Path) -> None:
    """Store the configuration, or refuse to go on with a run made under another."""
    stored = out / "segmenter.yaml"
    if stored.exists() and load_config(SegmenterConfig, stored) != config:
        raise TrainingError(f"{out}: holds a run with another configuration ({stored}); give another folder")
    if not stored.exists():
        save_config(config, stored)


def _drawn(films: Sequence[Path], config: SegmenterConfig, number: int) -> list[Path]:
    """The films of a round: a seeded draw, another one each round."""
    order = np.random.default_rng((config.seed, number)).permutation(len(films))
    return [films[k] for k in order[: config.films]]


def _fit(
    task: SegmenterTask,
    training: SegmentationSet,
    validation: SegmentationSet,
    config: SegmenterConfig,
    workers: int,
    folder: Path,
) -> dict[str, float]:
    task.net.train().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    with progress("Training the segmenter", config.steps) as advance:
        trainer = L.Trainer(
            max_steps=config.steps,
            accelerator="auto",
            devices=1,
            logger=CSVLogger(folder, name=None, version=""),
            callbacks=[OwnStops(), LambdaCallback(on_train_batch_end=lambda *_: advance())],
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            check_val_every_n_epoch=1,
            log_every_n_steps=min(20, config.steps),
            num_sanity_val_steps=0,
        )
        with stops_told():
            trainer.fit(
                task,
                DataLoader(training, config.batch_size, num_workers=workers, persistent_workers=workers > 0),
                DataLoader(validation, config.batch_size),
            )
    task.net.cpu()
    return {"iou": float(trainer.callback_metrics["iou"])}


def _labelled_films(paths: Sequence[Path], net: nn.Module | None, config: SegmenterConfig) -> list[Example]:
    """Films with masks to learn from: classical ones without a network, its own where they pass the filter."""
    squares = []
    for path in tracked("Reading films", paths, len(paths)):
        try:
            squares.append(letterbox(read_radiograph(path).pixels, config.input_size))
        except BoneAgeError as error:
            log.warning("left out: %s", error)
    if net is None:
        found = ((square, classical_mask(square)) for square, _ in squares)
        return [(square, mask) for square, mask in found if mask is not None]
    segmenter = HandSegmenter.of(net, config.input_size)
    examples: list[Example] = []
    for start in range(0, len(squares), config.batch_size):
        part = squares[start : start + config.batch_size]
        sure = [view for view in segmenter.predict_squares(part) if _trustworthy(view)]
        examples += [(view.square, view.components[0].astype(np.uint8)) for view in sure]
    return examples


def _trustworthy(view: HandMap) -> bool:
    """Whether the network's mask of a film may teach: one hand of plausible shape, certain, the same in the mirror."""
    if len(view.components) != 1 or view.agreement < TAUGHT_AGREEMENT:
        return False
    mask = view.components[0]
    share, form = mask.sum() / view.fit.inside().sum(), solidity(mask.astype(np.uint8))
    plausible = LEARNT_AREA[0] <= share <= LEARNT_AREA[1] and LEARNT_SHAPE[0] <= form <= LEARNT_SHAPE[1]
    return plausible and certainty(view) >= CERTAIN
