"""A reading as a DICOM structured report: a TID 1500 measurement report of one film, with every value coded.

Codes are LOINC's for the bone age, RadElement's set RDES14 "pediatric bone age" for what belongs to it, and the
standard's own (PS3.16) for statistics, normal range, uncertainty and normality. RadElement's values of RDE1733 are
numbered in the set's order. Facts without a code are comments in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    MeasurementStatisticalProperties,
    NormalRangeProperties,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
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
from ..clinical.assessment import NORMAL_SDS
from ..examination import Examination
from ..reading import DISCLAIMER, Reading
from .source import MAKER, VERSION, device_uid, identity, new_uid

SERIES = 9001
BONE_AGE = CodedConcept("37362-1", "LN", "XR bone age")
PEDIATRIC_BONE_AGE = CodedConcept("RDES14", "RADELEMENT", "Pediatric bone age")
CHRONOLOGICAL_AGE = CodedConcept("RDE122", "RADELEMENT", "Chronological age")
DETERMINATION = CodedConcept("RDE1733", "RADELEMENT", "Bone age determination")
DETERMINATIONS = {
    name: CodedConcept(f"RDE1733.{number}", "RADELEMENT", name)
    for number, name in enumerate(("delayed", "normal", "advanced", "indeterminate"))
}
NORMALITY = {  # CID 222
    "delayed": codes.cid222.AbnormallyLow,
    "normal": codes.cid222.Normal,
    "advanced": codes.cid222.AbnormallyHigh,
}
LATERALITY = {"L": codes.SCT.Left, "R": codes.SCT.Right}
_AUTHORITY = "Greulich and Pyle, Radiographic Atlas of Skeletal Development of the Hand and Wrist, 2nd ed. 1959"


def structured_report(examination: Examination, source: Dataset) -> ComprehensiveSR:
    """Report a reading on the film whose DICOM tags are `source` (`source.source_of`).

    One measurement group holds bone age in months (with the 90 % interval as uncertainty, and mean, SD, Z-score and
    normal range of the child's age where an SDS could be given), chronological age, SDS, and the determination. A film
    without a bone age gets the determination "indeterminate" and the reasons. The report is complete, preliminary and
    unverified, since nobody has checked it.
    """
    reading = examination.reading
    report = MeasurementReport(
        observation_context=ObservationContext(_observer(reading.model)),
        procedure_reported=BONE_AGE,
        imaging_measurements=[_group(examination, source)],
    )
    return ComprehensiveSR(
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


def _group(examination: Examination, source: Dataset) -> MeasurementsAndQualitativeEvaluations:
    reading, laterality = examination.reading, examination.radiograph_and_hand()[0].laterality
    parameters = [for_dicom(f"weights: {reading.weights}"), f"sex: {reading.sex}"]
    determination = reading.assessment if reading.assessed else "indeterminate"
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Bone age"),
        finding_type=PEDIATRIC_BONE_AGE,
        finding_sites=[FindingSite(codes.SCT.Hand, laterality=LATERALITY[laterality] if laterality else None)],
        algorithm_id=AlgorithmIdentification(PROGRAM, VERSION, parameters=parameters, manufacturer=MAKER),
        measurements=list(_measurements(reading)),
        qualitative_evaluations=[
            QualitativeEvaluation(DETERMINATION, DETERMINATIONS[name]) for name in (determination,) if name
        ],
        source_images=[SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )
    for sentence in _sentences(reading):
        # TID 1501 is extensible; a comment is how the standard's other templates hold free text
        comment = TextContentItem(codes.DCM.Comment, for_dicom(sentence), RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(comment)
    return group


def _measurements(reading: Reading) -> Iterator[Measurement]:
    if reading.bone_age_months is not None:
        yield Measurement(
            BONE_AGE,
            round(reading.bone_age_months, 2),
            codes.UCUM.Month,
            derivation=codes.cid3627.Estimated,
            properties=_properties(reading, reading.bone_age_months),
        )
    if reading.chronological_age_months is not None:
        yield Measurement(CHRONOLOGICAL_AGE, round(reading.chronological_age_months, 2), codes.UCUM.Month)
    if reading.sds is not None:
        limits = _normal_range(-NORMAL_SDS, NORMAL_SDS, codes.UCUM.NoUnits, reading)
        yield Measurement(
            codes.DCM.ZScoreOfMeasurement,
            round(reading.sds, 2),
            codes.UCUM.NoUnits,
            properties=MeasurementProperties(normal_range_properties=limits),
        )


def _properties(reading: Reading, months: float) -> MeasurementProperties:
    """TID 310 of the bone age: normality, statistics (TID 311), normal range (TID 312), then the 90 % interval."""
    sds, mean, sd = reading.sds, reading.reference_mean_months, reading.reference_sd_months
    statistics = normal = None
    if sds is not None and sd is not None:
        values = [
            _number(codes.DCM.StandardDeviationOfPopulation, sd),
            _number(codes.DCM.ZScoreOfMeasurement, sds, codes.UCUM.NoUnits),
        ]
        if mean is not None:
            values.insert(0, _number(codes.SCT.MeanValueOfPopulation, mean))
        statistics = MeasurementStatisticalProperties(values, for_dicom(str(reading.sds_reference or "")), _AUTHORITY)
        centre = months - sds * sd
        low, high = centre - NORMAL_SDS * sd, centre + NORMAL_SDS * sd
        normal = _normal_range(low, high, codes.UCUM.Month, reading)
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


def _normal_range(low: float, high: float, unit: Code, reading: Reading) -> NormalRangeProperties:
    limits = [
        _number(codes.SCT.NormalRangeLowerLimit, low, unit),
        _number(codes.SCT.NormalRangeUpperLimit, high, unit),
    ]
    return NormalRangeProperties(limits, for_dicom(f"within {NORMAL_SDS:g} SD ({reading.sds_reference})"), _AUTHORITY)


def _number(name: Code, value: float, unit: Code = codes.UCUM.Month) -> NumContentItem:
    return NumContentItem(name, round(value, 2), unit, relationship_type=RelationshipTypeValues.HAS_PROPERTIES)


def _sentences(reading: Reading) -> Iterator[str]:
    """Comments: what a reader of the report must know besides the numbers, the most important first."""
    yield f"Status: {joined((reading.status, *reading.reasons))}"
    if reading.bone_age_months is not None:
        yield f"Bone age {in_years(reading.bone_age_months)}; 90 % interval {reading.interval_words or 'not known'}"
    if reading.chronological_age_months is not None:
        yield f"Chronological age {in_years(reading.chronological_age_months)} ({reading.chronological_age_source})"
    if reading.adult_height_cm is not None:
        method = f"Bayley-Pinneau, {reading.adult_height_category} maturation, at {reading.height_cm:g} cm"
        yield f"Predicted adult height {reading.adult_height_cm:.1f} cm ({method})"
    yield from map(str, (*reading.notes, *reading.caveats))
    yield str(DISCLAIMER)
