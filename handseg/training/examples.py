"""Training examples for the segmenter: pools of pictures with masks, and the dataset that draws from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ...data.augment import MaskPolicy
from ...data.errors import TrainingError
from ...data.read import read_radiograph
from ...data.synthetic import synthetic_hand
from ..config import Shares
from ..geometry import SquareFit, whole_frame
from ..letterbox import letterbox
from .compose import empty_picture, finish, paste_hand

Example = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # picture and 0/1 mask, both size x size


def read_cutouts(folder: str | Path, size: int) -> list[Example]:
    """Hands without background: `folder/images/*` with masks of the same stem in `folder/masks/`."""
    folder = Path(folder)
    masks = {path.stem: path for path in (folder / "masks").iterdir()} if (folder / "masks").is_dir() else {}
    examples = []
    for path in sorted((folder / "images").glob("*")):
        if path.stem not in masks:
            raise TrainingError(f"{path}: no mask with this name in {folder / 'masks'}")
        pixels = read_radiograph(path, correct_inversion=False).pixels
        mask = read_radiograph(masks[path.stem], correct_inversion=False).pixels > 0.5
        if mask.shape != pixels.shape:
            raise TrainingError(f"{masks[path.stem]}: {mask.shape} pixels, expected {pixels.shape} as {path.name} has")
        fit = SquareFit(whole_frame(*pixels.shape), size, pixels.shape)
        square = np.rint(fit.apply(pixels) * 255).astype(np.uint8)
        examples.append((square, (fit.apply(mask.view(np.uint8)) >= 0.5).astype(np.uint8)))
    if not examples:
        raise TrainingError(f"{folder}: no cut-out hands; expected pictures in {folder / 'images'}")
    return examples


def draw_synthetic(count: int, size: int, seed: int) -> list[Example]:
    """Synthetic hands of all ages and both sexes, without the SYNTHETIC mark, so that it is not learnt."""
    rng = np.random.default_rng(seed)
    height = max(size, 120)  # whose width, 96, is the least that can be drawn
    examples = []
    for index in range(count):
        sex = "F" if index % 2 else "M"
        hand = synthetic_hand(float(rng.uniform(6, 216)), sex, seed + index, (height, height * 4 // 5), label=False)
        square, fit = letterbox(hand.pixels, size)
        examples.append((square, (fit.apply(hand.mask) >= 0.5).astype(np.uint8)))
    return examples


@dataclass(frozen=True)
class Pools:
    """Pictures with masks to draw from; `films` are real radiographs with the masks of the round before."""

    cutouts: Sequence[Example]
    synthetic: Sequence[Example]
    films: Sequence[Example]


class SegmentationSet(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Examples as functions of (seed, index) alone: float32 picture in [0, 1] and 0/1 mask, each 1 x size x size."""

    def __init__(self, pools: Pools, shares: Shares, size: int, length: int, seed: int) -> None:
        """`length` examples drawn from `pools` by `shares`; a share whose pool is empty is given to the others."""
        drawn = {
            kind: share
            for kind, share in asdict(shares).items()
            if share > 0 and (kind == "empty" or getattr(pools, kind))
        }
        self.kinds, self.odds = list(drawn), np.array(list(drawn.values())) / sum(drawn.values())
        self.pools, self.size, self.length, self.seed = pools, size, length, seed
        self.policy = MaskPolicy()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= index < self.length:
            raise IndexError(index)
        cv2.setNumThreads(0)
        rng = np.random.default_rng((self.seed, index))
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self.odds))]
        picture, mask = self._draw(kind, rng)
        picture, mask = self.policy(picture, mask, int(rng.integers(2**31)))
        # the same stretch of grey levels as at inference, after everything that changed them
        picture = letterbox(np.divide(picture, 255, dtype=np.float32), self.size)[0]
        return torch.from_numpy(picture)[None].float() / 255, torch.from_numpy(mask)[None].float()

    def _draw(self, kind: str, rng: np.random.Generator) -> Example:
        if kind == "empty":
            return empty_picture(self.size, rng), np.zeros((self.size, self.size), np.uint8)
        pool: Sequence[Example] = getattr(self.pools, kind)
        picture, mask = pool[int(rng.integers(len(pool)))]
        if kind == "cutouts":
            return paste_hand(picture, mask, rng), mask
        return (finish(picture, rng) if rng.random() < 0.5 else picture), mask
