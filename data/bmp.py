"""Whether the header of a BMP fits its length: Pillow reads the rows that it states, however many there are."""

from __future__ import annotations

import struct

_CORE, _INFO, _V5 = 12, 40, 124  # bytes of the header after the first 14, by kind
_PLAIN, _MASKED = 0, (3, 6)  # compressions: none, and none with masks of the colours
_MASKS = 12  # bytes, which follow a header of 40


def fits_its_length(content: bytes) -> bool:
    """Whether a BMP's rows fit between its header and its end; True for run lengths and headers that are not whole."""
    if len(content) < 14 + _INFO:
        return True
    offset, kind = struct.unpack_from("<II", content, 10)
    core = kind == _CORE
    width, height = struct.unpack_from("<HH" if core else "<ii", content, 18)
    bits, compression = (content[24], _PLAIN) if core else struct.unpack_from("<HI", content, 28)
    if compression not in (_PLAIN, *_MASKED):
        return True
    row = (width * bits + 31) // 32 * 4
    profile = struct.unpack_from("<I", content, 14 + 116)[0] if kind == _V5 and len(content) >= 14 + _V5 else 0
    masks = _MASKS if kind == _INFO and compression in _MASKED else 0
    begin = 14 + kind + masks + _bytes_of_colours(content, kind, bits)
    return offset >= begin and len(content) - offset - row * abs(height) - profile < row


def _bytes_of_colours(content: bytes, kind: int, bits: int) -> int:
    """Bytes of the table of colours, which pictures of at most 8 bits have."""
    if bits > 8:
        return 0
    if kind == _CORE:
        return 3 << bits
    return 4 * (struct.unpack_from("<I", content, 46)[0] or 1 << bits)
