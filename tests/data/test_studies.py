"""What is told apart in a folder of studies."""

from __future__ import annotations

from datetime import date

import pytest
from dicom_files import write_object
from PIL import Image
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    MediaStorageDirectoryStorage,
    SecondaryCaptureImageStorage,
)

from boneage.data.remark import Remark
from boneage.data.studies import patient_of, why_no_film


@pytest.mark.parametrize(
    ("kind", "modality", "side", "tags", "why"),
    [
        (ComputedRadiographyImageStorage, "CR", 64, {}, None),
        (ComputedRadiographyImageStorage, None, 64, {}, None),
        (SecondaryCaptureImageStorage, "OT", 64, {}, None),
        (BasicTextSRStorage, "SR", 0, {}, "DICOM Basic Text SR"),
        (MediaStorageDirectoryStorage, None, 0, {}, "DICOM Media Storage Directory"),
        (CTImageStorage, "CT", 64, {}, "DICOM CT Image"),
        (
            SecondaryCaptureImageStorage,
            "OT",
            64,
            {"NumberOfFrames": 3},
            "DICOM Secondary Capture Image of several pict",
        ),
        (
            SecondaryCaptureImageStorage,
            "OT",
            64,
            {"ManufacturerModelName": "boneage"},
            "DICOM Secondary Capture Image made by this program",
        ),
    ],
)
def test_objects_that_are_no_films_are_named(tmp_path, kind, modality, side, tags, why):
    said = why_no_film(write_object(tmp_path / "IM1", kind, modality, side, **tags))
    assert said is None if why is None else str(said).startswith(why)


def test_a_file_without_suffix_is_a_film_only_as_picture_or_dicom(tmp_path):
    (tmp_path / "LOCKFILE").touch()
    (tmp_path / "README").write_text("how to open this disc")
    Image.new("L", (64, 64)).save(tmp_path / "picture", "PNG")
    assert (
        why_no_film(tmp_path / "LOCKFILE") == why_no_film(tmp_path / "README") == Remark("neither a picture nor DICOM")
    )
    assert why_no_film(tmp_path / "picture") is None


def test_a_damaged_film_is_left_to_the_reader_which_says_what_is_wrong(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    whole = write_object(tmp_path / "whole.dcm", ComputedRadiographyImageStorage, "CR").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:180])
    for name in ("text.png", "cut.dcm", "missing.png"):
        assert why_no_film(tmp_path / name) is None


def test_patient_and_date_are_those_of_the_dicom(tmp_path):
    tags = {"PatientID": " 0815 ", "AcquisitionDate": "20200407", "StudyDate": "20200406"}
    film = write_object(tmp_path / "IM1", ComputedRadiographyImageStorage, "CR", **tags)
    assert patient_of(film) == ("0815", date(2020, 4, 7))
    assert patient_of(write_object(tmp_path / "IM2", ComputedRadiographyImageStorage, "CR")) == (None, None)
    (tmp_path / "a.png").write_text("no DICOM")
    assert patient_of(tmp_path / "a.png") == patient_of(tmp_path / "none") == (None, None)
