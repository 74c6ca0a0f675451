"""Golden DICOMs, written here: the same hand of greys through every greyscale rule and compression of the standard."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import warnings
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import dataset, lut, write, write_object
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from boneage.data.errors import ReadError
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.data.remark import joined

HEIGHT, WIDTH = 64, 48
TOP = 4095

# The truth: every grey from 0 to 4095 in steps, asymmetric in both directions.
LEVELS = np.rint(np.linspace(0, TOP, HEIGHT * WIDTH)).astype(np.int64).reshape(HEIGHT, WIDTH)
TRUTH = LEVELS / TOP


def read(tmp_path: Path, ds: FileDataset) -> Radiograph:
    return read_radiograph(write(ds, tmp_path / "a.dcm"), correct_inversion=False)


def assert_shows(radiograph: Radiograph, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert radiograph.pixels.dtype == np.float32
    np.testing.assert_allclose(radiograph.pixels, expected, atol=tolerance)
    assert not radiograph.inverted


WHOLE_RANGE: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}

SAME_PICTURE = {
    "plain": dataset(LEVELS),
    "12 bits said to be 16": dataset(LEVELS, bits=16),
    "MONOCHROME1": dataset(TOP - LEVELS, PhotometricInterpretation="MONOCHROME1"),
    "MONOCHROME1 and INVERSE": dataset(
        TOP - LEVELS, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    ),
    "MONOCHROME1 and IDENTITY": dataset(
        TOP - LEVELS, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY"
    ),
    "MONOCHROME2 and IDENTITY": dataset(LEVELS, PresentationLUTShape="IDENTITY"),
    "MONOCHROME2 and INVERSE": dataset(TOP - LEVELS, PresentationLUTShape="INVERSE"),
    "negative slope": dataset(TOP - LEVELS, RescaleSlope=-1, RescaleIntercept=TOP),
    "negative slope and window": dataset(TOP - LEVELS, RescaleSlope=-1, RescaleIntercept=TOP, **WHOLE_RANGE),
    "negative slope and MONOCHROME1": dataset(
        LEVELS, RescaleSlope=-1, RescaleIntercept=0, PhotometricInterpretation="MONOCHROME1"
    ),
    "slope and window": dataset(
        LEVELS, RescaleSlope=0.5, RescaleIntercept=-100, WindowCenter=-100 + TOP / 4 + 0.5, WindowWidth=TOP / 2 + 1
    ),
    "signed": dataset(LEVELS - 2048),
    "signed 16 bits": dataset(LEVELS - 2048, bits=16, WindowCenter=0, WindowWidth=4096),
    "linear window": dataset(LEVELS, **WHOLE_RANGE),
    "linear window by name": dataset(LEVELS, VOILUTFunction="LINEAR", **WHOLE_RANGE),
    "linear window and MONOCHROME1": dataset(TOP - LEVELS, PhotometricInterpretation="MONOCHROME1", **WHOLE_RANGE),
    "exact window": dataset(LEVELS, VOILUTFunction="LINEAR_EXACT", WindowCenter=TOP / 2, WindowWidth=TOP),
    "first of two windows": dataset(LEVELS, WindowCenter=[2048, 99], WindowWidth=[4096, 9]),
    "modality LUT": dataset(TOP - LEVELS, ModalityLUTSequence=lut(np.arange(TOP, -1, -1))),
    "modality LUT from a negative value": dataset(LEVELS - 2048, ModalityLUTSequence=lut(np.arange(4096), -2048)),
    "VOI LUT": dataset(LEVELS, VOILUTSequence=lut(np.arange(4096), bits=12)),
    "VOI LUT over a window": dataset(
        LEVELS, VOILUTSequence=lut(np.arange(4096), bits=12), WindowCenter=9, WindowWidth=2
    ),
    "VOI LUT after a slope": dataset(
        LEVELS, RescaleSlope=-1, RescaleIntercept=10, VOILUTSequence=lut(np.arange(TOP, -1, -1), 10 - TOP, 12)
    ),
    "VOI LUT and MONOCHROME1": dataset(
        LEVELS, PhotometricInterpretation="MONOCHROME1", VOILUTSequence=lut(np.arange(TOP, -1, -1), bits=12)
    ),
    "window of no width": dataset(LEVELS, WindowCenter=5, WindowWidth=0),
}


@pytest.mark.parametrize("case", SAME_PICTURE)
def test_every_greyscale_rule_shows_the_same_picture(tmp_path, case):
    assert_shows(read(tmp_path, SAME_PICTURE[case]), TRUTH)


def test_a_window_clips_and_sets_the_contrast(tmp_path):
    ds = dataset(LEVELS, VOILUTFunction="LINEAR_EXACT", WindowCenter=2000, WindowWidth=2500)
    assert_shows(read(tmp_path, ds), np.clip((LEVELS - 750) / 2500, 0, 1))
    ds.PhotometricInterpretation = "MONOCHROME1"
    assert_shows(read(tmp_path, ds), 1 - np.clip((LEVELS - 750) / 2500, 0, 1))


def test_sigmoid_window(tmp_path):
    # PS3.3 C.11.2.1.3.1: half grey at the centre, and 1 / (1 + e^-2) half a width above it
    radiograph = read(tmp_path, dataset(LEVELS, VOILUTFunction="SIGMOID", WindowCenter=2000, WindowWidth=800))
    greys = dict(zip(LEVELS.ravel(), radiograph.pixels.ravel(), strict=True))
    near = lambda level: greys[min(greys, key=lambda other: abs(other - level))]  # noqa: E731
    assert near(2000) == pytest.approx(0.5, abs=0.01)
    assert near(2400) == pytest.approx(1 / (1 + np.exp(-2)), abs=0.01)
    assert near(0) < 0.001 < near(1600) < near(2400) < 0.999 < near(TOP)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.25, -512), (2, 100)])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(8191.5, 16383), (9000, 12000)])
def test_voi_functions_are_those_of_the_standard(tmp_path, photometric, slope, intercept, function, centre, width):
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2, with ymin = 0 and ymax = 1, of samples of 14 bits."""
    c, w = centre * slope + intercept, width * slope

    def by_the_standard(x: float) -> float:
        if function == "SIGMOID":
            return 1 / (1 + math.exp(-4 * (x - c) / w))
        if function == "LINEAR_EXACT":
            return 0 if x <= c - w / 2 else 1 if x > c + w / 2 else (x - c) / w + 0.5
        if x <= c - 0.5 - (w - 1) / 2:
            return 0
        return 1 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5

    stored = LEVELS * 16383 // TOP
    ds = dataset(stored, 14, kind=DigitalXRayImageStorageForPresentation, PhotometricInterpretation=photometric)
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    ds.VOILUTFunction, ds.WindowCenter, ds.WindowWidth = function, c, w
    shown = np.vectorize(by_the_standard, otypes=[float])(stored * slope + intercept)
    assert_shows(read(tmp_path, ds), 1 - shown if photometric == "MONOCHROME1" else shown)


