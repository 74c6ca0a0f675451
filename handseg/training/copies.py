"""Altered copies of pictures: rotated, cut, framed, saved again; and pictures made from films that show no hand.

All functions take and return uint8 pictures, bone bright, and draw from the generator given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WORDS = ("L", "R", "AP", "PORT", "18/03", "LEFT HAND", "kV 50", "A. B.", "12345", "SUPINE", "->")


@dataclass(frozen=True, eq=False)
class Film:
    """An upright film of one whole hand. `mask`: uint8, 1 on the hand; `wrist`: (x, y), both in pixels of it."""

    picture: Picture
    mask: Picture
    wrist: tuple[float, float]

    def hand(self) -> tuple[int, int, int, float]:
        """Top, left and right end of the hand above the wrist, and its length from fingertip to wrist, in pixels."""
        above = self.mask[: max(round(self.wrist[1]), 1)]
        rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
        if not len(rows):
            return 0, 0, 0, 0.0
        return int(rows[0]), int(columns[0]), int(columns[-1]), self.wrist[1] - float(rows[0])

    def mirrored(self) -> Film:
        """The mirror image."""
        width = self.mask.shape[1]
        wrist = width - 1 - self.wrist[0], self.wrist[1]
        return Film(np.ascontiguousarray(self.picture[:, ::-1]), np.ascontiguousarray(self.mask[:, ::-1]), wrist)

    def slanted(self, degrees: float, shade: int) -> Film:
        """Rotated anticlockwise on a larger film, its corners filled with `shade`."""
        matrix, size = _rotation(self.picture.shape, degrees)
        picture = cv2.warpAffine(self.picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=shade)
        mask = cv2.warpAffine(self.mask, matrix, size, flags=cv2.INTER_NEAREST)
        x, y = matrix @ (*self.wrist, 1.0)
        return Film(np.asarray(picture, np.uint8), np.asarray(mask, np.uint8), (float(x), float(y)))


def posed(film: Film, rng: Generator) -> Film:
    """The film, at times mirrored, at times slanted by up to 25 degrees."""
    mirrored = rng.random() < 0.5
    if rng.random() < 0.4:
        film = film.slanted(rng.uniform(-25, 25), int(rng.choice([0, int(np.percentile(film.picture, 5))])))
    return film.mirrored() if mirrored else film


def altered(
    picture: Picture, rng: Generator, *, mirror: bool = True, slant: bool = True, inverted: float = 0.1
) -> Picture:
    """A copy with other exposure, noise, blur, size, words, JPEG, border or slant; a share `inverted` has dark bone."""
    if mirror and rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if slant and rng.random() < 0.5:
        matrix, size = _rotation(picture.shape, rng.uniform(-25, 25))
        shade = _shade(picture, rng)
        picture = np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=shade), np.uint8)
    greys = picture.astype(np.float32) / 255
    if rng.random() < 0.6:
        greys = greys ** np.float32(np.exp(rng.uniform(-0.9, 0.9)))
        greys = greys * rng.uniform(0.6, 1.25) + rng.uniform(-0.05, 0.1)
    if rng.random() < inverted:
        greys = 1 - greys
    if rng.random() < 0.25:
        greys = greys + rng.normal(0, rng.uniform(0.005, 0.04), greys.shape)
    if rng.random() < 0.3:
        greys = cv2.GaussianBlur(greys, (0, 0), rng.uniform(0.4, 2.0) * max(greys.shape) / 400)
    return _saved(np.asarray(np.clip(greys, 0, 1) * 255, np.uint8), rng)


def _saved(picture: Picture, rng: Generator) -> Picture:
    """Made smaller, written on, compressed and framed, each by chance."""
    if rng.random() < 0.5:
        picture = shrunk(picture, rng.uniform(96, 320))
    if rng.random() < 0.35:
        picture = np.array(picture)
        height, width = picture.shape
        for _ in range(int(rng.integers(1, 4))):
            scale = height / 400 * rng.uniform(0.4, 1.2 if rng.random() < 0.8 else 2.5)
            where = int(rng.uniform(0, 0.85) * width), int(rng.uniform(0.05, 1) * height)
            shade, bold = int(rng.choice([255, 200, 0])), max(1, int(2 * scale))
            cv2.putText(picture, str(rng.choice(WORDS)), where, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, bold)
    if rng.random() < 0.6:
        _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))])
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    if rng.random() < 0.35:
        height, width = picture.shape
        widths = (rng.uniform(0, 0.15, 4) * (height, height, width, width) * (rng.random(4) < 0.7)).astype(int)
        above, below, left, right = widths.tolist()
        shade = _shade(picture, rng)
        framed = cv2.copyMakeBorder(picture, above, below, left, right, cv2.BORDER_CONSTANT, value=[shade])
        picture = np.asarray(framed, np.uint8)
    return picture


def in_field(picture: Picture, kept: tuple[int, int, int, int], rng: Generator) -> Picture:
    """The picture on a plate, at times larger, of which the collimator exposed a field, straight or tilted.

    `kept`: top, bottom, left and right end of what lies inside the field wherever the picture reaches.
    """
    height, width = picture.shape
    more = (rng.uniform(0, 0.7, 4) * (rng.random(4) < 0.5) * (height, height, width, width)).astype(int)
    top, bottom, left, right = more.tolist()
    plate = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE).astype(np.float32)
    centre = np.array([kept[2] + kept[3], kept[0] + kept[1]]) / 2 + more[[2, 0]]
    half = np.array([kept[3] - kept[2], kept[1] - kept[0]]) / 2 * rng.uniform(1.02, 1.5)
    angle = rng.uniform(-0.4, 0.4) if rng.random() < 0.6 else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    reach = np.array([half[0] * cosine + half[1] * abs(sine), half[0] * abs(sine) + half[1] * cosine])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * reach * rng.uniform(1, 1.3, (4, 2))
    corners = (centre + corners @ np.array([(cosine, sine), (-sine, cosine)])).astype(np.int32)
    field = cv2.fillConvexPoly(np.zeros(plate.shape, np.float32), corners, 1.0)
    soft = cv2.GaussianBlur(field, (0, 0), rng.uniform(0.3, 0.02 * max(height, width)))
    lit = plate * rng.uniform(0.35, 1.0) + rng.uniform(0, 110) if rng.random() < 0.6 else plate
    dark = rng.uniform(0, 100) if rng.random() < 0.6 else 0.0
    plate = lit * soft + dark * (1 - soft)
    if rng.random() < 0.4:  # its edge scatters
        cv2.polylines(plate, [corners], True, float(plate.max()) + rng.uniform(-20, 60), int(rng.integers(1, 5)))
    return np.clip(plate, 0, 255).astype(np.uint8)


def shrunk(picture: Picture, side: float) -> Picture:
    """A picture whose longer side is at most `side` pixels."""
    scale = side / max(picture.shape)
    if scale >= 1:
        return picture
    size = max(int(picture.shape[1] * scale), 8), max(int(picture.shape[0] * scale), 8)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shade(picture: Picture, rng: Generator) -> int:
    """The grey of a border: black, that of the background, or white."""
    return int(rng.choice([0, int(np.percentile(picture, 5)), 255], p=[0.5, 0.4, 0.1]))


def _rotation(shape: Sequence[int], degrees: float) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The matrix that rotates a picture anticlockwise, and the size (width, height) that then holds all of it."""
    height, width = shape
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), np.float64)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = int(height * sine + width * cosine), int(height * cosine + width * sine)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return matrix, size


