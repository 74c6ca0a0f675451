"""A reading as a DICOM structured report: a TID 1500 measurement report of one film, with every value coded.

Codes are those of `pipeline.codes` and the standard's own (PS3.16) for statistics, normal range, uncertainty and
normality. Facts without a code are comments in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    MeasurementStatisticalProperties,
    NormalRangeProperties,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ...data.child import in_years
from ...data.remark import joined
from ...data.source import PROGRAM
from ...data.text import for_dicom
from .. import codes as ours
from ..clinical.reference import NORMAL_SDS, Reference
from ..examination import Examination
from ..reading import DISCLAIMER, Reading
from .source import MAKER, VERSION, device_uid, identity, new_uid

SERIES = 9001
NORMALITY = {  # CID 222
    "delayed": codes.cid222.AbnormallyLow,
    "normal": codes.cid222.Normal,
    "advanced": codes.cid222.AbnormallyHigh,
}
Group: TypeAlias = "PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations"
LATERALITY = {"left": codes.SCT.Left, "right": codes.SCT.Right}


def structured_report(examination: Examination, source: Dataset) -> Comprehensive3DSR:
    """Report a reading on the film whose DICOM tags are `source` (`source.source_of`).

    One measurement group, of the box around the hand where one was found (TID 1410), else of the film (TID 1501), holds
    bone age in months (with the 90 % interval as uncertainty, and mean, SD, Z-score and normal range of the child's age
    where an SDS could be given) and its method, chronological age, SDS, and the determination. A film
    without a bone age gets the determination "indeterminate" and the reasons. The report is complete, preliminary and
    unverified, since nobody has checked it.
    """
    reading = examination.reading
    report = MeasurementReport(
        observation_context=ObservationContext(_observer(reading.model)),
        procedure_reported=_coded(ours.REPORT),
        imaging_measurements=[_group(examination, source)],
    )
    return Comprehensive3DSR(
        evidence=[source],
        content=report,
        is_complete=True,
        **identity(reading.model, SERIES, "Bone age measurements (research use)"),
    )


def _observer(model: str) -> ObserverContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(model), name=PROGRAM, manufacturer_name=MAKER, model_name=for_dicom(f"{PROGRAM} {VERSION}")
    )
    return ObserverContext(codes.cid270.Device, device)


def _coded(code: ours.Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)


def _group(examination: Examination, source: Dataset) -> Group:
    reading, side = examination.reading, examination.reading.side
    parameters = [for_dicom(f"weights: {reading.weights}"), f"sex: {reading.sex}"]
    determination = reading.assessment if reading.assessed else "indeterminate"
    evaluations = [(ours.METHOD, ours.GREULICH_PYLE)] if reading.assessed else []
    evaluations += [(ours.DETERMINATION, ours.DETERMINATIONS[determination])] if determination else []
    shared: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(uid=new_uid(), identifier="Bone age"),
        "finding_type": _coded(ours.PEDIATRIC_BONE_AGE),
        "finding_sites": [FindingSite(codes.SCT.Hand, laterality=LATERALITY[side] if side else None)],
        "algorithm_id": AlgorithmIdentification(PROGRAM, VERSION, parameters=parameters, manufacturer=MAKER),
        "measurements": list(_measurements(reading, examination.reference)),
        "qualitative_evaluations": [QualitativeEvaluation(*map(_coded, pair)) for pair in evaluations],
    }
    film = source.SOPClassUID, source.SOPInstanceUID
    if reading.hand_box:
        region = _outline(reading.hand_box, SourceImageForRegion(*film))
        group = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **shared)
    else:
        image = SourceImageForMeasurementGroup(*film)
        group = MeasurementsAndQualitativeEvaluations(source_images=[image], **shared)
    for sentence in _sentences(reading):
        # both templates are extensible; a comment is how the standard's other templates hold free text
        comment = TextContentItem(codes.DCM.Comment, for_dicom(sentence), RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(comment)
    return group


def _outline(box: tuple[int, int, int, int], film: SourceImageForRegion) -> ImageRegion:
    """The box around the hand as a closed line; (0, 0) is the corner of the first pixel (PS3.3 C.18.6.1.1)."""
    x, y, width, height = box
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], float)
    return ImageRegion(GraphicTypeValues.POLYLINE, corners, film)


def _measurements(reading: Reading, reference: Reference) -> Iterator[Measurement]:
    if reading.bone_age_months is not None:
        yield Measurement(
            _coded(ours.BONE_AGE),
            round(reading.bone_age_months, 2),
            codes.UCUM.Month,
            derivation=codes.cid3627.Estimated,
            properties=_properties(reading, reading.bone_age_months, reference),
        )
    if reading.chronological_age_months is not None:
        yield Measurement(_coded(ours.CHRONOLOGICAL_AGE), round(reading.chronological_age_months, 2), codes.UCUM.Month)
    if reading.sds is not None:
        limits = _normal_range(-NORMAL_SDS, NORMAL_SDS, codes.UCUM.NoUnits, reference)
        yield Measurement(
            codes.DCM.ZScoreOfMeasurement,
            round(reading.sds, 2),
            codes.UCUM.NoUnits,
            properties=MeasurementProperties(normal_range_properties=limits),
        )


def _properties(reading: Reading, months: float, reference: Reference) -> MeasurementProperties:
    """TID 310 of the bone age: normality, statistics (TID 311), normal range (TID 312), then the 90 % interval."""
    sds, mean, sd = reading.sds, reading.reference_mean_months, reading.reference_sd_months
    statistics = normal = None
    if sds is not None and mean is not None and sd is not None:
        values = [
            _number(codes.SCT.MeanValueOfPopulation, mean),
            _number(codes.DCM.StandardDeviationOfPopulation, sd),
            _number(codes.DCM.ZScoreOfMeasurement, sds, codes.UCUM.NoUnits),
        ]
        statistics = MeasurementStatisticalProperties(
            values, for_dicom(str(reading.sds_reference or "")), for_dicom(reference.authority)
        )
        centre = months - sds * sd
        low, high = centre - NORMAL_SDS * sd, centre + NORMAL_SDS * sd
        normal = _normal_range(low, high, codes.UCUM.Month, reference)
    properties = MeasurementProperties(
        normality=NORMALITY[reading.assessment] if reading.assessment else None,
        measurement_statistical_properties=statistics,
        normal_range_properties=normal,
    )
    if reading.interval_90 is not None:
        # built here, since highdicom gives them no unit; PS3.16 TID 310 requires the measurement's
        low, high = reading.interval_90
        properties.append(_number(codes.SCT.RangeOfUpperMeasurementUncertainty, high - months))
        properties.append(_number(codes.SCT.RangeOfLowerMeasurementUncertainty, months - low))
    return properties


def _normal_range(low: float, high: float, unit: Code, reference: Reference) -> NormalRangeProperties:
    limits = [_number(codes.SCT.NormalRangeLowerLimit, low, unit), _number(codes.SCT.NormalRangeUpperLimit, high, unit)]
    within = for_dicom(f"within {NORMAL_SDS:g} SD ({reference.about})")
    return NormalRangeProperties(limits, within, for_dicom(reference.authority))


def _number(name: Code, value: float, unit: Code = codes.UCUM.Month) -> NumContentItem:
    return NumContentItem(name, round(value, 2), unit, relationship_type=RelationshipTypeValues.HAS_PROPERTIES)


def _sentences(reading: Reading) -> Iterator[str]:
    """Comments: what a reader of the report must know besides the numbers, the most important first."""
    yield f"Status: {joined((reading.status, *reading.reasons))}"
    if reading.bone_age_months is not None:
        yield f"Bone age {in_years(reading.bone_age_months)}; 90 % interval {reading.interval_words or 'not known'}"
    if reading.chronological_age_months is not None:
        yield f"Chronological age {in_years(reading.chronological_age_months)} ({reading.chronological_age_source})"
    for height in reading.adult_heights:
        yield f"Predicted adult height {height.cm:.1f} cm ({height.source}, at {reading.height_cm:g} cm)"
    if reading.target_height_cm is not None:
        yield f"Target height {reading.target_height_cm:.1f} cm (mid-parental, Tanner 1970)"
    yield from map(str, (*reading.notes, *reading.caveats))
    yield str(DISCLAIMER)
