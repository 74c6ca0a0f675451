"""Pose: where the joints lie, the soft tissue around them, and how the hand lies in the frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .skeleton import RAYS, Array, Build, rotated, smooth

Image = NDArray[np.float32]
Mask = NDArray[np.uint8]


def posed_rays(rng: np.random.Generator) -> list[Array]:
    """Joints of the five rays in palm lengths, with a random spread of the fingers."""
    spread = rng.uniform(-0.6, 0.9)
    rays = []
    for ray in RAYS:
        joints = [np.array(ray.base), np.array(ray.knuckle)]
        lean = spread * ray.spread + rng.normal(0, 1.5)
        if len(ray.lengths) == 2:  # the thumb rotates about its base as well
            joints[1] = joints[0] + rotated(joints[1] - joints[0], 0.6 * lean)
        for length, degrees in zip(ray.lengths, ray.degrees, strict=True):
            direction = rotated(np.array([0.0, 1.0]), degrees + lean + rng.normal(0, 1.2))
            joints.append(joints[-1] + length * direction)
        rays.append(np.array(joints))
    return rays


def keypoints_of(rays: list[Array]) -> Array:
    """The wrist, the thumb from its base, and each finger from its knuckle: 21 x 2."""
    return np.vstack([[(0.0, 0.0)], rays[0], *(ray[1:] for ray in rays[1:])])


class Flesh(NamedTuple):
    """Soft tissue as circles strung along the fingers, and outlines of palm and forearm."""

    circles: Array  # n x 3: x, y, radius
    outlines: list[Array]


def flesh_around(rays: list[Array], lean: float, build: Build) -> Flesh:
    """Soft tissue around a posed skeleton; `lean` rotates the forearm about the wrist, in degrees."""
    fat = build.flesh * (1.22 - 0.22 * build.maturity)
    circles = []
    for number, (joints, ray) in enumerate(zip(rays, RAYS, strict=True)):
        radii = [0.15, 0.145, 0.11, 0.078] if number == 0 else [0.13, 0.132, 0.110, 0.094, 0.074]
        tip = joints[-1] - 0.2 * radii[-1] * (joints[-1] - joints[-2]) / np.hypot(*(joints[-1] - joints[-2]))
        nodes = np.vstack([joints[:-1], tip])
        step = np.linspace(0, len(nodes) - 1, 30)
        columns = (nodes[:, 0], nodes[:, 1], np.array(radii) * ray.girth * fat)
        circles.append(np.column_stack([np.interp(step, np.arange(len(nodes)), column) for column in columns]))
    thumb, index, middle, ring, little = rays
    wide = 0.5 + 0.5 * fat
    wrist = np.array([(0.24 * wide, 0.0), (-0.27 * wide, 0.0)])
    palm = [wrist[0], thumb[0] + (0.10, 0.0), 0.25 * thumb[0] + 0.75 * thumb[1], 0.28 * index[0] + 0.72 * index[1]]
    palm += [index[1] + (0.08, 0), index[1] + (-0.02, 0.12), middle[1] + (0, 0.14), ring[1] + (0.02, 0.13)]
    palm += [little[1] + (0.03, 0.1), little[1] - (0.09, 0), little[0] - (0.16, 0.05), wrist[1]]
    sides = [(0.2, 0.2), (0.27, 0.1), (0.3, -0.03), (0.285, -0.2), (0.3, -0.5), (0.36, -1), (0.42, -1.7), (0.44, -2.6)]
    right = np.array([(x * wide - 0.03, y) for x, y in sides])
    left = np.array([(-x * wide - 0.04, y) for x, y in sides])
    forearm = rotated(np.vstack([right, left[::-1]]), lean)
    return Flesh(np.vstack(circles), [smooth(np.array(palm)), forearm])


def to_pixels(points: Array, view: Array) -> Array:
    """Palm lengths to pixels (x, y) by a 2 x 3 view."""
    return points @ view[:, :2].T + view[:, 2]


def blurred(image: NDArray[np.integer | np.floating], sigma: float) -> Image:
    """Gaussian blur that sees the picture go on past its edge unchanged."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def fill(canvas: Mask, outlines: Sequence[Array]) -> None:
    """Fill outlines given in pixels, antialiased to a sixteenth of a pixel."""
    for outline in outlines:  # one at a time: together, what two of them share would be a hole
        cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)


def outline_field(flesh: Flesh, view: Array, size: tuple[int, int]) -> Image:
    """Soft tissue as a smooth field, above 0.5 inside; blurring it rounds the webs between the fingers."""
    scale = math.hypot(view[0, 0], view[1, 0])
    canvas = np.zeros(size, np.uint8)
    fill(canvas, [to_pixels(outline, view) for outline in flesh.outlines])
    centres = np.round(to_pixels(flesh.circles[:, :2], view) * 16).astype(int)
    for (x, y), radius in zip(centres.tolist(), np.round(flesh.circles[:, 2] * scale * 16).astype(int), strict=True):
        cv2.circle(canvas, (x, y), int(radius), 255, -1, cv2.LINE_AA, shift=4)
    field = canvas.astype(np.float32) / 255
    return blurred(field, max(0.028 * scale, 0.5))


def view_of(rng: np.random.Generator, flesh: Flesh, maturity: float, size: tuple[int, int]) -> Array:
    """Turn, mirror, scale and shift the hand into the frame; its share of the frame grows with age."""
    height, width = size
    angle, mirror = math.radians(rng.uniform(-15, 15)), rng.choice([-1.0, 1.0])
    c, s = math.cos(angle), math.sin(angle)
    view = np.array([[c * mirror, -s, 0], [-s * mirror, -c, 0]])
    share = 0.19 + 0.28 * (0.5 * maturity + rng.uniform(0, 0.5))
    x_share, y_share = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)
    discs = to_pixels(flesh.circles[:, :2], view)
    low = (discs - flesh.circles[:, 2:]).min(axis=0)
    high = (discs + flesh.circles[:, 2:]).max(axis=0)
    box = high - low + (0, 0.15 - high[1])  # from the fingertips to just below the wrist
    scale, fitted = 0.3 * height, view
    for _ in range(3):  # the area of what is in the frame has no closed form
        scale = min(scale, *(0.97 * np.array([width, height]) / box))
        room = np.array([width, height]) - scale * box
        top = max(y_share * room[1], height - scale * (1.9 - low[1]))  # the forearm ends at the elbow
        fitted = np.column_stack([view[:, :2] * scale, [x_share * room[0] - low[0] * scale, top - low[1] * scale]])
        area = float((outline_field(flesh, fitted / 4, (height // 4, width // 4)) > 0.5).mean())
        scale *= math.sqrt(share / area)
    return fitted
