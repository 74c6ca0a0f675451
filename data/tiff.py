"""Damage of compressed TIFFs, which libtiff decodes until a strip is full: whether the rest of it is right, too."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

from .codestream import run_length

# tags and compressions of TIFF 6.0
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANES = (
    *(256, 257, 258, 259, 273),
    *(277, 278, 279, 284),
)
_LZW, _PACKED, _DEFLATED = 5, 32773, (8, 32946)
_CLEAR, _END, _WIDEST = 256, 257, 12  # codes of LZW, and bits of its longest
_SLACK = 1 << 16  # bytes that a strip may have beyond its rows
_MOST = 4_000_000  # bytes of LZW, which are counted in a second; of more it is not known


def is_damaged_tiff(content: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether a strip has a wrong checksum (Deflate), or decodes to another length than its rows (LZW, PackBits).

    `tags`: those of the picture. False for tiles, and for other compressions.
    """
    compression, offsets, counts = tags.get(_COMPRESSION), tags.get(_OFFSETS), tags.get(_COUNTS)
    if not offsets or not counts:
        return False
    strips = [content[start : start + count] for start, count in zip(offsets, counts, strict=False)]
    length: dict[Any, Callable[[bytes, int], int]] = {_LZW: _lzw_length, _PACKED: run_length}
    if compression not in (*length, *_DEFLATED) or (compression == _LZW and sum(map(len, strips)) > _MOST):
        return False
    height = tags[_HEIGHT]
    rows = min(tags.get(_ROWS, height), height)
    samples = 1 if tags.get(_PLANES) == 2 else tags.get(_SAMPLES, 1)
    row = -(-tags[_WIDTH] * sum(tags.get(_BITS, (1,))[:1]) * samples // 8)
    last = height - (height - 1) // rows * rows  # a strip that ends the picture may be shorter
    full = rows * row
    if compression in _DEFLATED:
        return not all(_is_whole(strip, 2 * full + _SLACK) for strip in strips)
    return any(length[compression](strip, full + 1) not in (full, last * row) for strip in strips)


def _is_whole(strip: bytes, most: int) -> bool:
    """Whether a stream of zlib ends with the checksum of what it decodes to, which is about `most` bytes or fewer."""
    inflater, length = zlib.decompressobj(), 0
    try:
        while strip and not inflater.eof and length <= most:
            length += len(inflater.decompress(strip, 1 << 20))
            strip = inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof


def _lzw_length(strip: bytes, most: int) -> int:
    """Bytes that a strip decodes to, counted to `most` or a little more; `most` for data before TIFF 6.0."""
    if strip[:2] == b"\0\1":
        return most
    lengths = [1] * 258
    width, place, total, before = 9, 0, 0, 0
    while place + width <= 8 * len(strip) and total < most:
        start = place >> 3
        code = int.from_bytes(strip[start : start + 3].ljust(3, b"\0"), "big") >> 24 - width - (place & 7)
        code &= (1 << width) - 1
        place += width
        if code == _END:
            break
        if code == _CLEAR:
            del lengths[258:]
            width, before = 9, 0
            continue
        added = lengths[code] if code < len(lengths) else before + 1
        if before:
            lengths.append(before + 1)
        total, before = total + added, added
        width = min(max(9, (len(lengths) + 1).bit_length()), _WIDEST)  # one code earlier than they are needed
    return total
