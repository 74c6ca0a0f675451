"""Radiograph-safe augmentation by name; the only module that knows albumentations.

No policy solarises, posterises, colours or mirrors a hand vertically: the bones must stay recognisable. Horizontal
mirroring is safe, since left and right hands have the same bone age on average. Every call takes its own seed, so the
augmentation of a film depends on (seed, epoch, film) alone and not on workers or order.
"""

from __future__ import annotations

import os
import random
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # before the import: it would look for a newer version online
import albumentations as A
import cv2

from .policies import PolicyName

POLICIES: tuple[str, ...] = get_args(PolicyName)

Steps = list[A.BasicTransform | A.BaseCompose]


class Policy:
    """One named augmentation at one strength, applied to uint8 pictures (height x width)."""

    def __init__(self, name: str, strength: float = 1.0) -> None:
        """`name`: one of POLICIES. `strength`: 0 (only mirroring is left) to 2; 1 is the usual amount."""
        if name not in POLICIES:
            raise ValueError(f"augmentation {name!r} is not one of {', '.join(POLICIES)}")
        if not 0 <= strength <= 2:
            raise ValueError(f"augmentation strength is {strength}, expected 0 to 2")
        self.name, self.strength = name, strength
        self._compose = A.Compose(_steps(name, strength))

    def __call__(self, picture: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """The augmented picture, same shape and dtype; the same `seed` gives the same result."""
        if self.name == "none":
            return picture
        _seed(self._compose, seed)
        return self._compose(image=picture)["image"]


class MaskPolicy:
    """Strong augmentation of a picture with its hand mask, for the segmenter: any rotation, any exposure."""

    def __init__(self, quarter_turns: float = 0.1) -> None:
        """`quarter_turns`: share of the pictures rotated by a multiple of 90 degrees on top of everything else."""
        self._compose = A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.RandomRotate90(p=quarter_turns),
                A.Affine(rotate=(-30, 30), translate_percent=(-0.12, 0.12), scale=(0.55, 1.2), shear=(-6, 6), p=0.9),
                A.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.35, p=0.7),
                A.RandomGamma(gamma_limit=(45, 220), p=0.6),
                A.OneOf([A.GaussianBlur(blur_limit=(3, 5)), A.GaussNoise(std_range=(0.01, 0.06))], p=0.3),
            ]
        )

    def __call__(
        self, picture: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Picture and mask (both uint8, height x width), rotated and moved together."""
        _seed(self._compose, seed)
        done = self._compose(image=picture, mask=mask)
        return done["image"], done["mask"]


def _seed(compose: A.Compose, seed: int) -> None:
    """One stream of random numbers for all steps.

    `Compose.set_random_seed` would give every step its own stream from the same seed, so that all would draw the same
    numbers: mirrored pictures would also be the brightened ones.
    """
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))


def _affine(**change: object) -> A.Affine:
    return A.Affine(**change, interpolation=cv2.INTER_LINEAR, p=1.0)  # pyright: ignore[reportArgumentType]


def _operations(s: float) -> Steps:
    """The operations RandAugment and UniformAugment draw from, at strength `s`, each from harmless to its limit."""
    return [
        _affine(rotate=(-25 * s, 25 * s)),
        _affine(shear={"x": (-8 * s, 8 * s), "y": (-8 * s, 8 * s)}),
        _affine(translate_percent={"x": (-0.1 * s, 0.1 * s), "y": (-0.1 * s, 0.1 * s)}),
        _affine(scale=(max(1 - 0.2 * s, 0.4), 1 + 0.2 * s)),
        A.RandomBrightnessContrast(brightness_limit=min(0.25 * s, 1), contrast_limit=0, p=1.0),
        A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=min(0.35 * s, 1), p=1.0),
        A.RandomGamma(gamma_limit=(100 / (1 + 0.6 * s), 100 * (1 + 0.6 * s)), p=1.0),
        A.Sharpen(alpha=(0.0, min(0.4 * s, 1.0)), lightness=(1.0, 1.0), p=1.0),
        A.CLAHE(clip_limit=(1.0, 1.0 + 2.0 * s), p=1.0),
    ]


def _copying(s: float) -> Steps:
    """Losses of copied films: bone burnt out, fewer pixels, JPEG compression, blur, noise."""
    smaller: Any = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
    losses: Steps = [
        A.ImageCompression(quality_range=(20, 90)),
        A.ImageCompression(quality_range=(20, 50)),
        A.Downscale(scale_range=(0.5, 0.95), interpolation_pair=smaller),
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.0)),
        A.GaussNoise(std_range=(0.005, 0.03)),
    ]
    burnt_out = A.RandomBrightnessContrast(
        brightness_limit=0, contrast_limit=(0.1, max(0.1, min(0.8 * s, 1.0))), p=0.15
    )
    return [burnt_out, A.OneOf(losses, p=0.5)]


def _steps(name: str, s: float) -> Steps:
    flip = A.HorizontalFlip(p=0.5)
    if name == "none" or s == 0:
        return [flip]
    if name in ("light", "clinic"):
        return [
            *(_copying(s) if name == "clinic" else []),
            flip,
            _affine(
                rotate=(-12 * s, 12 * s),
                translate_percent=(-0.05 * s, 0.05 * s),
                scale=(max(1 - 0.12 * s, 0.4), 1 + 0.12 * s),
            ),
            A.RandomBrightnessContrast(brightness_limit=min(0.12 * s, 1), contrast_limit=min(0.15 * s, 1), p=0.7),
            A.RandomGamma(gamma_limit=(100 / (1 + 0.25 * s), 100 * (1 + 0.25 * s)), p=0.5),
        ]
    operations = _operations(s)
    if name == "randaugment":  # always two operations, as in Cubuk et al. 2020
        return [flip, A.SomeOf(operations, n=2, replace=False, p=1.0)]
    # UniformAugment (LingChen et al. 2020): two operations drawn freely, each applied with a probability that is
    # itself uniform, which is one half over all draws
    uniform: Steps = [flip, A.OneOf(operations, p=0.5), A.OneOf(_operations(s), p=0.5)]
    return [*_copying(s), *uniform] if name == "uniformclinic" else uniform
