"""DICOM files to radiographs: every greyscale transformation of the standard applied once, in its order.

Stored values pass the modality LUT (or rescale), then the VOI LUT (or window), then the presentation (PS3.4 N.2).
The presentation inverts once if the photometric interpretation is MONOCHROME1 or PresentationLUTShape is INVERSE:
both say that the lowest value is white, and PS3.3 C.8.11.3 asks for the one with the other, so they never cancel.

The greys that a DICOM states are trusted. Polarity is not corrected by looking at the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from .child import DAYS_IN_MONTH, Age, stated_age
from .errors import ReadError, one_line
from .greys import grey_of_colour, stretch
from .radiograph import Laterality, Radiograph, check_size
from .remark import Remark, Verbatim
from .sex import Sex
from .source import Source
from .tags import date_of, exam_date, kind_of

_MONTHS_IN_UNIT = {"D": 1 / DAYS_IN_MONTH, "W": 7 / DAYS_IN_MONTH, "M": 1.0, "Y": 12.0}

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom decodes all of them to RGB
_PALETTE = "PALETTE COLOR"


def read_dicom(source: Source) -> Radiograph:
    """Read one single-frame DICOM picture, grey or colour, of any modality.

    The result is scaled to [0, 1] by the first VOI LUT, else by the first window, else by the range of the values
    other than padding (`greys.stretch`); padding becomes black. Raises ReadError for objects without a picture,
    multi-frame objects, photometric interpretations or compressions that are not known, and damaged files.
    """
    dataset, path = source.dataset(), source.name
    try:
        return replace(_decode(path, dataset), tags=source.tags)
    except ReadError:
        raise
    except Exception as error:  # pydicom and its decoders raise errors of every kind on damaged files
        remark = Remark(
            "this DICOM ({syntax}) cannot be decoded ({error}), expected a whole file in a known compression; export "
            "it again, uncompressed if you can",
            syntax=_syntax_name(dataset),
            error=one_line(error),
        )
        raise ReadError(path, remark) from error


def _decode(path: str, dataset: Dataset) -> Radiograph:
    if "PixelData" not in dataset:
        remark = Remark(
            "is a {kind} without a picture, expected a radiograph; give the image object", kind=kind_of(dataset)
        )
        raise ReadError(path, remark)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        remark = Remark(
            "is a multi-frame DICOM of {frames} pictures, expected one; export a single frame", frames=frames
        )
        raise ReadError(path, remark)
    check_size(path, int(dataset.Columns), int(dataset.Rows))
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip()
    if photometric not in (*_GREY, *_COLOUR, _PALETTE):
        remark = Remark(
            "photometric interpretation is {photometric}, expected MONOCHROME1, MONOCHROME2, RGB, YBR or PALETTE "
            "COLOR; export it in grey levels",
            photometric=Verbatim(photometric) if photometric else Remark("missing"),
        )
        raise ReadError(path, remark)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        dataset.file_meta.TransferSyntaxUID = _syntax_as_read(dataset)

    notes: list[Remark] = []
    birth, (exam, taken) = date_of(dataset, "PatientBirthDate", notes), exam_date(dataset, notes)
    dates = Remark("PatientBirthDate and {exam}", exam=Verbatim(taken))
    age, fault = stated_age(_patient_age(dataset, notes), birth, exam, dates)
    stored = pixel_array(dataset)
    if photometric in _GREY:
        pixels, colour = _greys(path, dataset, stored, photometric, notes), 0.0
    else:
        pixels, colour = _greys_of_colour(dataset, stored, photometric)
    return Radiograph(
        greys=pixels,
        source=path,
        spacing_mm=_spacing(dataset),
        sex=_sex(dataset),
        age=age,
        birth_date=birth,
        exam_date=exam,
        laterality=_laterality(dataset),
        colour=colour,
        notes=tuple(notes),
        doubts=(fault,) if fault else (),
    )


def _syntax_as_read(dataset: Dataset) -> UID:
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little_endian is False else ExplicitVRLittleEndian  # None: made in memory


def _syntax_name(dataset: Dataset) -> Verbatim | Remark:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    return Verbatim(UID(str(syntax)).name) if syntax else Remark("no transfer syntax")


def _greys(path: str, dataset: Dataset, stored: np.ndarray, photometric: str, notes: list[Remark]) -> np.ndarray:
    padding = _padding(dataset, stored)
    window = _window(dataset, notes)
    if dataset.get("VOILUTSequence") or window is not None:
        pixels = _of_each_value(stored, lambda values: _presented(path, dataset, _modality(dataset, values), window))
    else:
        pixels = stretch(_modality(dataset, stored), None if padding is None else ~padding)

    shape = str(dataset.get("PresentationLUTShape") or "")
    if photometric == "MONOCHROME1" or shape == "INVERSE":
        pixels = 1 - pixels
    if (photometric, shape) in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        notes.append(
            Remark(
                "{photometric} and presentation shape {shape} disagree; the lowest value was taken as white",
                photometric=Verbatim(photometric),
                shape=Verbatim(shape),
            )
        )
    if padding is not None:
        pixels[padding] = 0
    return np.ascontiguousarray(pixels, np.float32)


def _of_each_value(stored: np.ndarray, greys: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `greys` makes of stored values, worked out once for each that up to 16 bits can hold, not for each pixel."""
    if stored.dtype.itemsize > 2:
        return greys(stored)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    index = np.dtype(f"u{stored.dtype.itemsize}")
    values = np.arange(2 ** (8 * index.itemsize)).astype(index).view(stored.dtype)
    return greys(values)[stored.view(index)]


