"""Headers that are wrong about their samples, and facts that no reading needs: read as they are, named, or refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from dicom_files import dataset, write
from dicom_files import lut as table
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.tag import Tag
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from boneage.data.codestream import run_length
from boneage.data.errors import ReadError
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.data.synthetic import synthetic_hand

HAND = np.rint(synthetic_hand(120, "F", 0, (160, 128)).pixels * 4095).astype(np.int64)
TRUTH = (HAND - HAND.min()) / np.ptp(HAND)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_picture_without_the_delimiter_at_its_end_is_read_and_doubted_or_said_to_be_cut_off(tmp_path, syntax):
    film = dataset(HAND, 12)
    film.compress(syntax)
    sound = write(film, tmp_path / "a.dcm").read_bytes()
    truth = read_radiograph(tmp_path / "a.dcm")
    (tmp_path / "a.dcm").write_bytes(sound[:-8])
    ended = read_radiograph(tmp_path / "a.dcm")
    assert np.array_equal(ended.greys, truth.greys)
    assert "ends without the end of its picture" in str(ended.doubts[0])
    for length in (len(sound) // 2, len(sound) - 200, len(sound) - 9):
        (tmp_path / "a.dcm").write_bytes(sound[:length])
        try:
            said = "; ".join(map(str, read_radiograph(tmp_path / "a.dcm").doubts))
        except ReadError as error:
            said = str(error)
        assert "ends without the end of its picture" in said


def read(tmp_path: Path, film: FileDataset) -> Radiograph:
    return read_radiograph(write(film, tmp_path / "a.dcm"), correct_inversion=False)


def raw(film: FileDataset, name: str, vr: str, data: bytes) -> FileDataset:
    """Put an element in as bytes, however wrong."""
    tag = Tag(name)
    film._dict[tag] = RawDataElement(tag, vr, len(data), data, 0, False, True)
    return film


def assert_hand(radiograph: Radiograph, tolerance: float = 1e-6) -> None:
    """The hand, whatever grey levels are its black and white."""
    greys = radiograph.pixels
    np.testing.assert_allclose((greys - greys.min()) / np.ptp(greys), TRUTH, atol=tolerance)


def doubts(radiograph: Radiograph) -> str:
    return "; ".join(map(str, radiograph.doubts))


def notes(radiograph: Radiograph) -> str:
    return "; ".join(map(str, radiograph.notes))


@pytest.mark.parametrize("stored", [8, 10, 11])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_samples_of_more_bits_than_stated_are_read_whole_and_named(tmp_path, stored, window):
    film = dataset(HAND, bits=16, BitsStored=stored, HighBit=stored - 1, **window)
    radiograph = read(tmp_path, film)
    assert_hand(radiograph)
    assert "BitsStored" in doubts(radiograph)


@pytest.mark.parametrize(
    ("name", "vr", "data", "found"),
    [
        ("Rows", "US", None, "missing"),
        ("Rows", "US", b"", "empty"),
        ("Rows", "US", b"\0\0", "0"),
        ("Columns", "US", b"\x10\0\x20\0", "16, 32"),
        ("Columns", "US", b"\1\2\3", "not a number"),
        ("Columns", "DS", b"100.5 ", "100.5"),
        ("Rows", "IS", b"-160", "-160"),
        ("Rows", "LO", b"DOE^JANE", "not a number"),
        ("BitsAllocated", "US", None, "missing"),
        ("BitsAllocated", "US", b"\x0c\0", "12"),
        ("BitsAllocated", "US", b"\x10\0" * 500, "16, 16, 16, "),
        ("BitsAllocated", "UN", b"\xff", "not a number"),
    ],
)
def test_a_size_that_cannot_be_is_quoted_with_what_was_expected(name, vr, data, found):
    film = dataset(HAND)
    film = raw(film, name, vr, data) if data is not None else film
    if data is None:
        del film[name]
    with pytest.raises(ReadError) as caught:
        read_radiograph(film)
    said, expected = str(caught.value).split(", expected ")
    assert f": {name} is {found}" in said
    assert "JANE" not in said
    assert len(said) < 100
    assert ("8, 16 or 32" if name == "BitsAllocated" else "one whole number of pixels") in expected


def test_bits_above_or_below_the_stored_ones(tmp_path):
    high = dataset(HAND << 4, bits=16, BitsStored=12, HighBit=15)
    low = dataset(HAND, bits=16, BitsStored=12, HighBit=15)
    assert_hand(read(tmp_path, high))
    assert doubts(read(tmp_path, high)) == ""
    assert_hand(read(tmp_path, low))
    assert "HighBit 15" in doubts(read(tmp_path, low))


@pytest.mark.parametrize("foreign", ["noise", "a constant", "some pixels", "some rows"])
def test_foreign_bits_above_the_stored_ones_are_left_out_and_named(tmp_path, foreign):
    where = {
        "noise": np.random.default_rng(0).random(HAND.shape) < 0.5,
        "a constant": np.ones(HAND.shape, bool),
        "some pixels": np.random.default_rng(0).random(HAND.shape) < 0.01,
        "some rows": np.arange(len(HAND))[:, None] < 20,
    }[foreign]
    radiograph = read(tmp_path, dataset(HAND | (where << 15), bits=16, BitsStored=12, HighBit=11))
    assert_hand(radiograph)
    assert "those above were left out" in doubts(radiograph)


def test_raised_samples_are_not_taken_for_swapped_ones(tmp_path):
    raised = (HAND // 16 * 4095 // 255) << 4  # of 8 bits, so that the low nibble repeats the high one
    radiograph = read(tmp_path, dataset(raised, bits=16, BitsStored=12, HighBit=11))
    assert_hand(radiograph, 1 / 128)
    assert "byte order" not in doubts(radiograph)


def test_overlays_in_unused_bits_are_left_out(tmp_path):
    film = dataset(HAND | (np.arange(HAND.size).reshape(HAND.shape) % 2 << 14), bits=16, BitsStored=12, HighBit=11)
    film.add_new((0x6000, 0x0100), "US", 16)
    film.add_new((0x6000, 0x0102), "US", 14)
    assert_hand(read(tmp_path, film))
    assert doubts(read(tmp_path, film)) == ""


def test_a_wrong_sign_is_found_and_a_right_one_kept(tmp_path):
    unsigned = dataset(HAND * 16, bits=16)
    unsigned.PixelRepresentation = 1
    radiograph = read(tmp_path, unsigned)
    assert_hand(radiograph, 1e-4)
    assert "PixelRepresentation" in doubts(radiograph)
    for right in (dataset(HAND * 16, bits=16), dataset(HAND - 2048, bits=16), dataset(HAND - 2048)):
        assert_hand(read(tmp_path, right), 1e-4)
        assert doubts(read(tmp_path, right)) == ""


@pytest.mark.parametrize("share", [0.005, 0.02, 0.04, 0.96, 0.98, 0.995])
@pytest.mark.parametrize("signed", [False, True])
def test_a_wrong_sign_that_moves_few_pixels_or_most_is_found_and_a_right_one_kept(tmp_path, share, signed):
    """`share`: of the pixels that lie beyond the middle of the range, or below 0."""
    middle = np.quantile(HAND, 1 - share)
    stored = (HAND - middle) * 6 + 32768 * (not signed)
    film = dataset(np.clip(stored, -32768 * signed, 65535 - 32768 * signed).astype(np.int64), bits=16)
    film.PixelRepresentation = int(signed)
    right = read(tmp_path, film)
    assert not any("PixelRepresentation" in str(doubt) for doubt in right.doubts)
    film.PixelRepresentation = int(not signed)
    wrong = read(tmp_path, film)
    assert any("PixelRepresentation does not fit" in str(doubt) for doubt in wrong.doubts)
    assert np.array_equal(wrong.greys, right.greys)


@pytest.mark.parametrize("quality", [None, 30, 50, 70, 90])
def test_letters_of_a_film_that_is_dark_beside_them_do_not_change_its_sign(tmp_path, quality):
    dark = (HAND // 32).astype(np.uint8)
    cv2.putText(dark, "L 12", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    if quality:  # letters of several values
        coded = cv2.imencode(".jpg", dark, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        dark = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
    radiograph = read(tmp_path, dataset(dark.astype(np.int64) * 16, bits=12))
    assert not any("PixelRepresentation" in str(doubt) for doubt in radiograph.doubts)


def test_the_sign_of_a_dark_film_with_bright_letters_is_kept(tmp_path):
    """The letters alone lie on the other side of 0; with the other sign they would be as dark as the film's edge."""
    film = HAND // 3
    film[4:16:2, 4:30:2] = np.linspace(2500, 4000, 13)
    plain = read(tmp_path, dataset(film))
    inverse = dataset(4095 - film, PhotometricInterpretation="MONOCHROME1")
    for dark in (dataset(film), dataset(film - 2048), dataset(film * 16 - 32768, bits=16), inverse):
        np.testing.assert_allclose(read(tmp_path, dark).pixels, plain.pixels, atol=1e-3)
        assert doubts(read(tmp_path, dark)) == ""


