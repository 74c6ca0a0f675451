"""8-bit grey PNGs, as radiographs are mostly sent, decoded by kornia-rs in under half the time that Pillow takes."""

from __future__ import annotations

import kornia_rs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import is_stop

# where a PNG may ask for a rotation (EXIF, or XMP), which Pillow does
_SAYS_TURN = (b"eXIf", b"tEXtRaw profile type exif\0", b"zTXtRaw profile type exif\0", b"iTXtXML:com.adobe.xmp\0")


def read_grey_png(content: bytes, picture: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of a PNG of 8-bit greys, height x width, whose `content` Pillow has opened and not decoded yet.

    None for any other picture, for one that may have to be rotated, and for one that cannot be decoded whole: Pillow,
    which can go on with it, knows what to make of those, or says what is wrong.
    """
    if not content or picture.format != "PNG" or picture.mode != "L" or _may_be_turned(content):
        return None
    try:
        return kornia_rs.io.decode_image_png_u8(content, (picture.height, picture.width), "mono")[..., 0]
    except BaseException as error:  # native code: it raises nothing more special, and its panics are no Exceptions
        if is_stop(error):
            raise
        return None


def _may_be_turned(content: bytes) -> bool:
    """Whether a chunk of a PNG may do so; an unclear one is left to the decoder."""
    place = 8  # after the signature
    while len(start := content[place : place + 40]) >= 8:
        if start[4:].startswith(_SAYS_TURN):
            return True
        place += 12 + int.from_bytes(start[:4], "big")  # length, name, content, checksum
    return False
