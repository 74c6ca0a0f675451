"""A film in any form as a Source: what it is, whose, and what is no film."""

from __future__ import annotations

import io
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import dataset, write_object
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
    SecondaryCaptureImageStorage,
)

from boneage.data import tags as tags_module
from boneage.data.errors import ReadError
from boneage.data.files import sha256_of
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.data.remark import Remark
from boneage.data.source import MAX_BYTES, Source, as_source, open_source


@pytest.mark.parametrize(
    ("kind", "modality", "side", "tags", "why"),
    [
        (ComputedRadiographyImageStorage, "CR", 64, {}, None),
        (ComputedRadiographyImageStorage, None, 64, {}, None),
        (SecondaryCaptureImageStorage, "OT", 64, {}, None),
        (ComputedRadiographyImageStorage, "DXR", 64, {}, None),
        (ComputedRadiographyImageStorage, "SC", 64, {}, None),
        (SecondaryCaptureImageStorage, "XR", 64, {}, None),
        (SecondaryCaptureImageStorage, "MR", 64, {}, "DICOM Secondary Capture Image"),
        (CTImageStorage, "CR", 64, {}, "DICOM CT Image"),
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
    said = open_source(write_object(tmp_path / "IM1", kind, modality, side, **tags), found=True).no_film
    assert said is None if why is None else str(said).startswith(why)


@pytest.mark.parametrize(
    ("kind", "modality", "many", "tags", "why"),
    [
        (MediaStorageDirectoryStorage, None, "DirectoryRecordSequence", {}, "DICOM Media Storage Directory"),
        (EnhancedCTImageStorage, "CT", "PerFrameFunctionalGroupsSequence", {}, "DICOM Enhanced CT Image"),
        (BasicTextSRStorage, "SR", "ContentSequence", {}, "DICOM Basic Text SR"),
        (CTImageStorage, "CT", "ReferencedImageSequence", {}, "DICOM CT Image"),  # before what tells of its picture
        (SecondaryCaptureImageStorage, "CT", "AcquisitionContextSequence", {}, "DICOM Secondary Capture Image"),
        (
            SecondaryCaptureImageStorage,
            "OT",
            "AcquisitionContextSequence",
            {"NumberOfFrames": 9},
            "DICOM Secondary Capture Image of several pictures",
        ),
        (ComputedRadiographyImageStorage, "CR", "AcquisitionContextSequence", {}, None),
        (ComputedRadiographyImageStorage, "CR", "ReferencedImageSequence", {}, None),
        ("", "CR", "ReferencedImageSequence", {}, None),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_what_has_too_many_elements_is_told_by_its_class_or_where_it_may_be_a_film_by_its_error(
    tmp_path, monkeypatch, kind, modality, many, tags, why, large
):
    """As is a file of too many bytes."""
    monkeypatch.setattr(tags_module, "_MOST_ELEMENTS", 500)  # of 100,000
    items = [Dataset() for _ in range(10 if large else 600)]
    path = write_object(tmp_path / "IM1", kind, modality, 64 if modality in ("CT", "CR", "OT") else 0, **tags)
    with pydicom.dcmread(path) as ds:
        setattr(ds, many, items)
        ds[many].is_undefined_length = True
        ds.save_as(path)
    if large:
        os.truncate(path, MAX_BYTES + 1)  # a hole, which takes no room on the disk
    if why is None:
        with pytest.raises(ReadError, match="has over" if large else "has more than 500 elements"):
            read_radiograph(open_source(path, found=True))
    else:
        assert str(open_source(path, found=True).no_film) == why


def test_a_file_without_suffix_is_a_film_only_as_picture_or_dicom(tmp_path):
    (tmp_path / "LOCKFILE").touch()
    (tmp_path / "README").write_text("how to open this disc")
    Image.new("L", (64, 64)).save(tmp_path / "picture", "PNG")
    kinds = [open_source(tmp_path / name, found=True).no_film for name in ("LOCKFILE", "README", "picture")]
    assert kinds == [Remark("neither a picture nor DICOM")] * 2 + [None]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("HEIC", b"\0\0\0\x18ftypheic"),
        ("AVIF", b"\0\0\0\x1cftypavif"),
        ("JPEG XL", b"\xff\x0a"),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("GIF", b"GIF89a"),
    ],
)
def test_a_picture_of_a_kind_that_is_not_read_is_a_film_that_fails_by_its_kind(tmp_path, kind, content):
    (tmp_path / "film").write_bytes(content + bytes(200))
    source = open_source(tmp_path / "film", found=True)
    assert source.no_film is None
    with pytest.raises(ReadError, match=f"is a {kind} picture, which is not read"):
        read_radiograph(source)


def test_a_damaged_film_is_left_to_the_reader_which_says_what_is_wrong(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    whole = write_object(tmp_path / "whole.dcm", ComputedRadiographyImageStorage, "CR").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:180])
    for name in ("text.png", "cut.dcm"):
        assert open_source(tmp_path / name, found=True).no_film is None


def test_patient_and_date_are_those_of_the_dicom(tmp_path):
    tags: dict[str, Any] = {"PatientID": " 0815 ", "AcquisitionDate": "20200407", "StudyDate": "20200406"}
    film = write_object(tmp_path / "IM1", ComputedRadiographyImageStorage, "CR", **tags)
    assert open_source(film).patient() == ("0815", date(2020, 4, 7))
    nobody = write_object(tmp_path / "IM2", ComputedRadiographyImageStorage, "CR")
    assert open_source(nobody).patient() == (None, None)
    (tmp_path / "a.png").write_text("no DICOM")
    assert open_source(tmp_path / "a.png").patient() == (None, None)
    damaged = Source("damaged.dcm", bytes(128) + b"DICM" + bytes(20))
    assert damaged.is_dicom
    assert damaged.patient() == (None, None)


def same(one: Radiograph, other: Radiograph) -> bool:
    return one.greys.dtype == other.greys.dtype and np.array_equal(one.greys, other.greys)


@pytest.fixture
def grey(tmp_path) -> Path:
    """A film that is brighter in its middle, so that nothing inverts it."""
    rows, columns = np.mgrid[:96, :80]
    greys = 230 - ((rows - 48) ** 2 + (columns - 40) ** 2) // 20
    Image.fromarray(np.clip(greys, 0, 255).astype(np.uint8)).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


def test_a_picture_is_the_same_film_in_every_form(grey):
    film = read_radiograph(grey)
    content = grey.read_bytes()
    with open(grey, "rb") as file, Image.open(grey) as picture:
        forms = [str(grey), content, bytearray(content), memoryview(content), io.BytesIO(content), file]
        forms += [np.asarray(picture), picture, picture.copy(), as_source(grey)]
        read = [read_radiograph(form) for form in forms]
        assert picture.size == (80, 96)  # still open
    assert all(same(one, film) for one in read)
    assert [one.source for one in read] == [
        *(str(grey), "bytes", "bytes", "bytes", "file", str(grey)),
        *("array", str(grey), "picture", str(grey)),
    ]


def test_a_dataset_is_the_same_film_as_its_file_and_stays_as_it_was(tmp_path):
    rows, columns = np.mgrid[:96, :80]
    ds = dataset(4000 - (rows - 48) ** 2 - (columns - 40) ** 2, PatientSex="F", StudyInstanceUID="2.25.1")
    ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    film = read_radiograph(tmp_path / "a.dcm")
    in_memory = Dataset()
    in_memory.update({element.tag: element for element in ds})
    del ds.file_meta.TransferSyntaxUID
    before = [str(ds), str(ds.file_meta), str(in_memory)]
    for given in (pydicom.dcmread(tmp_path / "a.dcm"), (tmp_path / "a.dcm").read_bytes(), ds, in_memory):
        read = read_radiograph(given)
        assert same(read, film)
        assert read.tags is not None
        assert (read.sex, read.tags.StudyInstanceUID, "PixelData" in read.tags) == ("F", "2.25.1", False)
    assert [str(ds), str(ds.file_meta), str(in_memory)] == before
    assert read_radiograph(ds).source == "dataset"


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "int64", "uint32", "float32", "float64", ">u2"])
def test_deep_greys_are_scaled_by_what_they_use_whatever_their_type(dtype):
    ramp = np.linspace(100, 3000, 96 * 80).reshape(96, 80)
    radiograph = read_radiograph(ramp.astype(dtype), correct_inversion=False)
    expected = read_radiograph(ramp.astype(np.uint16), correct_inversion=False)
    np.testing.assert_allclose(radiograph.pixels, expected.pixels, atol=2e-3)


