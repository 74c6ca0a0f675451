"""Cut a cohort's crops once and keep them: read, find the hand, crop, store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.cohort import Cohort, Film
from ..data.errors import BoneAgeError, TrainingError
from ..data.radiograph import Radiograph
from ..data.read import read_radiograph
from ..data.remark import joined
from ..data.sex import Sex
from ..handseg.finder import Hand
from ..regressor.crop_store import CropStore, StoredCrop
from ..regressor.network import SEX_CODING
from ..regressor.reader import BoneAgeReader
from ..regressor.training.dataset import LabelledCrops

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 16  # films segmented together
SHARD = 512  # crops written together


class Finder(Protocol):
    """What cuts crops of `crop_size` pixels a side, as HandFinder does."""

    crop_size: int

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order."""
        ...


def cache_crops(cohort: Cohort, store: CropStore, finder: Finder) -> None:
    """Cut what `store` lacks of `cohort`; a film that cannot be read or holds no hand is stored as rejected.

    Written in shards, so a stopped run goes on where it was.
    """
    keyed = {store.key_of(film.path): film for film in cohort}
    todo = [(key, film) for key, film in keyed.items() if key not in store]
    log.info("%d of %d films are cached already", len(keyed) - len(todo), len(cohort))
    rows: list[StoredCrop] = []
    crops: list[np.ndarray] = []
    blank = np.zeros((finder.crop_size, finder.crop_size), np.uint8)
    with ThreadPoolExecutor(2) as pool:
        parts = list(_batches(todo, BATCH))
        coming = [pool.map(_read, [film for _, film in part]) for part in parts[:2]]  # reads ahead by one batch
        for number, part in enumerate(parts):
            readings = list(coming.pop(0))
            coming += [pool.map(_read, [film for _, film in after]) for after in parts[number + 2 : number + 3]]
            hands = iter(finder.find([r for r in readings if isinstance(r, Radiograph)]))
            for (key, film), reading in zip(part, readings, strict=True):
                hand = next(hands) if isinstance(reading, Radiograph) else None
                rows.append(_row(key, film, hand, "" if hand else str(reading)))
                crops.append(hand.crop.pixels if hand and hand.crop else blank)
            if len(rows) >= SHARD:
                store.append(rows, crops)
                log.info("%d films cached", len(store))
                rows, crops = [], []
    if rows:
        store.append(rows, crops)


def labelled(cohort: Cohort, store: CropStore) -> LabelledCrops:
    """The cohort's cached crops with their labels, rejected films left out; TrainingError when none is left."""
    films = [(film, store.key_of(film.path)) for film in cohort]
    kept = [(film, key) for film, key in films if key in store and store.row(key).status != "rejected"]
    if len(kept) < len(films):
        log.warning("%d of %d films left out: rejected or not cached", len(films) - len(kept), len(films))
    if not kept:
        raise TrainingError(f"{cohort.name}: no film with a usable crop; see the reasons in {store.folder}")
    return LabelledCrops(
        store,
        tuple(key for _, key in kept),
        tuple(film.id for film, _ in kept),
        np.array([SEX_CODING[film.sex] for film, _ in kept], np.float32),
        np.array([film.bone_age_months for film, _ in kept], np.float32),
    )


def sexes_of(crops: LabelledCrops) -> list[Sex]:
    """The sex of each crop's child."""
    return ["M" if code == SEX_CODING["M"] else "F" for code in crops.sexes]


def read_crops(reader: BoneAgeReader, crops: LabelledCrops, batch: int = 32) -> NDArray[np.float64]:
    """What a regressor reads from crops with their own sex: uncalibrated bone age in months, float64 (n,)."""
    sexes = sexes_of(crops)
    months = [
        reader.raw_months([crops.store[key] for key in crops.keys[start : start + batch]], sexes[start : start + batch])
        for start in range(0, len(crops), batch)
    ]
    return np.concatenate(months)


def _read(film: Film) -> Radiograph | BoneAgeError:
    cv2.setNumThreads(1)
    try:
        return read_radiograph(film.path)
    except BoneAgeError as error:
        return error


def _row(key: str, film: Film, hand: Hand | None, failure: str) -> StoredCrop:
    stat = Path(film.path).stat()
    box = hand.box.as_tuple() if hand and hand.box else (0, 0, 0, 0)
    status, reasons = (hand.verdict.status, joined(hand.verdict.reasons)) if hand else ("rejected", failure)
    return StoredCrop(key, str(film.path), stat.st_size, stat.st_mtime_ns, status, reasons, *box)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
