"""Rendering: path lengths of X-rays through the hand, exposure, film."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from .pose import Image, Mask, blurred, fill, to_pixels
from .skeleton import Array, Bone

CORTICAL, TRABECULAR = 34.0, 4.5  # attenuation per palm length of half thickness; that of the palm's flesh is 0.95


def add_bone_paths(bone: Bone, view: Array, texture: Image, total: Image) -> None:
    """Add a bone's attenuation to `total`: the path through a cortical shell and its trabecular core."""
    scale = math.hypot(view[0, 0], view[1, 0])
    outlines = [to_pixels(outline, view) for outline in bone.outlines]
    every = np.vstack(outlines)
    x0, y0 = np.maximum(np.floor(every.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 3, total.shape[::-1])
    if x0 >= x1 or y0 >= y1:
        return
    solid = np.zeros((y1 - y0, x1 - x0), np.uint8)
    fill(solid, [outline - (x0, y0) for outline in outlines])
    inside = cv2.distanceTransform((solid > 127).astype(np.uint8), cv2.DIST_L2, 5) / scale  # palm lengths to the edge
    cortex: float | Image = bone.cortex
    if bone.axis is None:
        radius: float | Image = max(float(inside.max()), bone.cortex) * 0.8
        depth: float | Image = bone.depth
    else:
        start, end, steps, half = bone.axis
        foot, along = to_pixels(start, view), (end - start) @ view[:, :2].T
        rows, columns = np.ogrid[y0:y1, x0:x1]
        t = ((columns - foot[0]) * along[0] + (rows - foot[1]) * along[1]) / (along @ along)
        grid = np.linspace(0, 1, 256)
        at = np.clip(t * 255, 0, 255).astype(np.uint8)
        radius = np.interp(grid, steps, half).astype(np.float32)[at]
        cortex = (bone.cortex * (0.25 + 0.75 * np.sin(np.pi * grid) ** 0.8)).astype(np.float32)[at]
        depth = bone.depth * float(half.min()) * (radius / float(half.min())) ** 0.4
    outer = depth * np.sqrt(1 - (1 - np.minimum(inside / radius, 1)) ** 2)
    core = np.maximum(depth - cortex, 0) * np.sqrt(
        1 - (1 - np.clip((inside - cortex) / np.maximum(radius - cortex, 1e-3), 0, 1)) ** 2
    )
    trabeculae = 1 + 0.35 * texture[y0:y1, x0:x1]
    paths = CORTICAL * (outer - core) + TRABECULAR * core * trabeculae
    total[y0:y1, x0:x1] += bone.opacity * paths * (solid.astype(np.float32) / 255)


def soft_paths(field: Image, scale: float) -> Image:
    """Attenuation of soft tissue: rounded at the skin, thicker towards the middle of palm and forearm."""
    edge = cv2.distanceTransform((field > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / scale
    skin = np.sqrt(1 - (1 - np.minimum(edge / 0.10, 1)) ** 2)
    deep = np.minimum(edge / 0.28, 1)
    bulk = deep * deep * (3 - 2 * deep)
    return blurred(0.5 * skin + 0.45 * bulk, max(0.02 * scale, 0.4))


def film_of(rng: np.random.Generator, attenuation: Image, field: NDArray[np.bool_], scale: float) -> Image:
    """Attenuation to grey levels: exposure, scatter, uneven field, noise and background level, all at random."""
    height, width = attenuation.shape
    signal = 1 - np.exp(-rng.uniform(0.75, 1.3) * attenuation)
    scatter = blurred(cv2.resize(signal, (width // 8 + 1, height // 8 + 1)), 0.06 * scale)
    signal += 0.06 * cv2.resize(scatter, (width, height))
    background = rng.uniform(0.01, 0.10) if rng.random() < 0.7 else rng.uniform(0.10, 0.45)
    gain = (0.96 - background) * (rng.uniform(0.75, 1.05) if rng.random() < 0.8 else rng.uniform(0.3, 0.6))
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    slope = rng.uniform(-0.06, 0.06, 2)
    uneven = 1 + slope[0] * rows + slope[1] * columns
    pixels = (background + gain * signal) * uneven
    grain = rng.standard_normal((height, width), dtype=np.float32)
    pixels += gain * rng.uniform(0.005, 0.016) * blurred(grain, 0.6)
    outside = rng.choice([0.0, 0.5 * background, min(1.0, background + 0.15)])
    return np.where(field, pixels, outside + 0.002 * grain).astype(np.float32)


def field_of_view(rng: np.random.Generator, mask: Mask) -> NDArray[np.bool_]:
    """What the collimator lets through: everything, or in a quarter of the pictures a box that clears the fingers."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    share = rng.uniform(0.1, 0.8, 4)
    exposed = np.ones(mask.shape, bool)
    if rng.random() < 0.25:
        exposed[: int(share[0] * rows[0])] = False
        exposed[height - int(0.03 * share[1] * height) :] = False
        exposed[:, : int(share[2] * columns[0])] = False
        exposed[:, width - int(share[3] * (width - 1 - columns[-1])) :] = False
    return exposed


def write_letters(pixels: Image, mask: Mask, text: str, corner: tuple[int, int], height: float) -> None:
    """Burn bright letters in beside the hand, as near to a corner (0 or 1, 0 or 1) as they fit, smaller if need be."""
    rows, columns = mask.shape
    edge = max(3, rows // 60)  # clear space around the letters
    for size in height * rows * 0.85 ** np.arange(12):
        font = cv2.FONT_HERSHEY_SIMPLEX, size / 22  # capitals of this font are 22 pixels high at scale 1
        thickness = max(1, round(size / 10))
        (wide, high), _ = cv2.getTextSize(text, *font, thickness)
        box = high + 2 * edge, wide + 2 * edge
        free = cv2.erode(1 - mask, np.ones(box, np.uint8), anchor=(0, 0))[: rows - box[0] + 1, : columns - box[1] + 1]
        spots = np.argwhere(free)
        if len(spots):
            wanted = np.array(corner) * (rows, columns)
            y, x = spots[np.abs(spots - wanted).sum(axis=1).argmin()]
            stencil = np.zeros(mask.shape, np.uint8)
            cv2.putText(stencil, text, (int(x) + edge, int(y) + edge + high), *font, 255, thickness, cv2.LINE_AA)
            pixels += (stencil / np.float32(255)) * (0.97 - pixels)
            return
