"""DICOM files to radiographs: opened, bounded, decoded, and checked.

`dicom_pixels` decodes the picture, `dicom_samples` tells what its samples are, `dicom_greys` maps them to greys,
`dicom_facts` reads the facts about the child.
The polarity that a DICOM states is kept: it is never corrected by the picture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from .child import stated_age
from .dicom_facts import aspect_of, laterality_of, patient_age_of, sex_of, towards_of, view_of
from .dicom_greys import greys_of
from .dicom_pixels import PIXELS, read_stored
from .dicom_samples import Stored
from .errors import ReadError, is_stop, one_line
from .greys import grey_of_colour
from .radiograph import Radiograph, finished
from .remark import Remark, Verbatim
from .samples import misfit
from .source import Source
from .tags import class_name, date_of, exam_date, kind_of, number_of, take_from_groups, text_of

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom decodes all of them to RGB
_PALETTE = "PALETTE COLOR"
_ENDLESS = Remark("the file ends without the end of its picture; parts may be missing, copy or export it again")
_RAW = Remark("the DICOM is for processing, not for presentation: its raw grey levels are those of no usual film")
_PHOTOMETRIC = Verbatim("PhotometricInterpretation")


def read_dicom(source: Source) -> Radiograph:
    """Read one single-frame DICOM picture, grey or colour, of any modality.

    The result is scaled to [0, 1] by the first VOI LUT or window that leaves a picture, else by the range of the values
    other than padding (`greys.stretch`); padding becomes black. Raises ReadError for objects without a picture,
    multi-frame objects, photometric interpretations or compressions that are not known, damaged files, and sizes
    outside the limits of `radiograph`.
    """
    dataset, path = source.dataset(), source.name
    try:
        film = replace(_decode(path, dataset), tags=source.tags)
        return replace(film, doubts=(*film.doubts, _ENDLESS)) if source.lacks_end else film
    except ReadError:
        raise
    except BaseException as error:  # pydicom and its decoders raise errors of every kind on damaged files
        if is_stop(error):
            raise
        if source.lacks_end:
            raise ReadError(path, _ENDLESS) from error
        remark = Remark(
            "this DICOM ({syntax}) cannot be decoded ({error}), expected a whole file in a known compression; export "
            "it again, uncompressed if you can",
            syntax=_syntax_name(dataset),
            error=one_line(error),
        )
        raise ReadError(path, remark) from error


def _decode(path: str, dataset: Dataset) -> Radiograph:
    if not any(name in dataset for name in PIXELS):
        raise ReadError(path, _without_picture(dataset))
    notes: list[Remark] = []
    doubts: list[Remark] = []
    take_from_groups(dataset)
    photometric = text_of(dataset, "PhotometricInterpretation", notes).upper()
    if photometric not in (*_GREY, *_COLOUR, _PALETTE):
        remark = Remark(
            "photometric interpretation is {photometric}, expected MONOCHROME1, MONOCHROME2, RGB, YBR or PALETTE "
            "COLOR; export it in grey levels",
            photometric=Verbatim(photometric[:16]) if photometric else Remark("missing"),
        )
        raise ReadError(path, remark)
    if photometric in _COLOUR and number_of(dataset, "SamplesPerPixel", []) == 1:
        doubts.append(misfit(_PHOTOMETRIC))
        photometric = "MONOCHROME2"
    dataset.PhotometricInterpretation = photometric
    intents = text_of(dataset, "PresentationIntentType", notes), class_name(dataset)
    if any(intent.upper().endswith("FOR PROCESSING") for intent in intents):
        doubts.append(_RAW)
    if not text_of(dataset.file_meta, "TransferSyntaxUID", notes):
        dataset.file_meta.TransferSyntaxUID = _syntax_as_read(dataset)

    birth, (exam, taken) = date_of(dataset, "PatientBirthDate", notes), exam_date(dataset, notes)
    dates = Remark("PatientBirthDate and {exam}", exam=Verbatim(taken))
    age, fault = stated_age(patient_age_of(dataset, notes), birth, exam, dates)
    stored = read_stored(path, dataset, photometric not in _COLOUR, notes, doubts)
    if photometric in _GREY:
        pixels, colour = greys_of(dataset, stored, photometric, notes, doubts), 0.0
    else:
        pixels, colour = _greys_of_colour(dataset, stored, photometric, doubts)
    aspect, (sex, odd_sex) = aspect_of(dataset, notes, doubts), sex_of(dataset, notes)
    radiograph = Radiograph(
        greys=pixels,
        source=path,
        aspect=aspect,
        sex=sex,
        odd_sex=odd_sex,
        age=age,
        birth_date=birth,
        exam_date=exam,
        laterality=laterality_of(dataset, notes),
        view=view_of(dataset, notes),
        towards=towards_of(dataset, notes),
        colour=colour,
        notes=tuple(dict.fromkeys(notes)),
        doubts=(*dict.fromkeys(doubts), *((fault,) if fault else ())),
    )
    return finished(radiograph, (int(dataset.Rows), int(dataset.Columns)))


def _without_picture(dataset: Dataset) -> Remark:
    """Why a DICOM has no picture."""
    if "Rows" in dataset and "BitsAllocated" in dataset:
        return Remark("ends before the picture that its header states; copy or export it again")
    if "SOPClassUID" not in dataset and "DirectoryRecordSequence" not in dataset and class_name(dataset):
        return Remark(
            "has none of its tags when read as {syntax}: its transfer syntax is wrong, or it is damaged; export it "
            "again",
            syntax=_syntax_name(dataset),
        )
    return Remark("is a {kind} without a picture, expected a radiograph; give the image object", kind=kind_of(dataset))


def _syntax_as_read(dataset: Dataset) -> UID:
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little_endian is False else ExplicitVRLittleEndian  # None: made in memory


def _syntax_name(dataset: Dataset) -> Verbatim | Remark:
    syntax = text_of(dataset.file_meta, "TransferSyntaxUID", [])
    return Verbatim(UID(syntax).name) if syntax else Remark("no transfer syntax")


def _greys_of_colour(
    dataset: Dataset, stored: Stored, photometric: str, doubts: list[Remark]
) -> tuple[np.ndarray, float]:
    """Greys and mean warmth of a secondary capture; its full range is black to white.

    Where two samples of each pixel are without colour, as YBR has it (PS3.3 C.7.6.3.1.2), the first is its grey level.
    """
    if photometric == _PALETTE:
        rgb = apply_color_lut(stored.values, dataset)[..., :3]
        white = np.iinfo(rgb.dtype).max
        if rgb.dtype.itemsize > 1 and rgb.max() <= 255:
            white = 255  # entries of 8 bits in words of 16
    else:
        rgb, bits = stored.values, number_of(dataset, "BitsStored", [])
        white = 2 ** int(bits) - 1 if bits and int(rgb.max()) < 2**bits else np.iinfo(rgb.dtype).max
    if photometric == "RGB" and rgb.shape[2] == 3 and _are_colourless(rgb[..., 1:], white):
        doubts.append(misfit(_PHOTOMETRIC))
        rgb = np.repeat(rgb[..., :1], 3, axis=2)
    grey, colour = grey_of_colour(np.ascontiguousarray(rgb))
    scale = np.iinfo(rgb.dtype).max / white
    return np.clip(grey / np.float32(white), 0, 1), min(colour * scale, 1.0)


def _are_colourless(chroma: np.ndarray, white: int) -> bool:
    """Whether the samples for the colour are all in the middle of their range, but for rounding."""
    middle, rounding = (white + 1) // 2, max(white // 100, 2)
    return int(chroma.min()) >= middle - rounding and int(chroma.max()) <= middle + rounding
