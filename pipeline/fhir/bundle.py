"""A reading as a Bundle of FHIR R4: DiagnosticReport, Observations and the Device that observed.

The Bundle is a transaction, so that it can be posted to a server as it is. All is preliminary, since nobody has checked
it, and labelled as for research.
"""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

from ...data.files import MARK, whole_file
from ...data.radiograph import Radiograph
from ...data.source import PROGRAM
from ..codes import HAND, REPORT
from ..dicom.source import MAKER, VERSION, device_uid
from ..examination import Examination
from ..reading import DISCLAIMER, Reading
from .observations import bone_age_observation, height_observations, sds_observation, sentences
from .parts import Json, by_identifier, concept, hl7

JSON_SUFFIXES = (".json",)
_RESEARCH = {"security": hl7("v3-ActReason", "HRESCH", "healthcare research")["coding"]}


def fhir_bundle(examination: Examination, pdf: bytes | None = None) -> Json:
    """Give the Bundle of a film's reading, as plain values for JSON.

    pdf: the report on the film, which is attached to the DiagnosticReport. Patient, study and order are referred to by
    what the film's DICOM states: PatientID, StudyInstanceUID and accession number; no name and no birth date. For a
    film that is no DICOM, the receiver has to add them. Raises OutputError for a film that could not be read.
    """
    radiograph, _ = examination.radiograph_and_hand()
    reading, issued = examination.reading, datetime.now(UTC).isoformat(timespec="milliseconds")
    device_entry = _entry(_device(reading), unique=True)
    shared = {"status": "preliminary", **_whose(radiograph), "issued": issued}
    observed = {
        "category": [hl7("observation-category", "imaging", "Imaging")],
        "bodySite": concept(HAND, text=f"{reading.side} hand" if reading.side else "hand"),
        "device": {"reference": device_entry["fullUrl"]},
    }
    made = (bone_age_observation(reading), sds_observation(reading), *height_observations(reading))
    entries = [_entry({"resourceType": "Observation", **shared, **observed, **values}) for values in made if values]
    for derived in entries[1:]:
        derived["resource"]["derivedFrom"] = [{"reference": entries[0]["fullUrl"]}]
    report = {"resourceType": "DiagnosticReport", **shared, **_study(radiograph)}
    report["category"] = [hl7("v2-0074", "RAD", "Radiology")]
    report["code"] = concept(REPORT)
    report["result"] = [{"reference": entry["fullUrl"]} for entry in entries]
    report["conclusion"] = "\n".join(sentences(reading))
    if pdf:
        title = "Bone age report (research use)"
        data = base64.b64encode(pdf).decode()
        report["presentedForm"] = [{"contentType": "application/pdf", "title": title, "data": data}]
    meta = {**_RESEARCH, "tag": [{"display": MARK}]}
    entries = [_entry(report), *entries, device_entry]
    return {"resourceType": "Bundle", "meta": meta, "type": "transaction", "timestamp": issued, "entry": entries}


def write_fhir(
    examination: Examination, path: str | Path, *, report: bool = False, language: str = "en", heat_map: bool = True
) -> None:
    """Write the Bundle of a film's reading to `path`, whole or not at all.

    report: attach the report as PDF, in a `language`, with or without `heat_map`. Raises as `fhir_bundle` does.
    """
    pdf = None
    if report:
        from ..report.write import as_report

        pdf = as_report(examination, ".pdf", language, heat_map=heat_map)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(fhir_bundle(examination, pdf), indent=1), "utf-8")


def _entry(resource: Json, *, unique: bool = False) -> Json:
    """An entry of a transaction that makes a resource; `unique`: unless one with its identifier is there."""
    kind = resource["resourceType"]
    request = {"method": "POST", "url": kind}
    if unique:
        (identifier,) = resource["identifier"]
        request["ifNoneExist"] = f"identifier={identifier['system']}|{identifier['value']}"
    resource = {"resourceType": kind, "meta": _RESEARCH, **resource}
    return {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": resource, "request": request}


def _device(reading: Reading) -> Json:
    """The program with one set of weights, by the same identifier as the observer of DICOM results."""
    return {
        "resourceType": "Device",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{device_uid(reading.model)}"}],
        "manufacturer": MAKER,
        "deviceName": [{"name": PROGRAM, "type": "model-name"}],
        "type": {"text": "Software that reads bone age"},
        "version": [
            {"type": {"text": "software"}, "value": VERSION},
            {"type": {"text": "weights"}, "value": reading.weights or "unnamed"},
        ],
        "note": [{"text": str(DISCLAIMER)}],
    }


def _stated(radiograph: Radiograph, name: str) -> str:
    """A text of the film's DICOM; "" where it has none, and for a film that is no DICOM."""
    return "" if radiograph.tags is None else str(radiograph.tags.get(name) or "").strip()


def _whose(radiograph: Radiograph) -> Json:
    """Patient and date of the film, as its DICOM states them."""
    number, taken = _stated(radiograph, "PatientID"), radiograph.exam_date
    made: Json = {"subject": by_identifier("Patient", number)} if number else {}
    return {**made, "effectiveDateTime": taken.isoformat()} if taken else made


def _study(radiograph: Radiograph) -> Json:
    """Study and order of the film, as its DICOM states them."""
    study, order = _stated(radiograph, "StudyInstanceUID"), _stated(radiograph, "AccessionNumber")
    made: Json = {}
    if study:
        made["imagingStudy"] = [by_identifier("ImagingStudy", f"urn:oid:{study}", "urn:dicom:uid")]
    if order:
        kind = hl7("v2-0203", "ACSN", "Accession ID")
        made["basedOn"] = [by_identifier("ServiceRequest", order, kind=kind)]
    return made