def test_signed_samples_without_extended_sign(tmp_path):
    film = dataset((HAND - 2048) & 0xFFF, bits=16, BitsStored=12, HighBit=11)
    film.PixelRepresentation = 1
    assert_hand(read(tmp_path, film))


def test_swapped_bytes_are_found(tmp_path):
    for film in (
        dataset((HAND * 16).astype(np.uint16).byteswap(), bits=16),
        dataset(HAND.astype(np.uint16).byteswap(), bits=16, BitsStored=12, HighBit=11),
    ):
        radiograph = read(tmp_path, film)
        assert_hand(radiograph, 1e-4)
        assert "byte order" in doubts(radiograph)


@pytest.mark.parametrize(("vr", "value"), [("US", 65535), ("SS", -1)])
@pytest.mark.parametrize("signed", [False, True])
def test_padding_is_a_bit_pattern(tmp_path, vr, value, signed):
    padded = HAND.copy()
    padded[:, :10] = -1 if signed else 65535
    film = dataset(padded, bits=16)
    film.add_new("PixelPaddingValue", vr, value)
    radiograph = read(tmp_path, film)
    assert (radiograph.pixels[:, :10] == 0).all()
    np.testing.assert_allclose(radiograph.pixels[:, 10:], (HAND / HAND[:, 10:].max())[:, 10:], atol=0.02)


