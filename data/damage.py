"""Find damage of compressed pictures that decoders do not report."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from .codestream import Codestream, read_codestream
from .errors import one_line
from .remark import Remark, Verbatim

_BLOCK = 8  # pixels
# Set on 200 sound films, of which 1 % is beyond both, and on 54 with a wrong bit that libjpeg did not warn of and that
# changed the mean grey level by more than 3 of 255, of which 67 % are.
_JUMP = 2.5  # grey levels
_STANDS_OUT = 3.0
# Of a lossless JPEG that is decoded six times, or a JPEG 2000 that is encoded again, to know whether it is whole; the
# latter took 1.3 s of CPU for 4 million.
_MOST_PIXELS = 10_000_000
_PADDING = 16  # bytes, within which a picture ends; some write more than the one to an even length
_WIDEST = 16  # bits of a lossless JPEG's samples
_OPENJPEG, _VERSION = b"Created by OpenJPEG", 14  # of the comment; its bytes for " version 2.5.2"
_DATA = b"\xff\x93"
_JPEG, _JPEG_2000, _END = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd9"


def damage_of_codestream(content: bytes) -> Iterator[Remark]:
    """Remarks on what is damaged in a JPEG (of 8 bits) or JPEG 2000; none for most films, and for other compressions.

    libjpeg warns of codes that do not exist, and of scans that end early or late; JPEG 2000 has to end by its marker,
    JPEG-LS where its data do. Of 200 wrong bits 198 are found in JPEG-LS, all in lossless JPEG 2000 of OpenJPEG, and
    few in other JPEG 2000.
    """
    if content.startswith(_JPEG_2000) and _END not in content[-_PADDING:]:
        yield Remark("the JPEG 2000 ends early; part of the picture may be missing")
    if not content.startswith((_JPEG, _JPEG_2000)):
        return
    stated = read_codestream(content)
    if content.startswith(_JPEG_2000):
        if _is_stored_otherwise(content, stated):
            yield Remark("the JPEG 2000 is damaged: its picture stored again gives other data")
        return
    if stated.lossless:
        yield from _faults_of_lossless(content, stated)
    elif stated.bits == 8:
        yield from _faults_of_jpeg(content, stated)


def counts_round(content: bytes, stated: Codestream) -> bool:
    """Whether a lossless JPEG counts past black or white, to go on at the other end (T.81 H.1.2.1).

    libjpeg, which decodes those of DICOMs, stops there, and whatever follows is wrong. As a picture of 16 bits the same
    codes have room on both sides of the samples, whose first is then predicted to be half of 65,536.
    """
    if not stated.lossless or stated.is_jpeg_ls or stated.bits >= _WIDEST:
        return False
    if stated.width * stated.height > _MOST_PIXELS:
        return False
    from libjpeg.utils import decode

    frame = struct.pack(">BHHB", stated.bits, stated.height, stated.width, stated.samples)
    wide = content.replace(frame, bytes([_WIDEST]) + frame[1:], 1)
    try:
        decoded, other = decode(content), decode(wide)
    except Exception:  # whoever decodes it says so
        return False
    samples = other - np.uint16(2 ** (_WIDEST - 1) - 2 ** (stated.bits - 1)) & np.uint16(2**stated.bits - 1)
    return not np.array_equal(samples, decoded)


def _faults_of_lossless(content: bytes, stated: Codestream) -> Iterator[Remark]:
    """Faults of a JPEG-LS, about whose end CharLS is strict, or of another lossless JPEG."""
    if not stated.is_jpeg_ls:
        if stated.width * stated.height <= _MOST_PIXELS and _ends_elsewhere(content):
            yield Remark("the lossless JPEG is damaged: its picture does not end where its data end")
        return
    import jpeg_ls

    try:
        jpeg_ls.decode(np.frombuffer(content, np.uint8))
    except Exception as error:  # pydicom then asks another decoder, which makes something of it
        yield Remark("the JPEG-LS is damaged ({fault}); parts of the picture may be wrong", fault=one_line(error))


def _is_stored_otherwise(content: bytes, stated: Codestream) -> bool:
    """Whether a JPEG 2000 of OpenJPEG is not what OpenJPEG makes of its picture, which without loss it has to be.

    Both must have the same header, and so the same settings. Where not even a quarter of the data agrees, another
    version of OpenJPEG made them. Other encoders cannot be distinguished from damage.
    """
    header, maker, _ = content.partition(_OPENJPEG)
    grey_of_one = stated.samples == stated.tiles == 1 and stated.width * stated.height <= _MOST_PIXELS
    if not maker or not grey_of_one:
        return False
    from openjpeg.utils import decode, encode_array

    try:
        again = encode_array(decode(content), bits_stored=stated.bits)
    except Exception:  # whoever decodes it says so
        return False
    if not again.startswith(header + maker):
        return False
    sound, found = (part[part.find(_DATA) : part.rfind(_END)] for part in (again, content))
    if sound == found:
        return False
    version = content[len(header) : len(header) + len(maker) + _VERSION]
    alike = _same_bytes(sound, found) + _same_bytes(sound[::-1], found[::-1])
    return version in again or 4 * alike > len(found)


def _same_bytes(one: bytes, other: bytes) -> int:
    """How many bytes are the same from the start on."""
    pairs = (np.frombuffer(part, np.uint8, min(len(one), len(other))) for part in (one, other))
    differing = np.flatnonzero(np.not_equal(*pairs))
    return int(differing[0]) if differing.size else min(len(one), len(other))


def _ends_elsewhere(content: bytes) -> bool:
    """Whether a lossless JPEG decodes the same without its last bytes, or another way with more after them.

    Its codes have no fixed length, so a decoder that has gone wrong mostly ends at another place.
    """
    from libjpeg.utils import decode  # slow to import

    end = content.rfind(_END)
    last = range(max(end - 6, 0), end - 2)
    changed = bytearray(content)
    for k in last:
        changed[k] ^= 0x2A if changed[k] ^ 0x2A != 0xFF else 0x15  # which would begin a marker
    longer = (content[:end] + fill * 16 + content[end:] for fill in (b"\x55", b"\x2a"))
    try:
        sound = decode(content)
    except Exception:  # of a kind that it does not know; whoever decodes it says so
        return False

    def is_same(other: bytes) -> bool:
        try:
            return np.array_equal(decode(other), sound)
        except Exception:
            return False

    return is_same(bytes(changed)) or not all(map(is_same, longer))


def _faults_of_jpeg(content: bytes, stated: Codestream) -> Iterator[Remark]:
    colours = "CMYK" if stated.samples == 4 else "GRAY"
    try:
        greys = simplejpeg.decode_jpeg(content, colours)[..., 0]
    except ValueError as error:
        if _decodes(content, colours):
            fault = Verbatim(str(error))
            yield Remark("the JPEG is damaged ({fault}); parts of the picture may be wrong", fault=fault)
        return
    if _jumps(greys):
        yield Remark("the JPEG is damaged: its grey levels jump along a row of blocks")


def _jumps(greys: NDArray[np.uint8]) -> bool:
    """Whether a row of blocks is brighter or darker than the one above it by one amount, over the width of the picture.

    Blocks are coded by their difference from the one before: a wrong bit that is still a code makes all that follow
    brighter or darker. The step begins at any block, so its right part lies one row of blocks above its left part.
    It has to stand out from the steps between rows elsewhere, which the edge of a film has as well.
    """
    width = greys.shape[1] // _BLOCK
    if width < 2 or greys.shape[0] < 4 * _BLOCK:
        return False
    down = np.diff(greys[:, : width * _BLOCK].astype(np.int16), axis=0)
    sharp = down[1:-1] - (down[2:] + down[:-2]) / np.float32(2)  # at k between the rows k + 1 and k + 2
    steps = sharp.reshape(len(sharp), width, _BLOCK).mean(axis=2)
    largest = np.abs(np.median(steps, axis=1))
    for cut in range(max(width // 16, 1), width, max(width // 16, 1)):
        shifted = np.concatenate([steps[_BLOCK:, :cut], steps[:-_BLOCK, cut:]], axis=1)
        largest[:-_BLOCK] = np.maximum(largest[:-_BLOCK], np.abs(np.median(shifted, axis=1)))
    place = (np.arange(len(largest)) + 2) % _BLOCK
    elsewhere = largest[(place > 1) & (place < _BLOCK - 1)].max()  # the rows beside an edge have half of its step
    return bool(largest[place == 0].max() > max(_JUMP, _STANDS_OUT * elsewhere))


def _decodes(content: bytes, colours: str) -> bool:
    """Whether a JPEG decodes with warnings; False also for kinds of JPEG that only other decoders support."""
    try:
        simplejpeg.decode_jpeg(content, colours, min_height=1, min_width=1, strict=False)
    except ValueError:
        return False
    return True
