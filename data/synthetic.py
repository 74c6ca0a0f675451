"""Draw a synthetic hand radiograph, with its exact mask, whose ossification follows a bone age and a sex.

The hand is built in palm lengths (the distance from the wrist to the middle finger's metacarpophalangeal joint), with
the wrist at the origin, x towards the thumb and y towards the fingers. Bones are closed outlines; each adds the path
length of X-rays through a cortical shell and a medullary core to the path through soft tissue, so that overlaps add up
as they do on film. Joints lie at the medians of the 568 annotated hands of the RSNA Pediatric Bone Age Challenge 2017;
the shapes of bones are drawn by eye.

The pictures are for tests, demonstrations and for teaching a net what a hand's outline is. They are no atlas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, SexError
from .remark import Remark, Verbatim
from .sex import Sex

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.uint8]

MAX_BONE_AGE_MONTHS = 228.0  # the last plate of the atlas for boys, 19 years
MIN_SIZE = 96  # pixels on a side; below this a growth plate is thinner than a pixel everywhere


# --- Ossification: what has appeared, how far it has grown, whether it has fused ------------------------------------


class Centre(NamedTuple):
    """Mean ages in months at which an ossification centre appears, is full grown and fuses, each as (girls, boys)."""

    appears: tuple[float, float]
    grown: tuple[float, float]
    fuses: tuple[tuple[float, float], tuple[float, float]] | None = None  # girls (from, to), boys (from, to)


# Approximate means, rounded, after Greulich WW, Pyle SI, Radiographic Atlas of Skeletal Development of the Hand and
# Wrist, 2nd ed., Stanford University Press 1959, and Gilsanz V, Ratib O, Hand Bone Age, 2nd ed., Springer 2012.
OSSIFICATION = {
    "capitate": Centre((2, 3), (150, 174)),
    "hamate": Centre((3, 4), (150, 174)),
    "triquetrum": Centre((21, 30), (150, 174)),
    "lunate": Centre((32, 46), (150, 174)),
    "trapezium": Centre((48, 66), (150, 174)),
    "trapezoid": Centre((50, 68), (150, 174)),
    "scaphoid": Centre((52, 70), (150, 174)),
    "pisiform": Centre((102, 132), (156, 186)),
    "distal phalanges": Centre((13, 19), (114, 144), ((150, 168), (174, 192))),
    "proximal phalanges": Centre((10, 16), (114, 144), ((156, 174), (180, 198))),
    "middle phalanges": Centre((15, 24), (114, 144), ((160, 178), (184, 202))),
    "metacarpals": Centre((12, 19), (120, 150), ((164, 182), (188, 206))),
    "second metacarpal": Centre((12, 18), (120, 150), ((164, 182), (188, 206))),
    "first metacarpal": Centre((19, 30), (114, 144), ((158, 176), (182, 200))),
    "ulna": Centre((66, 84), (138, 162), ((176, 194), (200, 216))),
    "radius": Centre((10, 13), (132, 156), ((184, 204), (206, 224))),
}
CARPALS = ("capitate", "hamate", "triquetrum", "lunate", "trapezium", "trapezoid", "scaphoid", "pisiform")


class Ossified(NamedTuple):
    """State of a centre: growth in [0, 1], None before it appears; fusion in [0, 1], 1 once the plate has gone."""

    growth: float | None
    fusion: float


def ossification(bone_age_months: float, sex: Sex) -> dict[str, Ossified]:
    """State of every centre of OSSIFICATION at a bone age of 0 to 228 months; nothing ever shrinks with age.

    Raises ConfigError for an age out of range, SexError for a sex that is not "F" or "M".
    """
    if not 0 <= bone_age_months <= MAX_BONE_AGE_MONTHS:  # also refuses NaN
        raise ConfigError(
            f"synthetic hand: bone age is {bone_age_months!r} months, expected 0 to {MAX_BONE_AGE_MONTHS:.0f}; "
            "give the age in months"
        )
    if sex not in ("F", "M"):
        remark = Remark(
            "sex of the synthetic hand is {sex}, expected F or M; sex is never guessed", sex=Verbatim(repr(sex))
        )
        raise SexError(None, remark)
    column = 0 if sex == "F" else 1
    states = {}
    for name, centre in OSSIFICATION.items():
        appears, grown = centre.appears[column], centre.grown[column]
        growth = None
        if bone_age_months >= appears:
            growth = min((bone_age_months - appears) / (grown - appears), 1.0) ** 0.6  # fast at first
        start, end = centre.fuses[column] if centre.fuses else (math.inf, math.inf)
        fusion = 0.0 if bone_age_months <= start else min((bone_age_months - start) / (end - start), 1.0)
        states[name] = Ossified(growth, fusion)
    return states


# --- Skeleton: outlines of bones in palm lengths -------------------------------------------------------------------


class Ray(NamedTuple):
    """One finger with its metacarpal: base and knuckle, then length and direction of its phalanges."""

    base: tuple[float, float]  # carpal end of the metacarpal
    knuckle: tuple[float, float]  # metacarpophalangeal joint
    lengths: tuple[float, ...]  # phalanges, proximal first
    degrees: tuple[float, ...]  # their directions from the long axis of the hand, positive to the thumb
    spread: float  # degrees by which a fully spread finger turns
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


def _smooth(points: Array) -> Array:
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


def _turn(points: Array, degrees: float) -> Array:
    """Points turned about the wrist, positive towards the thumb."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return points @ np.array([[c, -s], [s, c]])


