"""A reading as a DICOM picture: the film with hand outline and crop box, and the result in words below it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import cv2
import numpy as np
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import JPEGLSLossless
from pydicom.valuerep import DSfloat

from ...data.child import in_years
from ...data.remark import joined
from ...data.source import PROGRAM
from ...data.tags import numbers_of
from ...data.text import for_dicom
from ..examination import Examination
from ..overlay import outlined
from ..reading import DISCLAIMER, Reading
from ..report.heatmap import heat_picture, with_scale
from .source import VERSION, identity

SERIES = 9002
_LONG_SIDE = (1024, 2048)  # pixels of the film in the picture: room for the text, and no more than a screen shows
_TYPE = 1 / 34  # size of most letters, as a share of the film's width
_INHERITED = (
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
_WHITE, _GREY, _AMBER = (255, 255, 255), (170, 170, 170), (255, 190, 70)


def secondary_capture(
    examination: Examination, source: Dataset, evidence: NDArray[np.float32] | None = None
) -> SCImage:
    """Draw a reading as a colour picture in the study of the film whose DICOM tags are `source`.

    `evidence`: of the reading (`Examination.evidence`); if given, the heat map is drawn to the right of the film. The
    film is scaled to a long side of 1,024 to 2,048 pixels, and so is its pixel spacing, if it has one in the patient.
    No name, number or date of the patient is drawn. It is compressed without loss, as JPEG-LS: to a half down to a
    sixth, where RLE saved nothing on some films; and DCMTK, with all that is built on it, does not read JPEG 2000.
    """
    (radiograph, hand), reading = examination.radiograph_and_hand(), examination.reading
    height, width = radiograph.pixels.shape
    scale = float(np.clip(max(height, width), *_LONG_SIDE)) / max(height, width)
    size = round(width * scale), round(height * scale)
    films = _scaled(outlined(radiograph, hand), size)
    if evidence is not None:
        films = np.hstack([films, with_scale(_scaled(heat_picture(examination, evidence), size))])
    drawn = np.vstack([films, _caption(reading, films.shape[1], size[0])])
    image = SCImage.from_ref_dataset(
        source,
        pixel_array=drawn,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # replaced below: highdicom requires one, the standard does not
        transfer_syntax_uid=JPEGLSLossless,
        **identity(reading.model, SERIES, "Bone age picture (research use)"),
    )
    image.PatientOrientation = source.get("PatientOrientation")
    image.Laterality = radiograph.laterality or ""
    image.copy_patient_and_study_information(source)
    spacing = numbers_of(source, "PixelSpacing", [])
    if len(spacing) == 2:
        sides = zip(spacing, (height, width), reversed(size), strict=True)
        scaled = [DSfloat(float(mm) * before / after, auto_format=True) for mm, before, after in sides]
        image["PixelSpacing"] = DataElement("PixelSpacing", "DS", scaled)
    _say_where_from(image, source)
    return image


def _scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    way = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _say_where_from(image: SCImage, source: Dataset) -> None:
    """State source and derivation, and carry over what the pixels inherit from the film."""
    image.ConversionType = "WSD"  # made on a workstation; highdicom says a digital interface
    image.DerivationDescription = f"Film with hand outline, crop box and bone age, by {PROGRAM} {VERSION}"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    purpose = codes.cid7202.SourceImageForImageProcessingOperation
    reference.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(purpose)]
    image.SourceImageSequence = [reference]
    for name in _INHERITED:
        if source.get(name):
            setattr(image, name, source.get(name))


def _caption(reading: Reading, width: int, film: int) -> NDArray[np.uint8]:
    """The result in words, white on black, `width` pixels wide and as high as it takes; `film`: width of one film."""
    size = max(round((width + film) / 2 * _TYPE), 16)
    margin = size
    lines: list[tuple[str, tuple[int, int, int], int]] = []
    for text, colour, relative in _words(reading):
        points = round(size * relative)
        # an average letter of the font is a little over half as wide as its size
        for part in textwrap.wrap(for_dicom(text), max(int((width - 2 * margin) / (0.52 * points)), 20)):
            lines.append((part, colour, points))
    canvas = Image.new("RGB", (width, 2 * margin + sum(round(1.4 * points) for *_, points in lines)))
    draw = ImageDraw.Draw(canvas)
    y = margin
    for text, colour, points in lines:
        draw.text((margin, y), text, colour, ImageFont.load_default(points))
        y += round(1.4 * points)
    return np.asarray(canvas)


def _words(reading: Reading) -> Iterator[tuple[str, tuple[int, int, int], float]]:
    """Each line: text, colour, size relative to most letters'."""
    if reading.bone_age_months is not None:
        yield f"Bone age {in_years(reading.bone_age_months)}  ({reading.bone_age_months:.1f} months)", _WHITE, 1.3
        if reading.interval_words:
            yield f"90 % interval: {reading.interval_words}", _WHITE, 0.9
    else:
        yield "No bone age", _WHITE, 1.3
    if reading.chronological_age_months is not None:
        text = f"Chronological age {in_years(reading.chronological_age_months)}"
        if reading.sds is not None:
            ends = " ({:+.1f} to {:+.1f})".format(*reading.sds_interval_90) if reading.sds_interval_90 else ""
            text += f", SDS {reading.sds:+.1f}{ends}: {reading.assessment}"
        yield text, _WHITE, 0.9
    if reading.status != "ok":
        yield f"{reading.status}: {joined(reading.reasons)}", _AMBER, 0.9
    yield f"{PROGRAM} {VERSION}, weights {reading.model}. {DISCLAIMER}", _GREY, 0.75
