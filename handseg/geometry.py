"""Boxes on a radiograph, and the square they are resized into, with the way back.

Coordinates are (x, y) in pixels, x to the right and y down, and a pixel's centre has whole-number coordinates, so a
picture `width` wide spans -0.5 to width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.resize import area_means, resize_square


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels: left column `x`, top row `y`, `width`, `height`; may reach outside the picture."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Pixels inside."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns inside: `picture[box.slices]` is cut out of a picture in which the box lies."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def common(self, other: Box) -> Box:
        """What lies in both boxes; without area where nothing does."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Box(x, y, max(right - x, 0), max(bottom - y, 0))

    def grown(self, margin: float) -> Box:
        """The box with `margin` (a fraction of its own sides) added on each side."""
        dx, dy = round(self.width * margin), round(self.height * margin)
        return Box(self.x - dx, self.y - dy, self.width + 2 * dx, self.height + 2 * dy)

    def clipped(self, height: int, width: int) -> Box:
        """The part of the box inside a picture of `height` x `width`; at least one pixel."""
        x, y = min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        return Box(x, y, max(right - x, 1), max(bottom - y, 1))

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(x, y, width, height)."""
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True)
class SquareFit:
    """How a box of a picture was centred in a square of constant padding and resized to `size` pixels a side.

    The aspect never changes: the box keeps its shape, the padding makes the square. `frame` is the picture's
    (height, width). `rotation`: quarter turns anticlockwise, 0 to 3, by which the finished square is rotated; box and
    frame stay those of the picture as it is. `to_square` and `to_original` map points; `back` maps a whole picture.
    """

    box: Box
    size: int
    frame: tuple[int, int]
    rotation: int = 0

    def __post_init__(self) -> None:
        if self.box.area < 1 or self.box != self.box.clipped(*self.frame):
            raise ValueError(f"{self.box} does not lie inside a picture of {self.frame} (height, width)")

    @property
    def side(self) -> int:
        """Side of the padded square in pixels of the original."""
        return max(self.box.width, self.box.height)

    @property
    def scale(self) -> float:
        """Square pixels per original pixel."""
        return self.size / self.side

    @property
    def _corner(self) -> tuple[int, int]:
        # an odd pixel of padding goes to the right and below of the upright hand, so a rotated film reads the same
        left = self.box.x - (self.side - self.box.width + (self.rotation in (1, 2))) // 2
        top = self.box.y - (self.side - self.box.height + (self.rotation in (2, 3))) // 2
        return left, top

    def to_square(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Original (x, y), n x 2, to coordinates in the square."""
        square = (np.asarray(points, np.float64) - self._corner + 0.5) * self.scale - 0.5
        return self._rotated(square, self.rotation)

    def to_original(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates in the square, n x 2, to original (x, y)."""
        return self._unresized(self._rotated(np.asarray(points, np.float64), -self.rotation))

    def _unresized(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the square before its rotation, in the original."""
        return (points + 0.5) / self.scale - 0.5 + self._corner

    def _rotated(self, points: NDArray[np.float64], quarters: int) -> NDArray[np.float64]:
        """Points of the square after it was rotated anticlockwise."""
        for _ in range(quarters % 4):
            points = np.stack([points[:, 1], self.size - 1 - points[:, 0]], axis=1)
        return points

    def apply(self, picture: NDArray) -> NDArray[np.float32]:
        """Cut the box out of a picture (height x width, uint8 or float32), pad to a square with 0, resize, rotate.

        float32 in the picture's own units. Shrinking averages areas, so no detail aliases; enlarging is bilinear. The
        picture's rim keeps its own grey levels: no padding is mixed into it.
        """
        if picture.shape[:2] != self.frame:
            raise ValueError(f"picture is {picture.shape[:2]}, the fit was made for {self.frame}")
        values = picture[self.box.slices]
        rows, columns = self._shown
        square = np.zeros((self.size, self.size), np.float32)
        left, above = self.box.x - self._corner[0], self.box.y - self._corner[1]
        if self.size < self.side:
            edges = np.arange(self.size + 1) / self.scale
            down, across = edges[rows.start : rows.stop + 1] - above, edges[columns.start : columns.stop + 1] - left
            square[rows, columns] = area_means(values, down, across)
        else:
            below, right = self.side - above - self.box.height, self.side - left - self.box.width
            padded = cv2.copyMakeBorder(values, above, below, left, right, cv2.BORDER_REPLICATE)
            square[rows, columns] = resize_square(padded.astype(np.float32), self.size)[rows, columns]
        return rotated(square, self.rotation)

    def inside(self) -> NDArray[np.bool_]:
        """Which pixels of the square (size x size) show the picture rather than padding."""
        shown = np.zeros((self.size, self.size), bool)
        shown[self._shown] = True
        return rotated(shown, self.rotation)

    @cached_property
    def _shown(self) -> tuple[slice, slice]:
        """Rows and columns of the square before its rotation that show the picture."""
        centres = self._unresized(np.stack([np.arange(self.size, dtype=np.float64)] * 2, axis=1))
        columns = _between(centres[:, 0], self.box.x - 0.5, self.box.x + self.box.width - 0.5)
        return _between(centres[:, 1], self.box.y - 0.5, self.box.y + self.box.height - 0.5), columns

    def back(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """A float32 map over the square (size x size) as a map over the original picture, 0 outside the box."""
        whole = np.zeros(self.frame, np.float32)
        whole[self.box.slices] = self.back_in(self.box, square)
        return whole

    def back_in(self, part: Box, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """The pixels of `back` in `part`, which lies inside the box: part.height x part.width."""
        left, top = self._corner
        how = cv2.INTER_AREA if self.side < self.size else cv2.INTER_LINEAR
        # one side after the other, so that no column outside the part is made
        wide = cv2.resize(rotated(square, -self.rotation), (self.side, self.size), interpolation=how)
        wide = wide[:, part.x - left : part.x - left + part.width]
        high = cv2.resize(wide, (part.width, self.side), interpolation=how)
        return np.asarray(high[part.y - top : part.y - top + part.height], np.float32)

    def over(self, other: SquareFit, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map over this square as one over another square of the picture, bilinear; 0 outside this one."""
        corners = np.array([(0, 0), (1, 0), (0, 1)], np.float64)
        origin, right, down = self.to_square(other.to_original(corners))
        matrix = np.stack([right - origin, down - origin, origin], axis=1)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(square, matrix, (other.size, other.size), flags=how), np.float32)

    def reached_from(self, square: Box) -> Box:
        """The part of the box where `back` is not 0 for a map that is 0 outside a box of pixels of the square.

        One pixel more on each side, so that the part's rim is 0 too, but for where it is the rim of the box.
        """
        corners = np.array([(square.x - 1, square.y - 1), (square.x + square.width, square.y + square.height)])
        ends = self.to_original(corners) + 0.5
        x, y = np.floor(ends.min(axis=0) - 1).astype(int).tolist()
        right, bottom = np.ceil(ends.max(axis=0) + 1).astype(int).tolist()
        return self.box.common(Box(x, y, right - x, bottom - y))


def whole_frame(height: int, width: int) -> Box:
    """The box of a whole picture."""
    return Box(0, 0, width, height)


def rotated(picture: NDArray, quarters: int) -> NDArray:
    """A picture rotated anticlockwise by quarter turns, its rows in memory order, as OpenCV and torch take them."""
    return np.ascontiguousarray(np.rot90(picture, quarters))


def _between(centres: NDArray[np.float64], low: float, high: float) -> slice:
    return slice(int(np.searchsorted(centres, low)), int(np.searchsorted(centres, high, side="right")))