def _hand_bones(rays: list[Array], states: dict[str, Ossified], build: Build) -> list[Bone]:
    """Carpals, metacarpals and phalanges; each ray is its base, knuckle and the joints up to the tip."""
    bones = []
    for name in CARPALS:
        growth = states[name].growth
        if growth is not None:
            outline = _smooth(_grown(np.array(CARPAL_OUTLINES[name]) / 100, growth))
            bones.append(Bone((outline,), 0.015 + 0.04 * growth, 0.007))
    for joints, ray in zip(rays, RAYS, strict=True):
        stout = build._replace(bone=build.bone * ray.girth)
        for start, end, name in zip(joints[:-1], joints[1:], ray.bones, strict=True):
            ends = (end, start) if TUBES[name].plate_is_distal else (start, end)
            bones += _tubular(*ends, TUBES[name], states[name], stout)
    return bones


def _forearm_bones(lean: float, states: dict[str, Ossified], build: Build) -> list[Bone]:
    """Radius and ulna with their epiphyses, down to about the elbow, turned about the wrist by `lean` degrees."""
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
        top, overlap, foot = _turn(np.array([(x, plate_y), (x, plate_y + 0.045), (0.4 * x - 0.02, -2.6)]), lean)
        epiphysis = _turn(_smooth(_grown(cap, growth)), lean)
        if state.fusion < 1:
            bones.append(_shaft(top, foot, widths, cortex, 1 - state.fusion))
            if state.growth is not None:
                bones.append(Bone((epiphysis,), 0.02 + 0.06 * growth, 0.007, 1 - state.fusion))
        if state.fusion > 0:
            joined = _shaft(overlap, foot, widths, cortex, state.fusion)
            bones.append(joined._replace(outlines=(*joined.outlines, epiphysis)))
    return bones


# --- Pose: where the joints lie and how the hand lies in the frame ---------------------------------------------------


def _posed_rays(rng: np.random.Generator) -> list[Array]:
    """Joints of the five rays in palm lengths, with a random spread of the fingers."""
    spread = rng.uniform(-0.6, 0.9)
    rays = []
    for ray in RAYS:
        joints = [np.array(ray.base), np.array(ray.knuckle)]
        lean = spread * ray.spread + rng.normal(0, 1.5)
        if len(ray.lengths) == 2:  # the thumb turns about its base as well
            joints[1] = joints[0] + _turn(joints[1] - joints[0], 0.6 * lean)
        for length, degrees in zip(ray.lengths, ray.degrees, strict=True):
            direction = _turn(np.array([0.0, 1.0]), degrees + lean + rng.normal(0, 1.2))
            joints.append(joints[-1] + length * direction)
        rays.append(np.array(joints))
    return rays