def _modality(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    """Values after the modality LUT or the rescale."""
    if dataset.get("ModalityLUTSequence"):
        return _look_up(values, dataset.ModalityLUTSequence[0])[0]
    if "RescaleSlope" in dataset or "RescaleIntercept" in dataset:
        slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
        return values * (1.0 if slope is None else float(slope)) + float(intercept or 0)
    return values


def _presented(path: str, dataset: Dataset, values: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Greys in [0, 1], float32, by the VOI LUT or, where there is none, the window."""
    if dataset.get("VOILUTSequence"):
        values, top = _look_up(values, dataset.VOILUTSequence[0])
        return (values / top).astype(np.float32)
    assert window is not None
    return _windowed(path, values, *window, str(dataset.get("VOILUTFunction") or "LINEAR"))


def _padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray | None:
    """True where a stored value is padding: PixelPaddingValue, or up to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (stored >= low) & (stored <= high)


def _look_up(values: np.ndarray, table: Dataset) -> tuple[np.ndarray, float]:
    """Values mapped by a LUT item, and the value that its bits make white (PS3.3 C.11.1.1, C.11.2.1.1).

    LUTDescriptor holds the number of entries (0 means 65,536), the first value mapped, and the bits of an entry.
    Values outside take the first or last entry.
    """
    length, first, bits = (int(number) for number in table.LUTDescriptor)
    data = table.LUTData
    order = ">" if table.original_encoding[1] is False else "<"
    entries = np.frombuffer(data, f"{order}u2") if isinstance(data, bytes) else np.asarray(data, np.int64)
    entries = entries[: length or 2**16].astype(np.float64)
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)
    return entries[index], float(max(2**bits - 1, entries.max()))


def _window(dataset: Dataset, notes: list[Remark]) -> tuple[float, float] | None:
    """Centre and width of the first window; None without one, or with a width that the standard does not allow."""
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is None or width is None:
        return None
    narrowest = 1 if dataset.get("VOILUTFunction", "LINEAR") == "LINEAR" else np.nextafter(0, 1)
    if width < narrowest:
        notes.append(Remark("window width {width:g} is not valid and was ignored", width=width))
        return None
    return centre, width


def _first(numbers: Any) -> float | None:
    if numbers is None or numbers == "":
        return None
    return float(numbers) if isinstance(numbers, (int, float)) else float(numbers[0]) if len(numbers) else None


def _windowed(path: str, values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Greys in [0, 1] by the VOI LUT function of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    values = values.astype(np.float64)
    if function == "LINEAR":
        # a width of 1 is a threshold: at and below centre - 0.5 black, above it white
        greys = (values - (centre - 0.5)) / (width - 1) + 0.5 if width > 1 else values > centre - 0.5
    elif function == "LINEAR_EXACT":
        greys = (values - centre) / width + 0.5
    elif function == "SIGMOID":
        greys = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    else:
        remark = Remark(
            "VOI LUT function is {function}, expected LINEAR, LINEAR_EXACT or SIGMOID; export it again",
            function=Verbatim(function),
        )
        raise ReadError(path, remark)
    return np.clip(greys, 0, 1).astype(np.float32)


def _greys_of_colour(dataset: Dataset, stored: np.ndarray, photometric: str) -> tuple[np.ndarray, float]:
    """Greys and mean warmth of a secondary capture; its full range is black to white."""
    if photometric == _PALETTE:
        rgb = apply_color_lut(stored, dataset)[..., :3]
        white = np.iinfo(rgb.dtype).max
    else:
        rgb, white = stored, 2 ** int(dataset.BitsStored) - 1
    grey, colour = grey_of_colour(np.ascontiguousarray(rgb))
    scale = np.iinfo(rgb.dtype).max / white
    return np.clip(grey / np.float32(white), 0, 1), min(colour * scale, 1.0)


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = dataset.get(name)
        if spacing and len(spacing) == 2 and min(float(spacing[0]), float(spacing[1])) > 0:
            return float(spacing[0]), float(spacing[1])
    return None


def _sex(dataset: Dataset) -> Sex | None:
    sex = str(dataset.get("PatientSex") or "").strip().upper()
    return cast(Sex, sex) if sex in ("F", "M") else None


def _laterality(dataset: Dataset) -> Laterality | None:
    side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()
    return cast(Laterality, side) if side in ("L", "R") else None


def _patient_age(dataset: Dataset, notes: list[Remark]) -> Age | None:
    """PatientAge: whole days, weeks, months or years."""
    text = str(dataset.get("PatientAge") or "").strip().upper()
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", text)
    if not stated:
        if text:
            notes.append(Remark("PatientAge is not three digits and a unit (D, W, M or Y) and was ignored"))
        return None
    unit = _MONTHS_IN_UNIT[stated[2]]
    return Age(int(stated[1]) * unit, unit, Remark("PatientAge"))
