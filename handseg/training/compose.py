"""Training pictures made up on purpose: cut-out hands on invented backgrounds, and backgrounds with no hand at all.

The backgrounds imitate what clinics send: grey fields, gradients, collimator frames, burnt-in rims, markers, noise.
The empty ones imitate what is not a hand: text pages, photographs, chests, noise; their mask is empty.
All functions work on uint8 squares, bone bright, and draw from the generator given.
"""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def paste_hand(hand: Picture, mask: Picture, rng: Generator) -> Picture:
    """A cut-out `hand` (background removed) on a new background; the mask stays where it is.

    Grey levels add, as attenuation does; the hand may be fainter than its background is bright.
    """
    background = film_background(hand.shape[0], rng).astype(np.float32)
    gain = rng.uniform(0.35, 1.0)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.4, 1.2))
    lit = background * rng.uniform(0.6, 1.0) + gain * hand
    picture = background * (1 - soft) + lit * soft
    return finish(picture, rng)


def finish(picture: NDArray[np.number], rng: Generator) -> Picture:
    """A picture with what films may have: markers, a frame, noise, too little exposure, at times inverted greys."""
    picture = np.array(picture, np.float32, order="C")  # a copy that OpenCV can draw on
    if rng.random() < 0.6:
        _draw_marker(picture, rng)
    if rng.random() < 0.35:
        _draw_frame(picture, rng)
    if rng.random() < 0.4:
        picture = picture + rng.normal(0, rng.uniform(1, 10), picture.shape)
    if rng.random() < 0.25:
        picture = picture * rng.uniform(0.15, 0.7)
    if rng.random() < 0.06:
        picture = picture.max() - picture
    return np.clip(picture, 0, 255).astype(np.uint8)


def film_background(size: int, rng: Generator) -> NDArray[np.float32]:
    """An exposed field without a hand, float32 in 0..255: mostly dark, some grey, with a gradient."""
    level = rng.choice([rng.uniform(0, 25), rng.uniform(25, 130)], p=[0.6, 0.4])
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0, 40) if rng.random() < 0.5 else 0.0
    field = level + slope * (np.cos(angle) * columns + np.sin(angle) * rows)
    if rng.random() < 0.3:  # the field falls off towards its edge
        field = field * (1 - rng.uniform(0, 1.2) * (rows**2 + columns**2))
    return field.astype(np.float32)


def empty_picture(size: int, rng: Generator) -> Picture:
    """A picture without a hand: a blank field, noise, clouds, text, shapes, or something like a chest film."""
    makers = (film_background, _noise, _clouds, _text_page, _shapes, _checker, _chest, _long_bone)
    return finish(makers[int(rng.integers(len(makers)))](size, rng), rng)


def _noise(size: int, rng: Generator) -> NDArray[np.floating]:
    return rng.normal(rng.uniform(40, 200), rng.uniform(10, 80), (size, size))