def _keypoints(rays: list[Array]) -> Array:
    """The wrist, the thumb from its base, and each finger from its knuckle: 21 x 2."""
    return np.vstack([[(0.0, 0.0)], rays[0], *(ray[1:] for ray in rays[1:])])


class Flesh(NamedTuple):
    """Soft tissue as circles strung along the fingers, and outlines of palm and forearm."""

    circles: Array  # n x 3: x, y, radius
    outlines: list[Array]


def _flesh(rays: list[Array], lean: float, build: Build) -> Flesh:
    """Soft tissue around a posed skeleton; `lean` turns the forearm about the wrist, in degrees."""
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
    sides = [
        (0.20, 0.2),
        (0.27, 0.1),
        (0.30, -0.03),
        (0.285, -0.2),
        (0.30, -0.5),
        (0.36, -1.0),
        (0.42, -1.7),
        (0.44, -2.6),
    ]
    right = np.array([(x * wide - 0.03, y) for x, y in sides])
    left = np.array([(-x * wide - 0.04, y) for x, y in sides])
    forearm = _turn(np.vstack([right, left[::-1]]), lean)
    return Flesh(np.vstack(circles), [_smooth(np.array(palm)), forearm])


def _to_pixels(points: Array, view: Array) -> Array:
    """Palm lengths to pixels (x, y) by a 2 x 3 view."""
    return points @ view[:, :2].T + view[:, 2]


