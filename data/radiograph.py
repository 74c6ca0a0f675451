"""The radiograph as a value, and the one function that reads it from any file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np

from .child import Age
from .errors import ReadError
from .sex import Sex

Laterality = Literal["L", "R"]


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph in one grey scale, whatever its file was.

    pixels: float32, height x width, in [0, 1], upright as the file says, bone bright on dark.
    source: the path as it was given.
    spacing_mm: distance of neighbouring rows and columns in millimetres, None where unknown.
    sex: from a DICOM's PatientSex, None where it is missing or not F or M.
    age: chronological age that a DICOM's facts agree on, None where there is none (`child.stated_age`).
    birth_date, exam_date: PatientBirthDate, and AcquisitionDate or else StudyDate, of a DICOM; None where unknown.
    laterality: left or right hand as a DICOM states it, None where unknown.
    inverted: an ordinary image's greys were inverted on reading because bone was dark.
    colour: mean chroma of the original picture in [0, 1]; 0 for grey. Photographs are told from films by it.
    notes: sentences about whatever was odd in the file.
    doubts: sentences for which a reading of it has to be reviewed.
    """

    pixels: np.ndarray
    source: str
    spacing_mm: tuple[float, float] | None = None
    sex: Sex | None = None
    age: Age | None = None
    birth_date: date | None = None
    exam_date: date | None = None
    laterality: Laterality | None = None
    inverted: bool = False
    colour: float = 0.0
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_radiograph(path: str | Path, *, correct_inversion: bool = True) -> Radiograph:
    """Read a radiograph from a PNG, JPEG, WebP, TIFF, BMP or DICOM file, told apart by content, not by suffix.

    An ordinary picture whose bone is dark is inverted (`polarity.bone_is_dark`), unless `correct_inversion` is False;
    `inverted` and a note say so. A DICOM states its own polarity: where bone looks dark nevertheless, the greys
    stay and a doubt says so. Raises ReadError, with file, finding and remedy, for whatever is not one whole picture.
    """
    # Imported here because both readers make Radiographs, and pydicom is slow to import.
    from . import dicom, images, polarity

    is_dicom = dicom.is_dicom(_first_bytes(Path(path)))
    with warnings.catch_warnings():
        # What matters is raised or noted; the decoders' own warnings quote the file, a patient's name included.
        warnings.simplefilter("ignore")
        radiograph = dicom.read_dicom(path) if is_dicom else images.read_image(path)
    if not correct_inversion or not polarity.bone_is_dark(radiograph.pixels):
        return radiograph
    if is_dicom:
        doubt = "bone looks dark on bright, and the greys were left as the DICOM states them"
        return replace(radiograph, doubts=(*radiograph.doubts, doubt))
    note = "grey levels were inverted: bone was dark"
    return replace(radiograph, pixels=1 - radiograph.pixels, inverted=True, notes=(*radiograph.notes, note))


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ReadError(f"{path}: is a folder, expected a radiograph; give a file")
        if not path.exists():
            raise ReadError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise ReadError(f"{path}: is not a regular file, expected a radiograph; copy it to a file first")
        with open(path, "rb") as file:
            start = file.read(132)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise ReadError(f"{path}: cannot be opened ({error}); check the path and its permissions") from error
    if not start:
        raise ReadError(f"{path}: is empty (0 bytes), expected a radiograph; copy or export it again")
    return start
