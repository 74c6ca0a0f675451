"""A reading's numbers as Observations of FHIR R4: bone age, SDS, predicted adult height."""

from __future__ import annotations

from ...data.child import in_years
from ..codes import (
    BONE_AGE,
    CHRONOLOGICAL_AGE,
    DETERMINATION,
    DETERMINATIONS,
    GREULICH_PYLE,
    METHOD,
    POPULATION_MEAN,
    POPULATION_SD,
    REPORT,
    Z_SCORE,
    Code,
)
from ..reading import DISCLAIMER, Reading
from .parts import Json, concept, hl7, interval_component, quantity, value_component

BODY_HEIGHT = Code("8302-2", "LN", "Body height")
BODY_WEIGHT = Code("29463-7", "LN", "Body weight")
SEX = Code("46098-0", "LN", "Sex")
_SEXES = {"F": "female", "M": "male"}
_INTERPRETATIONS = {"delayed": ("L", "Low"), "normal": ("N", "Normal"), "advanced": ("H", "High")}


def bone_age_observation(reading: Reading) -> Json:
    """The bone age in months, with its 90 % interval, method and sex; why there is none where there is none."""
    components = interval_component(reading.interval_90, "mo")
    components.append({"code": concept(METHOD), "valueCodeableConcept": concept(GREULICH_PYLE)})
    if reading.sex:
        gender = {"system": "http://hl7.org/fhir/administrative-gender", "code": _SEXES[reading.sex]}
        components.append({"code": concept(SEX, text="Sex read with"), "valueCodeableConcept": {"coding": [gender]}})
    made: Json = {"code": concept(BONE_AGE, REPORT, text="Bone age"), "method": concept(GREULICH_PYLE)}
    if reading.bone_age_months is None:
        made["dataAbsentReason"] = hl7("data-absent-reason", "not-performed", "Not Performed")
    else:
        made["valueQuantity"] = quantity(reading.bone_age_months, "mo")
    return {**made, "component": components, "note": [{"text": sentence} for sentence in sentences(reading)]}


def sds_observation(reading: Reading) -> Json | None:
    """The SDS with its interval, and the age, mean and SD that it comes from; None where it is not known."""
    if reading.sds is None:
        return None
    components = [
        *interval_component(reading.sds_interval_90, "1"),
        *value_component(concept(CHRONOLOGICAL_AGE), reading.chronological_age_months, "mo"),
        *value_component(concept(POPULATION_MEAN), reading.reference_mean_months, "mo"),
        *value_component(concept(POPULATION_SD), reading.reference_sd_months, "mo"),
    ]
    made: Json = {
        "code": concept(Z_SCORE, text="Bone age SDS"),
        "valueQuantity": quantity(reading.sds, "1"),
        "method": {"text": str(reading.sds_reference)},
        "component": components,
    }
    if reading.assessment:
        words = concept(DETERMINATIONS[reading.assessment])
        components.append({"code": concept(DETERMINATION), "valueCodeableConcept": words})
        made["interpretation"] = [hl7("v3-ObservationInterpretation", *_INTERPRETATIONS[reading.assessment])]
    return made


def height_observations(reading: Reading) -> list[Json]:
    """Adult height by each method with the range that the bone age's interval gives it, and target height; if known."""
    used = value_component(concept(BODY_HEIGHT), reading.height_cm, "cm")
    weight = value_component(concept(BODY_WEIGHT), reading.weight_kg, "kg")
    parents = value_component({"text": "Height of the mother"}, reading.mother_cm, "cm")
    parents += value_component({"text": "Height of the father"}, reading.father_cm, "cm")
    made: list[Json] = [
        {
            "code": {"text": "Predicted adult height"},
            "valueQuantity": quantity(height.cm, "cm"),
            "method": {"text": height.source},
            "component": interval_component(height.ends, "cm")
            + (used if height.method == "Bayley-Pinneau" else used + weight + parents),
        }
        for height in reading.adult_heights
    ]
    if reading.target_height_cm is not None and reading.target_height_range is not None:
        low, high = (quantity(end, "cm") for end in reading.target_height_range)
        components = [{"code": {"text": "Target range"}, "valueRange": {"low": low, "high": high}}, *parents]
        target = {"code": {"text": "Target height"}, "valueQuantity": quantity(reading.target_height_cm, "cm")}
        made.append({**target, "method": {"text": "Mid-parental, Tanner 1970"}, "component": components})
    return made


def sentences(reading: Reading) -> list[str]:
    """What a reader must know besides the numbers, the status first."""
    months = reading.bone_age_months
    said = [f"Status: {reading.status}", *map(str, reading.reasons)]
    if months is not None:
        said.append(f"Bone age {in_years(months)}; 90 % interval {reading.interval_words or 'not known'}")
    return [*said, *map(str, (*reading.notes, *reading.caveats)), str(DISCLAIMER)]
