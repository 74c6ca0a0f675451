"""Teach a finished segmenter what a film shows: fit a head on the maps of its frozen encoder, and of a second one."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ...data.files import MARK, whole_file
from ...weights.checksums import load_whole
from ..config import ContentConfig, SegmenterConfig
from ..content import REFUSED, SURE
from ..content_head import CONTENTS, ContentHead, evidence_of
from ..network import HandUNet, second_encoder, start_from_imagenet
from .content_examples import MADE, UNKNOWN, WHOLE, Encoded, Listed, encode_examples

log = logging.getLogger(__name__)

RATE, DECAY, SMOOTHING = 2e-3, 3e-2, 0.02
DROPPED = 0.3, 0.3  # shares of the evidence and of the hidden units that a step does without


def learn_contents(
    net: HandUNet, films: Sequence[Path], pictures: Sequence[Listed], config: SegmenterConfig, cache: Path
) -> dict[str, Any]:
    """Give `net`, from build_unet and trained, its head for what a film shows, in place; no other tensor changes.

    With `config.content.second` it gets its second encoder as well, which needs the extra train.

    `films`: radiographs of whole hands, nearly all upright, of which `config.content.films` are drawn. `cache`: a file
    that keeps the encoded examples, so that another head is fitted to the same ones in about a minute. Returns figures
    for the weights' header, measured on sources of pictures that did not teach.
    """
    if config.content.second:
        net.second = second_encoder()
        start_from_imagenet(net.second)
    unet: Any = net.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    encoded = _encoded(unet, films, pictures, config, cache)
    log.info("examples by content: %s", dict(Counter(encoded.content.tolist())))
    known = _known(encoded, unet, config)
    folds = _folds(encoded.sources, config.content.folds, config.seed)
    apart = [
        fitted(encoded, torch.where(folds == fold, UNKNOWN, known), unet, config)
        for fold in range(config.content.folds)
    ]
    logits = torch.zeros(len(known), CONTENTS)
    with torch.no_grad():
        for fold, head in enumerate(apart):
            logits[folds == fold] = head.judge(encoded.evidence[folds == fold].float())
    temperature = _temperature(logits[known >= 0], known[known >= 0])
    log.info("temperature %.2f", temperature)
    whole = (logits / temperature).softmax(1)[:, WHOLE]
    figures = {
        "others_taken_for_a_hand": _share(whole[known > WHOLE] > 0.5),
        "hands_not_taken_for_one": _share(whole[known == WHOLE] <= 0.5),
    }
    unet.content_head = _cooled(fitted(encoded, known, unet, config), temperature)
    return {**figures, "kinds": _by_kind(encoded, whole)}


def _encoded(
    unet: Any, films: Sequence[Path], pictures: Sequence[Listed], config: SegmenterConfig, cache: Path
) -> Encoded:
    """All examples encoded, read from `cache` where it holds the same ones."""
    weights = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in unet.state_dict().values())).hexdigest()
    examples = {name: value for name, value in asdict(config.content).items() if name not in _OF_THE_HEAD}
    names = [path.name for path in films], [picture.path.name for picture in pictures]
    key = json.dumps([weights, examples, config.input_size, config.seed, names])
    if cache.exists():
        stored = load_whole(cache, "delete it, and the pictures are encoded again")
        if stored.pop("made_by", MARK) == MARK and stored.pop("key") == key:
            return Encoded(**stored)
    encoded = encode_examples(unet, films, pictures, config)
    with whole_file(cache) as temporary:
        torch.save({"made_by": MARK, "key": key, **vars(encoded)}, temporary)
    return encoded


_OF_THE_HEAD = ("folds", "heads", "hidden", "epochs", "batch_size")  # settings that change no example


def _known(encoded: Encoded, unet: Any, config: SegmenterConfig) -> torch.Tensor:
    """The content of each example; a picture listed as a hand is whole where a head fitted on all others says so."""
    head = fitted(encoded, encoded.content, unet, config)
    with torch.no_grad():
        whole = head.judge(encoded.evidence.float()).softmax(1)[:, WHOLE] > 0.5
    called = torch.tensor([source != MADE for source in encoded.sources]) & (encoded.content == UNKNOWN)
    return torch.where(called & whole, WHOLE, encoded.content)


def _share(wrong: torch.Tensor) -> dict[str, Any]:
    return {"value": float(wrong.float().mean()), "n": len(wrong), "split": "copies, from sources that did not teach"}


def _folds(sources: Sequence[str], folds: int, seed: int) -> torch.Tensor:
    """A fold for each example: the pictures of a source are in one; drawings and copies are spread over all."""
    names = [name for name, _ in Counter(sources).most_common() if name != MADE]
    number = {name: k % folds for k, name in enumerate(names)}
    spread = np.random.default_rng(seed).integers(0, folds, len(sources))
    return torch.tensor([number.get(source, int(spread[k])) for k, source in enumerate(sources)])


def _temperature(logits: torch.Tensor, content: torch.Tensor) -> float:
    """The one of a grid that makes held-out probabilities likeliest."""
    grid = np.geomspace(0.5, 8.0, 60)
    losses = [float(nn.functional.cross_entropy(logits / t, content)) for t in grid]
    return float(grid[int(np.argmin(losses))])


def _cooled(head: ContentHead, temperature: float) -> ContentHead:
    """The head with its logits divided by a temperature, in place."""
    last: Any = head.layers[-1]
    with torch.no_grad():
        last.weight.div_(temperature)
        last.bias.div_(temperature)
    return head


def _by_kind(encoded: Encoded, whole: torch.Tensor) -> dict[str, dict[str, int]]:
    """Pictures as they are, by kind: number of sources, of pictures, and of those that are not refused and are sure.

    `whole`: the probability of a whole hand from a head that did not learn from the picture's source.
    """
    rows: dict[str, list[int]] = {}
    for number, kind in enumerate(encoded.kinds):
        rows.setdefault(kind, []).append(number)
    rows.pop("", None)
    return {
        kind: {
            "sources": len({encoded.sources[number] for number in numbers}),
            "n": len(numbers),
            "accepted": int((whole[numbers] >= REFUSED).sum()),
            "sure": int((whole[numbers] >= SURE).sum()),
        }
        for kind, numbers in sorted(rows.items())
    }


def fitted(encoded: Encoded, content: torch.Tensor, unet: Any, config: SegmenterConfig) -> ContentHead:
    """The mean of heads that are fitted to the examples with a known content, as one head.

    There are `config.content.heads` for each encoder, which see its features alone. They err on different pictures, so
    their mean errs less than heads that see the features of both.
    """
    taught = content >= 0
    evidence, content = encoded.evidence[taught].float(), content[taught]
    mean, scale = evidence.mean(0), evidence.std(0) + 1e-3
    inputs = ((evidence - mean) / scale).clamp(-6, 6)
    channels, settings = unet.content_channels, config.content
    parts = inputs.split([evidence_of(of) for of in channels], 1)
    seeds = range(config.seed, config.seed + settings.heads)
    layers = [[_fitted_layers(part, content, settings, seed) for seed in seeds] for part in parts]
    each = list(chain(*layers))
    head = ContentHead(list(chain(*channels)), settings.hidden * len(each))
    first, _, last = (cast(nn.Linear, layer) for layer in head.layers)
    with torch.no_grad():
        head.mean.copy_(mean)
        head.scale.copy_(scale)
        first.weight.copy_(torch.block_diag(*(torch.cat([one.weight for one, _ in of]) for of in layers)))
        first.bias.copy_(torch.cat([one.bias for one, _ in each]))
        last.weight.copy_(torch.cat([one.weight for _, one in each], 1) / len(each))
        last.bias.copy_(torch.stack([one.bias for _, one in each]).mean(0))
    return head.eval()


def _fitted_layers(
    inputs: torch.Tensor, content: torch.Tensor, config: ContentConfig, seed: int
) -> tuple[nn.Linear, nn.Linear]:
    """The two layers of a head fitted with AdamW and one cycle; every content counts as much as the others."""
    torch.manual_seed(seed)
    first, last = nn.Linear(inputs.shape[1], config.hidden), nn.Linear(config.hidden, CONTENTS)
    net = nn.Sequential(nn.Dropout(DROPPED[0]), first, nn.ReLU(), nn.Dropout(DROPPED[1]), last).train()
    counts = torch.bincount(content, minlength=CONTENTS).clamp(min=1)
    weights = counts.sum() / CONTENTS / counts
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    batches = -(-len(inputs) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=config.epochs * batches)
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(inputs)).split(config.batch_size):
            loss = nn.functional.cross_entropy(net(inputs[chosen]), content[chosen], weights, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return first, last
