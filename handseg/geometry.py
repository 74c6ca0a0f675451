"""Boxes on a radiograph, and the square they are resized into, with the way back.

Coordinates are (x, y) in pixels, x to the right and y down, and a pixel's centre has whole-number coordinates, so a
picture `width` wide spans -0.5 to width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.resize import resize_square


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

    def grown(self, margin: float) -> Box:
        """The box with `margin` (a fraction of its own sides) added on each side."""
        dx, dy = round(self.width * margin), round(self.height * margin)
        return Box(self.x - dx, self.y - dy, self.width + 2 * dx, self.height + 2 * dy)

    def clipped(self, height: int, width: int) -> Box:
        """The part of the box inside a picture of `height` x `width`; at least one pixel."""
        x, y = min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        return Box(x, y, max(right - x, 1), max(bottom - y, 1))

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of `points` (n x 2, x then y) lie inside."""
        x, y = points[:, 0] - self.x, points[:, 1] - self.y
        return (x >= -0.5) & (y >= -0.5) & (x <= self.width - 0.5) & (y <= self.height - 0.5)

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(x, y, width, height)."""
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True)
class SquareFit:
    """How a box of a picture was centred in a square of constant padding and resized to `size` pixels a side.

    The aspect never changes: the box keeps its shape, the padding makes the square. `frame` is the picture's
    (height, width). `turn`: quarter turns anticlockwise, 0 to 3, by which the finished square was turned; box and frame
    stay those of the picture as it is. `to_square` and `to_original` map points; `back` maps a whole picture.
    """

    box: Box
    size: int
    frame: tuple[int, int]
    turn: int = 0

    def __post_init__(self) -> None:
        """Refuse a box that is empty or reaches outside the picture: there is nothing to cut out there."""
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
        # an odd rest goes to the right and below as the hand is upright, so a film reads the same however it lies
        left = self.box.x - (self.side - self.box.width + (self.turn in (1, 2))) // 2
        top = self.box.y - (self.side - self.box.height + (self.turn in (2, 3))) // 2
        return left, top

    def to_square(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Original (x, y), n x 2, to coordinates in the square."""
        square = (np.asarray(points, np.float64) - self._corner + 0.5) * self.scale - 0.5
        return self._turned(square, self.turn)

    def to_original(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates in the square, n x 2, to original (x, y)."""
        return self._unresized(self._turned(np.asarray(points, np.float64), -self.turn))

    def _unresized(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the square before it was turned, in the original."""
        return (points + 0.5) / self.scale - 0.5 + self._corner

    def _turned(self, points: NDArray[np.float64], turns: int) -> NDArray[np.float64]:
        """Points of the square after `turns` quarter turns of it anticlockwise."""
        for _ in range(turns % 4):
            points = np.stack([points[:, 1], self.size - 1 - points[:, 0]], axis=1)
        return points

    def apply(self, picture: NDArray) -> NDArray:
        """Cut the box out of `picture` (height x width, any real dtype), pad to the square with 0, resize once, turn.

        Shrinking averages areas, so no detail aliases; enlarging is bilinear. The picture's rim keeps its own grey
        levels: no padding is mixed into it.
        """
        if picture.shape[:2] != self.frame:
            raise ValueError(f"picture is {picture.shape[:2]}, the fit was made for {self.frame}")
        box = self.box
        left, top = self._corner
        part = picture[box.y : box.y + box.height, box.x : box.x + box.width]
        square = cv2.copyMakeBorder(
            part,
            box.y - top,
            self.side - box.height - (box.y - top),
            box.x - left,
            self.side - box.width - (box.x - left),
            cv2.BORDER_REPLICATE,
        )
        square = quarter_turned(resize_square(square, self.size), self.turn)
        return np.where(self.inside(), square, square.dtype.type(0))

    def inside(self) -> NDArray[np.bool_]:
        """Which pixels of the square (size x size) show the picture rather than padding."""
        centres = self._unresized(np.stack([np.arange(self.size, dtype=np.float64)] * 2, axis=1))
        columns = (centres[:, 0] >= self.box.x - 0.5) & (centres[:, 0] <= self.box.x + self.box.width - 0.5)
        rows = (centres[:, 1] >= self.box.y - 0.5) & (centres[:, 1] <= self.box.y + self.box.height - 0.5)
        return quarter_turned(rows[:, None] & columns[None, :], self.turn)

    def back(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """A float32 map over the square (size x size) as a map over the original picture, 0 outside the box."""
        grid = resize_square(quarter_turned(square, -self.turn), self.side)
        left, top = self._corner
        box = self.box
        whole = np.zeros(self.frame, np.float32)
        whole[box.y : box.y + box.height, box.x : box.x + box.width] = grid[
            box.y - top : box.y - top + box.height, box.x - left : box.x - left + box.width
        ]
        return whole


def whole_frame(height: int, width: int) -> Box:
    """The box of a whole picture."""
    return Box(0, 0, width, height)


def quarter_turned(picture: NDArray, turns: int) -> NDArray:
    """A picture after `turns` quarter turns anticlockwise, its rows in memory order, as OpenCV and torch take them."""
    return np.ascontiguousarray(np.rot90(picture, turns))
