"""8-bit grey PNGs, as radiographs are mostly sent, decoded by kornia-rs in under half the time that Pillow takes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import kornia_rs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import is_stop
from .inflated import inflated_length
from .radiograph import in_too_many

MAX_CHUNKS = 100_000  # encoders write pieces of 8 kB and more
_SAMPLES = {2: 3, 4: 2, 6: 4}  # of a pixel, by the colour type
# Of an interlaced PNG: first column and row of each pass, and from there each how many
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# where a PNG may ask for a rotation (EXIF, or XMP), which Pillow does
_ROTATION_CHUNKS = (b"eXIf", b"tEXtRaw profile type exif\0", b"zTXtRaw profile type exif\0", b"iTXtXML:com.adobe.xmp\0")


def read_grey_png(content: bytes, picture: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of a PNG of 8-bit greys, height x width, whose `content` Pillow has opened and not decoded yet.

    None for any other picture, for one that may have to be rotated, and for one that cannot be decoded whole: Pillow,
    which can go on with it, knows what to make of those, or says what is wrong.
    """
    if not content or picture.format != "PNG" or picture.mode != "L" or _may_be_rotated(content):
        return None
    try:
        return kornia_rs.io.decode_image_png_u8(content, (picture.height, picture.width), "mono")[..., 0]
    except BaseException as error:  # native code: it raises nothing more special, and its panics are no Exceptions
        if is_stop(error):
            raise
        return None


def fits_its_checksums(content: bytes) -> bool:
    """Whether the chunks that make a PNG's picture have the checksums that they state, which Pillow does not check."""
    return all(zlib.crc32(part).to_bytes(4, "big") == checksum for part, checksum in _needed(content))


def fills_its_rows(content: bytes) -> bool:
    """Whether a PNG's data are as long as its rows; Pillow makes those up that are not there."""
    parts = [part for part, _ in _needed(content)]
    header = next((part for part in parts if part[:4] == b"IHDR"), memoryview(b""))
    expected = _length_of_rows(bytes(header[4:17]))
    return inflated_length((part[4:] for part in parts if part[:4] == b"IDAT"), expected) == expected


def _needed(content: bytes) -> Iterator[tuple[memoryview, memoryview]]:
    """The name and content, and the checksum, of each chunk that makes the picture."""
    view = memoryview(content)  # a slice of it is no copy
    for place, length in _chunks(content):
        if content[place + 4] & 0x20 == 0:  # an upper case letter
            yield view[place + 4 : place + 8 + length], view[place + 8 + length : place + 12 + length]


def _length_of_rows(header: bytes) -> int:
    """Bytes of the rows of a PNG before they are compressed, with the byte before each that states its filter."""
    width, height, bits, colour, *_, interlaced = struct.unpack(">IIBBBBB", header)
    bits *= _SAMPLES.get(colour, 1)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0)


def check_chunks(path: str, content: bytes) -> None:
    """Raise ReadError for a PNG of so many chunks that going through them takes long."""
    if content.startswith(_SIGNATURE) and sum(1 for _ in islice(_chunks(content), MAX_CHUNKS + 1)) > MAX_CHUNKS:
        raise in_too_many(path, MAX_CHUNKS)


def _chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Place of each chunk to the last, IEND, and the length of its content.

    4 bytes each of length, name and checksum are around it. What follows the last is no part of the PNG.
    """
    place = len(_SIGNATURE)
    while len(start := content[place : place + 8]) == 8:
        length = int.from_bytes(start[:4], "big")
        yield place, length
        if start[4:] == b"IEND":
            return
        place += 12 + length


def _may_be_rotated(content: bytes) -> bool:
    """Whether a chunk of a PNG may ask for a rotation."""
    return any(content[place + 4 : place + 40].startswith(_ROTATION_CHUNKS) for place, _ in _chunks(content))
