"""TIFFs written byte by byte, so that their tags may be wrong."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_TYPES = {3: "H", 4: "I"}


def tiff(samples: np.ndarray, **tags: tuple[int, ...]) -> bytes:
    """An uncompressed grey TIFF of one strip, height x width; `tags`: t258=(8,) and so on, in place of those it has."""
    height, width = samples.shape
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    content = samples.tobytes()
    return tiff_of(
        content,
        {
            256: (width,),
            257: (height,),
            258: (8 * samples.dtype.itemsize,),
            259: (1,),
            262: (1,),
            273: (8,),
            277: (1,),
            278: (height,),
            279: (len(content),),
            339: (sample_format,),
            **{int(name[1:]): values for name, values in tags.items()},
        },
    )


def tiff_of(content: bytes, tags: dict[int, Any]) -> bytes:
    """A little-endian TIFF whose `content` begins at 8."""
    content += b"\0" * (len(content) % 2)
    first = 8 + len(content)
    place, entries, long_values = first + 2 + 12 * len(tags) + 4, b"", b""
    for tag, values in sorted(tags.items()):
        kind = 3 if tag in (258, 259, 262, 277, 339) else 4
        packed = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_TYPES[kind]}", *values)
        kind = 7 if isinstance(values, bytes) else kind
        entries += struct.pack("<HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", place + len(long_values))
            long_values += packed + b"\0" * (len(packed) % 2)
    head = struct.pack("<2sHI", b"II", 42, first)
    return head + content + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + long_values
