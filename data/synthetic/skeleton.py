"""Skeleton: outlines of bones in palm lengths, as they are ossified."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ossification import CARPALS, Ossified

Array = NDArray[np.float64]


class Ray(NamedTuple):
    """One finger with its metacarpal: base and knuckle, then length and direction of its phalanges."""

    base: tuple[float, float]  # carpal end of the metacarpal
    knuckle: tuple[float, float]  # metacarpophalangeal joint
    lengths: tuple[float, ...]  # phalanges, proximal first
    degrees: tuple[float, ...]  # their directions from the long axis of the hand, positive to the thumb
    spread: float  # degrees by which a fully spread finger rotates
    girth: float  # width of its flesh and bones, the middle finger's being 1
    bones: tuple[str, ...]  # from the metacarpal to the tip


FINGER = ("metacarpals", "proximal phalanges", "middle phalanges", "distal phalanges")
THUMB = ("first metacarpal", "proximal phalanges", "distal phalanges")
RAYS = (
    Ray((0.29, 0.31), (0.56, 0.655), (0.310, 0.205), (24, 29), 14, 1.08, THUMB),
    Ray((0.14, 0.365), (0.24, 1.01), (0.392, 0.225, 0.165), (5, 3, 3), 12, 0.97, ("second metacarpal", *FINGER[1:])),
    Ray((0.0, 0.38), (0.0, 1.0), (0.437, 0.270, 0.175), (-3, -4, -5), 2, 1.0, FINGER),
    Ray((-0.11, 0.385), (-0.205, 0.90), (0.400, 0.258, 0.180), (-11, -9, -8), -7, 0.95, FINGER),
    Ray((-0.205, 0.335), (-0.38, 0.78), (0.312, 0.182, 0.165), (-27, -23, -21), -13, 0.83, FINGER),
)


class Tube(NamedTuple):
    """Half widths of a full-grown tubular bone of the middle finger, in palm lengths."""

    plate: float  # at the growth plate
    waist: float
    far: float  # at the other end
    dome: float  # thickness of the epiphysis as a share of `plate`
    plate_is_distal: bool = False


TUBES = {
    "first metacarpal": Tube(0.062, 0.039, 0.054, 0.52),
    "second metacarpal": Tube(0.064, 0.036, 0.083, 1.4, True),
    "metacarpals": Tube(0.064, 0.036, 0.058, 1.4, True),
    "proximal phalanges": Tube(0.073, 0.044, 0.056, 0.52),
    "middle phalanges": Tube(0.062, 0.036, 0.046, 0.52),
    "distal phalanges": Tube(0.050, 0.022, 0.032, 0.52),
}

# Outlines of full-grown carpals in hundredths of a palm length.
CARPAL_OUTLINES = {
    "capitate": [(-6, 36), (0, 37), (5, 35), (5, 27), (2, 22), (3, 15), (0, 12), (-5, 13), (-7, 17), (-7, 27)],
    "hamate": [(-22, 30), (-16, 35), (-9, 35), (-8, 25), (-10, 16), (-14, 21), (-21, 26)],
    "triquetrum": [(-25, 20), (-19, 23), (-11, 16), (-12, 10), (-18, 6), (-23, 11)],
    "lunate": [(-12, 12), (-4, 11), (2, 11), (2, 4), (-7, 2), (-13, 6)],
    "trapezium": [(19, 36), (23, 35), (24, 30), (28, 27), (28, 22), (19, 19), (15, 25), (17, 31)],
    "trapezoid": [(7, 34), (13, 36), (17, 33), (15, 26), (9, 27), (7, 30)],
    "scaphoid": [(6, 25), (11, 24), (18, 16), (15, 8), (7, 5), (4, 9), (5, 15)],
    "pisiform": [(-21, 14), (-18, 18), (-13, 18), (-11, 14), (-13, 9), (-18, 9)],
}
CARPAL_CENTRE, CARPAL_RADIUS = (0.02, 0.19), 0.27  # disc that holds all of them
RADIUS_EPIPHYSIS = [(-9, -4), (0, -3), (9, -1), (17, 5), (21, 3), (20.5, -5), (9, -6.5), (-8, -8)]
ULNA_EPIPHYSIS = [(-25.5, -8), (-24, -2.5), (-21, -6), (-12, -6), (-11.5, -9), (-18, -10), (-25, -10)]


class Bone(NamedTuple):
    """One ossified piece: a closed outline and how thick it is across the picture."""

    outlines: tuple[Array, ...]  # each n x 2, palm lengths; drawn as their union
    depth: float  # half thickness along the beam, palm lengths; of a shaft, as a share of its half width
    cortex: float  # thickness of the cortical shell, palm lengths; of a shaft, at mid shaft
    opacity: float = 1.0
    axis: tuple[Array, Array, Array, Array] | None = None  # of a shaft: start, end, steps from 0 to 1, half widths


def smooth(points: Array) -> Array:
    """Round a closed outline by cutting its corners twice (Chaikin 1974)."""
    for _ in range(2):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
    return points


def _shaft(start: Array, end: Array, widths: tuple[float, float, float], cortex: float, opacity: float = 1.0) -> Bone:
    """A long bone from start to end with half widths (start, waist, end), flared and rounded at both ends."""
    t = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 27))  # closer at the ends, where the outline turns
    first, waist, last = widths
    along = end - start
    length = float(np.hypot(*along))
    flare = min(0.21, 0.25 / length)
    half = (
        waist + (first - waist) * np.exp(-((t / flare) ** 1.6)) + (last - waist) * np.exp(-(((1 - t) / flare) ** 1.6))
    )
    cap = np.minimum(t, 1 - t) * length / (0.75 * np.minimum(half, 0.07))  # round the corners
    side = (half * np.sqrt(1 - np.clip(1 - cap, 0, 1) ** 2) ** 0.75)[:, None] * np.array([-along[1], along[0]]) / length
    centre = start + t[:, None] * along
    return Bone((np.vstack([centre + side, (centre - side)[::-1]]),), 0.85, cortex, opacity, (start, end, t, half))


def _disc(centre: Array, along: Array, half_width: float, half_thickness: float, opacity: float) -> Bone:
    """A rounded plate across the direction `along`, such as a phalanx's epiphysis."""
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** 0.7 for f in (np.cos(angle), np.sin(angle)))
    across = np.array([-along[1], along[0]])
    outline = centre + np.outer(x * half_width, across) + np.outer(y * half_thickness, along)
    return Bone((outline,), 0.8 * half_width, 0.006, opacity)


