"""The radiograph as a value, and the one function that reads it from any file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from .child import Age
from .errors import ReadError
from .greys import Greys, inverted
from .remark import Remark, Verbatim
from .sex import Sex

Laterality = Literal["L", "R"]
MIN_SIDE = 32  # pixels; the joints of a hand cannot be seen on fewer
MAX_PIXELS = 80_000_000  # about four times the largest digital plates (5,000 x 4,000); 320 MB as float32


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph in one grey scale, whatever its file was.

    greys: height x width, upright as the file says, bone bright on dark: uint8 as decoded where the file has 8 bits,
        255 being white, else float32 in [0, 1]. `pixels` are the same as float32 in [0, 1].
    source: the path as it was given.
    spacing_mm: distance of neighbouring rows and columns in millimetres, None where unknown.
    sex: from a DICOM's PatientSex, None where it is missing or not F or M.
    age: chronological age that a DICOM's facts agree on, None where there is none (`child.stated_age`).
    birth_date, exam_date: PatientBirthDate, and AcquisitionDate or else StudyDate, of a DICOM; None where unknown.
    laterality: left or right hand as a DICOM states it, None where unknown.
    inverted: an ordinary image's greys were inverted on reading because bone was dark.
    colour: mean chroma of the original picture in [0, 1]; 0 for grey. Photographs are told from films by it.
    notes: remarks about whatever was odd in the file.
    doubts: remarks for which a reading of it has to be reviewed.
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


def is_dicom(start: bytes) -> bool:
    """Tell from a file's first 132 bytes or more whether it is DICOM.

    That is the prefix DICM after a preamble of 128 bytes, or, without a preamble, a first element of group 0002 or
    0008 in little endian, with which no picture format begins.
    """
    return start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00")


def read_radiograph(path: str | Path, *, correct_inversion: bool = True) -> Radiograph:
    """Read a radiograph from a PNG, JPEG, WebP, TIFF, BMP or DICOM file, told apart by content, not by suffix.

    An ordinary picture whose bone is dark is inverted (`polarity.bone_is_dark`), unless `correct_inversion` is False;
    `inverted` and a note say so. A DICOM states its own polarity: where bone looks dark nevertheless, the greys
    stay and a doubt says so. Raises ReadError, with file, finding and remedy, for whatever is not one whole picture.
    """
    # Imported here because both readers make Radiographs, and pydicom is slow to import.
    from . import polarity

    dicom = is_dicom(_first_bytes(Path(path)))
    if dicom:
        from .dicom import read_dicom as read
    else:
        from .images import read_image as read
    with warnings.catch_warnings():
        # What matters is raised or noted; the decoders' own warnings quote the file, a patient's name included.
        warnings.simplefilter("ignore")
        radiograph = read(path)
    if not correct_inversion or not polarity.bone_is_dark(radiograph.greys):
        return radiograph
    if dicom:
        doubt = Remark("bone looks dark on a bright background; the grey levels were left as the DICOM states them")
        return replace(radiograph, doubts=(*radiograph.doubts, doubt))
    note = Remark("grey levels were inverted: bone was dark")
    greys = inverted(radiograph.greys)
    return replace(radiograph, greys=greys, inverted=True, notes=(*radiograph.notes, note))


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ReadError(path, Remark("is a folder, expected a radiograph; give a file"))
        if not path.exists():
            raise ReadError(path, Remark("no such file; check the path"))
        if not path.is_file():
            raise ReadError(path, Remark("is not a regular file, expected a radiograph; copy it to a file first"))
        with open(path, "rb") as file:
            start = file.read(132)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        cause = Verbatim(str(error))
        raise ReadError(
            path, Remark("cannot be opened ({error}); check the path and its permissions", error=cause)
        ) from error
    if not start:
        raise ReadError(path, Remark("is empty (0 bytes), expected a radiograph; copy or export it again"))
    return start
