"""Examples for the head that classifies what a film shows: films, other pictures, and copies of both.

Whole hands, and hands cut off by known amounts, are copies of radiographs. Parts of hands and pictures of other kinds
come from a folder. Every kind is altered in the same ways, so that the head does not learn how a picture was stored.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from ...data.errors import BoneAgeError, TrainingError
from ...data.progress import tracked
from ...data.read import read_radiograph
from ...data.synthetic import synthetic_hand
from ..config import SegmenterConfig
from ..content_head import CONTENTS, MAPS, ContentHead
from ..geometry import rotated
from ..letterbox import letterbox
from ..network import inputs_of
from ..shape import HandShape
from . import copies
from .compose import empty_picture
from .copies import Film, Picture

log = logging.getLogger(__name__)

WHOLE, PART, OTHER = range(CONTENTS)
UNKNOWN = -1  # content of a picture that measures the head and does not teach it
MADE = "made"  # source of drawings and of copies of radiographs
SIDE = 512  # pixels of the longer side, to which pictures are shrunk before they are copied
BATCH = 8
# Share of its length that a whole hand may lack, and those from which on it is part of a hand: at the fingertips, left,
# at the wrist, right.
NEARLY_WHOLE, IN_PART = 0.04, np.array([0.15, 0.20, 0.20, 0.20])
UPRIGHT = 0.8  # probability of it from which on a radiograph teaches; nearly all have more


@dataclass(frozen=True)
class Listed:
    """A picture of a folder; `content` is UNKNOWN for a picture listed as a hand, as many of these lack a part."""

    path: Path
    content: int
    source: str
    kind: str


@dataclass(frozen=True, eq=False)
class Example:
    """A letterboxed film and what it shows; `kind`: of a picture as it is, "" for drawings and copies."""

    square: NDArray[np.uint8]
    content: int
    source: str
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Examples as the heads take them, a row each: evidence (ContentHead.evidence), content, source and kind.

    `evidence`: for the segmenter's head, and for that of the second net where there is one; float16, n x numbers.
    """

    evidence: list[torch.Tensor]
    content: torch.Tensor
    sources: list[str]
    kinds: list[str]


def listed_pictures(folder: str | Path) -> list[Listed]:
    """The pictures that `folder/pictures.csv` lists. Raises TrainingError where its columns or files are missing.

    Columns: `file` (below the folder), `group` (nonhands or oddhands), `kind`, `repo` (the source). A kind of oddhands
    that begins with "hand" may be a whole hand; all others are parts of one. A lateral hand is neither.
    """
    folder = Path(folder)
    table = folder / "pictures.csv"
    try:
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        pictures = [
            Listed(folder / row["file"], _content(row["group"], row["kind"]), row["repo"], row["kind"])
            for row in rows
            if row["kind"] != "hand_lateral"
        ]
    except (OSError, KeyError) as error:
        raise TrainingError(
            f"{table}: cannot be used ({error!r}); expected the columns file, group, kind and repo"
        ) from error
    gone = [picture.path for picture in pictures if not picture.path.is_file()]
    if gone or not pictures:
        raise TrainingError(f"{table}: {len(gone)} of its {len(pictures)} pictures are missing, as {gone[:1]}")
    return pictures


def _content(group: str, kind: str) -> int:
    if group == "nonhands":
        return OTHER
    return UNKNOWN if kind.startswith("hand") else PART


def encode_examples(unet: Any, films: Sequence[Path], pictures: Sequence[Listed], config: SegmenterConfig) -> Encoded:
    """All examples as the frozen `unet` computes them."""
    cv2.setNumThreads(1)
    order = np.random.default_rng(config.seed).permutation(len(films))[: config.content.films]
    drawn = [films[k] for k in order]
    evidence, about = [], []
    examples = chain(_of_films(unet, drawn, config), _of_pictures(pictures, config), _drawn(config))
    while batch := list(islice(examples, BATCH)):
        evidence.append(_evidence(unet, [example.square for example in batch]))
        about += [(example.content, example.source, example.kind) for example in batch]
    if not evidence:
        raise TrainingError("no film and no picture could be read; nothing to learn from")
    together = [torch.cat(of_head) for of_head in zip(*evidence, strict=True)]
    content, sources, kinds = map(list, zip(*about, strict=True))
    return Encoded(together, torch.tensor(content), sources, kinds)