def test_padding_that_leaves_nothing_is_named(tmp_path):
    film = dataset(HAND, bits=16, PixelPaddingValue=0, PixelPaddingRangeLimit=65535)
    assert "PixelPaddingValue" in doubts(read(tmp_path, film))
    assert_hand(read(tmp_path, film))


@pytest.mark.parametrize("tags", [{"PixelPaddingValue": 900}, {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 900}])
def test_grey_levels_of_the_picture_are_no_padding(tmp_path, tags):
    radiograph = read(tmp_path, dataset(HAND, bits=16, **tags))
    assert "PixelPaddingValue is a grey level of the picture" in doubts(radiograph)
    assert_hand(radiograph)


@pytest.mark.parametrize(("value", "signed"), [(65535, False), (-32768, True), (32767, True)])
def test_padding_that_nothing_states_stands_apart(tmp_path, value, signed):
    padded = HAND - 2048 * signed
    padded[:, :10] = value
    radiograph = read(tmp_path, dataset(padded, bits=16, PixelRepresentation=int(signed)))
    assert (radiograph.pixels[:, :10] == 0).all()
    assert "stands apart" in doubts(radiograph)
    np.testing.assert_allclose(radiograph.pixels[:, 10:], (HAND / HAND[:, 10:].max())[:, 10:], atol=0.02)


def test_signed_padding_beyond_the_stored_bits_is_no_other_value(tmp_path):
    film = dataset(HAND - 2048, bits=16, BitsStored=12, HighBit=11)
    film.add_new("PixelPaddingValue", "SS", -32768)  # its lowest 12 bits are 0, a grey of the hand
    assert_hand(read(tmp_path, film))