def test_a_steep_voi_lut_is_applied_with_its_ends(tmp_path):
    curve = np.rint(np.linspace(0, 1, 2501) ** 2 * 65535)
    radiograph = read(tmp_path, dataset(LEVELS, VOILUTSequence=lut(curve, first=1000)))
    assert_shows(radiograph, np.clip((LEVELS - 1000) / 2500, 0, 1) ** 2, 1e-5)


def test_a_lut_of_65536_entries_says_so_with_0(tmp_path):
    luts = lut(np.arange(65535, -1, -1))
    assert luts[0].LUTDescriptor[0] == 0
    assert_shows(read(tmp_path, dataset(65535 - LEVELS * 16, bits=16, VOILUTSequence=luts)), LEVELS * 16 / 65535)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("voi", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_padding_is_black_and_does_not_count_in_the_range(tmp_path, photometric, voi):
    stored = LEVELS if photometric == "MONOCHROME2" else TOP - LEVELS
    stored = stored.copy()
    stored[:5], stored[5:8] = -2000, -1998
    expected = TRUTH.copy()
    expected[:8] = 0
    if not voi:
        expected = np.where(np.arange(HEIGHT)[:, None] < 8, 0, (LEVELS - LEVELS[8:].min()) / np.ptp(LEVELS[8:]))
    padding = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1998}
    ds = dataset(stored, bits=16, PhotometricInterpretation=photometric, **padding, **voi)
    assert_shows(read(tmp_path, ds), expected)