def _grown(outline: Array, growth: float) -> Array:
    """A bone that begins as a small round nucleus and takes its final outline as it grows."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    centre = (low + high) / 2
    first = math.atan2(*(outline[0] - centre)[::-1])
    angle = first - np.linspace(0, 2 * np.pi, len(outline), endpoint=False)  # outlines run clockwise
    nucleus = centre + 0.42 * (high - low) * np.column_stack([np.cos(angle), np.sin(angle)])
    return centre + (0.2 + 0.96 * growth) * ((1 - growth) * nucleus + growth * outline - centre)


class Build(NamedTuple):
    """What differs between children of one bone age."""

    flesh: float  # width of soft tissue, 1 is average for the age
    bone: float  # width of bones
    maturity: float  # bone age as a share of the adult's


def _tubular(start: Array, end: Array, tube: Tube, state: Ossified, build: Build) -> list[Bone]:
    """A long bone and its epiphysis between two joints, `start` being the one with the growth plate.

    The epiphysis grows to the plate's width and caps it; then the gap narrows, and the pieces give way to one bone.
    """
    along = (end - start) / np.hypot(*(end - start))
    plate, far = tube.plate * build.bone, tube.far * build.bone
    waist = tube.waist * build.bone * (1.15 - 0.15 * build.maturity)
    cortex = waist * (0.22 + 0.20 * build.maturity)
    top = start + 0.014 * along
    bottom = end - (0.035 - 0.023 * build.maturity) * along  # young joints are wide: the rest is cartilage
    bones = []
    if state.fusion < 1:
        growth, opacity = state.growth or 0.0, 1 - state.fusion
        thickness = tube.dome * plate  # of the full-grown epiphysis
        gap = (0.022 - 0.014 * growth) * opacity
        bones.append(_shaft(top + (thickness + gap) * along, bottom, (plate, waist, far), cortex, opacity))
        if state.growth is not None:
            centre = top + thickness * (0.62 - 0.12 * growth) * along
            half = plate * (0.22 + 0.82 * growth), thickness * (0.22 + 0.28 * growth)
            bones.append(_disc(centre, along, *half, opacity))
    if state.fusion > 0:
        bones.append(_shaft(top, bottom, (plate, waist, far), cortex, state.fusion))
    return bones


def rotated(points: Array, degrees: float) -> Array:
    """Points rotated about the wrist, positive towards the thumb."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ np.array([[c, -s], [s, c]])


def hand_bones(rays: list[Array], states: dict[str, Ossified], build: Build) -> list[Bone]:
    """Carpals, metacarpals and phalanges; each ray is its base, knuckle and the joints up to the tip."""
    bones = []
    for name in CARPALS:
        growth = states[name].growth
        if growth is not None:
            outline = smooth(_grown(np.array(CARPAL_OUTLINES[name]) / 100, growth))
            bones.append(Bone((outline,), 0.015 + 0.04 * growth, 0.007))
    for joints, ray in zip(rays, RAYS, strict=True):
        stout = build._replace(bone=build.bone * ray.girth)
        for start, end, name in zip(joints[:-1], joints[1:], ray.bones, strict=True):
            ends = (end, start) if TUBES[name].plate_is_distal else (start, end)
            bones += _tubular(*ends, TUBES[name], states[name], stout)
    return bones


def forearm_bones(lean: float, states: dict[str, Ossified], build: Build) -> list[Bone]:
    """Radius and ulna with their epiphyses, down to about the elbow, rotated about the wrist by `lean` degrees."""
    bones = []
    for name, outline, plate, waist, x in (
        ("radius", RADIUS_EPIPHYSIS, 0.138, 0.075, 0.055),
        ("ulna", ULNA_EPIPHYSIS, 0.066, 0.052, -0.185),
    ):
        state, cap = states[name], np.array(outline) / 100
        growth = state.growth or 0.0
        middle = waist * build.bone * (1.1 - 0.1 * build.maturity)
        widths = (plate * build.bone, middle, middle)
        cortex = middle * (0.22 + 0.20 * build.maturity)
        plate_y = float(cap[:, 1].min()) - (0.035 - 0.020 * growth) * (1 - state.fusion)
        top, overlap, foot = rotated(np.array([(x, plate_y), (x, plate_y + 0.045), (0.4 * x - 0.02, -2.6)]), lean)
        epiphysis = rotated(smooth(_grown(cap, growth)), lean)
        if state.fusion < 1:
            bones.append(_shaft(top, foot, widths, cortex, 1 - state.fusion))
            if state.growth is not None:
                bones.append(Bone((epiphysis,), 0.02 + 0.06 * growth, 0.007, 1 - state.fusion))
        if state.fusion > 0:
            joined = _shaft(overlap, foot, widths, cortex, state.fusion)
            bones.append(joined._replace(outlines=(*joined.outlines, epiphysis)))
    return bones