def test_colour_of_an_array_is_grey_and_chroma():
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[..., 0] = 255
    read = read_radiograph(colour, correct_inversion=False)
    assert read.colour == pytest.approx(1.0)
    assert (read.greys == 76).all()


@pytest.mark.parametrize(
    ("film", "error", "words"),
    [
        (np.zeros((3, 64, 64), np.uint8), ReadError, r"array: is an array of uint8 with the shape \(3, 64, 64\)"),
        (np.zeros((64, 64), bool), ReadError, "array of bool"),
        (np.zeros((64, 64, 3), np.float32), ReadError, "expected height x width"),
        (np.zeros((0, 0), np.uint8), ReadError, "shape"),
        (np.broadcast_to(np.uint16(3), (10**5, 10**5)), ReadError, "is 100000 x 100000 pixels, expected at most"),
        (b"", ReadError, "bytes: is empty"),
        (b"no picture", ReadError, "is not a picture"),
        (io.StringIO("text"), ReadError, 'file: was opened as text, .* with "rb"'),
        (io.BytesIO(b""), ReadError, "file: is empty"),
        (["a.png"], TypeError, "a film is a list, expected a path"),
        (None, TypeError, "a film is a NoneType"),
    ],
)
def test_what_is_no_film_is_refused_with_what_was_expected(film, error, words):
    with pytest.raises(error, match=words):
        read_radiograph(film)


