"""Cut a cohort's crops once and keep them: read, find the hand, crop, store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.cohort import Cohort, Film
from ..data.errors import FilmError, TrainingError, as_film_error
from ..data.progress import tracked
from ..data.radiograph import Radiograph
from ..data.read import read_radiograph
from ..data.remark import joined
from ..data.text import counted
from ..handseg.finder import Hand
from ..regressor.crop_store import CropStore, StoredCrop
from ..regressor.reader import BoneAgeReader
from ..regressor.training.dataset import LabelledCrops
from .predict.parallel import ahead, cores, in_batches

log = logging.getLogger(__name__)

BATCH = 4  # films that the segmenter takes together
SHARD = 512  # crops written together


class Finder(Protocol):
    """What cuts crops of `crop_size` pixels a side, as HandFinder does."""

    crop_size: int

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order."""
        ...


def cache_crops(cohort: Cohort, store: CropStore, finder: Finder) -> None:
    """Cut what `store` lacks of `cohort`; a film that cannot be read or holds no hand is stored as rejected.

    Batches are read and cut by a thread for each core. Written in shards, so a stopped run goes on where it was. A crop
    that is not what was stored is cut anew, and the log says so.
    """
    keyed = {store.key_of(film.path): film for film in cohort}
    damaged = {key for key in keyed if key in store and not store.is_whole(key)}
    if damaged:
        log.warning("%s: %s changed since stored, and cut anew", store.folder, counted(len(damaged), "crop"))
    todo = [(key, film) for key, film in keyed.items() if key in damaged or key not in store]
    there = f", {len(keyed) - len(todo):,} of which are there already" if len(todo) < len(keyed) else ""
    log.info("cutting crops of %s%s", counted(len(keyed), "film"), there)
    cut = chain.from_iterable(ahead(partial(_cut, finder=finder), in_batches(todo, BATCH), cores()))
    films = tracked("Cutting crops", cut, len(todo))
    for shard in in_batches(films, SHARD):
        rows, crops = zip(*shard, strict=True)
        store.append(rows, crops)
        log.info("%s are stored", counted(len(store), "crop"))


def labelled(cohort: Cohort, store: CropStore) -> LabelledCrops:
    """The cohort's cached crops with their labels, rejected films left out; TrainingError when none is left."""
    films = [(film, store.key_of(film.path)) for film in cohort]
    kept = [(film, key) for film, key in films if key in store and store.row(key).status != "rejected"]
    if len(kept) < len(films):
        log.warning("%d of %s left out: rejected or not cached", len(films) - len(kept), counted(len(films), "film"))
    if not kept:
        raise TrainingError(f"{cohort.name}: no film with a usable crop; see the reasons in {store.folder}")
    return LabelledCrops(
        store,
        tuple(key for _, key in kept),
        tuple(film.id for film, _ in kept),
        tuple(film.sex for film, _ in kept),
        np.array([film.bone_age_months for film, _ in kept], np.float32),
    )


def read_crops(
    reader: BoneAgeReader, crops: LabelledCrops, batch: int = 32, *, calibrated: bool = False
) -> NDArray[np.float64]:
    """What regressors read from crops with their own sex: bone age in months, as asked calibrated, float64 (n,)."""
    read = reader.months if calibrated else reader.raw_months
    films = list(zip(crops.keys, crops.sexes, strict=True))
    parts = tracked("Reading crops", in_batches(films, batch), -(-len(films) // batch))
    return np.concatenate([read([crops.store[key] for key, _ in part], [sex for _, sex in part]) for part in parts])


def _cut(films: Sequence[tuple[str, Film]], finder: Finder) -> list[tuple[StoredCrop, NDArray[np.uint8]]]:
    """A row and a crop for each film with its key, blank where the film is rejected."""
    found = _found([film for _, film in films], finder)
    blank = np.zeros((finder.crop_size, finder.crop_size), np.uint8)
    return [
        (_row(key, film, hand), hand.crop.pixels if isinstance(hand, Hand) and hand.crop else blank)
        for (key, film), hand in zip(films, found, strict=True)
    ]


def _found(films: Sequence[Film], finder: Finder) -> list[Hand | FilmError]:
    """The hand of each film, or what is wrong with that film."""
    read = [_read(film) for film in films]
    hands = iter(_hands([film for film in read if isinstance(film, Radiograph)], finder))
    return [next(hands) if isinstance(film, Radiograph) else film for film in read]


def _read(film: Film) -> Radiograph | FilmError:
    try:
        return read_radiograph(film.path)
    except FilmError as error:
        return error


def _hands(films: Sequence[Radiograph], finder: Finder) -> list[Hand | FilmError]:
    """The hands of several films at once or, where that fails, of each film alone, so that an error is that film's."""
    try:
        return [*finder.find(films)]
    except BaseException as error:
        fault = as_film_error(films[0].source, error)
    return [fault] if len(films) == 1 else [hand for film in films for hand in _hands([film], finder)]


def _row(key: str, film: Film, hand: Hand | FilmError) -> StoredCrop:
    stat, box = Path(film.path).stat(), (0, 0, 0, 0)
    if isinstance(hand, FilmError):
        status, reasons = "rejected", str(hand)
    else:
        status, reasons = hand.verdict.status, joined(hand.verdict.reasons)
        box = hand.box.as_tuple() if hand.box else box
    return StoredCrop(key, str(film.path), stat.st_size, stat.st_mtime_ns, status, reasons, *box)
