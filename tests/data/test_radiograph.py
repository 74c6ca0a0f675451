"""Reading ordinary pictures: formats, depths, orientation, and every bad file with its message."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile
from tiff_files import tiff

from boneage.data.errors import ReadError
from boneage.data.radiograph import MAX_PIXELS, MIN_SIDE, Radiograph
from boneage.data.read import read_radiograph

HEIGHT, WIDTH = 60, 44


@pytest.fixture(scope="module")
def grey8() -> np.ndarray:
    """An asymmetric picture that uses all 256 greys: no flip or turn of it equals itself."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    picture = (rows * WIDTH + columns) / (HEIGHT * WIDTH - 1) * 255
    return np.rint(picture).astype(np.uint8)


def read(path: Path) -> Radiograph:
    return read_radiograph(path, correct_inversion=False)


def saved(path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def assert_same(radiograph: Radiograph, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.pixels.flags.c_contiguous
    assert radiograph.pixels.min() >= 0
    assert radiograph.pixels.max() <= 1
    np.testing.assert_allclose(radiograph.pixels, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 1e-6),
        ("a.bmp", {}, 1e-6),
        ("a.tif", {}, 1e-6),
        ("a.tiff", {"compression": "tiff_lzw"}, 1e-6),
        ("a.webp", {"lossless": True}, 1e-6),
        ("a.webp", {"quality": 95}, 0.03),
        ("a.jpg", {"quality": 95}, 0.03),
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_gives_the_same_greys(tmp_path, grey8, name, options, tolerance, mode):
    radiograph = read(saved(tmp_path / name, Image.fromarray(grey8).convert(mode), **options))
    assert_same(radiograph, grey8 / 255, tolerance)
    assert radiograph.colour < 0.01
    assert radiograph.source == str(tmp_path / name)
    assert radiograph.notes == ()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_eight_bits_stay_as_decoded_and_deeper_greys_are_reals(tmp_path, grey8, mode):
    eight = read(saved(tmp_path / "a.png", Image.fromarray(grey8).convert(mode)))
    assert eight.greys.dtype == np.uint8
    assert np.array_equal(eight.greys, grey8)
    deep = read(saved(tmp_path / "b.png", Image.fromarray(grey8.astype(np.uint16) * 16)))
    assert deep.greys.dtype == np.float32
    assert deep.pixels is deep.greys
    np.testing.assert_allclose(deep.pixels, eight.pixels, atol=1e-6)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_palette_and_grey_with_alpha_give_the_same_greys(tmp_path, grey8, name):
    grey = Image.fromarray(grey8)
    palette = Image.fromarray(grey8).convert("P")
    reversed_palette = Image.fromarray(255 - grey8, mode="P")
    reversed_palette.putpalette([level for grey in range(255, -1, -1) for level in (grey, grey, grey)])
    for picture in (palette, reversed_palette, grey.convert("LA"), grey.convert("RGBA")):
        assert_same(read(saved(tmp_path / name, picture)), grey8 / 255)


def test_one_bit_pictures_are_black_and_white(tmp_path, grey8):
    for name in ("a.png", "a.tif", "a.bmp"):
        radiograph = read(saved(tmp_path / name, Image.fromarray(grey8 > 99)))
        assert_same(radiograph, grey8 > 99)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_transparency_is_composited_on_black_and_said(tmp_path, grey8, name):
    alpha = np.full_like(grey8, 255)
    alpha[: HEIGHT // 2] = 0
    alpha[-1] = 128
    expected = grey8 / 255 * (alpha / 255)
    white_below = np.where(alpha == 0, 255, grey8).astype(np.uint8)
    picture = Image.merge("RGBA", [Image.fromarray(plane) for plane in (white_below,) * 3 + (alpha,)])
    radiograph = read(saved(tmp_path / name, picture))
    assert_same(radiograph, expected, 1 / 255)
    assert any("transparent" in str(note) for note in radiograph.notes)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("low_high", [(0, 65535), (0, 4095), (1000, 3000)])
def test_sixteen_bits_are_scaled_by_the_range_used(tmp_path, grey8, name, low_high):
    low, high = low_high
    deep = np.rint(low + grey8 / 255 * (high - low)).astype(np.uint16)
    expected = (deep - low) / (high - low)
    grey = read(saved(tmp_path / name, Image.fromarray(deep)))
    assert_same(grey, expected)
    assert any(str(high) in str(note) for note in grey.notes)

    cv2.imwrite(str(tmp_path / name), np.dstack([deep] * 3))
    colour = read(tmp_path / name)
    assert_same(colour, expected)
    assert colour.colour == 0

    cv2.imwrite(str(tmp_path / name), np.dstack([deep] * 3 + [np.full_like(deep, 65535)]))
    assert_same(read(tmp_path / name), expected)


def test_tiff_with_white_as_zero_is_read_bone_bright(tmp_path, grey8):
    white_is_zero = {262: 0}
    deep = grey8.astype(np.uint16) * 16
    # Pillow turns 8-bit greys over on writing, and leaves 16-bit ones as they are.
    for written in (grey8, deep.max() - deep):
        path = saved(tmp_path / "a.tif", Image.fromarray(written), tiffinfo=white_is_zero)
        with Image.open(path) as stored:
            assert stored.tag_v2[262] == 0  # pyright: ignore[reportAttributeAccessIssue]
        assert_same(read(path), grey8 / 255)


def test_real_number_tiff_is_scaled_and_nan_refused(tmp_path, grey8):
    real = grey8.astype(np.float32) * 3 - 100
    assert_same(read(saved(tmp_path / "a.tif", Image.fromarray(real))), grey8 / 255)
    real[3, 3] = np.nan
    with pytest.raises(ReadError, match="not numbers"):
        read(saved(tmp_path / "b.tif", Image.fromarray(real)))


def assert_read(path, grey8, doubt: str) -> None:
    """The greys, with a doubt about them, or none."""
    radiograph = read(path)
    assert_same(
        radiograph, (grey8 - grey8.min()) / np.ptp(grey8) if radiograph.greys.dtype != np.uint8 else grey8 / 255
    )
    assert doubt in " ".join(map(str, radiograph.doubts)) if doubt else radiograph.doubts == ()


@pytest.mark.parametrize(
    ("kind", "scale", "zero", "stated", "doubt"),
    [
        ("i1", 1, -128, 2, ""),
        ("u4", 16843009, 0, 1, ""),
        ("i4", 10**7, -(10**9), 2, ""),
        ("i2", 100, -12800, 2, ""),
        ("i1", 1, -128, 1, "the sign does not fit"),
        ("i2", 100, -12800, 1, "the sign does not fit"),
        ("u2", 257, 0, 2, "the sign does not fit"),
        (">u2", 64, 0, 1, "the byte order does not fit"),
    ],
)
def test_samples_of_a_tiff_are_of_the_kind_that_it_states_or_else_shows(
    tmp_path, grey8, kind, scale, zero, stated, doubt
):
    samples = (grey8.astype(np.int64) * scale + zero).astype(kind)
    (tmp_path / "a.tif").write_bytes(tiff(samples, t339=(stated,)))
    assert_read(tmp_path / "a.tif", grey8, doubt)


@pytest.mark.parametrize(("name", "kind", "apart"), [("a.png", "u2", 65535), ("a.tif", "f4", -3.4e38)])
def test_letters_and_frames_far_from_the_grey_levels_take_no_contrast_from_them(tmp_path, grey8, name, kind, apart):
    samples = grey8.astype(kind) * 16
    samples[2:9, 2:20] = apart
    radiograph = read(saved(tmp_path / name, Image.fromarray(samples)))
    assert "stands apart and was taken as padding" in str(radiograph.doubts[0])
    assert (radiograph.pixels[2:9, 2:20] == (apart > 0)).all()  # no other than before
    rest = (slice(9, None), slice(None))
    np.testing.assert_allclose(radiograph.pixels[rest], grey8[rest] / 255, atol=0.01)


# The picture as a viewer must show it, from what is stored, for each EXIF orientation.
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).T,
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_in_every_format(tmp_path, grey8, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = UPRIGHT[orientation](grey8 / 255)
    for name, options, tolerance in (
        ("a.png", {}, 1e-6),
        ("a.tif", {}, 1e-6),
        ("a.webp", {"lossless": True}, 1e-6),
        ("a.jpg", {"quality": 98}, 0.03),
    ):
        for mode in ("L", "RGB"):
            path = saved(tmp_path / name, Image.fromarray(grey8).convert(mode), exif=exif, **options)
            assert_same(read(path), expected, tolerance)
    for name in ("deep.png", "deep.tif"):
        path = saved(tmp_path / name, Image.fromarray(grey8.astype(np.uint16) * 16), exif=exif)
        assert_same(read(path), expected)


def test_orientation_of_sixteen_bit_colour(tmp_path, grey8):
    deep = np.dstack([grey8.astype(np.uint16) * 257] * 3)
    for orientation, upright in UPRIGHT.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        chunk = exif.tobytes().removeprefix(b"Exif\0\0")
        png = cv2.imencode(".png", deep)[1].tobytes()
        (tmp_path / "a.png").write_bytes(png[:33] + png_chunk(b"eXIf", chunk) + png[33:])
        assert_same(read(tmp_path / "a.png"), upright(grey8 / 255))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("kind", ["EXIF", "EXIF as text", "EXIF as compressed text", "XMP"])
@pytest.mark.parametrize("after_the_pixels", [False, True])
def test_orientation_is_found_wherever_a_png_may_say_it(tmp_path, grey8, kind, after_the_pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = exif.tobytes()
    text = f"\nexif\n{len(content):8}\n{content.hex()}\n".encode()
    chunk = {
        "EXIF": png_chunk(b"eXIf", content.removeprefix(b"Exif\0\0")),
        "EXIF as text": png_chunk(b"tEXt", b"Raw profile type exif\0" + text),
        "EXIF as compressed text": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)),
        "XMP": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    }[kind]
    plain = png_of(grey8)
    place = len(plain) - 12 if after_the_pixels else 33  # before the last chunk, or after the first
    (tmp_path / "a.png").write_bytes(plain[:place] + chunk + plain[place:])
    assert_same(read(tmp_path / "a.png"), UPRIGHT[6](grey8 / 255))


def png_of(grey: np.ndarray) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(grey).save(memory, format="PNG")
    return memory.getvalue()


def test_eight_bit_grey_pngs_are_not_left_to_the_slower_decoder(tmp_path, grey8, monkeypatch):
    path = saved(tmp_path / "a.png", Image.fromarray(grey8))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda picture: pytest.fail("Pillow decodes it"))
    assert_same(read(path), grey8 / 255)


def test_a_png_with_one_byte_of_its_pixels_changed_is_refused(tmp_path, grey8):
    content = bytearray(png_of(grey8))
    content[content.index(b"IDAT") + 30] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ReadError, match="cannot be decoded"):
        read(tmp_path / "a.png")


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return len(content).to_bytes(4, "big") + name + content + checksum.to_bytes(4, "big")


