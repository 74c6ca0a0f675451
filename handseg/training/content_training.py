"""Teach a finished segmenter what a film shows: fit heads on the maps of its frozen encoder and of a second net's."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ...data.files import MARK, whole_file
from ...data.read import read_radiograph
from ...weights.checksums import load_whole
from ..config import ContentConfig, SegmenterConfig
from ..content import REFUSED
from ..content_head import CONTENTS, ContentHead, evidence_of
from ..finder import HandFinder
from ..network import HandUNet, start_from_imagenet
from ..quality import Status
from ..second_look import UNSURE
from ..second_net import SecondNet
from ..segmenter import HandMap, HandSegmenter
from .content_examples import MADE, UNKNOWN, WHOLE, Encoded, Listed, as_they_are, encode_examples

log = logging.getLogger(__name__)

RATE, DECAY, SMOOTHING = 2e-3, 3e-2, 0.02
DROPPED = 0.3, 0.3  # shares of the evidence and of the hidden units that a step does without


def learn_contents(
    net: HandUNet, films: Sequence[Path], pictures: Sequence[Listed], config: SegmenterConfig, cache: Path
) -> dict[str, Any]:
    """Give `net`, from build_unet and trained, its head for what a film shows, in place; no other tensor changes.

    With `config.content.second` it gets a SecondNet as well, which needs the extra train.

    `films`: radiographs of whole hands, nearly all upright, of which `config.content.films` are drawn. `cache`: a file
    that keeps the encoded examples, so that another head is fitted to the same ones in about a minute. Returns figures
    for the weights' header, measured on sources of pictures that did not teach.
    """
    settings = config.content
    if settings.second:
        net.second = SecondNet(settings.hidden * settings.heads)
        start_from_imagenet(net.second.encoder)
    unet: Any = net.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    encoded = _encoded(unet, films, pictures, config, cache)
    log.info("examples by content: %s", dict(Counter(encoded.content.tolist())))
    known = _known(encoded, config)
    folds = _folds(encoded.sources, settings.folds, config.seed)
    logits = [torch.zeros(len(known), CONTENTS) for _ in encoded.evidence]
    for fold in range(settings.folds):
        apart = fitted_heads(encoded, torch.where(folds == fold, UNKNOWN, known), config)
        for of_head, judged in zip(logits, _judged(apart, encoded), strict=True):
            of_head[folds == fold] = judged[folds == fold]
    together = torch.stack(logits).mean(0)
    temperature = _temperature(together[known >= 0], known[known >= 0])
    log.info("temperature %.2f", temperature)
    whole = _whole([of_head / temperature for of_head in logits])
    figures = {
        "others_taken_for_a_hand": _share(whole[known > WHOLE] > 0.5),
        "hands_not_taken_for_one": _share(whole[known == WHOLE] <= 0.5),
    }
    heads = [_cooled(head, temperature) for head in fitted_heads(encoded, known, config)]
    kinds = _by_kind(net, encoded, pictures, whole, config.input_size)
    unet.content_head = heads[0]
    if unet.second is not None:
        unet.second.head = heads[1]
    return {**figures, "kinds": kinds}


def _judged(heads: Sequence[ContentHead], encoded: Encoded) -> list[torch.Tensor]:
    """Logits of each example from each head."""
    with torch.no_grad():
        return [head.judge(evidence.float()) for head, evidence in zip(heads, encoded.evidence, strict=True)]


def _whole(logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """Probability of a whole hand of each example as a reading has it: by both heads where the first is unsure."""
    first, together = (of.softmax(1)[:, WHOLE] for of in (logits[0], torch.stack(list(logits)).mean(0)))
    return torch.where((first > UNSURE[0]) & (first < UNSURE[1]), together, first)


def _encoded(
    unet: Any, films: Sequence[Path], pictures: Sequence[Listed], config: SegmenterConfig, cache: Path
) -> Encoded:
    """All examples encoded, read from `cache` where it holds the same ones."""
    encoders = (tensor for name, tensor in unet.state_dict().items() if not name.startswith("second.head."))
    weights = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in encoders)).hexdigest()
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


def _known(encoded: Encoded, config: SegmenterConfig) -> torch.Tensor:
    """The content of each example; a picture listed as a hand is whole where heads fitted on all others say so."""
    heads = fitted_heads(encoded, encoded.content, config)
    whole = torch.stack(_judged(heads, encoded)).mean(0).softmax(1)[:, WHOLE] > 0.5
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


def _by_kind(
    net: HandUNet, encoded: Encoded, pictures: Sequence[Listed], whole: torch.Tensor, size: int
) -> dict[str, dict[str, int]]:
    """Pictures as they are, by kind: number of sources, of pictures, of those that heads do not refuse, and of those
    that then pass all other checks of a film (`aged`), some of them without a doubt (`ok`).

    `whole`: the probability of a whole hand from heads that did not learn from the picture's source.
    """
    rows: dict[str, list[int]] = {}
    for number, kind in enumerate(encoded.kinds):
        rows.setdefault(kind, []).append(number)
    rows.pop("", None)
    statuses = _statuses(net, encoded, pictures, whole, size)
    return {
        kind: {
            "sources": len({encoded.sources[number] for number in numbers}),
            "n": len(numbers),
            "accepted": int((whole[numbers] >= REFUSED).sum()),
            "aged": sum(statuses.get(number, "rejected") != "rejected" for number in numbers),
            "ok": sum(statuses.get(number) == "ok" for number in numbers),
        }
        for kind, numbers in sorted(rows.items())
    }


class _Told:
    """A segmenter that is told how likely each film is a whole hand."""

    def __init__(self, segmenter: HandSegmenter, whole: float) -> None:
        self.segmenter, self.contents = segmenter, np.array([whole, 0, 1 - whole], np.float32)

    def predict(self, *films: Any) -> list[HandMap]:
        return [replace(view, contents=self.contents) for view in self.segmenter.predict(*films)]


def _statuses(
    net: HandUNet, encoded: Encoded, pictures: Sequence[Listed], whole: torch.Tensor, size: int
) -> dict[int, Status]:
    """Status of each picture as it is that is not refused for what it shows, by its number among the examples."""
    segmenter = HandSegmenter.of(net, size)
    numbers = [number for number, kind in enumerate(encoded.kinds) if kind]
    statuses: dict[int, Status] = {}
    for number, (_, picture, _) in zip(numbers, as_they_are(pictures), strict=True):
        if whole[number] >= REFUSED:
            finder = HandFinder(cast("HandSegmenter", _Told(segmenter, float(whole[number]))), size)
            statuses[number] = finder.find([read_radiograph(picture.path)])[0].verdict.status
    return statuses


def fitted_heads(encoded: Encoded, content: torch.Tensor, config: SegmenterConfig) -> list[ContentHead]:
    """A head for each kind of evidence, fitted to the examples with a known content.

    They are fitted apart: heads that err on different pictures err less together than one that sees all evidence.
    """
    return [fitted(evidence, content, config) for evidence in encoded.evidence]


def fitted(evidence: torch.Tensor, content: torch.Tensor, config: SegmenterConfig) -> ContentHead:
    """The mean of `config.content.heads` heads that are fitted to the examples with a known content, as one head."""
    taught, settings = content >= 0, config.content
    evidence, content = evidence[taught].float(), content[taught]
    mean, scale = evidence.mean(0), evidence.std(0) + 1e-3
    inputs = ((evidence - mean) / scale).clamp(-6, 6)
    seeds = range(config.seed, config.seed + settings.heads)
    each = [_fitted_layers(inputs, content, settings, seed) for seed in seeds]
    head = ContentHead([len(mean) // evidence_of([1])], settings.hidden * len(each))
    first, _, last = (cast(nn.Linear, layer) for layer in head.layers)
    with torch.no_grad():
        head.mean.copy_(mean)
        head.scale.copy_(scale)
        first.weight.copy_(torch.cat([one.weight for one, _ in each]))
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
