"""A reading as FHIR: what a library of FHIR takes, what it refers to, and what it says of children and of nobody."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from dicom_files import dataset
from PIL import Image

from boneage.data.child import Age, Child
from boneage.data.errors import OutputError
from boneage.data.read import read_radiograph
from boneage.data.remark import Remark
from boneage.handseg.finder import Hand
from boneage.handseg.quality import Verdict
from boneage.pipeline.cli import main
from boneage.pipeline.clinical.assessment import assessed
from boneage.pipeline.examination import Examination
from boneage.pipeline.fhir.bundle import fhir_bundle
from boneage.pipeline.reading import Reading

CHILD: dict[str, Any] = {
    "PatientName": "SECRET^NAME",
    "PatientID": "E-17",
    "PatientBirthDate": "20100115",
    "PatientSex": "F",
    "StudyDate": "20200116",
    "AccessionNumber": "A1",
    "StudyInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3.4.5",
    "ImageLaterality": "L",
}


def examined(path: Path, reading: Reading) -> Examination:
    return Examination(reading, read_radiograph(path), Hand(Verdict()))


@pytest.fixture
def film(hand_films, tmp_path) -> Path:
    greys = np.asarray(Image.open(hand_films[1])).astype(np.int64)
    dataset(greys, 8, **CHILD).save_as(tmp_path / "film.dcm", enforce_file_format=True)
    return tmp_path / "film.dcm"


@pytest.fixture
def full(film) -> Examination:
    reading = Reading(str(film), "review", (Remark("dark"),), "F", 125.3, (101.25, 149.35), model="tiny")
    return examined(film, assessed(reading, Age(119.9, 1, Remark("age given")), Child(height_cm=140.5)))


def resources(bundle: dict) -> dict[str, list[dict]]:
    """The resources of a Bundle by type, as a library of FHIR takes them, and as they are."""
    library = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is not installed")
    library.Bundle.model_validate_json(json.dumps(bundle))
    found: dict[str, list[dict]] = {}
    for entry in bundle["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def codes(concept: dict) -> list[str]:
    return [coding["code"] for coding in concept.get("coding", ())]


def test_the_numbers_are_observations_that_the_report_lists(full):
    bundle = fhir_bundle(full)
    made = resources(bundle)
    (report,), (age, sds, height), (device,) = (made[kind] for kind in ("DiagnosticReport", "Observation", "Device"))
    urls = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
    assert [urls[result["reference"]] for result in report["result"]] == [age, sds, height]
    assert all(urls[one["device"]["reference"]] is device for one in (age, sds, height))
    assert codes(age["code"]) == ["85151-9", "37362-1"]
    assert age["valueQuantity"] == {
        "value": 125.3,
        "unit": "months",
        "system": "http://unitsofmeasure.org",
        "code": "mo",
    }
    assert (sds["valueQuantity"]["value"], sds["valueQuantity"]["code"]) == (round(full.reading.sds, 2), "1")
    assert codes(sds["interpretation"][0]) == ["N"]
    assert height["valueQuantity"]["value"] == round(full.reading.adult_height_cm, 2)
    assert {one["status"] for one in (report, age, sds, height)} == {"preliminary"}
    assert all("HRESCH" in json.dumps(one["meta"]) for one in (report, age, sds, height, device))


def test_the_interval_is_a_component_and_no_reference_range(full):
    for observation in resources(fhir_bundle(full))["Observation"]:
        assert "referenceRange" not in observation
        assert any("valueRange" in part for part in observation["component"])
    parts = {part["code"]["text"]: part for part in resources(fhir_bundle(full))["Observation"][0]["component"]}
    ends = parts["90 % interval"]["valueRange"]
    assert (ends["low"]["value"], ends["high"]["value"]) == (101.25, 149.35)
    assert parts["Bone age method"]["valueCodeableConcept"]["text"] == "Greulich and Pyle"
    assert codes(parts["Sex read with"]["valueCodeableConcept"]) == ["female"]


def test_patient_study_and_order_are_those_of_the_film_without_a_name(full):
    bundle = fhir_bundle(full)
    (report,) = resources(bundle)["DiagnosticReport"]
    assert report["subject"] == {"type": "Patient", "identifier": {"value": "E-17"}}
    study = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.4"}
    assert report["imagingStudy"] == [{"type": "ImagingStudy", "identifier": study}]
    assert report["basedOn"][0]["identifier"]["value"] == "A1"
    assert report["effectiveDateTime"] == "2020-01-16"
    assert "SECRET" not in json.dumps(bundle)
    assert "2010-01-15" not in json.dumps(bundle)


def test_each_method_of_adult_height_is_an_observation_of_its_own(film):
    reading = Reading(str(film), "ok", (), "F", 125.3, (101.25, 149.35), model="tiny")
    given = Child(height_cm=140.5, weight_kg=32.5, mother_cm=165.0, father_cm=180.0)
    found = assessed(reading, Age(119.9, 1, Remark("age given")), given)
    observations = resources(fhir_bundle(examined(film, found)))["Observation"]
    heights = {one["method"]["text"]: one for one in observations if "height" in one["code"].get("text", "")}
    made = {method: one["valueQuantity"]["value"] for method, one in heights.items()}
    assert made == {height.source: round(height.cm, 2) for height in found.adult_heights} | {
        "Mid-parental, Tanner 1970": 166.0
    }
    assert len(made) == 4
    parts = {part["code"]["text"]: part.get("valueQuantity") for part in heights["RWT 1975"]["component"]}
    assert (parts["Body weight"]["value"], parts["Body weight"]["code"]) == (32.5, "kg")
    assert parts["Height of the mother"]["value"] == 165.0


def test_a_picture_belongs_to_nobody(hand_films):
    reading = Reading(str(hand_films[0]), "ok", (), "M", 60.0, (50.0, 70.0), model="tiny")
    made = resources(fhir_bundle(examined(hand_films[0], reading)))
    assert len(made["Observation"]) == 1
    assert not any({"subject", "imagingStudy", "basedOn"} & set(one) for one in made["DiagnosticReport"])


def test_a_rejected_film_says_that_there_is_no_value_and_why(film):
    reading = Reading(str(film), "rejected", (Remark("no hand was found"),), "F", model="tiny")
    made = resources(fhir_bundle(examined(film, reading)))
    (age,) = made["Observation"]
    assert "valueQuantity" not in age
    assert codes(age["dataAbsentReason"]) == ["not-performed"]
    assert "no hand was found" in made["DiagnosticReport"][0]["conclusion"]


def test_a_film_that_could_not_be_read_has_no_bundle():
    with pytest.raises(OutputError, match="could not be read"):
        fhir_bundle(Examination(Reading("film.dcm", "failed")))


def test_the_device_is_the_same_for_the_same_weights_and_made_once(full):
    first, again = (fhir_bundle(full) for _ in range(2))
    other = fhir_bundle(replace(full, reading=replace(full.reading, model="other")))
    requests = [bundle["entry"][-1]["request"]["ifNoneExist"] for bundle in (first, again, other)]
    assert requests[0] == requests[1] != requests[2]


def test_the_command_writes_a_bundle_with_the_report_attached(film, tiny_bundle, finds_hands, tmp_path):
    out = tmp_path / "out.json"
    asked = ["predict", film, "--weights", tiny_bundle, "--fhir", out, "--report", tmp_path / "r.html", "--no-heatmap"]
    for _ in range(2):  # the second replaces what the first wrote, since it is this program's
        done = CliRunner().invoke(main, [str(part) for part in asked])
        assert done.exit_code == 0, done.output
    (form,) = resources(json.loads(out.read_text("utf-8")))["DiagnosticReport"][0]["presentedForm"]
    assert base64.b64decode(form["data"]).startswith(b"%PDF")
    done = CliRunner().invoke(main, ["predict", str(film), "--weights", str(tiny_bundle), "--fhir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "presentedForm" not in (tmp_path / "film-fhir.json").read_text("utf-8")
