"""Radiographs to read: drawn hands as PNGs of a usual size, and folders of any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import kornia_rs
import numpy as np
from PIL import Image

from boneage.data.synthetic import synthetic_hand

SIZE = (2000, 1500)  # height and width, about those of RSNA's films
AGES = (36.0, 72.0, 96.0, 120.0, 144.0, 168.0, 192.0, 210.0)  # bone age in months
SEX = "F"


def draw(folder: Path, films: int = len(AGES)) -> tuple[Path, ...]:
    """The first `films` of eight drawn radiographs, 8-bit PNGs of SIZE."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{age:.0f}.png" for age in AGES[:films])
    for seed, (age, path) in enumerate(zip(AGES, paths, strict=False)):
        hand = synthetic_hand(age, SEX, seed, SIZE)
        Image.fromarray(np.rint(hand.pixels * 255).astype(np.uint8)).save(path)
    return paths


def folder_of(films: Sequence[Path], number: int, folder: Path) -> Path:
    """A folder of `number` films, which are links to `films`."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(number):
        (folder / f"{place:05d}.png").symlink_to(films[place % len(films)])
    return folder


def folder_of_others(films: Sequence[Path], number: int, folder: Path) -> Path:
    """A folder of `number` films that differ in two pixels from `films` and from each other, so that each is read."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [np.asarray(Image.open(path)) for path in films]
    for place in range(number):
        picture = pictures[place % len(films)].copy()
        picture[0, :2] = divmod(place, 256)
        Image.fromarray(picture).save(folder / f"{place:05d}.png", compress_level=1)
    return folder


def decode(path: Path) -> None:
    """The PNG decoder alone."""
    kornia_rs.io.read_image_png_u8(str(path), "mono")