def test_what_follows_a_png_is_no_damage_of_it(tmp_path, grey8):
    content = png_of(grey8)
    for rest in (bytes(600), content):  # the rest of a disk's block, or of a file that was written over
        (tmp_path / "a.png").write_bytes(content + rest)
        assert_same(read(tmp_path / "a.png"), grey8 / 255)
        assert not read(tmp_path / "a.png").doubts


def test_colour_measures_what_is_warmer_than_blue(tmp_path, grey8):
    red = np.dstack([np.full_like(grey8, 255), np.zeros_like(grey8), np.zeros_like(grey8)])
    vivid = read(saved(tmp_path / "red.png", Image.fromarray(red)))
    assert vivid.colour == pytest.approx(1)
    half = red.copy()
    half[: HEIGHT // 2] = 90
    assert read(saved(tmp_path / "half.png", Image.fromarray(half))).colour == pytest.approx(0.5)
    cv2.imwrite(str(tmp_path / "deep.png"), half[..., ::-1].astype(np.uint16) * 257)
    assert read(tmp_path / "deep.png").colour == pytest.approx(0.5)
    assert read(saved(tmp_path / "grey.png", Image.fromarray(grey8))).colour == 0
    for name, tint in (("blue", (0.5, 0.7, 1.0)), ("violet", (0.9, 0.6, 1.0))):
        film = (grey8[..., None] * np.array(tint)).astype(np.uint8)
        assert read(saved(tmp_path / f"{name}.png", Image.fromarray(film))).colour == 0


def test_content_decides_not_the_suffix(tmp_path, grey8):
    for name in ("a.dcm", "a.jpg", "a", "a.txt"):
        Image.fromarray(grey8).save(tmp_path / name, format="PNG")
        assert_same(read(tmp_path / name), grey8 / 255)


def bad_file(tmp_path: Path, case: str) -> Path:
    path = tmp_path / "bad.png"
    picture = Image.effect_noise((100, 100), 50)
    if case == "folder":
        path.mkdir()
    elif case == "empty":
        path.touch()
    elif case == "text":
        path.write_text("id,boneage\n" * 50)
    elif case == "tiny":
        picture.resize((MIN_SIDE - 1, 200)).save(path)
    elif case == "several pages":
        picture.save(path, format="TIFF", save_all=True, append_images=[picture])
    elif case == "animated":
        picture.convert("RGB").save(path, format="WEBP", save_all=True, append_images=[Image.new("RGB", (100, 100))])
    elif case == "reals of 64 bits":
        path.write_bytes(cv2.imencode(".tif", np.zeros((100, 100), np.float64))[1].tobytes())
    elif case == "gif":
        picture.save(path, format="GIF")
    elif case == "dicom-like":
        path.write_bytes(b"\x08\x00" + bytes(range(256)) * 4)
    return path


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("empty", "is empty"),
        ("text", "is not a picture"),
        ("tiny", f"{MIN_SIDE - 1} x 200 pixels, expected at least {MIN_SIDE}"),
        ("several pages", "holds several pictures"),
        ("animated", "holds several pictures"),
        ("gif", "is a GIF picture, which is not read; save it as a PNG"),
        ("reals of 64 bits", "kind of samples is not known"),
        ("dicom-like", "DICOM without preamble"),
    ],
)
def test_bad_files_are_refused_by_name_and_reason(tmp_path, case, message):
    path = bad_file(tmp_path, case)
    with pytest.raises(ReadError, match=message) as caught:
        read_radiograph(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_jpeg_of_12_bits_is_not_said_to_be_damaged(tmp_path):
    path = saved(tmp_path / "a.jpg", Image.effect_noise((100, 100), 50))
    path.write_bytes(path.read_bytes().replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc1\0\x0b\x0c"))
    with pytest.raises(ReadError, match="is a JPEG of 12 bits a sample, expected 8"):
        read_radiograph(path)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused(tmp_path, format, share):
    memory = io.BytesIO()
    Image.effect_noise((120, 120), 50).save(memory, format=format)
    content = memory.getvalue()
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match=rf"this {format} file cannot be decoded .* it is damaged or truncated"):
        read_radiograph(path)


@pytest.mark.parametrize("side", [9000, 30000])
def test_huge_pictures_are_refused_before_decoding(tmp_path, side):
    assert side**2 > MAX_PIXELS
    header = b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])),
            png_chunk(b"IDAT", b""),
            png_chunk(b"IEND", b""),
        )
    )
    (tmp_path / "bomb.png").write_bytes(header)
    with pytest.raises(ReadError, match=r"at most 50 million|too large"):
        read_radiograph(tmp_path / "bomb.png")


def test_damaged_bytes_never_raise_anything_but_read_errors(tmp_path, grey8):
    random = np.random.default_rng(0)
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        memory = io.BytesIO()
        Image.fromarray(grey8).save(memory, format=format)
        for _ in range(40):
            content = bytearray(memory.getvalue())
            for place in random.integers(0, min(len(content), 400), 4):
                content[place] = random.integers(256)
            (tmp_path / "damaged").write_bytes(content)
            with suppress(ReadError):
                assert np.isfinite(read(tmp_path / "damaged").pixels).all()
