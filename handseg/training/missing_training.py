"""Teach a finished segmenter how much of a hand lies outside the film: a head on a map of its frozen encoder.

Its examples are copies of radiographs of whole hands, cut off by known amounts. Where a hand ends at the wrist is known
best where someone marked it; the outline alone misses it by 8 % of the hand's length (one SD).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from ...data.progress import tracked
from ...data.text import counted
from ..config import MissingConfig, SegmenterConfig
from ..letterbox import letterbox
from ..missing_head import MAP, MissingHead
from ..network import inputs_of
from . import copies
from .content_examples import encoded, upright_film
from .copies import Film, Picture
from .wrists import Wrist

log = logging.getLogger(__name__)

HELD_OUT = 10  # one film in so many measures the head and does not teach it
RANGE = (-0.2, 0.6)  # lengths of the hand between which an amount teaches
RATE, DECAY, BEND = 2e-3, 2e-2, 0.03  # of AdamW; error up to which the loss is a square


def learn_missing(
    net: nn.Module, films: Sequence[Path], config: SegmenterConfig, wrists: Mapping[Path, Wrist] | None = None
) -> dict[str, Any]:
    """Give `net`, from build_unet and trained, its head for what is missing, in place; no other tensor changes.

    `films`: radiographs of whole hands, nearly all upright, of which `config.missing.films` are drawn. `wrists`: where
    the hand ends on some films; then these films alone teach. Returns figures for the weights' header: mean errors on
    copies of held-out films, in lengths of the hand. With fewer than HELD_OUT usable films `net` stays without the head
    and the figures are empty.
    """
    if wrists is not None:
        films = [path for path in films if path in wrists]
    cv2.setNumThreads(1)
    unet: Any = net.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    order = np.random.default_rng(config.seed).permutation(len(films))[: config.missing.films]
    rows = []
    for k in tracked("Reading films", order, len(order)):
        film = upright_film(unet, films[k], config.input_size)
        if film is not None:
            film = _marked(film, wrists[films[k]]) if wrists else film
            rows.append(_evidence(unet, film, np.random.default_rng((config.seed, 4, int(k))), config))
    if len(rows) < HELD_OUT:
        log.warning("%s: too few to learn what is missing of a hand", counted(len(rows), "film"))
        return {}
    held, taught = rows[::HELD_OUT], [row for k, row in enumerate(rows) if k % HELD_OUT]
    settings = config.missing
    head = MissingHead(unet.encoder.out_channels[MAP], config.input_size // 16, settings.hidden, settings.nets)
    features, hand, amounts = (torch.cat(part) for part in zip(*taught, strict=True))
    _fit(head, features, hand, amounts, settings, config.seed)
    unet.missing_head = head.eval()
    features, hand, amounts = (torch.cat(part) for part in zip(*held, strict=True))
    with torch.no_grad():
        errors = (head.judge(features.float(), hand.float()) - amounts).abs().mean(0)
    sides = ("fingertips", "left", "wrist", "right")
    return {
        f"missing_error_{side}": {"value": float(error), "n": len(amounts), "split": "copies of held-out films"}
        for side, error in zip(sides, errors, strict=True)
    }


def _marked(film: Film, wrist: Wrist) -> Film:
    """The film with the wrist where someone marked it."""
    height, width = film.picture.shape
    return replace(film, wrist=(wrist[0] * width, wrist[1] * height))


def _evidence(
    unet: Any, film: Film, rng: Generator, config: SegmenterConfig
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the head sees of copies of a film, in half precision, and the amounts that are missing."""
    squares, amounts = zip(*_copies(film, rng, config), strict=True)
    features, hand = MissingHead.evidence(*encoded(unet, inputs_of(squares)))
    return features.half().contiguous(), hand.half(), torch.from_numpy(np.stack(amounts)).clamp(*RANGE)


def _copies(film: Film, rng: Generator, config: SegmenterConfig) -> Iterator[tuple[Picture, NDArray[np.float32]]]:
    """Letterboxed copies, whole and cut off, with the amounts that are missing."""
    for _ in range(config.missing.copies):
        posed = copies.posed(film, rng)
        window = copies.cut_window(posed, rng) if rng.random() < 0.6 else copies.whole_window(posed, rng)
        if rng.random() < 0.35:  # beyond and before the wrist, whose place is hardest to tell
            top, _, _, length = posed.hand()
            below = posed.wrist[1] + rng.uniform(-0.25, 0.2) * length
            window[1] = int(np.clip(below, top + 0.25 * length, posed.mask.shape[0]))
        above, below, before, behind = window
        length = posed.hand()[3]
        if below - above < 0.2 * length or behind - before < 0.15 * length:
            window = [0, posed.mask.shape[0], 0, posed.mask.shape[1]]
        picture = copies.through(posed, window, rng, field=0.2, change=0.7, inverted=0.0)
        yield letterbox(picture, config.input_size)[0], copies.missing(posed, window)


def _fit(
    head: MissingHead,
    features: torch.Tensor,
    hand: torch.Tensor,
    amounts: torch.Tensor,
    config: MissingConfig,
    seed: int,
) -> None:
    """Fit the head, in place, with AdamW and one cycle, to features (n, channels, h, w) and amounts (n, 4)."""
    torch.manual_seed(seed)
    head.mean.copy_(features.float().mean((0, 2, 3)).reshape(-1, 1, 1))
    head.scale.copy_(features.float().std((0, 2, 3)).reshape(-1, 1, 1) + 1e-3)
    optimiser = torch.optim.AdamW(head.train().parameters(), RATE, weight_decay=DECAY)
    batches = -(-len(amounts) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=config.epochs * batches)
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(amounts)).split(config.batch_size):
            found = head.each(features[chosen].float(), hand[chosen].float())
            wanted = amounts[chosen, None].expand_as(found)
            loss = head.nets * nn.functional.smooth_l1_loss(found, wanted, beta=BEND)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
