"""Teach a finished segmenter the rotation of a hand: one linear layer on the maps of its frozen encoder.

Radiographs, which are taken to be upright, are rotated by quarter turns; the few that are not upright are left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...data.augment import MaskPolicy
from ...data.errors import BoneAgeError
from ...data.progress import tracked
from ...data.read import read_radiograph
from ...data.text import counted
from ..config import RotationConfig, SegmenterConfig
from ..geometry import rotated
from ..letterbox import letterbox
from ..network import ROTATIONS, inputs_of, rotation_head

log = logging.getLogger(__name__)

HELD_OUT = 10  # one film in so many measures the head and does not teach it


def learn_rotations(net: nn.Module, films: Sequence[Path], config: SegmenterConfig) -> dict[str, Any]:
    """Give `net`, from build_unet and trained, its head for the hand's rotation, in place; no other tensor changes.

    `films`: radiographs, nearly all upright, of which `config.turn.films` are drawn. Returns the figure for the
    weights' header, the share of held-out views classified correctly; no head and none with fewer than HELD_OUT films.
    """
    rng = np.random.default_rng(config.seed)
    policy = MaskPolicy(quarter_turns=0)
    order = rng.permutation(len(films))[: config.turn.films]
    net.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    unet: Any = net
    head = rotation_head(unet.encoder.out_channels[-1], config.turn.grid)
    pool, rows = head[:-1], []
    for k in tracked("Reading films", order, len(order)):
        try:
            square, _ = letterbox(read_radiograph(films[k]).pixels, config.input_size)
        except BoneAgeError as error:
            log.warning("left out: %s", error)
            continue
        with torch.no_grad():
            rows.append(pool(unet.encoder(_views(square, policy, rng))[-1]))
    if len(rows) < HELD_OUT:
        log.warning(
            "%s: too few to learn the rotation of hands; rotated ones will not be noticed", counted(len(rows), "film")
        )
        return {}
    features = torch.stack(rows).float()  # films x ROTATIONS x features
    held, taught = features[::HELD_OUT], features[torch.arange(len(features)) % HELD_OUT > 0]
    kept = taught[_upright(taught, config)]
    log.info("%d of %d films taken to be upright", len(kept), len(taught))
    head[-1] = _fitted(kept, config.turn, config.seed)
    unet.classification_head = head.eval()
    with torch.no_grad():
        right = (head[-1](held).argmax(-1) == torch.arange(ROTATIONS)).float().mean()
    return {
        "turn_accuracy": {"value": float(right), "n": held.shape[0] * ROTATIONS, "split": "views of held-out films"}
    }


def _views(square: NDArray[np.uint8], policy: MaskPolicy, rng: np.random.Generator) -> torch.Tensor:
    """A letterboxed film rotated clockwise by 0 to 3 quarter turns, each augmented anew, as the network's input."""
    cv2.setNumThreads(1)
    views = []
    for rotation in range(ROTATIONS):
        picture, _ = policy(square, np.zeros_like(square), int(rng.integers(2**31)))
        # the same stretch of grey levels as at inference, after everything that changed them
        picture, _ = letterbox(np.divide(picture, 255, dtype=np.float32), len(square))
        views.append(rotated(picture, -rotation))
    return inputs_of(views)


def _upright(features: torch.Tensor, config: SegmenterConfig) -> torch.Tensor:
    """Which films are upright, by the predictions of a head fitted on the other half for their four views."""
    kept = torch.zeros(len(features), dtype=torch.bool)
    for half in (0, 1):
        layer = _fitted(features[1 - half :: 2], config.turn, config.seed)
        with torch.no_grad():
            right = layer(features[half::2]).softmax(-1).diagonal(dim1=1, dim2=2)
        kept[half::2] = right.mean(1) > 0.5
    return kept if kept.any() else ~kept


def _fitted(features: torch.Tensor, config: RotationConfig, seed: int) -> nn.Linear:
    """A layer from features (films x ROTATIONS x features, view k rotated k times) to logits of the rotation.

    It is fitted on features scaled to mean 0 and SD 1, then rescaled to take them as they are.
    """
    inputs, rotations = features.flatten(0, 1), torch.arange(ROTATIONS).repeat(len(features))
    mean, scale = inputs.mean(0), inputs.std(0) + 1e-3
    inputs = (inputs - mean) / scale
    layer = nn.Linear(inputs.shape[1], ROTATIONS)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    batches = -(-len(inputs) // config.batch_size)
    optimiser = torch.optim.AdamW(layer.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.epochs * batches, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(inputs), generator=generator).split(config.batch_size):
            loss = nn.functional.cross_entropy(layer(inputs[chosen]), rotations[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        layer.weight.div_(scale)
        layer.bias.sub_(layer.weight @ mean)
    return layer
