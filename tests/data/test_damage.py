"""Damaged and costly pictures: what decoders pass over in silence is doubted, what would take too much is refused."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib

import numpy as np
import pytest
from dicom_files import dataset
from PIL import Image
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from tiff_files import tiff as uncompressed_tiff
from tiff_files import tiff_of

from boneage.data import radiograph as limits
from boneage.data import tags
from boneage.data.damage import damage_of_codestream
from boneage.data.errors import ReadError
from boneage.data.png import fits_its_checksums
from boneage.data.read import read_radiograph
from boneage.data.synthetic import synthetic_hand
from boneage.data.tiff import is_damaged_tiff
from boneage.data.webp import is_damaged_webp

HAND = np.rint(synthetic_hand(120, "F", 0, (320, 256)).pixels * 255).astype(np.uint8)


def encoded(picture: Image.Image, format: str = "JPEG", **options) -> bytes:
    memory = io.BytesIO()
    picture.save(memory, format, **options)
    return memory.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"quality": 30}])
def test_sound_jpegs_are_not_doubted(mode, options):
    assert list(damage_of_codestream(encoded(Image.fromarray(HAND).convert(mode), **options))) == []


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_without_the_end_of_its_scan_is_doubted_or_refused(tmp_path, options):
    content = encoded(Image.fromarray(HAND), **options)
    for share in (0.5, 0.8, 0.95):
        (tmp_path / "a.jpg").write_bytes(content[: int(len(content) * share)] + b"\xff\xd9")
        with contextlib.suppress(ReadError):
            assert "damaged" in str(read_radiograph(tmp_path / "a.jpg").doubts[0])


def test_jpegs_with_wrong_bytes_are_mostly_doubted():
    content = encoded(Image.fromarray(HAND))
    start = content.index(b"\xff\xda") + 10
    chance = random.Random(0)
    found = 0
    for _ in range(100):
        damaged = bytearray(content)
        place = chance.randrange(start, len(content) - 2)
        damaged[place : place + 8] = chance.randbytes(8)
        found += bool(list(damage_of_codestream(bytes(damaged))))
    assert found > 40


@pytest.mark.parametrize("options", [{"quality": 80}, {"quality": 30}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_webps_are_doubted_where_a_bit_is_wrong_and_only_there(options, mode):
    content = encoded(Image.fromarray(HAND).convert(mode), "WEBP", **options)
    assert not is_damaged_webp(content)
    chance = random.Random(0)
    found = 0
    for _ in range(20):
        damaged = bytearray(content)
        damaged[chance.randrange(60, len(content) - 20)] ^= 1 << chance.randrange(8)
        found += is_damaged_webp(bytes(damaged))
    assert found >= 17


def test_a_damaged_webp_is_to_be_reviewed(tmp_path):
    for quality in (40, 60, 80, 90):
        damaged = bytearray(encoded(Image.fromarray(HAND), "WEBP", quality=quality))
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / "a.webp").write_bytes(damaged)
        with contextlib.suppress(ReadError):
            assert "WebP is damaged" in str(read_radiograph(tmp_path / "a.webp").doubts[0])
    (tmp_path / "a.webp").write_bytes(encoded(Image.fromarray(HAND), "WEBP", lossless=True))
    assert "lossless WebP" in str(read_radiograph(tmp_path / "a.webp").doubts[0])


def test_a_jpeg_of_many_scans_is_refused(tmp_path):
    content = encoded(Image.fromarray(HAND), progressive=True)
    start = content.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(content[:-2] + content[start:-2] * (limits.MAX_SCANS + 1) + b"\xff\xd9")
    with pytest.raises(ReadError, match="parts"):
        read_radiograph(tmp_path / "a.jpg")


def tiff(compression: int, rows: int, strips: int, strip: bytes) -> bytes:
    """A TIFF of 100 x 100 pixels, all of whose strips are the same bytes."""
    place = 8 + 2 + 12 * 9 + 4
    entries = [(256, 1, 100), (257, 1, 100), (258, 1, 8), (259, 1, compression), (262, 1, 1)]
    entries += [(273, strips, place), (277, 1, 1), (278, 1, rows), (279, strips, place + 4 * strips)]
    head = b"II*\0" + struct.pack("<IH", 8, 9) + b"".join(struct.pack("<HHII", tag, 4, *rest) for tag, *rest in entries)
    offsets = struct.pack("<I", place + 8 * strips) * strips
    return head + bytes(4) + offsets + struct.pack("<I", len(strip)) * strips + strip


def test_a_tiff_whose_strips_inflate_to_more_than_their_rows_is_doubted(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(8, 1, 100, zlib.compress(bytes(50_000_000), 9)))
    assert "damaged" in str(read_radiograph(tmp_path / "a.tif").doubts[0])


def test_a_tiff_of_very_many_strips_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(1, 1, 200_000, bytes(100)))
    with pytest.raises(ReadError, match="is stored in 200000 parts"):
        read_radiograph(tmp_path / "a.tif")


SEQUENCE, ITEM, END = b"SQ\0\0\xff\xff\xff\xff", b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"


def _with_elements(elements: bytes, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """A DICOM of the hand with more elements before its picture."""
    whole = dataset(HAND, bits=8)
    whole.file_meta.TransferSyntaxUID = syntax
    memory = io.BytesIO()
    whole.save_as(memory, enforce_file_format=True)
    content = memory.getvalue()
    start = 144 + int.from_bytes(content[140:144], "little")
    body, compressor = content[start:], zlib.compressobj(wbits=-15)
    deflated = syntax != ExplicitVRLittleEndian
    body = zlib.decompress(body, -15) if deflated else body
    body = body.replace(b"\x28\0\x02\0US", elements + b"\x28\0\x02\0US", 1)
    return content[:start] + (compressor.compress(body) + compressor.flush() if deflated else body)


def _headers(kind: str, number: int) -> bytes:
    text = b"\x09\0\x10\x10LO\x02\0a "
    if kind == "elements":
        return text * number
    inside = {"items": (ITEM + bytes(4)) * number, "elements of an item": ITEM + b"\xff" * 4 + text * number + ITEM_END}
    return b"\x09\0\x20\x10" + SEQUENCE + inside[kind] + END


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("kind", ["elements", "items", "elements of an item"])
def test_a_dicom_of_very_many_elements_is_refused(tmp_path, monkeypatch, kind, preamble, syntax):
    monkeypatch.setattr(tags, "_MOST_ELEMENTS", 10_000)  # of 100,000
    for number, refused in ((9_900, False), (10_100, True)):
        many = _with_elements(_headers(kind, number), syntax)
        (tmp_path / "a.dcm").write_bytes(many if preamble else many[132:])
        with pytest.raises(ReadError, match="more than 10000 elem") if refused else contextlib.nullcontext():
            assert read_radiograph(tmp_path / "a.dcm").pixels.std() > 0.1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_sequences_that_nest_too_deep_are_named(tmp_path, syntax):
    nested = (b"\x09\0\x20\x10" + SEQUENCE + ITEM + b"\xff" * 4) * 20_000
    for elements in (nested, nested + (ITEM_END + END) * 20_000):
        (tmp_path / "a.dcm").write_bytes(_with_elements(elements, syntax))
        with pytest.raises(ReadError, match="sequences are nested in one another too deep"):
            read_radiograph(tmp_path / "a.dcm")


@pytest.mark.parametrize("item", [ITEM + bytes(4), ITEM + b"\x00\xc0\x12\0" + b"\x09\0\x10\x10LO\0\0" * 153_600])
def test_a_long_sequence_is_not_converted_and_doubted(tmp_path, monkeypatch, item):
    items = item * max(1, 2000 // len(item) * 8)
    sequence = b"\x28\0\x10\x30SQ\0\0" + len(items).to_bytes(4, "little") + items
    monkeypatch.setattr(tags, "_LONGEST_SEQUENCE", 1_000_000)
    (tmp_path / "a.dcm").write_bytes(_with_elements(sequence))
    doubts = map(str, read_radiograph(tmp_path / "a.dcm").doubts)
    assert "VOILUTSequence is malformed and was ignored" in doubts


@pytest.mark.parametrize("value", [b"US\x02\0\x05\0", b"US\x04\0\x05\0\x06\0", b"LO\x02\0ab"])
@pytest.mark.parametrize("element", [b"\x10\x30", b"\x00\x30"])
def test_what_stands_in_place_of_a_sequence_is_ignored_and_doubted(tmp_path, element, value):
    (tmp_path / "a.dcm").write_bytes(_with_elements(b"\x28\0" + element + value))
    name = keyword_for_tag(0x00280000 | int.from_bytes(element, "little"))
    assert f"{name} is malformed and was ignored" in map(str, read_radiograph(tmp_path / "a.dcm").doubts)


def test_a_tiff_of_many_pages_is_refused_at_its_second(tmp_path, monkeypatch):
    from PIL import TiffImagePlugin

    page = Image.fromarray(HAND)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page] * 5)
    seeks: list[int] = []
    seek = TiffImagePlugin.TiffImageFile.seek
    monkeypatch.setattr(
        TiffImagePlugin.TiffImageFile, "seek", lambda tiff, frame: seeks.append(frame) or seek(tiff, frame)
    )
    with pytest.raises(ReadError, match="several pictures"):
        read_radiograph(tmp_path / "a.tif")
    assert max(seeks) == 1


def test_a_sparse_file_of_gigabytes_is_refused_by_its_size(tmp_path):
    for name, start in (("a.dcm", bytes(128) + b"DICM"), ("a.tif", b"II*\0"), ("a.png", b"\x89PNG\r\n\x1a\n")):
        with open(tmp_path / name, "wb") as file:
            file.write(start)
            file.truncate(6 * 10**9)
        with pytest.raises(ReadError, match="has over"):
            read_radiograph(tmp_path / name)


def test_deep_colour_that_takes_too_much_is_refused(tmp_path):
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    header = (6000).to_bytes(4, "big") * 2 + bytes([16, 6, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(ReadError, match="MB when decoded"):
        read_radiograph(tmp_path / "a.png")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "BMP"])
def test_resolutions_that_differ_make_the_pixels_square(tmp_path, format):
    picture = Image.fromarray(HAND[::2])
    (tmp_path / "a").write_bytes(encoded(picture, format, dpi=(200, 100)))
    radiograph = read_radiograph(tmp_path / "a")
    assert radiograph.greys.shape == (160, 256)
    assert radiograph.square.shape == pytest.approx((320, 256), abs=1)
    (tmp_path / "a").write_bytes(encoded(picture, format, dpi=(100, 100)))
    assert read_radiograph(tmp_path / "a").square.shape == (160, 256)


def test_the_resolution_turns_with_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(HAND[::2]), "JPEG", dpi=(200, 100), exif=exif))
    assert read_radiograph(tmp_path / "a").square.shape == pytest.approx((256, 320), abs=1)


@pytest.mark.parametrize("error", [RecursionError, MemoryError, type("PanicException", (BaseException,), {})])
def test_whatever_a_decoder_raises_is_that_films_error(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error("native")

    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(HAND), "PNG"))
    monkeypatch.setattr("boneage.data.polarity.bone_is_dark", fail)
    with pytest.raises(ReadError, match="native"):
        read_radiograph(tmp_path / "a.png")


def test_a_stop_is_no_fault_of_a_film(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(HAND), "PNG"))
    monkeypatch.setattr("boneage.data.polarity.bone_is_dark", stop)
    with pytest.raises(KeyboardInterrupt):
        read_radiograph(tmp_path / "a.png")


LOSSLESS = {
    "LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "Deflate": ("TIFF", {"compression": "tiff_deflate"}),
    "PackBits": ("TIFF", {"compression": "packbits"}),
    "PNG": ("PNG", {}),
}


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "1", "CMYK"])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_pictures_are_sound_in_every_mode(tmp_path, kind, mode):
    form, options = LOSSLESS[kind]
    if (form, mode) == ("PNG", "CMYK"):
        pytest.skip("there is no such PNG")
    picture = Image.fromarray(HAND.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(HAND).convert(mode)
    (tmp_path / "a").write_bytes(encoded(picture, form, **options))
    assert read_radiograph(tmp_path / "a").doubts == ()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_wrong_bit_in_a_lossless_picture_is_found_or_changes_one_run(tmp_path, kind):
    form, options = LOSSLESS[kind]
    content = encoded(Image.fromarray(HAND.astype(np.uint16) * 257 if form == "PNG" else HAND), form, **options)
    (tmp_path / "a").write_bytes(content)
    sound, chance = read_radiograph(tmp_path / "a").pixels, random.Random(0)
    for _ in range(40):
        damaged = bytearray(content)
        damaged[chance.randrange(60, len(content) - 200)] ^= 1 << chance.randrange(8)
        (tmp_path / "a").write_bytes(damaged)
        with contextlib.suppress(ReadError):
            radiograph = read_radiograph(tmp_path / "a")
            if not radiograph.doubts:
                assert np.abs(radiograph.pixels - sound).mean() < 1 / 255


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
@pytest.mark.parametrize("rows", [40, -40])
def test_a_png_with_more_or_fewer_rows_than_it_states_is_doubted(tmp_path, mode, rows):
    picture = Image.fromarray(HAND.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(HAND).convert(mode)
    if (mode, rows) == ("L", -40):
        pytest.skip("the fast decoder stops at the last row that the file states, and all viewers show that")
    content = encoded(picture, "PNG")
    header = b"IHDR" + struct.pack(">II", HAND.shape[1], HAND.shape[0] + rows) + content[24:29]
    (tmp_path / "a.png").write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    assert "its data are shorter or longer than its rows" in str(read_radiograph(tmp_path / "a.png").doubts[0])


@pytest.mark.parametrize("bits", [8, 16])
def test_an_interlaced_png_is_sound(tmp_path, bits):
    samples, data = (HAND[:301, :203].astype(np.uint16) * 257).astype(">u2" if bits == 16 else "u1"), b""
    for x, y, across, down in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        data += b"".join(b"\0" + row.tobytes() for row in samples[y::down, x::across])
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 203, 301, bits, 0, 0, 0, 1)),
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in chunks
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    radiograph, shown = read_radiograph(tmp_path / "a.png"), HAND[:301, :203].astype(float)
    assert radiograph.doubts == ()
    black, white = (shown.min(), shown.max()) if bits == 16 else (0, 255)
    np.testing.assert_allclose(radiograph.pixels, (shown - black) / (white - black), atol=1e-6)


def test_a_png_in_many_chunks_is_checked_without_a_copy_of_it_for_each():
    chunk = bytes(1000)
    piece = struct.pack(">I", 1000) + b"IDAT" + chunk + struct.pack(">I", zlib.crc32(b"IDAT" + chunk))
    assert fits_its_checksums(b"\x89PNG\r\n\x1a\n" + piece * 50_000)  # a copy of the rest for each were 1.2 TB


@pytest.mark.parametrize(
    ("tags", "sound"),
    [
        ({}, True),
        ({"t278": (2**32 - 1,)}, True),
        ({"t257": (HAND.shape[0] - 40,)}, False),
        ({"t257": (HAND.shape[0] - 40,), "t278": (HAND.shape[0] - 40,)}, False),
        ({"t257": (HAND.shape[0] + 40,)}, False),
        ({"t279": (HAND.size - 900,)}, False),
        ({"t273": (0,)}, False),
    ],
)
def test_a_tiff_whose_strips_are_not_as_long_as_its_rows_is_doubted(tmp_path, tags, sound):
    (tmp_path / "a.tif").write_bytes(uncompressed_tiff(HAND, **tags))
    assert (read_radiograph(tmp_path / "a.tif").doubts == ()) == sound


def tiled(compression: int, pack, *, left_out: int = 0, more: bytes = b"", rows: int = 0) -> bytes:
    """HAND in tiles of 64 x 64, without the last `left_out`, the first with `more` before it is packed.

    `rows`: how many fewer than there are the header states.
    """
    height, width = HAND.shape
    whole = np.pad(HAND, ((0, -height % 64), (0, -width % 64)))
    tiles = [whole[y : y + 64, x : x + 64].tobytes() for y in range(0, height, 64) for x in range(0, width, 64)]
    packed = [pack(tile + (more if number == 0 else b"")) for number, tile in enumerate(tiles)]
    packed = packed[: len(packed) - left_out]
    offsets = tuple(8 + sum(map(len, packed[:number])) for number in range(len(packed)))
    sizes = {322: (64,), 323: (64,), 324: offsets, 325: tuple(map(len, packed))}
    about = {256: (width,), 257: (height - rows,), 258: (8,), 259: (compression,), 262: (1,), 277: (1,)}
    return tiff_of(b"".join(packed), about | sizes)


def literal(tile: bytes) -> bytes:
    """Run lengths of 128 bytes that differ."""
    return b"".join(bytes([len(tile[k : k + 128]) - 1]) + tile[k : k + 128] for k in range(0, len(tile), 128))


@pytest.mark.parametrize(("compression", "pack"), [(1, bytes), (8, zlib.compress), (32773, literal)])
def test_tiles_of_a_tiff_that_are_not_as_many_or_not_as_long_as_their_rows_are_doubted(tmp_path, compression, pack):
    def doubted(content: bytes) -> bool:
        (tmp_path / "a.tif").write_bytes(content)
        try:
            return bool(read_radiograph(tmp_path / "a.tif").doubts)
        except ReadError:
            return True

    assert not doubted(tiled(compression, pack))
    assert doubted(tiled(compression, pack, left_out=1))
    assert doubted(tiled(compression, pack, more=bytes(64)))
    assert doubted(tiled(compression, pack, rows=64))
    if compression == 8:
        sound = tiled(compression, pack)
        wrong = bytearray(sound)
        wrong[8 + 2 + 30] ^= 4
        assert doubted(bytes(wrong))


def test_a_tiff_of_zstandard_which_has_no_checksum_is_to_be_reviewed(tmp_path):
    content = encoded(Image.fromarray(HAND), "TIFF", compression="zstd")
    (tmp_path / "a.tif").write_bytes(content)
    assert "cannot be noticed" in str(read_radiograph(tmp_path / "a.tif").doubts[0])


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "1"])
def test_a_picture_of_fewer_rows_than_its_file_holds_is_doubted(tmp_path, mode):
    picture, height = Image.fromarray(HAND).convert(mode), HAND.shape[0]
    for rows, sound in ((height, True), (height - 1, False), (height - 100, False)):
        png = bytearray(encoded(picture, "PNG"))
        png[20:24] = rows.to_bytes(4, "big")
        png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
        bmp = bytearray(encoded(picture, "BMP"))
        bmp[22:26] = rows.to_bytes(4, "little")
        for name, content in (("a.png", png), ("a.bmp", bmp)):
            (tmp_path / name).write_bytes(content)
            doubts = read_radiograph(tmp_path / name).doubts
            assert (not any("damaged" in str(doubt) for doubt in doubts)) == sound, (name, rows)


@pytest.mark.parametrize(
    ("place", "value", "sound"),
    [(22, -HAND.shape[0], True), (18, HAND.shape[1] - 40, False), (10, 900, False), (2, 77, True)],
    ids=["from top to bottom", "fewer columns", "rows begin within the colours", "stated length of the file"],
)
def test_the_header_of_a_bmp_fits_its_length(tmp_path, place, value, sound):
    content = bytearray(encoded(Image.fromarray(HAND), "BMP"))
    content[place : place + 4] = (value % 2**32).to_bytes(4, "little")
    for end in (b"", b"\0\0"):  # as some programs add
        (tmp_path / "a.bmp").write_bytes(content + end)
        assert (read_radiograph(tmp_path / "a.bmp").doubts == ()) == sound


@pytest.mark.parametrize("compression", [1, 5, 7, 8, 32773])
def test_strips_that_lie_within_one_another_are_doubted_without_copies_of_them(compression):
    strips = 50_000
    tags = {256: 1000, 257: strips, 259: compression, 273: (8,) * strips, 278: 1, 279: (40_000_000,) * strips}
    assert is_damaged_tiff(bytes(40_000_100), tags)  # 2 TB


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_wrong_bits_of_a_jpeg_within_a_tiff_are_found(tmp_path, mode):
    content = encoded(Image.fromarray(HAND).convert(mode), "TIFF", compression="jpeg", quality=90)
    (tmp_path / "a.tif").write_bytes(content)
    assert read_radiograph(tmp_path / "a.tif").doubts == ()
    chance, found = random.Random(0), 0
    for _ in range(20):
        damaged = bytearray(content)
        damaged[chance.randrange(1000, len(content) - 1000)] ^= 1 << chance.randrange(8)
        (tmp_path / "a.tif").write_bytes(damaged)
        try:
            found += bool(read_radiograph(tmp_path / "a.tif").doubts)
        except ReadError:
            found += 1
    assert found >= 5  # as many as in a JPEG by itself; most of the others change no picture


@pytest.mark.parametrize("padding", [b"", b"\0", b"\xff"])
def test_a_jpeg_2000_ends_by_its_marker(padding):
    content = encoded(Image.fromarray(HAND), "JPEG2000", no_jp2=True)
    assert list(damage_of_codestream(content + padding)) == []
    assert "ends early" in str(next(damage_of_codestream(content[: len(content) // 2])))


@pytest.mark.parametrize("bits", [8, 12])
def test_wrong_bits_of_a_lossless_jpeg_2000_by_openjpeg_are_found(bits):
    from openjpeg.utils import decode, encode_array

    picture = HAND if bits == 8 else HAND.astype(np.uint16) * 16 + np.arange(256, dtype=np.uint16) % 16
    content = encode_array(picture, bits_stored=bits)
    earlier = content.replace(b"OpenJPEG version 2", b"OpenJPEG version 1")  # another version, of the same settings
    lossy = encode_array(picture, bits_stored=bits, compression_ratios=[10.0])
    for sound in (content, content + b"\0", earlier, lossy):
        assert list(damage_of_codestream(sound)) == []
    chance = random.Random(0)
    for number in range(10):
        damaged = bytearray(earlier if number % 2 else content)
        damaged[chance.randrange(len(content) // 2, len(content) - 20)] ^= 1 << chance.randrange(8)
        found = list(damage_of_codestream(bytes(damaged)))
        assert found or np.array_equal(decode(bytes(damaged)), picture)


def test_wrong_bits_of_a_jpeg_ls_are_found(tmp_path):
    import jpeg_ls

    content = bytes(jpeg_ls.encode_array(HAND))
    assert list(damage_of_codestream(content)) == []
    chance = random.Random(0)
    found = 0
    for _ in range(20):
        damaged = bytearray(content)
        damaged[chance.randrange(60, len(content) - 20)] ^= 1 << chance.randrange(8)
        found += bool(list(damage_of_codestream(bytes(damaged))))
    assert found >= 17


def test_a_png_of_very_many_chunks_is_refused(tmp_path):
    from boneage.data.png import MAX_CHUNKS

    content = encoded(Image.fromarray(HAND), "PNG")
    empty = bytes(4) + b"teXt" + bytes.fromhex("ddad0e1e")
    (tmp_path / "a.png").write_bytes(content[:33] + empty * (MAX_CHUNKS + 1) + content[33:])
    with pytest.raises(ReadError, match="parts"):
        read_radiograph(tmp_path / "a.png")