def test_an_unknown_voi_function_is_named_and_its_windows_left_out(tmp_path):
    radiograph = read(tmp_path, dataset(LEVELS, VOILUTFunction="LOGISTIC", **WHOLE_RANGE))
    assert "LOGISTIC, expected LINEAR" in str(radiograph.doubts[0])
    assert_shows(radiograph, (LEVELS - LEVELS.min()) / np.ptp(LEVELS), 1e-5)


# Encodings


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(tmp_path, syntax):
    ds = dataset(LEVELS)
    ds.file_meta.TransferSyntaxUID = syntax
    assert_shows(read(tmp_path, ds), TRUTH)


def test_big_endian(tmp_path):
    ds = dataset(LEVELS, VOILUTSequence=lut(np.arange(4096).astype(">u2").view("<u2"), bits=12))
    ds.PixelData = LEVELS.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "a.dcm", ds, implicit_vr=False, little_endian=False, enforce_file_format=True)
    assert_shows(read_radiograph(tmp_path / "a.dcm", correct_inversion=False), TRUTH)


@pytest.mark.parametrize("implicit", [True, False])
def test_no_preamble_and_no_file_header(tmp_path, implicit):
    ds = Dataset()
    ds.update(dataset(LEVELS))
    path = tmp_path / "bare.png"
    pydicom.dcmwrite(path, ds, implicit_vr=implicit, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert_shows(read_radiograph(path, correct_inversion=False), TRUTH)


def compressed(ds: FileDataset, syntax: UID, frame: bytes) -> FileDataset:
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_compression_by_encoders(tmp_path, syntax, signed):
    if not get_encoder(syntax).is_available:
        pytest.skip(f"no encoder for {syntax.name}")
    ds = dataset(LEVELS - 2048 * signed)
    ds.compress(syntax, generate_instance_uid=False)
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert_shows(read(tmp_path, ds), TRUTH)


def jpeg_lossless(samples: np.ndarray, precision: int, widest: int = 2**16) -> bytes:
    """Encode by ITU-T T.81 annex H: lossless, prediction from the left; 17 sizes, each a code of 5 bits.

    Differences over `widest` go the other way round, past black or white.
    """
    height, width = samples.shape
    predicted = np.empty_like(samples)
    predicted[:, 1:] = samples[:, :-1]
    predicted[1:, 0] = samples[:-1, 0]
    predicted[0, 0] = 2 ** (precision - 1)
    bits: list[str] = []
    for difference in (samples - predicted).ravel().tolist():
        if abs(difference) > widest:
            difference -= 2**precision * (1 if difference > 0 else -1)
        size = abs(difference).bit_length()
        extra = difference if difference > 0 else difference + 2**size - 1
        bits.append(f"{size:05b}" + (f"{extra:0{size}b}" if size else ""))
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    scan = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content

    frame = bytes([precision]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([1, 1, 0x11, 0])
    codes = bytes([0]) + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    start = bytes([1, 1, 0, 1, 0, 0])
    parts = (segment(0xC3, frame), segment(0xC4, codes), segment(0xDA, start), scan)
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"


def test_a_lossless_jpeg_without_its_lowest_bits_is_refused(tmp_path):
    shifted = jpeg_lossless(LEVELS // 2, 12).replace(b"\x01\x01\x00\x01\x00\x00", b"\x01\x01\x00\x01\x00\x01", 1)
    with pytest.raises(ReadError, match="stored without its lowest bits, by a point transform"):
        read(tmp_path, compressed(dataset(LEVELS), JPEGLosslessSV1, shifted))


@pytest.mark.skipif(not shutil.which("dcmcjpeg"), reason="needs dcmtk")
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (12, True), (16, False), (16, True)])
def test_what_dcmtk_stores_in_other_ways_is_the_same_picture(tmp_path, bits, signed):
    levels = LEVELS * (2**bits - 1) // TOP - signed * 2 ** (bits - 1)
    whole = write(dataset(levels, bits), tmp_path / "whole.dcm")
    plain = read_radiograph(whole, correct_inversion=False).pixels
    assert plain.std() > 0.2
    ways = {"big endian": ["dcmconv", "+tb"], "implicit": ["dcmconv", "+ti"], "deflated": ["dcmconv", "+td"]}
    ways |= {f"lossless {k}": ["dcmcjpeg", "+el", "+sv", f"{k}"] for k in range(1, 8)}
    ways |= {"first": ["dcmcjpeg", "+e1"], "RLE": ["dcmcrle"]}
    lossy = ["+ee", "+es", "+ep"] if bits == 12 and not signed else []  # of 12 bits; the latter two are retired
    ways |= {f"lossy {kind}": ["dcmcjpeg", kind, "+q", "100"] for kind in lossy}
    for way, command in ways.items():
        subprocess.run([*command, whole, tmp_path / "other.dcm"], check=True)
        other = read_radiograph(tmp_path / "other.dcm", correct_inversion=False)
        assert np.abs(other.pixels - plain).max() <= (0.002 if way.startswith("lossy") else 0), way
        assert not other.doubts, way


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_big_endian_samples_and_their_padding(tmp_path, bits, vr):
    odd = LEVELS[:63, :47] * (2**bits - 1) // TOP
    ds = dataset(odd, bits)
    plain = read(tmp_path, ds).pixels
    content = odd.astype(">u2").tobytes() if bits == 16 else odd.astype("u1").tobytes() + b"\0"
    if bits == 8 and vr == "OW":
        content = np.frombuffer(content, "<u2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.add_new("PixelData", vr, content)
    dcmwrite(tmp_path / "big.dcm", ds, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "big.dcm", correct_inversion=False).pixels, plain)


@pytest.mark.parametrize("stated", [2, 1, None])
def test_of_two_pictures_none_is_read_even_where_one_alone_has_a_hand(tmp_path, stated):
    ds = dataset(LEVELS, NumberOfFrames=stated)
    ds.PixelData += bytes(len(ds.PixelData))
    with pytest.raises(ReadError, match="multi-frame DICOM of 2 pictures" if stated == 2 else "holds several pictures"):
        read(tmp_path, ds)


def test_jpeg_lossless(tmp_path):
    ds = compressed(dataset(LEVELS), JPEGLosslessSV1, jpeg_lossless(LEVELS, 12))
    assert_shows(read(tmp_path, ds), TRUTH)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_lossless_jpeg_that_counts_past_black_or_white_is_to_be_reviewed(tmp_path, bits):
    levels = LEVELS * (2**bits - 1) // TOP
    levels[5, 5] = levels.max() * 3 // 4  # a letter, say
    for widest, doubted in ((2**16, False), (2 ** (bits - 1), True)):
        ds = compressed(dataset(levels, bits), JPEGLosslessSV1, jpeg_lossless(levels, bits, widest))
        assert ("counts past black or white" in joined(read(tmp_path, ds).doubts)) == doubted


def test_jpeg_baseline(tmp_path):
    eight = np.rint(TRUTH * 255).astype(np.uint8)
    memory = io.BytesIO()
    Image.fromarray(eight).save(memory, format="JPEG", quality=98)
    ds = compressed(dataset(eight, bits=8, WindowCenter=128, WindowWidth=256), JPEGBaseline8Bit, memory.getvalue())
    assert_shows(read(tmp_path, ds), TRUTH, 0.03)


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"])
def test_compressed_copies_made_by_other_software_equal_the_uncompressed_one(name):
    files = [get_testdata_file(file, download=False) for file in ("MR_small.dcm", name)]
    if None in files:
        pytest.skip("pydicom came without its example files")
    plain, packed = (read_radiograph(str(file), correct_inversion=False).pixels for file in files)
    np.testing.assert_array_equal(plain, packed)
    assert plain.std() > 0.01


# Colour


def test_grey_secondary_captures_in_colour_show_the_same_picture(tmp_path):
    eight = np.rint(TRUTH * 255).astype(np.uint8)
    rgb = np.dstack([eight] * 3)
    ybr = np.dstack([eight, np.full_like(eight, 128), np.full_like(eight, 128)])
    palette = dataset(255 - eight, bits=8, PhotometricInterpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        entries = (np.arange(255, -1, -1) * 257).astype("<u2").tobytes()
        setattr(palette, f"{name}PaletteColorLookupTableData", entries)
    for ds in (
        dataset(rgb, bits=8, PhotometricInterpretation="RGB"),
        dataset(ybr, bits=8, PhotometricInterpretation="YBR_FULL"),
        dataset(np.dstack([LEVELS] * 3), bits=12, PhotometricInterpretation="RGB"),
        palette,
    ):
        radiograph = read(tmp_path, ds)
        assert_shows(radiograph, TRUTH, 0.51 / 255)
        assert radiograph.colour == 0


def test_colour_of_a_secondary_capture_is_measured(tmp_path):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 255
    assert read(tmp_path, dataset(red, bits=8, PhotometricInterpretation="RGB")).colour == pytest.approx(1)
    deep = np.where(red > 0, TOP, 0)
    assert read(tmp_path, dataset(deep, bits=12, PhotometricInterpretation="RGB")).colour == pytest.approx(1)


# What the file says of the child


@pytest.mark.parametrize(("value", "sex"), [("F", "F"), ("M", "M"), ("O", None), ("", None), (None, None)])
def test_sex(tmp_path, value, sex):
    ds = dataset(LEVELS)
    if value is not None:
        ds.PatientSex = value
    assert read(tmp_path, ds).sex == sex


@pytest.mark.parametrize(
    ("tags", "months"),
    [
        ({"PatientAge": "010Y"}, 120),
        ({"PatientAge": "120M"}, 120),
        ({"PatientAge": "040W"}, 40 * 7 / 30.4375),
        ({"PatientAge": "030D"}, 30 / 30.4375),
        ({"PatientAge": "", "PatientBirthDate": "20100115", "StudyDate": "20200115"}, 120),
        ({"PatientBirthDate": "20200101", "StudyDate": "20200131"}, 30 / 30.4375),
        ({"PatientBirthDate": "20100115", "StudyDate": "20090115"}, None),
        ({"PatientBirthDate": "20100115", "StudyDate": "20200115", "AcquisitionDate": "20200415"}, 123),
        ({"PatientAge": "010Y", "PatientBirthDate": "20100115", "StudyDate": "20200415"}, 123),
        ({"PatientAge": "008Y", "PatientBirthDate": "20100115", "StudyDate": "20200415"}, None),
        ({"PatientAge": "045Y"}, None),
        ({"PatientBirthDate": "20100115"}, None),
        ({}, None),
    ],
)
def test_age(tmp_path, tags, months):
    age = read(tmp_path, dataset(LEVELS, **tags)).age
    assert (age.months if age else None) == (None if months is None else pytest.approx(months, abs=1e-9))


def test_age_tells_how_finely_it_is_known_and_where_from(tmp_path):
    stated = read(tmp_path, dataset(LEVELS, PatientAge="010Y")).age
    assert stated is not None
    assert (stated.resolution_months, str(stated.source)) == (12, "PatientAge")
    dates: dict[str, Any] = {"PatientBirthDate": "20100115", "StudyDate": "20200115"}
    dated = read(tmp_path, dataset(LEVELS, PatientAge="010Y", **dates)).age
    assert dated is not None
    assert str(dated.source) == "PatientBirthDate and StudyDate"
    assert dated.resolution_months < 0.04
    acquired = read(tmp_path, dataset(LEVELS, AcquisitionDate="20200415", **dates))
    assert acquired.age is not None
    assert str(acquired.age.source) == "PatientBirthDate and AcquisitionDate"
    assert acquired.exam_date == date(2020, 4, 15)
    assert any("AcquisitionDate is 2020-04-15 and StudyDate 2020-01-15" in str(note) for note in acquired.notes)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PatientAge": "008Y", "PatientBirthDate": "20100115", "StudyDate": "20200415"}, ["8 y 0 m", "10 y 3 m"]),
        ({"PatientBirthDate": "20100115", "StudyDate": "20090115"}, ["2010-01-15", "2009-01-15", "before birth"]),
        ({"PatientBirthDate": "19000101", "StudyDate": "20200101"}, ["1900-01-01", "2020-01-01", "120 y 0 m"]),
        ({"PatientAge": "045Y"}, ["45 y 0 m"]),
    ],
)
def test_ages_that_cannot_be_make_the_reading_one_to_review(tmp_path, tags, words):
    (doubt,) = read(tmp_path, dataset(LEVELS, **tags)).doubts
    assert [word for word in words if word not in str(doubt)] == []


