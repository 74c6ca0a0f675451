"""8-bit grey PNGs, as radiographs are mostly sent, decoded by kornia-rs in under half the time that Pillow takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice

import kornia_rs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import ReadError, is_stop
from .remark import Remark

MAX_CHUNKS = 100_000  # encoders write pieces of 8 kB and more
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
    return all(
        zlib.crc32(content[place + 4 : place + 8 + length]).to_bytes(4, "big") == content[place + 8 + length :][:4]
        for place, length in _chunks(content)
        if content[place + 4] & 0x20 == 0  # an upper case letter: it is needed
    )


def check_chunks(path: str, content: bytes) -> None:
    """Raise ReadError for a PNG of so many chunks that going through them takes long."""
    if content.startswith(_SIGNATURE) and sum(1 for _ in islice(_chunks(content), MAX_CHUNKS + 1)) > MAX_CHUNKS:
        remark = Remark(
            "is stored in {parts} parts, which takes too long to decode; save the picture again", parts=MAX_CHUNKS
        )
        raise ReadError(path, remark)


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