def _blur(image: NDArray[np.integer | np.floating], sigma: float) -> Image:
    """Gaussian blur that sees the picture go on past its edge unchanged."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def _fill(canvas: Mask, outlines: Sequence[Array]) -> None:
    """Fill outlines given in pixels, antialiased to a sixteenth of a pixel."""
    for outline in outlines:  # one at a time: together, what two of them share would be a hole
        cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)


def _outline_field(flesh: Flesh, view: Array, size: tuple[int, int]) -> Image:
    """Soft tissue as a smooth field, above 0.5 inside; blurring it rounds the webs between the fingers."""
    scale = math.hypot(view[0, 0], view[1, 0])
    canvas = np.zeros(size, np.uint8)
    _fill(canvas, [_to_pixels(outline, view) for outline in flesh.outlines])
    centres = np.round(_to_pixels(flesh.circles[:, :2], view) * 16).astype(int)
    for (x, y), radius in zip(centres.tolist(), np.round(flesh.circles[:, 2] * scale * 16).astype(int), strict=True):
        cv2.circle(canvas, (x, y), int(radius), 255, -1, cv2.LINE_AA, shift=4)
    field = canvas.astype(np.float32) / 255
    return _blur(field, max(0.028 * scale, 0.5))


def _view(rng: np.random.Generator, flesh: Flesh, maturity: float, size: tuple[int, int]) -> Array:
    """Turn, mirror, scale and shift the hand into the frame; its share of the frame grows with age."""
    height, width = size
    angle, mirror = math.radians(rng.uniform(-15, 15)), rng.choice([-1.0, 1.0])
    c, s = math.cos(angle), math.sin(angle)
    view = np.array([[c * mirror, -s, 0], [-s * mirror, -c, 0]])
    share = 0.19 + 0.28 * (0.5 * maturity + rng.uniform(0, 0.5))
    x_share, y_share = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)
    discs = _to_pixels(flesh.circles[:, :2], view)
    low = (discs - flesh.circles[:, 2:]).min(axis=0)
    high = (discs + flesh.circles[:, 2:]).max(axis=0)
    box = high - low + (0, 0.15 - high[1])  # from the fingertips to just below the wrist
    scale, fitted = 0.3 * height, view
    for _ in range(3):  # the area of what is in the frame has no closed form
        scale = min(scale, *(0.97 * np.array([width, height]) / box))
        room = np.array([width, height]) - scale * box
        top = max(y_share * room[1], height - scale * (1.9 - low[1]))  # the forearm ends at the elbow
        fitted = np.column_stack([view[:, :2] * scale, [x_share * room[0] - low[0] * scale, top - low[1] * scale]])
        area = float((_outline_field(flesh, fitted / 4, (height // 4, width // 4)) > 0.5).mean())
        scale *= math.sqrt(share / area)
    return fitted


# --- Rendering: path lengths, exposure, film -------------------------------------------------------------------------

CORTICAL, TRABECULAR = 34.0, 4.5  # attenuation per palm length of half thickness; that of the palm's flesh is 0.95


def _bone_paths(bone: Bone, view: Array, texture: Image, total: Image) -> None:
    """Add a bone's attenuation to `total`: the path through a cortical shell and its trabecular core."""
    scale = math.hypot(view[0, 0], view[1, 0])
    outlines = [_to_pixels(outline, view) for outline in bone.outlines]
    every = np.vstack(outlines)
    x0, y0 = np.maximum(np.floor(every.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 3, total.shape[::-1])
    if x0 >= x1 or y0 >= y1:
        return
    solid = np.zeros((y1 - y0, x1 - x0), np.uint8)
    _fill(solid, [outline - (x0, y0) for outline in outlines])
    inside = cv2.distanceTransform((solid > 127).astype(np.uint8), cv2.DIST_L2, 5) / scale  # palm lengths to the edge
    cortex: float | Image = bone.cortex
    if bone.axis is None:
        radius: float | Image = max(float(inside.max()), bone.cortex) * 0.8
        depth: float | Image = bone.depth
    else:
        start, end, steps, half = bone.axis
        foot, along = _to_pixels(start, view), (end - start) @ view[:, :2].T
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


def _soft_paths(field: Image, scale: float) -> Image:
    """Attenuation of soft tissue: rounded at the skin, thicker towards the middle of palm and forearm."""
    edge = cv2.distanceTransform((field > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / scale
    skin = np.sqrt(1 - (1 - np.minimum(edge / 0.10, 1)) ** 2)
    deep = np.minimum(edge / 0.28, 1)
    bulk = deep * deep * (3 - 2 * deep)
    return _blur(0.5 * skin + 0.45 * bulk, max(0.02 * scale, 0.4))


def _film(rng: np.random.Generator, attenuation: Image, field: NDArray[np.bool_], scale: float) -> Image:
    """Attenuation to grey levels: exposure, scatter, uneven field, noise and background level, all at random."""
    height, width = attenuation.shape
    signal = 1 - np.exp(-rng.uniform(0.75, 1.3) * attenuation)
    scatter = _blur(cv2.resize(signal, (width // 8 + 1, height // 8 + 1)), 0.06 * scale)
    signal += 0.06 * cv2.resize(scatter, (width, height))
    background = rng.uniform(0.01, 0.10) if rng.random() < 0.7 else rng.uniform(0.10, 0.45)
    gain = (0.96 - background) * (rng.uniform(0.75, 1.05) if rng.random() < 0.8 else rng.uniform(0.3, 0.6))
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    slope = rng.uniform(-0.06, 0.06, 2)
    uneven = 1 + slope[0] * rows + slope[1] * columns
    pixels = (background + gain * signal) * uneven
    grain = rng.standard_normal((height, width), dtype=np.float32)
    pixels += gain * rng.uniform(0.005, 0.016) * _blur(grain, 0.6)
    outside = rng.choice([0.0, 0.5 * background, min(1.0, background + 0.15)])
    return np.where(field, pixels, outside + 0.002 * grain).astype(np.float32)


def _field_of_view(rng: np.random.Generator, mask: Mask) -> NDArray[np.bool_]:
    """What the collimator lets through: everything, or in a quarter of the pictures a box that clears the fingers."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    share = rng.uniform(0.1, 0.8, 4)
    seen = np.ones(mask.shape, bool)
    if rng.random() < 0.25:
        seen[: int(share[0] * rows[0])] = False
        seen[height - int(0.03 * share[1] * height) :] = False
        seen[:, : int(share[2] * columns[0])] = False
        seen[:, width - int(share[3] * (width - 1 - columns[-1])) :] = False
    return seen


def _write(pixels: Image, mask: Mask, text: str, corner: tuple[int, int], height: float) -> None:
    """Burn bright letters in beside the hand, as near to a corner (0 or 1, 0 or 1) as they fit, smaller if need be."""
    rows, columns = mask.shape
    edge = max(3, rows // 60)  # clear space around the letters
    for size in height * rows * 0.85 ** np.arange(12):
        look = cv2.FONT_HERSHEY_SIMPLEX, size / 22  # capitals of this font are 22 pixels high at scale 1
        thickness = max(1, round(size / 10))
        (wide, high), _ = cv2.getTextSize(text, *look, thickness)
        box = high + 2 * edge, wide + 2 * edge
        free = cv2.erode(1 - mask, np.ones(box, np.uint8), anchor=(0, 0))[: rows - box[0] + 1, : columns - box[1] + 1]
        spots = np.argwhere(free)
        if len(spots):
            wanted = np.array(corner) * (rows, columns)
            y, x = spots[np.abs(spots - wanted).sum(axis=1).argmin()]
            stencil = np.zeros(mask.shape, np.uint8)
            cv2.putText(stencil, text, (int(x) + edge, int(y) + edge + high), *look, 255, thickness, cv2.LINE_AA)
            pixels += (stencil / np.float32(255)) * (0.97 - pixels)
            return


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
    rays = _posed_rays(rng)
    flesh = _flesh(rays, lean, build)
    view = _view(rng, flesh, maturity, size)
    scale = math.hypot(view[0, 0], view[1, 0])

    field = _outline_field(flesh, view, size)
    fine_size = (2 * width, 2 * height)
    fine = 2 * view + np.array([[0, 0, 0.5], [0, 0, 0.5]])  # pixel centres of a picture of twice the size
    texture = cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), 0.6, sigmaY=1.4)
    texture = cv2.resize(texture / texture.std(), fine_size)
    total = cv2.resize(_soft_paths(field, scale), fine_size)
    total *= np.clip((cv2.resize(field, fine_size) - 0.5) * 0.2 * scale + 0.5, 0, 1)  # a sharp skin line
    for bone in _hand_bones(rays, states, build) + _forearm_bones(lean, states, build):
        _bone_paths(bone, fine, texture, total)
    attenuation = _blur(cv2.resize(total, (width, height), interpolation=cv2.INTER_AREA), 0.5)

    mask = (field > 0.5).astype(np.uint8)
    seen = _field_of_view(rng, mask)
    mask &= seen
    pixels = _film(rng, attenuation, seen, scale)
    side, corner = str(rng.choice(["L", "R", "L MR", "R 12", "LT"])), (int(rng.integers(2)), int(rng.integers(2)))
    _write(pixels, mask, "SYNTHETIC" if label else side, corner, 0.04 if label else rng.uniform(0.03, 0.07))
    carpal_mask = np.zeros(size, np.uint8)
    centre = _to_pixels(np.array([CARPAL_CENTRE]), view)[0]
    cv2.circle(carpal_mask, (round(centre[0]), round(centre[1])), round(CARPAL_RADIUS * scale), 1, -1)
    notes = f"synthetic hand, bone age {bone_age_months:g} months, sex {sex}, seed {seed}"
    keypoints = _to_pixels(_keypoints(rays), view)
    pixels = np.clip(pixels, 0, 1)
    return SyntheticHand(pixels, mask, carpal_mask & mask, bone_age_months, sex, keypoints, notes)