def test_open_files_that_give_no_film_are_not_called_damaged(grey):
    closed, at_its_end = open(grey, "rb"), open(grey, "rb")  # noqa: SIM115 - as a caller has them
    closed.close()
    at_its_end.read()
    with at_its_end, open(grey, encoding="utf-8") as text, open(grey, encoding="latin-1") as other_text:
        films: list[tuple[Any, str]] = [
            (text, 'was opened as text, expected a file opened as binary; open it with "rb"'),
            (other_text, "was opened as text"),
            (closed, "cannot be read (read of closed file); open the file again"),
            (at_its_end, "was read to its end before"),
        ]
        for film, said in films:
            with pytest.raises(ReadError) as caught:
                read_radiograph(film)
            assert str(caught.value).startswith(f"{grey}: {said}")


def test_a_huge_file_is_not_read_to_its_end(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(MAX_BYTES * 40)  # a hole, which takes no room on the disk
    with pytest.raises(ReadError, match="has over 180,000,000 bytes"):
        open_source(tmp_path / "huge.png")


def test_a_digest_tells_films_of_every_form_apart(grey):
    content = grey.read_bytes()
    assert as_source(grey).sha256 == as_source(content).sha256 == sha256_of(grey)
    picture = np.asarray(Image.open(grey))
    changed = picture.copy()
    changed[5, 5] ^= 1
    ds, other = dataset(picture.astype(int)), dataset(changed.astype(int))
    other.SOPInstanceUID = ds.SOPInstanceUID
    for one, another in ((picture, changed), (ds, other)):
        assert as_source(one).sha256 == as_source(one).sha256 != as_source(another).sha256