def _of_films(unet: Any, films: Sequence[Path], config: SegmenterConfig) -> Iterator[Example]:
    before: Film | None = None
    for number, path in enumerate(tracked("Copying films", films, len(films))):
        film = upright_film(unet, path, config.input_size)
        if film is None:
            continue
        rng = np.random.default_rng((config.seed, 1, number))
        for _ in range(config.content.copies):
            if example := _copy_of(film, before, config.input_size, rng):
                yield example
        before = film


def _of_pictures(pictures: Sequence[Listed], config: SegmenterConfig) -> Iterator[Example]:
    size, kinds = config.input_size, Counter(picture.kind for picture in pictures)
    for number, picture, greys in as_they_are(tracked("Copying pictures", pictures, len(pictures))):
        rng = np.random.default_rng((config.seed, 2, number))
        yield Example(letterbox(greys, size)[0], picture.content, picture.source, picture.kind)
        for _ in range(np.clip(config.content.kind // kinds[picture.kind], 2, config.content.picture_copies) - 1):
            copy = greys
            if rng.random() < 0.25:
                copy = copies.in_field(copy, (0, copy.shape[0], 0, copy.shape[1]), rng)
            copy = copies.altered(copy, rng, inverted=0.25)
            if picture.content == OTHER:
                copy = _rotated_and_cut(copy, rng)
            yield Example(letterbox(copy, size)[0], picture.content, picture.source)


def as_they_are(pictures: Iterable[Listed]) -> Iterator[tuple[int, Listed, Picture]]:
    """Pictures that can be used, with their numbers."""
    for number, picture in enumerate(pictures):
        if (greys := _greys(picture.path)) is not None:
            yield number, picture, greys


def _drawn(config: SegmenterConfig) -> Iterator[Example]:
    """Pictures without a hand, and a drawn hand for every fourth."""
    rng, size = np.random.default_rng((config.seed, 3)), config.input_size
    for number in range(config.content.made):
        yield Example(letterbox(empty_picture(size, rng), size)[0], OTHER, MADE)
        if number % 4 == 0:
            hand = synthetic_hand(
                float(rng.uniform(6, 216)), ("F", "M")[number % 8 // 4], number, (360, 288), label=False
            )
            drawn = copies.altered((hand.pixels * 255).astype(np.uint8), rng, inverted=0.0)
            yield Example(letterbox(drawn, size)[0], WHOLE, MADE)


@torch.no_grad()
def _evidence(unet: Any, squares: Sequence[NDArray[np.uint8]]) -> list[torch.Tensor]:
    """What letterboxed films give each head, float16, a row each."""
    inputs = inputs_of(squares)
    maps, hand = encoded(unet, inputs)
    own = ContentHead.evidence(maps[-MAPS:], hand)
    return [each.half() for each in (own, *([unet.second.evidence(inputs, hand)] if unet.second else []))]


@torch.no_grad()
def encoded(unet: Any, inputs: torch.Tensor) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
    """The encoder's maps of `inputs_of` films, and the probability of hand, float32 (n, 1, size, size)."""
    maps = unet.encoder(inputs)
    return maps, torch.sigmoid(unet.segmentation_head(unet.decoder(maps)))


def _greys(path: Path) -> Picture | None:
    """A picture as uint8, bone bright, of SIDE pixels at most; None where it cannot be used."""
    try:
        greys = read_radiograph(path).greys
    except BoneAgeError as error:
        log.warning("left out: %s", error)
        return None
    if max(greys.shape) > 8 * min(greys.shape):
        return None
    return copies.shrunk(np.asarray(greys if greys.dtype == np.uint8 else greys * 255, np.uint8), SIDE)


def upright_film(unet: Any, path: Path, size: int) -> Film | None:
    """A radiograph with its hand's mask and wrist; None where it is not upright or does not show the whole hand."""
    picture = _greys(path)
    if picture is None:
        return None
    square, fit = letterbox(picture, size)
    maps, hand = encoded(unet, inputs_of([square]))
    with torch.no_grad():
        rotations = unet.classification_head(maps[-1]).softmax(1)[0] if unet.classification_head else torch.ones(1)
    found = (hand[0, 0].numpy() > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=4)
    if count < 2 or rotations[0] < UPRIGHT:
        return None
    largest = (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    mask = (fit.back(largest.astype(np.float32)) > 0.5).astype(np.uint8)
    x, y = fit.to_original(np.array([HandShape(largest).wrist]))[0]
    film = Film(picture, mask, (float(x), float(y)))
    top, left, right, length = film.hand()
    whole = top > 1 and left > 1 and right < mask.shape[1] - 2 and y <= mask.shape[0] and length > 60
    return film if whole else None


def _rotated_and_cut(picture: Picture, rng: Generator) -> Picture:
    """A picture at any rotation, and at times only a part of it."""
    picture = rotated(picture, int(rng.choice(4, p=[0.4, 0.2, 0.2, 0.2])))
    if rng.random() < 0.3:
        height, width = picture.shape
        top, bottom, left, right = (rng.uniform(0, 0.25, 4) * (height, height, width, width)).astype(int)
        picture = np.ascontiguousarray(picture[top : height - bottom, left : width - right])
    return picture


def _copy_of(film: Film, other: Film | None, size: int, rng: Generator) -> Example | None:
    """One example from a film: whole, cut off, beside another hand, or changed into what is no radiograph of a hand."""
    film = copies.posed(film, rng)
    kind = rng.choice(["whole", "cut", "several", "changed"], p=[0.34, 0.42, 0.08, 0.16])
    if kind == "several":
        return _two_hands(film, other, size, rng)
    window = copies.cut_window(film, rng) if kind == "cut" else copies.whole_window(film, rng)
    gone = copies.missing(film, window)
    changed = _changed(film, rng) if kind == "changed" else film
    above, below, before, behind = window
    length = film.hand()[3]
    if changed is None or below - above < 0.2 * length or behind - before < 0.15 * length:
        return None
    picture = copies.through(changed, window, rng, field=0.3, change=0.85, inverted=0.06)
    if kind == "whole" and rng.random() < 0.06:  # rotated, it is still a whole hand
        return Example(letterbox(rotated(picture, int(rng.integers(1, 4))), size)[0], WHOLE, MADE)
    square = letterbox(picture, size)[0]
    if kind == "changed":
        return Example(square, OTHER, MADE)
    return Example(square, _content_of(gone), MADE)


def _changed(film: Film, rng: Generator) -> Film | None:
    """The outline of the hand with something else in it, or the hand with other digits; None where that fails."""
    changes = (copies.photographed, copies.without_bones, copies.other_digits, copies.outlined)
    return changes[int(rng.choice(4, p=[0.4, 0.22, 0.22, 0.16]))](film, rng)


def _content_of(gone: NDArray[np.float32]) -> int:
    """The content of a hand with such shares of its length missing."""
    if (gone > IN_PART).any():
        return PART
    return UNKNOWN if gone.max() > NEARLY_WHOLE else WHOLE


def _two_hands(film: Film, other: Film | None, size: int, rng: Generator) -> Example | None:
    if other is None or film.hand()[3] < 60:
        return None
    if rng.random() < 0.8:
        other = other.mirrored()
    pair = (film, other) if rng.random() < 0.5 else (other, film)
    picture = copies.altered(copies.side_by_side(pair, rng), rng, slant=False, inverted=0.04)
    return Example(letterbox(picture, size)[0], WHOLE, MADE)
