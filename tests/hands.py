"""Drawn hands for tests: as pictures, as files, and as maps that a segmenter would give."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from boneage.data.sex import Sex
from boneage.data.synthetic import SyntheticHand, synthetic_hand
from boneage.handseg.letterbox import letterbox
from boneage.handseg.segmenter import HandMap

SIZE = 192  # side of the letterboxed square


def write(path: Path, pixels: np.ndarray) -> Path:
    """Store a picture of floats in [0, 1] as 8 bits."""
    cv2.imwrite(str(path), np.rint(pixels * 255).astype(np.uint8))
    return path


def sex_of(number: int) -> Sex:
    """Give girls and boys in turn."""
    return "M" if number % 2 else "F"


def write_hand(path: Path, months: float, sex: Sex, seed: int, size: tuple[int, int], *, label: bool = False) -> Path:
    """Draw a hand (`synthetic_hand`) and store it as 8 bits."""
    return write(path, synthetic_hand(months, sex, seed, size, label=label).pixels)


def view_of(pixels: np.ndarray, mask: np.ndarray, certainty: float = 0.99, rotation: int = 0) -> HandMap:
    """Give the map of a segmenter that finds exactly `mask`, and is that certain of it."""
    square, fit = letterbox(pixels.astype(np.float32), SIZE, rotation)
    found = fit.apply(mask.astype(np.uint8) * 255) > 127
    return HandMap(square, np.where(found, (1 + certainty) / 2, 0.0).astype(np.float32), fit, float(found.any()))


def placed(
    hand: SyntheticHand, size: tuple[int, int], where: tuple[int, int], scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Place the hand without its surroundings on a larger dark film; `where` is (row, column) of its corner."""
    pixels = 0.1 + np.random.default_rng(0).normal(0, 0.01, size)
    mask = np.zeros(size, np.uint8)
    small = cv2.resize(hand.pixels * hand.mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    shape = cv2.resize(hand.mask, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_NEAREST)
    rows, columns = slice(where[0], where[0] + small.shape[0]), slice(where[1], where[1] + small.shape[1])
    mask[rows, columns] = shape
    pixels[rows, columns] = np.where(shape > 0, 0.3 + 0.6 * small, pixels[rows, columns])
    return pixels.astype(np.float32), mask
