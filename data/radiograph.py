"""The radiograph as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from .child import Age
from .errors import ReadError
from .greys import Greys
from .remark import Remark
from .sex import Sex

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Laterality = Literal["L", "R"]
MIN_SIDE = 32  # pixels; the joints of a hand cannot be seen on fewer
MAX_PIXELS = 80_000_000  # about four times the largest digital plates (5,000 x 4,000); 320 MB as float32


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph in one grey scale, whatever its file was.

    greys: height x width, upright as the file says, bone bright on dark: uint8 as decoded where the file has 8 bits,
        255 being white, else float32 in [0, 1]. `pixels` are the same as float32 in [0, 1].
    source: the path as it was given, or what stands for it.
    spacing_mm: distance of neighbouring rows and columns in millimetres, None where unknown.
    sex: from a DICOM's PatientSex, None where it is missing or not F or M.
    age: chronological age that a DICOM's facts agree on, None where there is none (`child.stated_age`).
    birth_date, exam_date: PatientBirthDate, and AcquisitionDate or else StudyDate, of a DICOM; None where unknown.
    laterality: left or right hand as a DICOM states it, None where unknown.
    inverted: an ordinary image's greys were inverted on reading because bone was dark.
    colour: mean excess of red or green over blue in the original picture, in [0, 1]; 0 for grey, and for films tinted
        blue or violet. Photographs are told from films by it.
    notes: remarks about whatever was odd in the file.
    doubts: remarks for which a reading of it has to be reviewed.
    tags: a DICOM's dataset up to its picture, from which results in its study are made; None for other files.
    """

    greys: Greys
    source: str
    spacing_mm: tuple[float, float] | None = None
    sex: Sex | None = None
    age: Age | None = None
    birth_date: date | None = None
    exam_date: date | None = None
    laterality: Laterality | None = None
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