def _clouds(size: int, rng: Generator) -> NDArray[np.floating]:
    """Noise of many sizes, as grass, skin or stone in a grey photograph."""
    total = np.zeros((size, size), np.float32)
    for octave in range(int(rng.integers(1, 4)), 8):
        cells = 2**octave
        grid = rng.normal(size=(cells, cells)).astype(np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.62**octave
    total = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    return total * 255


def _text_page(size: int, rng: Generator) -> NDArray[np.floating]:
    page = np.full((size, size), 235.0)
    step = int(rng.integers(8, 18))
    for y in range(step, size, step):
        line = "".join(rng.choice(list(string.ascii_letters + "    .,"), int(rng.integers(8, 60))))
        cv2.putText(page, line, (int(rng.integers(2, 20)), y), cv2.FONT_HERSHEY_SIMPLEX, step / 34, 20.0, 1)
    return page if rng.random() < 0.5 else 255 - page


def _shapes(size: int, rng: Generator) -> NDArray[np.floating]:
    """Overlapping blocks, discs and polygons on clouds, as furniture, faces and streets in a grey photograph."""
    picture = _clouds(size, rng) * rng.uniform(0.2, 0.8)
    for _ in range(int(rng.integers(3, 25))):
        centre = rng.integers(0, size, 2)
        shade = float(rng.uniform(0, 255))
        kind = rng.random()
        if kind < 0.4:
            axes = rng.integers(size // 20, size // 3, 2)
            cv2.ellipse(picture, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360, shade, -1)
        elif kind < 0.7:
            corners = centre + rng.integers(-size // 3, size // 3, (int(rng.integers(3, 7)), 2))
            cv2.fillPoly(picture, [corners.astype(np.int32)], shade)
        else:
            other = rng.integers(0, size, 2)
            cv2.line(picture, centre.tolist(), other.tolist(), shade, int(rng.integers(1, size // 12)))
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.5)) + 0.15 * _clouds(size, rng)


def _checker(size: int, rng: Generator) -> NDArray[np.floating]:
    """Squares or stripes, as a test chart."""
    step, wide = rng.integers(4, size // 3, 2)
    rows, columns = np.mgrid[0:size, 0:size]
    dark, light = rng.uniform(0, 255, 2)
    return np.where((rows // step + (columns // wide if rng.random() < 0.7 else 0)) % 2, light, dark)


def _chest(size: int, rng: Generator) -> NDArray[np.floating]:
    """Two dark lungs in a bright trunk, spine, ribs and heart: a frontal chest film from afar."""
    picture = np.full((size, size), rng.uniform(130, 200))
    middle, top = size / 2 + rng.uniform(-0.05, 0.05) * size, size * rng.uniform(0.15, 0.3)
    width, height = size * rng.uniform(0.14, 0.2), size * rng.uniform(0.28, 0.38)
    lungs = np.zeros((size, size))
    for side in (-1, 1):
        centre = (int(middle + side * size * 0.22), int(top + height))
        cv2.ellipse(lungs, centre, (int(width), int(height)), side * 6.0, 0, 360, 1.0, -1)
    picture -= cv2.GaussianBlur(lungs, (0, 0), size / 60) * rng.uniform(70, 120)
    ribs = np.zeros((size, size))
    for k in range(9):
        y = int(top + k * height * 0.22)
        for side in (-1, 1):
            centre = (int(middle + side * size * 0.2), y)
            axes = (int(size * 0.22), int(size * 0.1))
            cv2.ellipse(ribs, centre, axes, side * 18.0, 180, 360, 1.0, max(size // 60, 1))
    picture += cv2.GaussianBlur(ribs, (0, 0), 1) * rng.uniform(15, 45)
    spine = np.zeros((size, size))
    cv2.rectangle(spine, (int(middle - size * 0.04), 0), (int(middle + size * 0.04), size), 1.0, -1)
    cv2.ellipse(
        spine, (int(middle + size * 0.07), int(size * 0.6)), (int(size * 0.13), int(size * 0.17)), 0, 0, 360, 1, -1
    )
    return picture + cv2.GaussianBlur(spine, (0, 0), size / 50) * rng.uniform(30, 60)


def _long_bone(size: int, rng: Generator) -> NDArray[np.floating]:
    """One or two shafts across the frame, as a film of a leg or an upper arm."""
    picture = film_background(size, rng)
    ends = rng.uniform(0.2, 0.8, 2) * size
    for offset, shade, thickness in ((0.0, 60, 0.35), (-0.06, 120, 0.09), (0.08, 110, 0.06)):
        layer = np.zeros((size, size), np.float32)
        start, stop = (int(ends[0] + offset * size), 0), (int(ends[1] + offset * size), size)
        cv2.line(layer, start, stop, 1.0, int(thickness * size * rng.uniform(0.8, 1.2)))
        picture = picture + cv2.GaussianBlur(layer, (0, 0), size / 80) * shade
    return picture if rng.random() < 0.5 else picture.T


def _draw_marker(picture: NDArray[np.floating], rng: Generator) -> None:
    """A lead letter with initials, bright, at times on a slightly brighter plate."""
    size = picture.shape[0]
    scale, bold = size * rng.uniform(0.0015, 0.0045), int(rng.integers(1, 4))
    x, y = (int(v) for v in rng.uniform(0.02, 0.9, 2) * size)
    lines = [str(rng.choice(["L", "R"])), "".join(rng.choice(list(string.ascii_uppercase), int(rng.integers(2, 5))))]
    shade = float(rng.uniform(150, 255))
    if rng.random() < 0.5:
        far = (int(x + 45 * scale), int(y + 40 * scale))
        cv2.rectangle(picture, (int(x - 5 * scale), int(y - 30 * scale)), far, float(rng.uniform(10, 90)), -1)
    for k, text in enumerate(lines[: int(rng.integers(1, 3))]):
        where = (x, int(y + k * 28 * scale))
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale * (1 - 0.4 * k), shade, bold)


def _draw_frame(picture: NDArray[np.floating], rng: Generator) -> None:
    """A collimator's border, black, grey or burnt white, on some sides, at times a thin rim of the cassette."""
    size = picture.shape[0]
    shade = float(rng.choice([0.0, rng.uniform(20, 160), 255.0], p=[0.5, 0.25, 0.25]))
    widths = (rng.uniform(0, 0.09, 4) * size * (rng.random(4) < 0.6)).astype(int)
    picture[: widths[0]] = shade
    picture[size - widths[1] :] = shade
    picture[:, : widths[2]] = shade
    picture[:, size - widths[3] :] = shade
    if rng.random() < 0.3:
        near, far = (int(v * size) for v in (rng.uniform(0.01, 0.1), rng.uniform(0.9, 0.99)))
        cv2.rectangle(picture, (near, near), (far, far), float(rng.uniform(60, 255)), int(rng.integers(1, 4)))