def test_facts_that_are_none_are_named_but_not_quoted(tmp_path):
    ds = dataset(LEVELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.PatientAge, ds.PatientBirthDate = "ten", "NAME OF A CHILD"
    notes = joined(read(tmp_path, ds).notes)
    assert "PatientAge is not three digits" in notes
    assert "PatientBirthDate is not a date" in notes
    assert "NAME" not in notes


@pytest.mark.parametrize(
    ("tags", "side"),
    [
        ({"ImageLaterality": "L"}, "L"),
        ({"Laterality": "R"}, "R"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "R"),
        ({"ImageLaterality": "U"}, None),
        ({}, None),
    ],
)
def test_laterality(tmp_path, tags, side):
    radiograph = read(tmp_path, dataset(LEVELS, **tags))
    assert radiograph.laterality == side
    assert ("state different sides" in joined(radiograph.notes)) == (len(tags) > 1)


def test_the_shape_of_pixels_prefers_the_patient_over_the_detector(tmp_path):
    at_detector: dict[str, Any] = {"ImagerPixelSpacing": [0.2, 0.1]}
    assert read(tmp_path, dataset(LEVELS, PixelSpacing=[0.1, 0.1], **at_detector)).aspect == 1
    assert read(tmp_path, dataset(LEVELS, **at_detector)).aspect == 2
    assert read(tmp_path, dataset(LEVELS, PixelSpacing=[0, 0])).aspect == 1
    assert read(tmp_path, dataset(LEVELS)).aspect == 1


def test_contradicting_presentation_is_noted(tmp_path):
    assert any("disagree" in str(note) for note in read(tmp_path, SAME_PICTURE["MONOCHROME2 and INVERSE"]).notes)
    assert not read(tmp_path, SAME_PICTURE["MONOCHROME1 and INVERSE"]).notes


# Refused


def test_multi_frame_is_refused(tmp_path):
    ds = dataset(LEVELS, NumberOfFrames=2)
    ds.PixelData = ds.PixelData * 2
    with pytest.raises(ReadError, match="multi-frame DICOM of 2"):
        read(tmp_path, ds)
    ds = dataset(LEVELS, NumberOfFrames=1)
    assert_shows(read(tmp_path, ds), TRUTH)


def test_objects_without_a_picture_are_named(tmp_path):
    ds = dataset(LEVELS)
    del ds.PixelData, ds.Rows
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    with pytest.raises(ReadError, match=r"a\.dcm: is a DICOM Basic Text SR without a picture"):
        read(tmp_path, ds)


def test_the_directory_of_a_medium_is_no_film_and_not_damaged(tmp_path):
    write_object(tmp_path / "DICOMDIR", MediaStorageDirectoryStorage, side=0, DirectoryRecordSequence=[])
    with pytest.raises(ReadError, match=r"DICOMDIR: is a DICOM Media Storage Directory without a picture"):
        read_radiograph(tmp_path / "DICOMDIR")


def test_unknown_photometric_interpretation_is_named(tmp_path):
    with pytest.raises(ReadError, match="photometric interpretation is HSV"):
        read(tmp_path, dataset(LEVELS, PhotometricInterpretation="HSV"))


def test_unknown_compression_is_named(tmp_path):
    mpeg = UID("1.2.840.10008.1.2.4.100")
    with pytest.raises(ReadError, match="MPEG2") as caught:
        read(tmp_path, compressed(dataset(LEVELS), mpeg, b"\0" * 100))
    assert "\n" not in str(caught.value)


def test_tiny_dicom_is_refused(tmp_path):
    with pytest.raises(ReadError, match="48 x 9 pixels"):
        read(tmp_path, dataset(LEVELS[:9]))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_dicom_is_refused(tmp_path, share, packed):
    ds = dataset(np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH)))
    if packed:
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(tmp_path / "whole.dcm", enforce_file_format=True)
    content = (tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match=r"cut\.dcm"):
        read_radiograph(tmp_path / "cut.dcm")


def test_decoder_warnings_do_not_leak_the_file(tmp_path, recwarn):
    ds = dataset(LEVELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.PatientBirthDate = "NAME OF A CHILD"
        ds.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    read_radiograph(tmp_path / "a.dcm")
    assert not [str(warning.message) for warning in recwarn]


def test_damaged_dicoms_never_raise_anything_but_read_errors(tmp_path):
    dataset(LEVELS, PatientAge="010Y", **WHOLE_RANGE).save_as(tmp_path / "whole.dcm", enforce_file_format=True)
    content = (tmp_path / "whole.dcm").read_bytes()
    random = np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(content)
        for place in random.integers(132, len(content) - LEVELS.size * 2, 3):
            damaged[place] = random.integers(256)
        (tmp_path / "damaged.dcm").write_bytes(damaged)
        with suppress(ReadError):
            assert np.isfinite(read_radiograph(tmp_path / "damaged.dcm", correct_inversion=False).pixels).all()
