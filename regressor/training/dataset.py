"""Labelled crops as training examples: one a film, augmented by (seed, epoch, film) alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from ...data.augment import Policy
from ...data.resize import resize_square
from ...data.sex import Sex
from ..config import Stage
from ..crop_store import CropStore
from ..network import SEX_CODING

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # crops uint8 (n, s, s), coded sexes, bone age in months


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """Crops of a cohort, with `keys` into the store, ids, sexes, and bone ages in months (n,)."""

    store: CropStore
    keys: tuple[str, ...]
    ids: tuple[str, ...]
    sexes: tuple[Sex, ...]
    months: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, size: int) -> NDArray[np.uint8]:
        """All crops without augmentation, uint8, n x size x size."""
        return np.stack([resize_square(self.store[key], size) for key in self.keys])


class CropSet(Dataset[Batch]):
    """Examples addressed by (epoch, index): the crop at the stage's size, augmented, with its sex and label."""

    def __init__(self, crops: LabelledCrops, stage: Stage, augmentation: str, seed: int) -> None:
        """`augmentation` "none" gives the crops as they are, whatever the epoch."""
        self.crops, self.stage, self.seed = crops, stage, seed
        self.policy = Policy(augmentation, stage.strength)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, address: tuple[int, int]) -> Batch:
        epoch, index = address
        cv2.setNumThreads(0)  # one thread a worker; OpenCV's own pool would fight the others
        crop = resize_square(np.asarray(self.crops.store[self.crops.keys[index]]), self.stage.size)
        seed = int(np.random.SeedSequence((self.seed, epoch, index)).generate_state(1)[0] >> 1)
        crop = self.policy(crop, seed)
        return (
            torch.from_numpy(np.array(crop)),  # a copy: the store's pages are read-only
            torch.tensor(SEX_CODING[self.crops.sexes[index]]),
            torch.tensor(self.crops.months[index]),
        )


class EpochOrder(Sampler[tuple[int, int]]):
    """The order of one epoch as (epoch, index), shared out over the processes of a distributed run.

    The order depends on (seed, epoch) alone. Films at its end that fill no batch on every process are left out.
    """

    def __init__(
        self, length: int, epoch: int, seed: int | None, rank: int = 0, world: int = 1, start: int = 0
    ) -> None:
        """`seed` None: films in their order. `start`: films of this process that are done; the length counts them."""
        self.length, self.epoch, self.seed, self.rank, self.world = length, epoch, seed, rank, world
        self.start = start

    def __len__(self) -> int:
        return (self.length - self.rank + self.world - 1) // self.world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self.seed is None:
            order = np.arange(self.length)
        else:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        return ((self.epoch, int(index)) for index in order[self.rank :: self.world][self.start :])
