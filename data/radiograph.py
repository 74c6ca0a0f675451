"""The radiograph as a value, and the limits of sizes that are decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .child import Age
from .errors import ReadError
from .greys import Greys
from .remark import Remark, Verbatim
from .sex import Sex

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Laterality = Literal["L", "R"]
View = Literal["AP", "PA"]  # of a hand: PA has its palm on the plate
MIN_SIDE = 32  # pixels; the joints of a hand cannot be seen on fewer
# The largest digital plates have 5,000 x 4,000 pixels, a film of 24 x 30 cm at 600 dpi 40 million. At these limits
# `boneage predict --weights fast` took at most 1.45 GB and 12 s of CPU a film (SECURITY.md has the list).
MAX_PIXELS = 50_000_000
MAX_BYTES = 160_000_000  # decoded: 5,000 x 4,000 pixels of 16-bit colour with transparency
MAX_SCANS = 100  # of a progressive JPEG, which encoders write in 6 to 10
MAX_SCANNED_PIXELS = 500_000_000  # in all scans
MAX_TILES = 10_000  # of a JPEG 2000
SQUARE = 0.01  # difference of a pixel's sides that changes no reading
MOST_OBLONG = 5.0  # ratio of a pixel's sides; resolutions that differ more are mistaken
# Within these, films read as with square pixels: at a ratio of 1.2, 8 of 1,500 pixels within 0.7 months, 25 of 600
# within 1.1; at 2 they differ by up to 1.5, and 40 of 400 pixels by up to 13.
OBLONG = 1.5
FEWEST_OBLONG = 500  # pixels along the coarser side
NOT_NUMBERS = Remark("has pixels that are not numbers, expected finite grey levels; export it again")


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph in one grey scale, whatever its file was.

    greys: height x width, upright as the file says, bone bright on dark: uint8 as decoded where the file has 8 bits,
        255 being white, else float32 in [0, 1]. `pixels` are the same as float32 in [0, 1].
    source: the path as it was given, or what stands for it.
    aspect: height of a pixel by its width; `square` has the pixels made square.
    sex: from a DICOM's PatientSex, None where it is missing or no word for F or M.
    odd_sex: what stands there if it is no word for F or M; "" where nothing does.
    age: chronological age that a DICOM's facts agree on, None where there is none (`child.stated_age`).
    birth_date, exam_date: PatientBirthDate, and AcquisitionDate or else StudyDate, of a DICOM; None where unknown.
    laterality: left or right hand as a DICOM states it, None where unknown.
    view: ViewPosition of a DICOM, None where it is neither AP nor PA.
    towards: the patient's sides to which a DICOM's rows and columns run, as PatientOrientation states: L, R or other
        letters; "" where unknown.
    inverted: an ordinary image's greys were inverted on reading because bone was dark.
    colour: mean excess of red or green over blue in the original picture, in [0, 1]; 0 for grey, and for films tinted
        blue or violet. It distinguishes photographs from films.
    notes: remarks about whatever was odd in the file.
    doubts: remarks for which a reading of it has to be reviewed.
    tags: a DICOM's dataset up to its picture, from which results in its study are made; None for other files.
    """

    greys: Greys
    source: str
    aspect: float = 1.0
    sex: Sex | None = None
    odd_sex: str = ""
    age: Age | None = None
    birth_date: date | None = None
    exam_date: date | None = None
    laterality: Laterality | None = None
    view: View | None = None
    towards: tuple[str, str] = ("", "")
    inverted: bool = False
    colour: float = 0.0
    notes: tuple[Remark, ...] = ()
    doubts: tuple[Remark, ...] = ()
    tags: Dataset | None = None

    @cached_property
    def pixels(self) -> NDArray[np.float32]:
        """The greys as float32 in [0, 1], height x width, four times the memory of 8 bits: made when asked for."""
        if self.greys.dtype == np.uint8:
            return np.divide(self.greys, 255, dtype=np.float32)
        return cast(NDArray[np.float32], self.greys)

    @property
    def square(self) -> Greys:
        """The greys in pixels as high as wide, as the nets take them; for most films `greys` itself.

        The coarser side is enlarged, or the finer one shrunk where that would make too large a picture. Lanczos keeps
        the edges: of 25 films of 600 pixels and more with half of their rows, 23 read as whole within a month, of
        bilinear ones 17.
        """
        if self.aspect == 1:
            return self.greys
        height, width = self.greys.shape
        if height * width * max(self.aspect, 1 / self.aspect) <= MAX_PIXELS:
            size = (width, height * self.aspect) if self.aspect > 1 else (width / self.aspect, height)
        else:
            size = (width / self.aspect, height) if self.aspect > 1 else (width, height * self.aspect)
        how = cv2.INTER_AREA if size[0] < width or size[1] < height else cv2.INTER_LANCZOS4
        square = cv2.resize(self.greys, (round(size[0]), round(size[1])), interpolation=how)
        return cast(Greys, square if square.dtype == np.uint8 else np.clip(square, 0, 1, out=square))


