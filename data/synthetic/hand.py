"""A synthetic hand radiograph with all that is known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import ConfigError
from ..sex import Sex
from .ossification import ossification
from .pose import Image, Mask, blurred, flesh_around, keypoints_of, outline_field, posed_rays, to_pixels, view_of
from .rendering import add_bone_paths, field_of_view, film_of, soft_paths, write_letters
from .skeleton import CARPAL_CENTRE, CARPAL_RADIUS, Array, Build, forearm_bones, hand_bones

MIN_SIZE = 96  # pixels on a side; below this a growth plate is thinner than a pixel everywhere


@dataclass(frozen=True)
class SyntheticHand:
    """A synthetic radiograph and everything that is known about it.

    pixels: float32, height x width, [0, 1], bone bright on dark.
    mask: uint8, height x width, 1 on the soft tissue of hand and visible forearm, else 0.
    carpal_mask: uint8, height x width, 1 on the disc of the wrist that holds the carpal bones.
    keypoints: float64, 21 x 2, x then y in pixels: wrist, four joints of the thumb from its base to its tip, then of
        each finger from knuckle to tip, index first.
    notes: always begins with "synthetic"; show it wherever the picture is shown.
    """

    pixels: Image
    mask: Mask
    carpal_mask: Mask
    bone_age_months: float
    sex: Sex
    keypoints: Array
    notes: str


def synthetic_hand(
    bone_age_months: float, sex: Sex, seed: int, size: tuple[int, int] = (512, 400), *, label: bool = True
) -> SyntheticHand:
    """Draw a hand of the given bone age (0 to 228 months) and sex ("F" or "M"); equal arguments give equal pixels.

    `seed` chooses pose, side, build, exposure, noise and collimator; with the same seed, another bone age or sex is
    another skeleton in the same pose. `size` is (height, width), each at least 96. `label` burns the word SYNTHETIC
    into a free corner; without it the corner carries a side marker, as films do: leave it off only for training.
    Raises ConfigError for an age or a size out of range, SexError for any other sex.
    """
    states = ossification(bone_age_months, sex)
    height, width = size
    if min(size) < MIN_SIZE:
        raise ConfigError(f"synthetic hand: size is {height} x {width}, expected at least {MIN_SIZE} on each side")
    rng = np.random.default_rng(seed)
    maturity = min(bone_age_months / (204 if sex == "F" else 228), 1.0)
    slender = 0.95 if sex == "F" else 1.0
    build = Build(rng.uniform(0.92, 1.12), slender * rng.uniform(0.94, 1.06), maturity)
    lean = rng.uniform(-9, 9)
    rays = posed_rays(rng)
    flesh = flesh_around(rays, lean, build)
    view = view_of(rng, flesh, maturity, size)
    scale = math.hypot(view[0, 0], view[1, 0])

    field = outline_field(flesh, view, size)
    fine_size = (2 * width, 2 * height)
    fine = 2 * view + np.array([[0, 0, 0.5], [0, 0, 0.5]])  # pixel centres of a picture of twice the size
    texture = cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), 0.6, sigmaY=1.4)
    texture = cv2.resize(texture / texture.std(), fine_size)
    total = cv2.resize(soft_paths(field, scale), fine_size)
    total *= np.clip((cv2.resize(field, fine_size) - 0.5) * 0.2 * scale + 0.5, 0, 1)  # a sharp skin line
    for bone in hand_bones(rays, states, build) + forearm_bones(lean, states, build):
        add_bone_paths(bone, fine, texture, total)
    attenuation = blurred(cv2.resize(total, (width, height), interpolation=cv2.INTER_AREA), 0.5)

    mask = (field > 0.5).astype(np.uint8)
    exposed = field_of_view(rng, mask)
    mask &= exposed
    pixels = film_of(rng, attenuation, exposed, scale)
    side, corner = str(rng.choice(["L", "R", "L MR", "R 12", "LT"])), (int(rng.integers(2)), int(rng.integers(2)))
    write_letters(pixels, mask, "SYNTHETIC" if label else side, corner, 0.04 if label else rng.uniform(0.03, 0.07))
    carpal_mask = np.zeros(size, np.uint8)
    centre = to_pixels(np.array([CARPAL_CENTRE]), view)[0]
    cv2.circle(carpal_mask, (round(centre[0]), round(centre[1])), round(CARPAL_RADIUS * scale), 1, -1)
    notes = f"synthetic hand, bone age {bone_age_months:g} months, sex {sex}, seed {seed}"
    keypoints = to_pixels(keypoints_of(rays), view)
    pixels = np.clip(pixels, 0, 1)
    return SyntheticHand(pixels, mask, carpal_mask & mask, bone_age_months, sex, keypoints, notes)