def whole_window(film: Film, rng: Generator) -> list[int]:
    """Top, bottom, left and right end of a window that holds the whole hand, often barely."""
    height, width = film.mask.shape
    top, left, right, length = film.hand()
    free = (top - 0.01 * length, left - 0.01 * length, width - 1 - right - 0.01 * length)
    above, before, behind = (int(rng.uniform(0, max(room, 0))) if rng.random() < 0.6 else 0 for room in free)
    below = min(film.wrist[1] + 0.14 * length, height)
    bottom = int(rng.uniform(below, height)) if rng.random() < 0.6 else height
    return [above, bottom, before, width - behind]


def cut_window(film: Film, rng: Generator) -> list[int]:
    """A window that cuts the hand off at one side or two, by up to three quarters of its length."""
    window = whole_window(film, rng)
    top, left, right, length = film.hand()
    for side in rng.choice(4, int(rng.choice([1, 2], p=[0.8, 0.2])), replace=False):
        most = 0.12 if rng.random() < 0.45 else 0.75 if side < 2 else 0.55
        cut = rng.uniform(0, most) * length
        window[side] = int((top + cut, film.wrist[1] - cut, left + cut, right + 1 - cut)[side])
    return window


def through(
    film: Film, window: Sequence[int], rng: Generator, *, field: float, change: float, inverted: float
) -> Picture:
    """What a window shows of a film, with these probabilities of a collimated plate, of a change, of dark bone then."""
    above, below, before, behind = window
    picture = np.ascontiguousarray(film.picture[above:below, before:behind])
    if rng.random() < field:
        top, left, right, length = film.hand()
        end = min(int(film.wrist[1] + 0.1 * length), below)
        picture = in_field(picture, (top - above, end - above, left - before, right + 1 - before), rng)
    if rng.random() < change:
        picture = altered(picture, rng, mirror=False, slant=False, inverted=inverted)
    return picture


