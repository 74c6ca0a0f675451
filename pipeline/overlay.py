"""A radiograph as it is shown, with hand and crop drawn on it; pictures are written with the mark of this program."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from ..data.files import MARK, whole_file
from ..data.greys import percentiles, white_of
from ..data.radiograph import Radiograph
from ..handseg.crop import LEVELS, between
from ..handseg.finder import Hand

OUTLINE, FRAME = (255, 140, 0), (0, 190, 255)  # RGB of the hand's outline and of the crop's box
_THICKNESS = 400  # lines are one pixel thick for so many pixels of the shorter side


def shown(radiograph: Radiograph, hand: Hand) -> NDArray[np.uint8]:
    """The film's greys, uint8 of its own size, in the window in which its crop was read.

    A film without a crop is shown between the same percentiles of all its greys.
    """
    if hand.crop is not None:
        levels = hand.crop.levels
    else:
        levels = percentiles(radiograph.greys, LEVELS) / white_of(radiograph.greys)
    return between(radiograph.pixels, levels).astype(np.uint8)


def outlined(radiograph: Radiograph, hand: Hand) -> NDArray[np.uint8]:
    """The film as it is `shown`, uint8 RGB, with outline of the hand and box of the crop."""
    return marked(cv2.cvtColor(shown(radiograph, hand), cv2.COLOR_GRAY2RGB), hand)


def marked(picture: NDArray, hand: Hand) -> NDArray[np.uint8]:
    """Draw outline of the hand and box of the crop on an RGB picture (uint8, height x width x 3), and return it."""
    thickness = max(round(min(picture.shape[:2]) / _THICKNESS), 1)
    if hand.crop_box is not None:
        cv2.rectangle(picture, hand.crop_box.as_tuple(), FRAME, thickness)
    if hand.mask is not None:
        outlines, _ = cv2.findContours(hand.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, OUTLINE, thickness)
    return picture


def shrunk(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture with a longer side of at most `side` pixels."""
    height, width = picture.shape[:2]
    scale = min(side / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def as_png(picture: Image.Image, **options: Any) -> bytes:
    """A picture as a PNG file with the program's mark; `options`: of Pillow's writer."""
    about, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    about.add_text("Software", MARK)
    picture.save(buffer, "PNG", pnginfo=about, **options)
    return buffer.getvalue()


def write_png(picture: Image.Image, path: str | Path, **options: Any) -> None:
    """Write `as_png` of a picture, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(as_png(picture, **options))
