"""Data types of FHIR R4, as plain values for JSON: codes, quantities, ranges, references."""

from __future__ import annotations

from typing import Any

from ..codes import Code

Json = dict[str, Any]
_SYSTEMS = {  # designator of DICOM -> URI of FHIR
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "RADELEMENT": "https://www.radelement.org",
}
_UCUM = "http://unitsofmeasure.org"
_UNITS = {"mo": "months", "cm": "cm", "kg": "kg", "1": "SD"}  # code of UCUM -> what people read
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"


def concept(*codes: Code, text: str = "") -> Json:
    """A CodeableConcept; codes of no public scheme are their text alone."""
    codings = [
        {"system": _SYSTEMS[code.scheme], "code": code.value, "display": code.meaning}
        for code in codes
        if code.scheme in _SYSTEMS
    ]
    made: Json = {"text": text or codes[0].meaning}
    return {"coding": codings, **made} if codings else made


def hl7(table: str, code: str, display: str) -> Json:
    """A CodeableConcept of one of HL7's own code systems."""
    return {"coding": [{"system": f"{_TERMINOLOGY}{table}", "code": code, "display": display}]}


def quantity(value: float, unit: str) -> Json:
    """A Quantity, rounded to 0.01; `unit`: mo, cm, kg or 1 of UCUM."""
    return {"value": round(value, 2), "unit": _UNITS[unit], "system": _UCUM, "code": unit}


def value_component(code: Json, value: float | None, unit: str) -> list[Json]:
    """A component that is a number; none where it is not known."""
    return [] if value is None else [{"code": code, "valueQuantity": quantity(value, unit)}]


def interval_component(ends: tuple[float, float] | None, unit: str) -> list[Json]:
    """The 90 % interval of a value as a component; none where it is not known.

    No referenceRange: that is where healthy children lie, not where this child's true value may lie.
    """
    if ends is None:
        return []
    low, high = (quantity(end, unit) for end in ends)
    return [{"code": {"text": "90 % interval"}, "valueRange": {"low": low, "high": high}}]


def by_identifier(resource: str, value: str, system: str = "", kind: Json | None = None) -> Json:
    """A Reference to a resource that lives elsewhere and is known by an identifier."""
    identifier: Json = {"value": value}
    identifier |= {"system": system} if system else {}
    identifier |= {"type": kind} if kind else {}
    return {"type": resource, "identifier": identifier}