def missing(film: Film, window: Sequence[int]) -> NDArray[np.float32]:
    """How far the hand reaches out of a window, in its lengths (below 0: inside): fingertips, left, wrist, right."""
    top, left, right, length = film.hand()
    above, below, before, behind = window
    outside = (above - top, before - left, film.wrist[1] - below, right + 1 - behind)
    return np.array(outside, np.float32) / max(length, 1.0)


def side_by_side(films: tuple[Film, Film], rng: Generator) -> Picture:
    """One film with two hands, thumbs towards each other or away, at times so near that they touch."""
    parts = []
    height = min(film.picture.shape[0] for film in films)
    for film in films:
        _, left, right, length = film.hand()
        spare = (rng.uniform(-0.01, 0.15, 2) * length).astype(int)
        before, behind = max(left - spare[0], 0), min(right + 1 + spare[1], film.picture.shape[1])
        part = film.picture[:, before:behind]
        parts.append(cv2.resize(part, (max(part.shape[1] * height // part.shape[0], 8), height)))
    return np.asarray(np.hstack(parts), np.uint8)


def without_bones(film: Film, rng: Generator) -> Film:
    """The same hand as a soft shadow."""
    size = rng.uniform(0.04, 0.08) * film.hand()[3]
    inside = (film.mask > 0).astype(np.float32)
    soft = cv2.GaussianBlur(film.picture * inside, (0, 0), size) / np.maximum(
        cv2.GaussianBlur(inside, (0, 0), size), 1e-3
    )
    near = np.clip(cv2.distanceTransform(film.mask, cv2.DIST_L2, 5) / size, 0, 1)
    shadow = np.clip(soft * (0.4 + 0.6 * np.sqrt(near)), 0, 255)
    return replace(film, picture=np.where(film.mask > 0, shadow, film.picture).astype(np.uint8))


def photographed(film: Film, rng: Generator) -> Film:
    """The hand's outline filled as a grey photograph of a hand: lit skin with creases, on any background."""
    height, width = film.mask.shape
    length = film.hand()[3]
    near = np.clip(cv2.distanceTransform(film.mask, cv2.DIST_L2, 5) / (0.07 * length), 0, 1)
    relief = cv2.GaussianBlur(np.sqrt(1 - (1 - near) ** 2), (0, 0), 0.008 * length) * 0.07 * length
    down, across = np.gradient(relief)
    angle = rng.uniform(0, 2 * np.pi)
    skin = np.clip(0.6 + 0.5 * (np.cos(angle) * across + np.sin(angle) * down), 0, 1) * rng.uniform(0.5, 1)
    skin = np.asarray(skin, np.float32)
    rows, columns = np.nonzero(film.mask)
    for _ in range(int(rng.integers(0, 25))):
        k, size = int(rng.integers(len(rows))), int(0.06 * length * rng.uniform(0.3, 1))
        axes, shade = (size, max(size // 4, 1)), float(rng.uniform(0.2, 0.6))
        centre = int(columns[k]), int(rows[k])
        cv2.ellipse(skin, centre, axes, float(rng.integers(180)), 0, 180, shade, max(1, int(length / 150)))
    skin += rng.uniform(0.02, 0.25) * _clouds(height, width, rng)
    behind = np.full((height, width), rng.uniform(0, 1), np.float32)
    if rng.random() < 0.5:
        behind = 0.5 * behind + 0.25 + rng.uniform(0.05, 0.4) * _clouds(height, width, rng)
    inside = cv2.GaussianBlur(film.mask.astype(np.float32), (0, 0), max(0.6, 0.003 * length))
    picture = np.clip(behind * (1 - inside) + skin * inside, 0, 1) * 255
    return replace(film, picture=picture.astype(np.uint8))


def outlined(film: Film, rng: Generator) -> Film:
    """The hand as a drawing: its outline, at times with lines along its bones, or filled with one grey."""
    lines = np.zeros(film.mask.shape, np.uint8)
    contours, _ = cv2.findContours(film.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    bold = max(1, int(film.hand()[3] / rng.uniform(60, 250)))
    cv2.drawContours(lines, contours, -1, 255, bold if rng.random() < 0.75 else cv2.FILLED)
    if rng.random() < 0.6:
        smooth = cv2.GaussianBlur(film.picture, (0, 0), 0.006 * film.hand()[3] + 0.3)
        steep = float(rng.uniform(20, 80))
        lines |= np.asarray(cv2.Canny(smooth, steep / 2, steep), np.uint8) & (film.mask * 255)
    if rng.random() < 0.5:
        lines = cv2.GaussianBlur(lines, (0, 0), rng.uniform(0.4, 1.2))
    return replace(film, picture=np.asarray(lines if rng.random() < 0.5 else 255 - lines, np.uint8))


def _clouds(height: int, width: int, rng: Generator) -> NDArray[np.float32]:
    layers = (rng.normal(size=(2**k, 2**k)).astype(np.float32) * 0.55**k for k in range(1, 8))
    return np.sum([cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in layers], axis=0)


def other_digits(film: Film, rng: Generator) -> Film | None:
    """The hand with two digits taken away or some added; None where its fingers do not lie apart."""
    top, _, _, length = film.hand()
    line = int(top + 0.42 * length)
    fingers = np.where(np.arange(len(film.mask))[:, None] < line, film.mask, 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(fingers)
    found = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 0.004 * length**2]
    if len(found) < 4:
        return None
    if rng.random() < 0.5:
        gone = np.isin(labels, rng.choice(found, 2, replace=False)).astype(np.uint8)
        soft = cv2.GaussianBlur(cv2.dilate(gone, np.ones((5, 5), np.uint8)).astype(np.float32), (0, 0), 1.5)
        picture = film.picture * (1 - soft) + float(np.median(film.picture[film.mask == 0])) * soft
    else:
        shift = int(0.09 * length * rng.choice([-1, 1]))
        fade = np.clip((top + 0.5 * length - np.arange(len(film.mask))) / (0.15 * length), 0, 1)[:, None]
        soft = cv2.GaussianBlur(np.roll(fingers, shift, 1).astype(np.float32), (0, 0), 1.5)
        picture = np.maximum(film.picture, np.roll(film.picture, shift, 1) * soft * fade)
    return replace(film, picture=np.clip(picture, 0, 255).astype(np.uint8))