NO_PICTURE = {
    "of a CT": {"WindowCenter": 40, "WindowWidth": 40},
    "too wide": {"WindowCenter": 2048, "WindowWidth": 1e9},
    "below": {"WindowCenter": -3000, "WindowWidth": 100},
    "above": {"WindowCenter": 9000, "WindowWidth": 100},
    "exact": {"WindowCenter": 9000, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 90000, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"},
}


@pytest.mark.parametrize("case", NO_PICTURE)
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_window_that_leaves_no_picture_is_left_out_and_named(tmp_path, case, photometric):
    stored = HAND if photometric == "MONOCHROME2" else 4095 - HAND
    window = dict(NO_PICTURE[case])
    if photometric == "MONOCHROME1":
        window["WindowCenter"] = 4095 - window["WindowCenter"]
    radiograph = read(tmp_path, dataset(stored, PhotometricInterpretation=photometric, **window))
    assert_hand(radiograph)
    assert "the window of centre" in doubts(radiograph)


def test_the_next_window_is_taken_where_the_first_leaves_no_picture(tmp_path):
    radiograph = read(tmp_path, dataset(HAND, WindowCenter=[-9000, 2048], WindowWidth=[10, 4096]))
    np.testing.assert_allclose(radiograph.pixels, HAND / 4095, atol=1e-6)
    assert "-9000" in doubts(radiograph)


@pytest.mark.parametrize(("centres", "taken"), [(b"2048\\ ", True), (b"\\2048 ", False)])
def test_centres_and_widths_of_windows_are_paired_by_their_places(tmp_path, centres, taken):
    film = raw(raw(dataset(HAND), "WindowCenter", "DS", centres), "WindowWidth", "DS", b"4096\\300 ")
    radiograph = read(tmp_path, film)
    np.testing.assert_allclose(radiograph.pixels, HAND / 4095 if taken else TRUTH, atol=1e-6)
    assert ("WindowCenter is malformed and was ignored" in notes(radiograph)) != taken


def test_a_window_that_leaves_little_of_what_stands_out_is_named(tmp_path):
    for centre, width, function, named in (
        (3000, 1700, "LINEAR", "of what stands out plain black or white"),
        (1000, 1500, "SIGMOID", "bends the grey levels"),
        (0, 4096, "SIGMOID", "does not fit what the samples can hold"),
        (2048, 4096, "SIGMOID", ""),
        (1900, 3000, "LINEAR_EXACT", ""),
    ):
        film = dataset(HAND, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
        found = doubts(read(tmp_path, film))
        assert named in found if named else not found, (centre, width, function, found)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_bright_padding_within_the_picture_is_a_grey_level_and_at_the_frame_or_apart_it_is_padding(
    tmp_path, photometric
):
    stated = "PixelPaddingValue is a grey level of the picture itself"
    bone = np.minimum(HAND, 3000)
    within, at_frame, apart = bone.copy(), bone.copy(), bone.copy()
    within[60:90, 50:80] = 3001
    at_frame[:20] = 3001
    apart[60:90, 50:80] = 4095
    for picture, doubted in ((within, True), (at_frame, False), (apart, False)):
        stored = picture if photometric == "MONOCHROME2" else 4095 - picture
        value = int((stored if photometric == "MONOCHROME2" else -stored).max())
        film = dataset(stored, PhotometricInterpretation=photometric, PixelPaddingValue=abs(value))
        assert (stated in doubts(read(tmp_path, film))) == doubted


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_grey_ybr_samples_called_rgb_are_read_by_their_grey_level(tmp_path, planar, bits):
    top = 2**bits - 1
    grey = np.rint(TRUTH * top).astype(np.int64)
    colourless = np.full_like(grey, (top + 1) // 2)
    samples = np.stack([grey, colourless, colourless + 1], axis=0 if planar else 2)
    film = dataset(np.stack([grey] * 3, 2), bits, PhotometricInterpretation="RGB", PlanarConfiguration=planar)
    film.PixelData = samples.astype(f"<u{bits // 8}").tobytes()
    radiograph = read(tmp_path, film)
    assert_hand(radiograph, 2 / top)
    assert "PhotometricInterpretation does not fit the samples" in doubts(radiograph)
    assert radiograph.colour == 0


@pytest.mark.parametrize(
    ("stated", "planar", "of_planes", "misfit"),
    [
        ("RGB", 0, True, "PlanarConfiguration"),
        ("RGB", 1, False, "PlanarConfiguration"),
        ("YBR_FULL", 0, False, "PhotometricInterpretation"),
        ("YBR_FULL", 1, False, "PlanarConfiguration"),
        ("RGB", 1, True, None),
    ],
)
def test_grey_rgb_samples_are_read_whatever_the_header_calls_them(tmp_path, stated, planar, of_planes, misfit):
    fine = np.rint(TRUTH * 255).repeat(4, axis=1)  # neighbours are nearly equal, as in a film of many pixels
    samples = np.stack([fine] * 3, 0 if of_planes else 2).astype(np.uint8)
    film = dataset(np.zeros((*fine.shape, 3), np.uint8), 8, PhotometricInterpretation=stated)
    film.PlanarConfiguration, film.PixelData = planar, samples.tobytes()
    radiograph = read(tmp_path, film)
    np.testing.assert_allclose(radiograph.pixels * 255, fine, atol=2)
    assert f"{misfit} does not fit the samples" in doubts(radiograph) if misfit else doubts(radiograph) == ""
    assert radiograph.colour < 0.001


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_grey_rgb_called_ybr_is_read_as_rgb(tmp_path, syntax):
    fine = np.rint(TRUTH * 255)
    film = dataset(np.stack([fine] * 3, 2), 8, PhotometricInterpretation="RGB")
    film.compress(syntax, generate_instance_uid=False)
    film.PhotometricInterpretation = "YBR_FULL"
    radiograph = read(tmp_path, film)
    np.testing.assert_allclose(radiograph.pixels * 255, fine, atol=2)
    assert "PhotometricInterpretation does not fit the samples" in doubts(radiograph)


def test_a_table_that_bends_the_grey_levels_is_named(tmp_path):
    curve = 65535 / (1 + np.exp(-(np.arange(4096) - 2048) / 150))
    radiograph = read(tmp_path, lut(dataset(HAND), [4096, 0, 16], "US", curve.astype(int).tolist()))
    assert "the VOI LUT bends the grey levels" in doubts(radiograph)


def test_a_modality_table_that_bends_the_grey_levels_is_named_and_of_fluoroscopy_not_applied(tmp_path):
    curve = np.rint(65535 * np.expm1(np.arange(4096) / 700) / np.expm1(4095 / 700)).astype(np.uint16)
    bent = read(tmp_path, dataset(HAND, ModalityLUTSequence=table(curve)))
    assert "the modality LUT bends the grey levels" in doubts(bent)
    for kind in (XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage):
        stored = read(tmp_path, dataset(HAND, kind=kind, ModalityLUTSequence=table(curve)))
        assert_hand(stored)
        assert doubts(stored) == ""


def test_a_raw_picture_that_is_for_processing_is_to_be_reviewed(tmp_path):
    processed, shown = DigitalXRayImageStorageForProcessing, DigitalXRayImageStorageForPresentation
    for kind, intent in ((processed, ""), (shown, "FOR PROCESSING")):
        raw = read(tmp_path, dataset(HAND, kind=kind, PresentationIntentType=intent))
        assert "for processing, not for presentation" in doubts(raw)
    film = dataset(HAND, kind=shown, PresentationIntentType="FOR PRESENTATION")
    assert doubts(read(tmp_path, film)) == ""


def test_a_window_beside_what_the_samples_can_hold_is_named(tmp_path):
    named = "does not fit what the samples can hold"
    for centre, intercept in ((900, 0), (2048, -1024)):
        film = dataset(HAND, WindowCenter=centre, WindowWidth=4096, RescaleSlope=1, RescaleIntercept=intercept)
        assert named in doubts(read(tmp_path, film))
    for centre, width in ((2048, 4096), (1500, 3400), (2048, 8192)):
        assert doubts(read(tmp_path, dataset(HAND, WindowCenter=centre, WindowWidth=width))) == ""


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_an_enhanced_object_states_its_frame_in_groups(tmp_path, groups):
    film, group = dataset(4095 - HAND[::2], NumberOfFrames=1), Dataset()
    for macro, tags in (
        ("PixelMeasuresSequence", {"PixelSpacing": [0.2, 0.1]}),
        ("FrameVOILUTSequence", {"WindowCenter": 2048, "WindowWidth": 4096}),
        ("PixelValueTransformationSequence", {"RescaleSlope": -1, "RescaleIntercept": 4095}),
    ):
        item = Dataset()
        for name, value in tags.items():
            setattr(item, name, value)
        setattr(group, macro, [item])
    setattr(film, groups, [group])
    radiograph = read(tmp_path, film)
    np.testing.assert_allclose(radiograph.pixels, HAND[::2] / 4095, atol=1e-6)
    assert radiograph.aspect == 2


@pytest.mark.parametrize("data", [b"nan ", b"inf ", b"1e999 ", b"wide", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["WindowWidth", "WindowCenter", "RescaleSlope", "RescaleIntercept"])
def test_numbers_that_are_none_never_reach_the_greys(tmp_path, name, data):
    film = dataset(HAND, WindowCenter=2048, WindowWidth=4096, RescaleSlope=1, RescaleIntercept=0)
    radiograph = read(tmp_path, raw(film, name, "DS", data))
    assert_hand(radiograph)
    assert name in notes(radiograph) + doubts(radiograph)


@pytest.mark.parametrize("slope", [0, 1e300, 1e-300])
def test_an_impossible_slope_is_named(tmp_path, slope):
    radiograph = read(tmp_path, dataset(HAND, RescaleSlope=slope, RescaleIntercept=0))
    assert_hand(radiograph)
    assert "RescaleSlope" in doubts(radiograph)


def lut(film: FileDataset, descriptor: list[int], vr: str, data: object, name: str = "VOILUTSequence") -> FileDataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", vr, data)
    setattr(film, name, [item])
    return film


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(
    ("values", "first", "vr"),
    [
        (HAND, -2000, "SS"),  # the table begins below all values
        (HAND + 40000, 40000 - 2**16, "SS"),
        (HAND - 2048, 2**16 - 2048, "US"),
    ],
)
def test_the_first_value_of_a_table_is_of_the_sign_that_suits_the_values(tmp_path, values, first, vr, name):
    film = lut(dataset(values, bits=16), [4096, 0, 16], "OW", np.arange(8192).astype("<u2").tobytes(), name)
    film[name].value[0].add_new("LUTDescriptor", vr, [8192, first, 16])
    radiograph = read(tmp_path, film)
    assert doubts(radiograph) == ""
    greys = radiograph.pixels
    assert np.corrcoef(greys.ravel(), TRUTH.ravel())[0, 1] > 0.9999


RAMP = np.linspace(0, 255, 4096).astype(np.uint8)


@pytest.mark.parametrize(
    ("descriptor", "vr", "data"),
    [
        ([4096, 0, 16], "US", (RAMP.astype(int) * 4).tolist()),  # a corner of the stated range
        ([4096, 0, 8], "US", RAMP.tolist()),
        ([4096, 0, 8], "OW", RAMP.tobytes()),
        ([4096, 0, 8], "US", RAMP.view("<u2").tolist()),  # two entries in a word
        ([4096, 0, 8], "OW", RAMP.astype("<u2").tobytes()),
    ],
)
def test_luts_of_every_packing_show_the_picture_in_full_contrast(tmp_path, descriptor, vr, data):
    radiograph = read(tmp_path, lut(dataset(HAND), descriptor, vr, data))
    assert doubts(radiograph) == ""
    assert radiograph.pixels.max() > 0.9 * TRUTH.max()
    assert_hand(radiograph, 2 / 255)


@pytest.mark.parametrize(
    ("descriptor", "data"),
    [
        ([4096, 0, 16], b"\0\0" * 4096),
        ([4096, 0], RAMP.tobytes()),
        ([16, 60000, 16], RAMP.tobytes()),
        ([1, 0, 8], b"ab"),
    ],
)
@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_that_cannot_be_used_is_named(tmp_path, descriptor, data, name):
    radiograph = read(tmp_path, lut(dataset(HAND), descriptor, "OW", data, name))
    assert_hand(radiograph)
    assert "LUT" in doubts(radiograph)


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(
    ("descriptor", "data", "doubt"),
    [
        ([2048, 0, 16], RAMP.astype("<u2"), "states 2048 entries and holds 4096"),
        ([4096, 0, 16], RAMP.astype("<u2")[:2048], "has no entry for"),
        ([4096, 3000, 16], RAMP.astype("<u2"), "has no entry for"),
        ([4096, 0, 16], np.linspace(0, 65535, 4096).astype(">u2"), "has its bytes swapped"),
        ([4096, 0, 12], np.arange(4096).astype(">u2"), "has its bytes swapped"),
    ],
)
def test_a_table_that_does_not_fit_its_descriptor_or_the_values(tmp_path, name, descriptor, data, doubt):
    radiograph = read(tmp_path, lut(dataset(HAND), descriptor, "OW", data.tobytes(), name))
    assert doubt in doubts(radiograph)
    assert_hand(radiograph, 2 / 255)


def test_a_window_stands_in_for_a_voi_lut_without_a_picture(tmp_path):
    film = lut(dataset(HAND, WindowCenter=2048, WindowWidth=4096), [4096, 0, 16], "OW", b"\1\0" * 4096)
    np.testing.assert_allclose(read(tmp_path, film).pixels, HAND / 4095, atol=1e-6)


# Pictures of another shape


def test_two_frames_that_the_header_does_not_state(tmp_path):
    film = dataset(HAND)
    film.PixelData = film.PixelData * 2
    with pytest.raises(ReadError, match="holds several pictures"):
        read(tmp_path, film)


def test_a_few_bytes_after_the_picture_are_ignored_and_named(tmp_path):
    film = dataset(HAND)
    film.PixelData += bytes(100)
    radiograph = read(tmp_path, film)
    assert_hand(radiograph)
    assert "100 bytes longer" in doubts(radiograph)


def test_the_compressed_picture_is_believed_about_its_bits(tmp_path):
    film = dataset(HAND)
    film.compress(JPEG2000Lossless, generate_instance_uid=False)
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    radiograph = read(tmp_path, film)
    assert_hand(radiograph)
    assert "the compressed picture has 12 bits" in doubts(radiograph)


def test_two_compressed_frames_that_the_header_does_not_state(tmp_path):
    film = dataset(HAND)
    film.compress(JPEG2000Lossless, generate_instance_uid=False)
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    film.PixelData = encapsulate([frame, frame])
    with pytest.raises(ReadError, match="multi-frame DICOM of 2"):
        read(tmp_path, film)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("stated", ["RGB", "YBR_FULL", "YBR_FULL_422"])
def test_one_sample_a_pixel_is_grey_whatever_the_header_calls_it(tmp_path, syntax, stated):
    film = dataset(HAND)
    if syntax:
        film.compress(syntax, generate_instance_uid=False)
    film.PhotometricInterpretation = stated
    radiograph = read(tmp_path, film)
    assert_hand(radiograph)
    assert "PhotometricInterpretation does not fit the samples" in doubts(radiograph)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_wrong_offsets_of_the_frame_cannot_fail_it(tmp_path, syntax):
    film = dataset(HAND)
    film.compress(syntax, generate_instance_uid=False)
    film.add_new("ExtendedOffsetTable", "OV", (5000).to_bytes(8, "little"))
    film.add_new("ExtendedOffsetTableLengths", "OV", (10).to_bytes(8, "little"))
    radiograph = read(tmp_path, film)
    assert_hand(radiograph)
    assert doubts(radiograph) == ""


def in_fragments(film: FileDataset, table: bytes, *fragments: bytes) -> FileDataset:
    """Encapsulate fragments after any table of offsets."""
    parts = [part + b"\0" * (len(part) % 2) for part in (table, *fragments)]
    film.PixelData = b"".join(b"\xfe\xff\x00\xe0" + len(part).to_bytes(4, "little") + part for part in parts)
    film["PixelData"].is_undefined_length = True
    return film


@pytest.mark.parametrize("table", [b"", b"\xe7\x03\0\0", b"\0\0\0\0\x32\0\0\0", b"\xff\xff\xff\xff", b"\1\2", bytes(6)])
def test_a_wrong_table_of_offsets_cannot_fail_a_film_of_several_fragments(tmp_path, table):
    film = dataset(HAND)
    film.compress(JPEGLSLossless, generate_instance_uid=False)
    frame = next(generate_frames(film.PixelData, number_of_frames=1))
    radiograph = read(tmp_path, in_fragments(film, table, frame[:1000], frame[1000:2000], frame[2000:]))
    assert_hand(radiograph)
    assert doubts(radiograph) == ""


def test_a_film_without_a_table_of_offsets_is_read(tmp_path):
    film = dataset(HAND)
    film.compress(JPEGLSLossless, generate_instance_uid=False)
    assert_hand(read(tmp_path, in_fragments(film, next(generate_frames(film.PixelData, number_of_frames=1)))))


@pytest.mark.parametrize(
    "stated", [ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless, RLELossless]
)
@pytest.mark.parametrize("true", [None, JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_a_wrong_transfer_syntax_is_found_by_the_data_and_named(true, stated):
    film = dataset(HAND)
    if true:
        film.compress(true, generate_instance_uid=False)
    film.file_meta.TransferSyntaxUID = stated
    radiograph = read_radiograph(film, correct_inversion=False)
    assert_hand(radiograph)
    decoders = {None: ExplicitVRLittleEndian, JPEGLSLossless: JPEGBaseline8Bit}  # one for both
    right = stated in (true, decoders.get(true))
    assert doubts(radiograph) == (
        "" if right else "TransferSyntaxUID does not fit the samples, which were read the other way"
    )


def test_a_dicom_without_its_picture_or_without_its_tags_is_told_as_that(tmp_path):
    film = dataset(HAND)
    content = write(film, tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[: content.index(b"\xe0\x7f\x10\x00")])
    with pytest.raises(ReadError, match="ends before the picture that its header states"):
        read_radiograph(tmp_path / "a.dcm")
    little, big = (f"1.2.840.10008.1.2.{number}".encode() for number in (1, 2))
    (tmp_path / "a.dcm").write_bytes(content.replace(little, big, 1))
    with pytest.raises(ReadError, match="none of its tags when read as Explicit VR Big Endian: its transfer syntax is"):
        read_radiograph(tmp_path / "a.dcm")


@pytest.mark.parametrize(("times", "named"), [(1, False), (2, True), (3, True)])
def test_a_table_that_rises_and_falls_is_named(tmp_path, times, named):
    entries = (np.arange(4096) * times % 4096 * 16).astype(np.uint16)
    radiograph = read(tmp_path, lut(dataset(HAND), [4096, 0, 16], "US", entries.tolist()))
    assert ("the VOI LUT rises and falls" in doubts(radiograph)) == named


def test_equal_samples_are_grey_and_others_refused(tmp_path):
    film = dataset(np.dstack([HAND] * 3), SamplesPerPixel=3, PlanarConfiguration=0)
    assert_hand(read(tmp_path, film))
    film = dataset(np.dstack([HAND, HAND, HAND // 2]), SamplesPerPixel=3, PlanarConfiguration=0)
    with pytest.raises(ReadError, match="3 different samples"):
        read(tmp_path, film)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless])
def test_a_compressed_picture_of_another_size_is_refused(tmp_path, syntax):
    film = dataset(HAND)
    film.compress(syntax, generate_instance_uid=False)
    film.Rows = 80
    with pytest.raises(ReadError):
        read(tmp_path, film)


def test_the_codestream_is_believed_before_it_is_decoded(tmp_path):
    film = dataset(HAND // 16, bits=8)
    header = (
        bytes.fromhex("ffd8ffc0000b08ffdcffdc01011100")
        + bytes.fromhex("ffda0008010100003f00")
        + b"\0" * 99
        + b"\xff\xd9"
    )
    film.PixelData = encapsulate([header])
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(ReadError, match="65500 x 65500"):
        read(tmp_path, film)


def test_run_lengths_that_never_end_are_not_decoded(tmp_path):
    film = dataset(HAND // 16, bits=8)
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    film.PixelData = encapsulate([header + b"\x81\0" * 500_000])
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(ReadError, match="run lengths"):
        read(tmp_path, film)


def test_run_lengths_of_very_many_runs_are_not_counted_to_their_end(tmp_path, monkeypatch):
    assert run_length(b"\0\1" * 1000, 5000) == 1000
    assert run_length(b"\0\1" * 1000, 5000, runs=999) == 5001
    film = dataset(HAND)
    film.compress(RLELossless, generate_instance_uid=False)
    monkeypatch.setattr("boneage.data.codestream._MOST_RUNS", 100)
    with pytest.raises(ReadError, match="run lengths"):
        read(tmp_path, film)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_real_numbers_are_read_and_must_be_finite(tmp_path, kind):
    film = dataset(HAND)
    del film.PixelData, film.BitsStored, film.HighBit, film.PixelRepresentation
    film.BitsAllocated = 8 * np.dtype(kind).itemsize
    name = "FloatPixelData" if kind is np.float32 else "DoubleFloatPixelData"
    values = HAND.astype(kind) / 7
    setattr(film, name, values.tobytes())
    assert_hand(read(tmp_path, film))
    values[3, 3] = np.nan
    setattr(film, name, values.tobytes())
    with pytest.raises(ReadError, match="not numbers"):
        read(tmp_path, film)


def test_thirty_two_bits(tmp_path):
    film = dataset(HAND, bits=16, BitsAllocated=32, BitsStored=32, HighBit=31)
    film.PixelData = (HAND * 100_000).astype("<u4").tobytes()
    assert_hand(read(tmp_path, film))


def test_big_endian_samples_padding_and_tables(tmp_path):
    film = lut(dataset(HAND), [4096, 0, 8], "OW", RAMP.view(">u2").astype("<u2").tobytes())
    film.PixelData = HAND.astype(">u2").tobytes()
    film.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "b.dcm", film, implicit_vr=False, little_endian=False, enforce_file_format=True)
    assert_hand(read_radiograph(tmp_path / "b.dcm", correct_inversion=False), 2 / 255)


# Facts that no reading needs

ODD_FACTS = {
    "decimal commas": ("PixelSpacing", "DS", b"0,175\\0,175 "),
    "one spacing": ("PixelSpacing", "DS", b"0.175 "),
    "three spacings": ("PixelSpacing", "DS", b"1\\1\\1 "),
    "no spacing": ("PixelSpacing", "DS", b"wide"),
    "two paddings": ("PixelPaddingValue", "US", b"\0\0\0\0"),
    "a date": ("StudyDate", "DA", b"yesterday "),
    "an age": ("PatientAge", "AS", b"ten "),
    "a frame number": ("NumberOfFrames", "IS", b"x "),
    "a shape": ("PresentationLUTShape", "CS", b"ROUND "),
    "an aspect": ("PixelAspectRatio", "IS", b"1\\0 "),
    "a birth date of many values": ("PatientBirthDate", "DA", b"20100101\\20110101"),
}


@pytest.mark.filterwarnings("ignore:Invalid value")  # written here on purpose
@pytest.mark.parametrize("case", ODD_FACTS)
def test_an_odd_fact_is_noted_and_the_film_is_read(tmp_path, case):
    name, vr, data = ODD_FACTS[case]
    radiograph = read(tmp_path, raw(dataset(HAND), name, vr, data))
    assert_hand(radiograph)
    assert name in notes(radiograph)


@pytest.mark.parametrize(
    ("stated", "sex", "odd"),
    [
        ("M", "M", ""),
        ("f", "F", ""),
        ("MALE", "M", ""),
        ("female", "F", ""),
        ("MÄNNLICH", "M", ""),
        ("남", "M", ""),
        ("garçon", None, "garçon"),
        ("O", None, "O"),
        ("?", None, "?"),
        ("", None, ""),
    ],
)
def test_a_stated_sex_is_understood_or_named(tmp_path, stated, sex, odd):
    radiograph = read(tmp_path, raw(dataset(HAND), "PatientSex", "CS", stated.encode()))
    assert (radiograph.sex, radiograph.odd_sex) == (sex, odd)


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": [0.2, 0.1]},
        {"ImagerPixelSpacing": [0.2, 0.1]},
        {"NominalScannedPixelSpacing": [0.2, 0.1]},
        {"PixelAspectRatio": [2, 1]},
    ],
)
def test_pixels_are_made_square_whichever_tag_states_their_sides(tmp_path, tags):
    radiograph = read(tmp_path, dataset(HAND[::2], **tags))
    assert radiograph.greys.shape == (80, 128)
    assert radiograph.square.shape == (160, 128)
    assert "made square, with too little detail" in doubts(radiograph)


def test_sides_that_no_pixel_has_are_not_believed(tmp_path):
    radiograph = read(tmp_path, dataset(HAND, PixelAspectRatio=[1000, 1]))
    assert radiograph.square is radiograph.greys
    assert "not believed" in doubts(radiograph)


def test_shapes_of_pixels_that_contradict_are_named(tmp_path):
    radiograph = read(tmp_path, dataset(HAND, PixelSpacing=[0.1, 0.1], ImagerPixelSpacing=[0.12, 0.1]))
    assert radiograph.aspect == 1
    assert "PixelSpacing and ImagerPixelSpacing" in doubts(radiograph)
