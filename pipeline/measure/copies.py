"""Copies of one radiograph as other machines, programs and hands would make them, each written as a real file.

A reader should read all of them alike. They are files, not arrays, so that decoding is part of the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

Pixels = NDArray[np.float32]
Random = np.random.Generator
Write = Callable[[Pixels, Path, Random], None]

ANGLE = 15  # degrees
QUALITY = 30  # of a JPEG, 1 to 95
SIDE = 300  # pixels
FRAME = 0.10  # of the picture's side, on each side
JITTER = 0.02  # of the picture's side, at most, on each side
_RIM = 0.02  # share of the shorter side whose median is the background
_WHITE_16 = 2**16 - 1


@dataclass(frozen=True)
class Copy:
    """One way to copy a radiograph: `title` says it in words, `write` makes the file, whose name ends in `suffix`."""

    title: str
    suffix: str
    write: Write


def write_copies(pixels: Pixels, folder: str | Path, film: str, copies: Mapping[str, Copy]) -> dict[str, Path]:
    """Write every one of `copies` into `folder` and return their files by name.

    pixels: float32, height x width, [0, 1], bone bright. `film` and the copy's name seed what is random, so that a film
    always gets the same copies. Greys are written with 8 bits unless the copy's title states another depth.
    """
    files = {name: Path(folder) / f"{name}{copy.suffix}" for name, copy in copies.items()}
    for name, copy in copies.items():
        seed = int.from_bytes(hashlib.sha256(f"{name}:{film}".encode()).digest()[:8], "big")
        copy.write(pixels, files[name], np.random.default_rng(seed))
    return files


def grey(pixels: Pixels) -> Image.Image:
    """Pixels as a picture of 8 bits."""
    return Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def png(change: Callable[[Pixels, Random], Pixels]) -> Write:
    """Write pixels that were changed as a PNG of 8 bits."""
    return lambda pixels, path, random: grey(change(pixels, random)).save(path, compress_level=1)


def _rotated(pixels: Pixels, random: Random) -> Pixels:
    return rotated(pixels, ANGLE * float(random.choice((-1, 1))))


def rotated(pixels: Pixels, angle: float) -> Pixels:
    """Rotated anticlockwise by degrees on a canvas that grows to hold all of it, filled with the background."""
    height, width = pixels.shape
    view = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    cosine, sine = abs(view[0, 0]), abs(view[0, 1])
    size = int(np.ceil(width * cosine + height * sine)), int(np.ceil(width * sine + height * cosine))
    view[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    canvas = cv2.warpAffine(pixels, view, size, flags=cv2.INTER_LINEAR, borderValue=_background(pixels))
    return np.asarray(canvas, np.float32)


def _background(pixels: Pixels) -> float:
    """The median grey along the picture's edge."""
    rim = max(round(_RIM * min(pixels.shape)), 1)
    edge = np.ones(pixels.shape, bool)
    edge[rim:-rim, rim:-rim] = False
    return float(np.median(pixels[edge]))


def _framed(pixels: Pixels, _: Random) -> Pixels:
    return np.pad(pixels, [(round(FRAME * side),) * 2 for side in pixels.shape])


def _shifted(pixels: Pixels, random: Random) -> Pixels:
    height, width = pixels.shape
    top, bottom = random.integers(0, round(JITTER * height), 2, endpoint=True)
    left, right = random.integers(0, round(JITTER * width), 2, endpoint=True)
    return pixels[top : height - bottom, left : width - right]


def _jpeg(pixels: Pixels, path: Path, _: Random) -> None:
    grey(pixels).save(path, quality=QUALITY)


def _resized(side: Callable[..., int]) -> Write:
    """A PNG whose longer (side: max) or shorter (min) side is SIDE pixels."""

    def write(pixels: Pixels, path: Path, _: Random) -> None:
        picture = grey(pixels)
        scale = SIDE / side(picture.size)
        width, height = (max(round(length * scale), 1) for length in picture.size)
        picture.resize((width, height), Image.Resampling.LANCZOS).save(path, compress_level=1)

    return write


def _sixteen_bits(pixels: Pixels) -> NDArray[np.uint16]:
    return np.rint(np.clip(pixels, 0, 1) * _WHITE_16).astype(np.uint16)


def _deep_png(pixels: Pixels, path: Path, _: Random) -> None:
    Image.fromarray(_sixteen_bits(pixels)).save(path, compress_level=1)


def _dicom(photometric: str, *, window: bool) -> Write:
    """A computed radiograph of 16 bits that states nothing about the child; `window`: state one, over all values."""

    def write(pixels: Pixels, path: Path, _: Random) -> None:
        stored = _sixteen_bits(pixels)
        if photometric == "MONOCHROME1":
            stored = _WHITE_16 - stored
        film = Dataset()
        film.file_meta = FileMetaDataset()
        film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        film.SOPClassUID, film.Modality = ComputedRadiographyImageStorage, "CR"
        film.set_pixel_data(stored, photometric, 16)  # and a UID for the instance
        if window:
            film.WindowCenter, film.WindowWidth = (_WHITE_16 + 1) // 2, _WHITE_16 + 1
        film.save_as(path, enforce_file_format=True)

    return write


PLAIN = "plain"  # the copy that the others are compared with
COPIES: Mapping[str, Copy] = {
    PLAIN: Copy("as it is (8-bit PNG)", ".png", png(lambda pixels, _: pixels)),
    "rotated-15": Copy(f"rotated by {ANGLE} degrees, to a side drawn by chance", ".png", png(_rotated)),
    "rotated-90": Copy("rotated by 90 degrees", ".png", png(lambda pixels, _: np.rot90(pixels))),
    "rotated-180": Copy("rotated by 180 degrees", ".png", png(lambda pixels, _: np.rot90(pixels, 2))),
    "rotated-270": Copy("rotated by 270 degrees", ".png", png(lambda pixels, _: np.rot90(pixels, 3))),
    "mirrored": Copy("mirrored", ".png", png(lambda pixels, _: pixels[:, ::-1])),
    "inverted": Copy("greys inverted", ".png", png(lambda pixels, _: 1 - pixels)),
    "jpeg-30": Copy(f"JPEG of quality {QUALITY}", ".jpg", _jpeg),
    "half-brightness": Copy("half as bright", ".png", png(lambda pixels, _: pixels * np.float32(0.5))),
    "double-brightness": Copy("twice as bright, clipped at white", ".png", png(lambda pixels, _: pixels * 2)),
    "long-side-300": Copy(f"resized, long side {SIDE} px", ".png", _resized(max)),
    "short-side-300": Copy(f"resized, short side {SIDE} px", ".png", _resized(min)),
    "black-frame": Copy(f"in a black frame, {FRAME:.0%} on each side", ".png", png(_framed)),
    "shifted": Copy(f"cut by 0 to {JITTER:.0%} at each side, by chance", ".png", png(_shifted)),
    "png-16": Copy("16-bit PNG", ".png", _deep_png),
    "dicom": Copy("DICOM, MONOCHROME2, no window", ".dcm", _dicom("MONOCHROME2", window=False)),
    "dicom-window": Copy("DICOM, MONOCHROME2, window", ".dcm", _dicom("MONOCHROME2", window=True)),
    "dicom-monochrome1": Copy("DICOM, MONOCHROME1, window", ".dcm", _dicom("MONOCHROME1", window=True)),
}
