"""Read the sizes that compressed pixel data state, without decoding: a decoder allocates what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_JPEG, _JPEG_2000 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
_HT_OR_FILE = b"\x00\x00\x00\x0cjP  "  # JPEG 2000 in its file format, which DICOM does not allow but some write
_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_SCAN, _END = 0xDA, 0xD9
_MOST_RUNS = 20_000_000  # of run lengths, which are counted in 8 s of CPU; films of 50 million pixels have some million
_NO_SIZE = "its pixel data state no size"
_NEXT = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # a marker that is neither a stuffed zero nor a restart


@dataclass(frozen=True)
class Codestream:
    """What a codestream states: pixels, samples a pixel, bits a sample, scans of a JPEG. `lossless`: JPEG-LS, too."""

    width: int
    height: int
    samples: int
    bits: int
    scans: int = 1
    tiles: int = 1
    lossless: bool = False
    is_jpeg_ls: bool = False

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample when decoded: 1, 2 or 4."""
        return 1 if self.bits <= 8 else 2 if self.bits <= 16 else 4


def is_codestream(content: bytes) -> bool:
    """Whether bytes begin a JPEG, JPEG-LS or JPEG 2000 picture."""
    return content.startswith((_JPEG, _JPEG_2000, _HT_OR_FILE))


def read_codestream(content: bytes) -> Codestream:
    """The header of a JPEG, JPEG-LS or JPEG 2000 picture. Raises ValueError where it is none, or states no size."""
    if content.startswith(_JPEG):
        return _jpeg(content)
    start = content.find(_JPEG_2000, 0, 1000) if content.startswith(_HT_OR_FILE) else 0
    if content[start : start + 4] == _JPEG_2000:
        return _jpeg_2000(content[start:])
    raise ValueError("its pixel data begin like no known compression")


def _jpeg(content: bytes) -> Codestream:
    frame: Codestream | None = None
    place, scans = 2, 0
    while marker := _NEXT.search(content, place):
        kind, place = marker[1][0], marker.end()
        if kind == _END:
            break
        if kind in _ALONE:
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        if kind in _FRAMES:
            if frame is not None:
                raise ValueError("its JPEG states its size twice")
            head = content[place + 2 : place + 8]
            if len(head) < 6:
                break
            width, height = (int.from_bytes(head[k : k + 2], "big") for k in (3, 1))
            frame = Codestream(
                width, height, head[5], head[0], lossless=kind in (_LOSSLESS, _JPEG_LS), is_jpeg_ls=kind == _JPEG_LS
            )
        scans += kind == _SCAN
        if kind == _SCAN and frame is not None and frame.lossless and not frame.is_jpeg_ls:
            _refuse_shifted(content[place : place + length])
        place += max(length, 2)
    if frame is None or not frame.width * frame.height * frame.samples:
        raise ValueError(_NO_SIZE)
    return replace(frame, scans=max(scans, 1))


def _refuse_shifted(scan: bytes) -> None:
    """Raise ValueError for a scan of a lossless JPEG with a point transform (T.81 H.1.2.1), which libjpeg misreads."""
    if scan[-1:] and scan[-1] & 0x0F:
        raise ValueError("its lossless JPEG was stored without its lowest bits, by a point transform")


def _jpeg_2000(content: bytes) -> Codestream:
    head = content[8:48]
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = (
        int.from_bytes(head[k : k + 4], "big") for k in range(0, 32, 4)
    )
    samples, bits = int.from_bytes(head[32:34], "big"), (content[42] & 0x7F) + 1 if len(content) > 42 else 0
    width, height = right - left, bottom - top
    if len(content) < 45 or min(width, height, samples, tile_width, tile_height) < 1:
        raise ValueError(_NO_SIZE)
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    return Codestream(width, height, samples, bits, tiles=tiles)


def rle_fits(frame: bytes, expected: int) -> bool:
    """Whether an RLE frame (PS3.5 annex G) decodes to at most `expected` bytes, counted without decoding it."""
    header = [int.from_bytes(frame[k : k + 4], "little") for k in range(0, 64, 4)]
    count = header[0]
    if not 1 <= count <= 15:
        return False
    ends = [*header[2 : count + 1], len(frame)]
    most = expected // count + 2  # a segment may be padded to an even length
    segments = (frame[start:end] for start, end in zip(header[1 : count + 1], ends, strict=True))
    return all(run_length(segment, most, _MOST_RUNS // count) <= most for segment in segments)


def run_length(segment: bytes | memoryview, most: int, runs: int = _MOST_RUNS) -> int:
    """Bytes that a segment of PackBits decodes to; counting stops where they are more than `most`, or in more `runs`.

    A segment of more runs counts as one of more bytes: no encoder writes so short ones.
    """
    place = length = 0
    end = len(segment) - 1
    while place < end and length <= most:
        if not runs:
            return most + 1
        runs -= 1
        control = segment[place]
        if control < 128:
            length += min(control + 1, end - place)
            place += control + 2
        elif control > 128:
            length += 257 - control
            place += 2
        else:
            place += 1
    return length