def finished(radiograph: Radiograph, shape: tuple[int, int]) -> Radiograph:
    """The radiograph as every reader ends with it: checked, and with an aspect that pixels can have.

    `shape`: height and width that the file states. Raises ReadError where the greys are not of it, or not finite.
    """
    greys, path = radiograph.greys, radiograph.source
    if greys.shape != shape or greys.dtype not in (np.uint8, np.float32):
        found = Verbatim(" x ".join(map(str, greys.shape)))
        remark = Remark(
            "was decoded to {found} grey levels, expected {height} x {width}; export it again",
            found=found,
            height=shape[0],
            width=shape[1],
        )
        raise ReadError(path, remark)
    if greys.dtype == np.float32 and not (np.isfinite(greys.min()) and np.isfinite(greys.max())):
        raise ReadError(path, Remark("has grey levels that are not numbers; export it again"))
    aspect = radiograph.aspect
    if abs(aspect - 1) < SQUARE:
        return replace(radiograph, aspect=1.0)
    if not 1 / MOST_OBLONG <= aspect <= MOST_OBLONG:
        doubt = Remark("pixels are {aspect:.3g} times as high as wide, which was not believed", aspect=aspect)
        return replace(radiograph, aspect=1.0, doubts=(*radiograph.doubts, doubt))
    remark = Remark("pixels are {aspect:.3g} times as high as wide; they were made square", aspect=aspect)
    if max(aspect, 1 / aspect) <= OBLONG and shape[aspect < 1] >= FEWEST_OBLONG:
        return replace(radiograph, notes=(*radiograph.notes, remark))
    doubt = Remark("{squared}, with too little detail along one side", squared=remark)
    return replace(radiograph, doubts=(*radiograph.doubts, doubt))


def check_size(path: str | Path, width: int, height: int) -> None:
    """Raise ReadError for a picture too small to show a hand or too large to be decoded safely."""
    if min(width, height) < MIN_SIDE:
        remark = Remark(
            "is {width} x {height} pixels, expected at least {least} on each side; give the full radiograph",
            width=width,
            height=height,
            least=MIN_SIDE,
        )
        raise ReadError(path, remark)
    if width * height > MAX_PIXELS:
        remark = Remark(
            "is {width} x {height} pixels, expected at most {most} million; scale it down, or export the hand alone",
            width=width,
            height=height,
            most=MAX_PIXELS // 10**6,
        )
        raise ReadError(path, remark)


def check_decoding(path: str | Path, width: int, height: int, pixel_bytes: int, scans: int = 1, tiles: int = 1) -> None:
    """Raise ReadError for a picture that is too small, too large, or too costly to be decoded.

    To be called with what the compressed data themselves state. `pixel_bytes`: decoded bytes a pixel, of all samples;
    `scans`: of a JPEG, each of which may pass over every pixel; `tiles`: of a JPEG 2000.
    """
    check_size(path, width, height)
    size = width * height * pixel_bytes
    if size > MAX_BYTES:
        remark = Remark(
            "is {size} MB when decoded, expected at most {most}; save it in grey levels, or scale it down",
            size=size // 10**6,
            most=MAX_BYTES // 10**6,
        )
        raise ReadError(path, remark)
    if scans > MAX_SCANS or scans * width * height > MAX_SCANNED_PIXELS or tiles > MAX_TILES:
        raise in_too_many(path, max(scans, tiles))


def in_too_many(path: str | Path, parts: int) -> ReadError:
    """The error of a picture that is stored in so many parts."""
    remark = Remark("is stored in {parts} parts, which takes too long to decode; save the picture again", parts=parts)
    return ReadError(path, remark)
