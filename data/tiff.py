"""Find damage in compressed TIFFs that libtiff does not report: it stops decoding once a strip is full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .codestream import run_length
from .damage import damage_of_codestream
from .inflated import inflated_length

# tags and compressions of TIFF 6.0
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS = 256, 257, 258, 259, 273
_SAMPLES, _ROWS, _COUNTS, _PLANES = 277, 278, 279, 284
_PHOTOMETRIC, _TILE_SIDES, _TILES, _JPEG_TABLES = 262, (322, 323), (324, 325), 347
_NONE, _LZW, _JPEG, _PACKED, _DEFLATED, _ZSTANDARD = 1, 5, 7, 32773, (8, 32946), 50_000
_YCBCR = 6
_HEADER = 8  # bytes
_CLEAR, _END, _WIDEST = 256, 257, 12  # codes of LZW, and bits of its longest
_MOST = {_LZW: 4_000_000, _PACKED: 40_000_000}  # bytes, which are counted in a second or some; of more it is not known


def is_damaged_tiff(content: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether a strip is missing, has a wrong checksum (Deflate), another length than its rows, or is a damaged JPEG.

    The same holds for tiles, and for too many of either. `tags`: of the picture. False for other compressions.
    """
    compression, strips = tags.get(_COMPRESSION, _NONE), _parts(content, tags, _OFFSETS, _COUNTS)
    parts = strips or _parts(content, tags, *_TILES)
    if any(offset < _HEADER for offset in tags.get(_OFFSETS, ())) or sum(map(len, parts)) > len(content):
        return True  # parts lie within the header, or overlap
    if compression == _JPEG:
        tables = tags.get(_JPEG_TABLES, b"")  # what all have in common, a JPEG without a picture
        whole = (tables[:-2] + bytes(part[2:]) if tables else bytes(part) for part in parts)
        return any(remark for content in whole for remark in damage_of_codestream(content))
    length: dict[Any, Callable[[memoryview, int], int]] = {
        _NONE: lambda strip, _: len(strip),
        _LZW: lambda strip, most: _lzw_length(bytes(strip), most),
        _PACKED: run_length,
        **dict.fromkeys(_DEFLATED, lambda strip, most: inflated_length([strip], most)),
    }
    if tags.get(_PHOTOMETRIC) == _YCBCR:  # whose colours may be of fewer pixels
        return False
    if not parts or compression not in length or sum(map(len, parts)) > _MOST.get(compression, len(content)):
        return False
    number, full, last = _sizes(tags, tiled=not strips)
    return len(parts) != number or any(length[compression](part, full + 1) not in (full, last) for part in parts)


def is_unchecked_tiff(tags: Mapping[int, Any]) -> bool:
    """Whether a TIFF is compressed by Zstandard, mostly without the checksum that this can have."""
    return tags.get(_COMPRESSION) == _ZSTANDARD


def _sizes(tags: Mapping[int, Any], *, tiled: bool) -> tuple[int, int, int]:
    """How many strips or tiles a picture has, the bytes of each, and those of one that ends it, if that is shorter."""
    width, height = tags[_WIDTH], tags[_HEIGHT]
    samples = 1 if tags.get(_PLANES) == 2 else tags.get(_SAMPLES, 1)
    planes = tags.get(_SAMPLES, 1) // samples
    sides = (max(tags.get(tag, 1), 1) for tag in _TILE_SIDES)
    across, rows = sides if tiled else (width, min(tags.get(_ROWS, height), height))
    row = -(-across * sum(tags.get(_BITS, (1,))[:1]) * samples // 8)
    last = rows if tiled else height - (height - 1) // rows * rows
    return -(-width // across) * -(-height // rows) * planes, rows * row, last * row


def _parts(content: bytes, tags: Mapping[int, Any], offsets: int, counts: int) -> list[memoryview]:
    view = memoryview(content)  # a slice of it is no copy
    pairs = zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
    return [view[start : start + count] for start, count in pairs]


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
