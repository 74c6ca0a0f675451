"""How much Deflate data inflate to, counted in bounded memory and time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

_PIECE, _OUT = 1 << 14, 1 << 20  # bytes taken and given at once: what is left of a piece is copied each time


def inflated_length(parts: Iterable[bytes | memoryview], most: int) -> int:
    """Bytes that a zlib stream in parts inflates to, counted to a little over `most`; -1 for a damaged or cut one."""
    inflater, length = zlib.decompressobj(), 0
    try:
        for part in parts:
            for start in range(0, len(part), _PIECE):
                piece = part[start : start + _PIECE]
                while len(piece) and not inflater.eof and length <= most:
                    length += len(inflater.decompress(piece, _OUT))
                    piece = inflater.unconsumed_tail
                if inflater.eof or length > most:
                    return length
    except zlib.error:
        pass
    return -1
