"""The hand mask of a film as a DICOM segmentation: one binary segment in the film's own pixels."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ...data.errors import FilmOutputError
from ...data.remark import Remark
from ...data.source import PROGRAM
from ...data.text import for_dicom
from ..examination import Examination
from ..overlay import OUTLINE
from .source import MAKER, VERSION, identity, new_uid

SERIES = 9003
_IN_SPACE = ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")


def segmentation(examination: Examination, source: Dataset) -> Segmentation:
    """Give the hand mask on the film whose DICOM tags are `source`, pixel for pixel.

    Its frame has the film's rows and columns and refers to the film. If the film states its position in space, the
    segmentation has the same. Raises OutputError where no hand was outlined.
    """
    (_, hand), model = examination.radiograph_and_hand(), examination.reading.model
    if hand.mask is None:
        remark = Remark(
            "no hand was outlined ({reasons}), so there is no segmentation to write; leave the segmentation out for "
            "this film",
            reasons=hand.verdict.reasons,
        )
        raise FilmOutputError(examination.reading.file, remark)
    segment = SegmentDescription(
        segment_number=1,
        segment_label="Hand",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Hand,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            f"{PROGRAM} hand segmenter",
            family=codes.cid7162.ArtificialIntelligence,
            version=VERSION,
            source=MAKER,
            parameters={"weights": for_dicom(model)},
        ),
        tracking_uid=new_uid(),
        tracking_id="Hand",
        display_color=CIELabColor.from_rgb(*OUTLINE),
    )
    made = Segmentation(
        source_images=[source if all(source.get(name) for name in _IN_SPACE) else _only_in_pixels(source)],
        pixel_array=hand.mask.astype(np.uint8)[None],
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        content_label="HAND",
        content_description="Outline of the hand that bone age was read from",
        omit_empty_frames=False,
        **identity(model, SERIES, "Hand outline (research use)"),
    )
    if "FrameOfReferenceUID" not in made:
        made.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence", None)  # the empty one of _only_in_pixels
    made.PatientOrientation = source.get("PatientOrientation")
    return made


def _only_in_pixels(source: Dataset) -> Dataset:
    """A source without position in space, in the form from which highdicom reads geometry.

    Most radiographs state no position, or only a part of it. By PS3.3 A.51.5 the mask is then defined in the film's
    pixels, without frame of reference and pixel spacing.
    """
    for name in ("FrameOfReferenceUID", "PixelSpacing"):
        source.pop(name, None)
    # highdicom requires these in classes that allow several frames (XA, RF); a film of one frame may lack them
    group = Dataset()
    group.PixelMeasuresSequence = [Dataset()]
    source.SharedFunctionalGroupsSequence, source.PerFrameFunctionalGroupsSequence = [group], [Dataset()]
    source.NumberOfFrames = 1
    return source
