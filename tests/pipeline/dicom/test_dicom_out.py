"""DICOM results, read back: what they say, what they refer to, whose they are, and whether a validator takes them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import highdicom
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from conftest import over
from dicom_files import dataset
from dicom_files import write as in_order
from PIL import Image
from pydicom import config
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless, XRayAngiographicImageStorage

from boneage.data.child import Age, Child
from boneage.data.errors import OutputError
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.data.remark import Remark
from boneage.data.source import open_source
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.crop import cut_crop
from boneage.handseg.finder import Hand
from boneage.handseg.geometry import Box
from boneage.handseg.quality import Verdict
from boneage.handseg.segmenter import HandMap
from boneage.pipeline import codes as ours
from boneage.pipeline.cli import main
from boneage.pipeline.clinical.assessment import assessed
from boneage.pipeline.dicom.objects import KINDS
from boneage.pipeline.dicom.objects import write_dicom as write_result
from boneage.pipeline.dicom.source import source_of
from boneage.pipeline.examination import Examination
from boneage.pipeline.reading import Reading

BONE_AGE, PEDIATRIC, METHOD, DETERMINATION = (
    Code(*code) for code in (ours.BONE_AGE, ours.PEDIATRIC_BONE_AGE, ours.METHOD, ours.DETERMINATION)
)
HAND = synthetic_hand(120, "F", 0, (200, 160))
GREYS = np.rint(HAND.pixels * 4095).astype(np.int64)
MASK = HAND.mask.astype(bool)
UIDS: dict[str, Any] = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.5"}
CHILD: dict[str, Any] = {
    "PatientName": "Example^Child",
    "PatientID": "E-17",
    "PatientSex": "F",
    "PatientBirthDate": "20100115",
    "PatientAge": "010Y",
    "StudyDate": "20200116",
    "StudyTime": "101112",
    "StudyID": "S1",
    "AccessionNumber": "A1",
    "StudyDescription": "Hand, left",
    "ReferringPhysicianName": "Example^Doctor",
}
PICTURE = {"ImageLaterality": "L", "PixelSpacing": [0.5, 0.6], "PatientOrientation": ["L", "F"], "SeriesNumber": 3}


def a_film(**tags: Any) -> FileDataset:
    return dataset(GREYS, **{**UIDS, **CHILD, **PICTURE, **tags})


def examined(path: Path, mask: np.ndarray = MASK, **reading: Any) -> Examination:
    """The examination of a film whose hand is `mask` and whose bone age is 125.3 months; `reading`: further fields."""
    radiograph = read_radiograph(path)
    ys, xs = np.nonzero(mask)
    box = Box(int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1)
    found = cast(HandMap, SimpleNamespace(box=box, mask=mask))
    hand = Hand(Verdict(), found, cut_crop(radiograph.pixels, box, 64, hand=over(mask)))
    assessed = Reading(str(path), "ok", (), "F", 125.3, (101.25, 149.35), box.as_tuple(), (), "tiny")
    return Examination(replace(assessed, **reading), radiograph, hand, crop_evidence=upper_half)


def rejected(path: Path) -> Examination:
    reading = Reading(str(path), "rejected", (Remark("no hand was found"),), "F", model="tiny")
    return Examination(reading, read_radiograph(path), Hand(Verdict("rejected", (Remark("no hand was found"),))))


def upper_half(crop: np.ndarray, sex: str) -> np.ndarray:
    """Stands in for a net's evidence: all of it in the upper half of the crop."""
    evidence = np.zeros(crop.shape, np.float32)
    evidence[: len(evidence) // 2] = 1
    return evidence


def write_dicom(kind: Any, examination: Examination, path: Path, **options: Any) -> None:
    write_result(examination, path, kind, **options)


def written(kind: Any, examination: Examination, path: Path, **options: Any) -> FileDataset:
    write_dicom(kind, examination, path, **options)
    return pydicom.dcmread(path)


@pytest.fixture
def film(tmp_path) -> Path:
    return in_order(a_film(), tmp_path / "film.dcm")


@pytest.fixture
def examination(film) -> Examination:
    seen = examined(film, notes=(Remark("an odd thing was seen"),))
    reading = replace(seen.reading, side="left")
    return replace(seen, reading=assessed(reading, Age(119.9, 1, Remark("age given")), Child(height_cm=140.5)))


# The report


def group_of(path: Path) -> Any:
    """The report's only group: of the hand, or of the film where none was found."""
    content: Any = highdicom.sr.srread(path).content
    (group,) = [*content.get_planar_roi_measurement_groups(), *content.get_image_measurement_groups()]
    return group


def numbers(items: Any) -> dict[str, tuple[float, str]]:
    """Values and units of the NUM items, by code."""
    return {item.name.value: (float(item.value), item.unit.value) for item in items if item.ValueType == "NUM"}


def texts(items: Any, code: Any) -> list[str]:
    return [item.value for item in items if item.ValueType == "TEXT" and item.name == code]


def test_the_report_holds_the_values_of_the_reading(examination, tmp_path):
    report = written("sr", examination, tmp_path / "sr.dcm")
    assert report.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurement Report"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    group, reading = group_of(tmp_path / "sr.dcm"), examination.reading
    assert numbers(group[0].ContentSequence) == {
        "85151-9": (125.3, "mo"),
        "RDE122": (119.9, "mo"),
        "121416": (round(reading.sds, 2), "1"),
    }
    (bone_age,) = group.get_measurements(BONE_AGE)
    assert bone_age.name.scheme_designator == "LN"
    sd = reading.reference_sd_months
    properties = numbers(bone_age[0].ContentSequence)
    low, high = properties.pop("385524004")[0], properties.pop("371933006")[0]
    assert (low, high) == (pytest.approx(119.9 - 2 * sd, abs=0.01), pytest.approx(119.9 + 2 * sd, abs=0.01))
    assert properties == {
        "373098007": (round(reading.reference_mean_months, 2), "mo"),
        "121414": (round(sd, 2), "mo"),
        "121416": (round(reading.sds, 2), "1"),
        "371886008": (24.05, "mo"),  # up from the bone age to the end of the 90 % interval
        "371885007": (24.05, "mo"),
    }
    assert any("Brush" in text for text in texts(bone_age[0].ContentSequence, codes.DCM.NormalRangeDescription))
    (sds,) = group.get_measurements(codes.DCM.ZScoreOfMeasurement)
    assert set(numbers(sds[0].ContentSequence).values()) == {(-2.0, "1"), (2.0, "1")}


def test_the_report_names_algorithm_hand_and_film(examination, tmp_path):
    report = written("sr", examination, tmp_path / "sr.dcm")
    group = group_of(tmp_path / "sr.dcm")
    items = group[0].ContentSequence
    assert group.finding_type == PEDIATRIC
    assert texts(items, codes.DCM.AlgorithmName) == ["boneage"]
    assert texts(items, codes.DCM.AlgorithmParameters) == ["weights: tiny", "sex: F"]
    (site,) = group.finding_sites
    assert (site.value, site.laterality) == (codes.SCT.Hand, codes.SCT.Left)
    (method,) = group.get_qualitative_evaluations(METHOD)
    assert method.value.meaning == "Greulich and Pyle"
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == "1.2.3.4"
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4.5"
    assert report.ContentSequence[1].ConceptCodeSequence[0].CodeMeaning == "Device"


def test_the_box_around_the_hand_is_a_region_of_the_film(examination, tmp_path):
    report = written("sr", examination, tmp_path / "sr.dcm")
    assert report.SOPClassUID.name == "Comprehensive 3D SR Storage"
    region = group_of(tmp_path / "sr.dcm").roi
    x, y, width, height = examination.reading.hand_box
    assert region.graphic_type.value == "POLYLINE"
    assert region.value.min(axis=0).tolist() == [x, y]
    assert region.value.max(axis=0).tolist() == [x + width, y + height]
    assert region.value[0].tolist() == region.value[-1].tolist()
    source = pydicom.dcmread(examination.radiograph.source)
    (image,) = region.ContentSequence
    assert image.referenced_sop_instance_uid == source.SOPInstanceUID
    assert image.referenced_sop_class_uid == source.SOPClassUID


def test_the_report_says_in_words_what_has_no_code(examination, tmp_path):
    reading = replace(examination.reading, status="review", reasons=(Remark("the film is – so to say – dark"),))
    write_dicom("sr", replace(examination, reading=reading), tmp_path / "sr.dcm")
    said = texts(group_of(tmp_path / "sr.dcm")[0].ContentSequence, codes.DCM.Comment)
    assert said[0] == "Status: review; the film is ? so to say ? dark"  # the source states no set beyond ASCII
    assert "90 % interval between 8 y 5 m and 12 y 5 m" in said[1]
    assert any("adult height" in text and "140.5 cm" in text for text in said)
    assert {"an odd thing was seen", *map(str, reading.caveats)} <= set(said)
    assert said[-1].startswith("Research use only")


@pytest.mark.parametrize(
    ("months", "determination", "normality"),
    [(90.0, "RDE1733.0", "371880002"), (125.3, "RDE1733.1", "17621005"), (150.0, "RDE1733.2", "371879000")],
)
def test_the_determination_is_coded(film, tmp_path, months, determination, normality):
    seen = examined(film, bone_age_months=months, interval_90=(months - 9, months + 9))
    write_dicom(
        "sr", replace(seen, reading=assessed(seen.reading, Age(120, 1, Remark("age given")))), tmp_path / "sr.dcm"
    )
    group = group_of(tmp_path / "sr.dcm")
    (evaluation,) = group.get_qualitative_evaluations(DETERMINATION)
    assert evaluation.value.value == determination
    (bone_age,) = group.get_measurements(BONE_AGE)
    coded = {item.name.value: item.value.value for item in bone_age[0].ContentSequence if item.ValueType == "CODE"}
    assert coded["121402"] == normality


def test_without_an_age_there_is_nothing_to_compare_with(film, tmp_path):
    write_dicom("sr", examined(film), tmp_path / "sr.dcm")
    group = group_of(tmp_path / "sr.dcm")
    assert set(numbers(group[0].ContentSequence)) == {"85151-9"}
    assert not group.get_qualitative_evaluations(DETERMINATION)
    (bone_age,) = group.get_measurements(BONE_AGE)
    assert set(numbers(bone_age[0].ContentSequence)) == {"371886008", "371885007"}


def test_a_film_that_was_not_aged_is_reported_as_that(film, tmp_path):
    write_dicom("sr", rejected(film), tmp_path / "sr.dcm")
    group = group_of(tmp_path / "sr.dcm")
    assert not group.get_measurements()
    (evaluation,) = group.get_qualitative_evaluations()
    assert evaluation.value.meaning == "indeterminate"
    (image,) = group.source_images
    assert image.referenced_sop_instance_uid == pydicom.dcmread(film).SOPInstanceUID
    assert texts(group[0].ContentSequence, codes.DCM.Comment)[0] == "Status: rejected; no hand was found"


# The segmentation


def test_the_segmentation_is_the_mask_pixel_for_pixel(examination, tmp_path):
    made = written("seg", examination, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, MASK)
    source = pydicom.dcmread(examination.radiograph.source)
    again = highdicom.seg.segread(tmp_path / "seg.dcm")
    mask = again.get_pixels_by_source_instance([source.SOPInstanceUID], combine_segments=True)
    np.testing.assert_array_equal(mask[0], MASK)
    segment: Any = again.get_segment_description(1)
    assert (segment.segmented_property_type, segment.algorithm_type.value) == (codes.SCT.Hand, "AUTOMATIC")
    assert segment.algorithm_identification.parameters == {"weights": "tiny"}


def test_a_segmentation_claims_no_place_in_space_that_the_film_lacks(tmp_path):
    bare = a_film(FrameOfReferenceUID="1.2.9", ImagePositionPatient=[0, 0, 0])
    made = written("seg", examined(in_order(bare, tmp_path / "film.dcm")), tmp_path / "seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, MASK)
    assert "FrameOfReferenceUID" not in made
    assert "PixelMeasuresSequence" not in made.SharedFunctionalGroupsSequence[0]


def test_a_place_in_space_is_kept_where_the_film_states_it_whole(tmp_path):
    path = get_testdata_file("MR_small.dcm", download=False)
    if path is None:
        pytest.skip("pydicom came without its example files")
    source = pydicom.dcmread(str(path))
    mask = np.zeros((source.Rows, source.Columns), bool)
    mask[3:20, 5:40] = True
    made = written("seg", examined(Path(str(path)), mask), tmp_path / "seg.dcm")
    np.testing.assert_array_equal(made.pixel_array, mask)
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    (frame,) = made.PerFrameFunctionalGroupsSequence
    assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
    assert made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == source.PixelSpacing


def test_no_hand_no_segmentation(film, tmp_path):
    with pytest.raises(OutputError, match="no hand was outlined"):
        write_dicom("seg", rejected(film), tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


# The picture


def test_the_picture_is_the_film_with_marks_and_the_result_under_it(examination, tmp_path):
    made = written("sc", examination, tmp_path / "sc.dcm")
    rows = round(200 * 1024 / 200)
    assert made.Rows > rows
    assert made.Columns == round(160 * 1024 / 200)
    shown = made.pixel_array[:rows].astype(float)
    coloured = np.ptp(shown, axis=2) > 40
    low, high = examination.hand.crop.levels  # the window in which it was read
    greys = Image.fromarray(np.clip((examination.radiograph.pixels - low) / (high - low), 0, 1) * 255)
    film = np.asarray(greys.resize((made.Columns, rows), Image.Resampling.BICUBIC))
    assert 0.001 < coloured.mean() < 0.1  # thin lines
    differs = np.abs(shown[..., 0] - film)
    assert np.median(differs[~coloured]) < 2
    caption = made.pixel_array[rows:]
    assert caption.max() == 255  # words
    assert np.median(caption) == 0  # on black
    source = pydicom.dcmread(examination.radiograph.source)
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert made.PixelSpacing == [pytest.approx(0.5 * 200 / 1024), pytest.approx(0.6 * 160 / made.Columns)]
    assert (made.Laterality, made.PatientOrientation, made.Modality) == ("L", ["L", "F"], "OT")


def test_a_large_film_is_shown_at_screen_size(tmp_path):
    path = in_order(dataset(np.kron(GREYS, np.ones((15, 15), int)), **UIDS), tmp_path / "film.dcm")
    made = written("sc", examined(path, np.kron(MASK, np.ones((15, 15), bool))), tmp_path / "sc.dcm")
    assert made.Columns == round(160 * 15 * 2048 / 3000)
    assert "PixelSpacing" not in made


def test_the_heat_map_stands_beside_the_film(examination, tmp_path):
    alone, both = (
        written("sc", examination, tmp_path / "sc.dcm", heat_map=shown).pixel_array for shown in (False, True)
    )
    width = alone.shape[1]
    strip = both.shape[1] - 2 * width  # with the colour scale
    assert 60 < strip < 120
    np.testing.assert_array_equal(both[:1024, :width], alone[:1024])
    right = both[:1024, width:-strip].astype(int)
    assert np.abs(right[:500] - alone[:500]).mean() > 50
    assert np.abs(right[600:1024] - alone[600:1024]).mean() < 2


def test_the_picture_is_compressed_without_loss_as_readers_without_plugins_take_it(examination, tmp_path):
    made = written("sc", examination, tmp_path / "sc.dcm", heat_map=True)
    assert made.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert len(made.PixelData) < made.pixel_array.nbytes / 2
    program = shutil.which("dcmdjpls")
    if program is None:
        pytest.skip("dcmdjpls is not installed (Debian package dcmtk)")
    subprocess.run([program, tmp_path / "sc.dcm", tmp_path / "plain.dcm"], check=True)
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "plain.dcm").pixel_array, made.pixel_array)


def test_a_dark_film_is_shown_as_bright_as_it_was_read(tmp_path):
    dark, usual = (
        written("sc", examined(in_order(dataset(greys, **UIDS), tmp_path / "film.dcm")), tmp_path / "sc.dcm")
        for greys in (_with_white_corner(GREYS // 8), _with_white_corner(GREYS))
    )
    rows = slice(100, 1024)  # under the corner
    assert np.abs(dark.pixel_array[rows].astype(int) - usual.pixel_array[rows]).mean() < 2


def _with_white_corner(greys: np.ndarray) -> np.ndarray:
    greys = greys.copy()
    greys[:8, :8] = 4095
    return greys


def test_the_words_under_the_picture_say_what_was_read(film, tmp_path):
    captions = [
        written("sc", seen, tmp_path / "sc.dcm").pixel_array[1024:]
        for seen in (examined(film), examined(film, bone_age_months=60.0), rejected(film))
    ]
    assert not np.array_equal(captions[0], captions[1])
    long = examined(film, status="review", reasons=(Remark("a sentence that goes on for long " * 9),))
    assert len(written("sc", long, tmp_path / "sc.dcm").pixel_array[1024:]) > len(captions[0])


def test_loss_and_burned_in_names_of_the_film_are_stated_of_its_picture(tmp_path):
    loss = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 12.5,
        "LossyImageCompressionMethod": "ISO_15444_1",
    }
    path = in_order(a_film(BurnedInAnnotation="YES", **loss), tmp_path / "film.dcm")
    made = written("sc", examined(path), tmp_path / "sc.dcm")
    assert made.BurnedInAnnotation == "YES"
    assert {key: made[key].value for key in loss} == loss


# Whose they are


@pytest.mark.parametrize("kind", KINDS)
def test_patient_and_study_are_the_films_and_the_series_is_new(examination, tmp_path, kind):
    made, again = (written(kind, examination, tmp_path / f"{n}.dcm") for n in range(2))
    source = pydicom.dcmread(examination.radiograph.source)
    for name in (*CHILD, "StudyInstanceUID"):
        assert made[name].value == source[name].value, name
    uids = [ds[name].value for ds in (source, made, again) for name in ("SeriesInstanceUID", "SOPInstanceUID")]
    assert len(set(uids)) == 6
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids[2:])
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.ContentQualification == "RESEARCH"
    assert made.SeriesNumber != source.SeriesNumber


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (None, "Plain^Name"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_names_of_every_script_are_carried_over(tmp_path, character_set, name):
    film = a_film()
    if character_set:
        film.SpecificCharacterSet = character_set
    film.PatientName = name
    made = written("sr", examined(in_order(film, tmp_path / "film.dcm")), tmp_path / "out.dcm")
    assert str(made.PatientName) == name


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_film_leaves_out_is_left_empty(tmp_path, kind):
    path = in_order(dataset(GREYS, **UIDS), tmp_path / "film.dcm")
    made = written(kind, examined(path), tmp_path / "out.dcm")
    assert not any(made[name].value for name in ("PatientName", "PatientID", "PatientSex", "StudyDate"))


def big_endian(film: FileDataset, path: Path) -> None:
    item = Dataset()
    item.PatientID, item.TypeOfPatientID = "other", "TEXT"
    film.OtherPatientIDsSequence, film.PatientSize = [item], 1.405
    film.PixelData = GREYS.astype(">u2").tobytes()
    film.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, film, implicit_vr=False, little_endian=False, enforce_file_format=True)


def bare(film: FileDataset, path: Path) -> None:
    only = Dataset()
    only.update(film)
    pydicom.dcmwrite(path, only, implicit_vr=True, little_endian=True)


def compressed(film: FileDataset, path: Path) -> None:
    film.compress(RLELossless, generate_instance_uid=False)
    in_order(film, path)


def dark_bone(film: FileDataset, path: Path) -> None:
    film.PhotometricInterpretation, film.PixelData = "MONOCHROME1", (4095 - GREYS).astype("<u2").tobytes()
    in_order(film, path)


def one_of_many_frames(film: FileDataset, path: Path) -> None:
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    film.NumberOfFrames = 1
    in_order(film, path)


SOURCES = [big_endian, bare, compressed, dark_bone, one_of_many_frames]


@pytest.mark.parametrize("source", SOURCES)
def test_every_encoding_of_the_film_gives_the_same_results(tmp_path, source):
    path = tmp_path / "film.dcm"
    source(a_film(), path)
    seen = examined(path)
    segmentation = written("seg", seen, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(segmentation.pixel_array, MASK)
    report = written("sr", seen, tmp_path / "sr.dcm")
    assert report.PatientName == "Example^Child"
    if source is big_endian:
        assert (report.OtherPatientIDsSequence[0].PatientID, report.PatientSize) == ("other", 1.405)


# Refused


def test_a_picture_that_is_no_dicom_belongs_to_nobody(hand_films, tmp_path):
    radiograph: Radiograph = read_radiograph(hand_films[0])
    seen = Examination(Reading(str(hand_films[0]), "ok", sex="F"), radiograph, Hand(Verdict()))
    with pytest.raises(OutputError, match=r"60\.png: is not a DICOM.*give the film as DICOM"):
        write_dicom("sr", seen, tmp_path / "sr.dcm")


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_film_that_cannot_be_referred_to_is_named_with_what_it_lacks(tmp_path, name):
    film = a_film()
    del film[name]
    seen = examined(in_order(film, tmp_path / "film.dcm"))
    with pytest.raises(OutputError, match=rf"film\.dcm: this DICOM has no {name}"):
        write_dicom("seg", seen, tmp_path / "seg.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["film.dcm"]


@pytest.mark.parametrize("element", [0x0018, 0x0050, 0x1030])
def test_an_attribute_of_no_known_kind_is_an_error_about_the_film(tmp_path, element):
    path = in_order(a_film(), tmp_path / "film.dcm")
    tag = struct.pack("<HH", 0x0008, element)
    content = path.read_bytes()
    assert content.count(tag) == 1
    place = content.index(tag) + 5
    path.write_bytes(content[:place] + content[place : place + 1].lower() + content[place + 1 :])
    with pytest.raises(OutputError, match=r"film\.dcm: .*cannot be carried over .*correct that attribute"):
        write_dicom("sr", examined(path), tmp_path / "sr.dcm")


def test_instance_and_class_are_found_in_the_file_header_too(tmp_path):
    film = a_film()
    del film.SOPInstanceUID
    pydicom.dcmwrite(tmp_path / "film.dcm", film)
    assert source_of(read_radiograph(tmp_path / "film.dcm")).SOPInstanceUID == film.file_meta.MediaStorageSOPInstanceUID


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"PatientBirthDate": "SECRET"}, "PatientBirthDate is not of the form YYYYMMDD"),
        ({"StudyTime": "SECRET"}, "StudyTime is not of the form HHMMSS"),
        ({"PatientSex": "SECRET"}, "PatientSex is none of F, M and O"),
        ({"StudyInstanceUID": ["1.2", "1.3"]}, "StudyInstanceUID is not one UID"),
        ({"SOPClassUID": "1.2.840.113619.4.2"}, "is not one of the standard's"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value")  # written here on purpose
def test_values_that_no_object_may_carry_are_named_and_not_quoted(tmp_path, monkeypatch, tags, message):
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    path = in_order(a_film(**tags), tmp_path / "film.dcm")
    monkeypatch.undo()
    with pytest.raises(OutputError, match=message) as caught:
        write_dicom("sc", examined(path), tmp_path / "sc.dcm")
    assert "SECRET" not in str(caught.value)


# The command


def test_the_command_writes_what_is_asked_for_and_names_the_films_it_could_not_write_of(
    tmp_path, hand_films, tiny_bundle, finds_hands
):
    greys = np.asarray(Image.open(hand_films[1])).astype(np.int64)
    film = in_order(dataset(greys, bits=8, **UIDS, **CHILD), tmp_path / "one.dcm")
    shutil.copy(hand_films[0], tmp_path / "two.png")
    out = tmp_path / "out"
    asked = ["--dicom-sr", out, "--dicom-sc", out / "{name}-picture.dcm", "--dicom-seg", out, "--heatmap", out]
    given = ["predict", film, tmp_path / "two.png", "--sex", "F", "--weights", tiny_bundle, *asked]
    result = CliRunner().invoke(main, [str(part) for part in given])
    assert {path.name for path in out.glob("*.dcm")} == {"one-sr.dcm", "one-picture.dcm", "one-seg.dcm"}
    assert result.exit_code == 1
    assert result.stderr.count("two.png: is not a DICOM") == 3
    picture = pydicom.dcmread(out / "one-picture.dcm")
    both = 2 * round(320 * 1024 / 400)  # the heat map was asked for
    assert both < picture.Columns < both + 120  # and has a scale
    assert pydicom.dcmread(out / "one-seg.dcm").pixel_array.shape == (400, 320)
    assert numbers(group_of(out / "one-sr.dcm")[0].ContentSequence)["RDE122"] == (120.03, "mo")
    made = open_source(out / "one-picture.dcm", found=True).no_film
    assert str(made) == "DICOM Secondary Capture Image made by this program"


# Validation by dicom3tools


def faults(path: Path) -> list[str]:
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace").stderr
    assert said.strip()  # it names the kind of object
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_validator_finds_no_error(examination, tmp_path, kind):
    write_dicom(kind, examination, tmp_path / "out.dcm")
    assert not faults(tmp_path / "out.dcm")


def test_dcmtk_shows_the_report(examination, tmp_path):
    if not shutil.which("dsrdump"):
        pytest.skip("dsrdump is not installed (Debian package dcmtk)")
    write_dicom("sr", examination, tmp_path / "out.dcm")
    shown = subprocess.run(["dsrdump", str(tmp_path / "out.dcm")], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert 'NUM:(,,"XR Bone age")="125.3"' in shown.stdout
    assert "SCOORD" in shown.stdout


@pytest.mark.parametrize("source", SOURCES)
def test_a_validator_finds_no_error_in_the_mask_whatever_the_encoding_of_the_film(tmp_path, source):
    source(a_film(), tmp_path / "film.dcm")
    write_dicom("seg", examined(tmp_path / "film.dcm"), tmp_path / "out.dcm")
    assert not faults(tmp_path / "out.dcm")


@pytest.mark.parametrize("kind", ["sr", "sc"])
def test_a_validator_finds_no_error_for_a_film_of_few_words_that_was_rejected(tmp_path, kind):
    path = in_order(dataset(GREYS, **UIDS), tmp_path / "film.dcm")
    write_dicom(kind, rejected(path), tmp_path / "out.dcm")
    assert not faults(tmp_path / "out.dcm")
    # the validator would have noticed
    damaged = pydicom.dcmread(tmp_path / "out.dcm")
    del damaged.StudyInstanceUID
    damaged.save_as(tmp_path / "damaged.dcm")
    assert faults(tmp_path / "damaged.dcm")
