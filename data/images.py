"""Ordinary picture files (PNG, JPEG, WebP, TIFF, BMP) decoded to one grey scale.

Pillow decodes them: it states the size before it decodes, refuses truncated files (OpenCV fills them up in silence),
and handles EXIF orientation, palettes and 16-bit greys. Colour of 16 bits, which Pillow would cut to 8, is decoded by
OpenCV, and most PNGs of 8-bit greys by the faster decoder in `png`.

Transparency is composited on black: black is air on a radiograph, and what a file hides should not be read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from .bmp import fits_its_length
from .codestream import read_codestream
from .damage import damage_of_codestream
from .errors import ReadError, is_stop, one_line
from .greys import grey_of_colour, inverted, stretch
from .png import check_chunks, fills_its_rows, fits_its_checksums, read_grey_png
from .radiograph import NOT_NUMBERS, Radiograph, check_decoding, check_size, finished, in_too_many
from .remark import Remark, Verbatim
from .samples import as_smooth, standing_apart
from .source import Source, unread_kind
from .tiff import is_damaged_tiff, is_unchecked_tiff
from .webp import is_damaged_webp, is_lossless_webp

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_BEGINNINGS = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF"}

_MOST_PARTS = 100_000  # strips of a TIFF that Pillow decodes one by one
_GREY = ("1", "L")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations
_WHITE_IS_ZERO = 0  # value of the TIFF tag PhotometricInterpretation
_BITS, _SAMPLE_FORMAT, _SIGNED = 258, 339, 2  # TIFF tags, and a value of the latter


def read_image(source: Source) -> Radiograph:
    """Read an ordinary picture with the greys that its file states; polarity is not judged here.

    8-bit greys keep their scale (0 is 0, 255 is 1). Deeper ones are scaled by the range they use (`greys.stretch`).
    Raises ReadError for other formats, damaged or truncated files, several pages or animation, and sizes outside
    the limits of `radiograph.check_size`.
    """
    path = source.name
    # a picture that was given stays open, as its owner left it
    with _opened(source) if source.given is None else nullcontext(cast(Image.Image, source.given)) as picture:
        check_size(path, *picture.size)
        try:
            _check_one(path, picture)
            doubts = _check_costs(source, picture)
            shape = picture.height, picture.width
            greys = read_grey_png(source.content, picture)
            if greys is None:
                radiograph, shape = _decode(source, picture)
            else:
                radiograph = Radiograph(greys, path, aspect=_aspect(picture))
        except ReadError:
            raise
        except BaseException as error:  # decoders raise errors of every kind on damaged files
            if is_stop(error):
                raise
            raise _damaged(path, str(picture.format), error) from error
        return finished(replace(radiograph, doubts=(*radiograph.doubts, *doubts)), shape)


def _check_one(path: str, picture: Image.Image) -> None:
    """Refuse several pages and animations. A camera's JPEG with a second, smaller view (MPO) is its first picture."""
    if picture.format == "MPO":
        return
    if picture.format == "TIFF":  # counting its pages takes a time that grows with their square
        try:
            picture.seek(1)
        except EOFError:
            return
        finally:
            picture.seek(0)
    elif getattr(picture, "n_frames", 1) == 1:
        return
    raise ReadError(path, Remark("holds several pictures, expected one; save the radiograph alone"))


def _check_costs(source: Source, picture: Image.Image) -> list[Remark]:
    """Refuse a picture that would take too much to decode, and doubt one that is damaged."""
    path, samples = source.name, len(picture.getbands())
    deep = picture.mode in _DEEP or _is_deep_colour(picture)
    sample = 4 if picture.mode in ("I", "F") else 2 if deep or picture.format == "WEBP" else 1  # which is decoded twice
    check_decoding(path, *picture.size, samples * sample)
    if (parts := len(getattr(picture, "tile", ()))) > _MOST_PARTS:
        raise in_too_many(path, parts)
    if not source.content:
        return []
    if picture.format not in ("JPEG", "MPO"):
        doubt = _damage_of(picture.format, source.content, getattr(picture, "tag_v2", {}))
        return [doubt] if doubt else []
    stated = read_codestream(source.content)
    check_decoding(path, stated.width, stated.height, stated.samples, stated.scans)
    return list(damage_of_codestream(source.content))


def _damage_of(format: str | None, content: bytes, tags: Mapping[int, Any]) -> Remark | None:
    """What is damaged in a picture that is no JPEG, or why damage cannot be noticed; `tags`: of a TIFF."""
    match format:
        case "PNG" if not fits_its_checksums(content):
            return Remark("the PNG is damaged: a checksum does not fit")
        case "PNG" if not fills_its_rows(content):
            return Remark("the PNG is damaged: its data are shorter or longer than its rows")
        case "WEBP" if is_damaged_webp(content):
            return Remark("the WebP is damaged: its picture does not end where its data end")
        case "WEBP" if is_lossless_webp(content):
            return Remark(
                "damage to a lossless WebP cannot be noticed; give the film as a PNG or in its original format"
            )
        case "TIFF" if is_damaged_tiff(content, tags):
            return Remark("the TIFF is damaged: its strips have wrong checksums, or other lengths than their rows")
        case "TIFF" if is_unchecked_tiff(tags):
            return Remark(
                "damage to a TIFF of this compression cannot be noticed; give the film in its original format"
            )
        case "BMP" if not fits_its_length(content):
            return Remark("the BMP is damaged: its header does not fit the length of its data")
    return None


def _is_deep_colour(picture: Image.Image) -> bool:
    return picture.mode in ("RGB", "RGBA") and any(";16" in str(tile) for tile in getattr(picture, "tile", ()))


def _aspect(picture: Image.Image) -> float:
    """Height of a pixel by its width as it is stored, by the stated resolution; 1 where that is not known."""
    stated = picture.info.get("dpi") or picture.info.get("aspect") or picture.info.get("jfif_density") or (1, 1)
    try:
        across, down = (float(number) for number in stated)
        aspect = across / down
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    return aspect if 0 < aspect < math.inf else 1.0


def _damaged(path: str, format: str, error: BaseException) -> ReadError:
    remark = Remark(
        "this {format} file cannot be decoded ({error}), expected a whole picture; it is damaged or truncated, "
        "copy or export it again",
        format=Verbatim(format),
        error=one_line(error),
    )
    return ReadError(path, remark)


def _begun_as(content: bytes) -> str | None:
    """The format that a file is of by its first bytes."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    return next((format for begin, format in _BEGINNINGS.items() if content.startswith(begin)), None)


def _is_of_unknown_samples(content: bytes) -> bool:
    """Whether Pillow understands a TIFF but for its samples, such as reals of 64 bits."""
    try:
        TiffImageFile(io.BytesIO(content))
    except Exception as error:  # of any kind, for damaged ones
        return str(error) == "unknown pixel mode"
    return False


def _bits_of_jpeg(content: bytes) -> int:
    """The bits of a sample that a JPEG states; 0 where it states none, and for what is no JPEG."""
    try:
        return read_codestream(content).bits if _begun_as(content) == "JPEG" else 0
    except ValueError:
        return 0


def _opened(source: Source) -> Image.Image:
    path = source.name
    check_chunks(path, source.content)
    try:
        return Image.open(io.BytesIO(source.content), formats=FORMATS)
    except UnidentifiedImageError:
        if _begun_as(source.content) == "TIFF" and _is_of_unknown_samples(source.content):
            remark = Remark("is a TIFF whose kind of samples is not known; save it in grey levels of 8 or 16 bits")
            raise ReadError(path, remark) from None
        if (bits := _bits_of_jpeg(source.content)) > 8:
            remark = Remark("is a JPEG of {bits} bits a sample, expected 8; save it as a PNG or TIFF", bits=bits)
            raise ReadError(path, remark) from None
        if format := _begun_as(source.content):
            raise _damaged(path, format, EOFError("its header is not whole")) from None
        if kind := unread_kind(source.content):
            remark = Remark("is a {kind} picture, which is not read; save it as a PNG or TIFF", kind=Verbatim(kind))
            raise ReadError(path, remark) from None
        remark = Remark(
            "is not a picture (it begins with {start}), expected a PNG, JPEG, WebP, TIFF or BMP picture, or a DICOM "
            "radiograph",
            start=Verbatim(repr(source.content[:16])),
        )
        raise ReadError(path, remark) from None
    except Image.DecompressionBombError as error:
        remark = Remark("is too large to be decoded safely ({error}); scale it down", error=one_line(error))
        raise ReadError(path, remark) from error
    except Exception as error:
        if format := _begun_as(source.content):
            raise _damaged(path, format, error) from error
        remark = Remark(
            "cannot be opened as a picture ({error}), expected a PNG, JPEG, WebP, TIFF or BMP picture, or a DICOM "
            "radiograph",
            error=one_line(error),
        )
        raise ReadError(path, remark) from error


def _decode(source: Source, picture: Image.Image) -> tuple[Radiograph, tuple[int, int]]:
    """The radiograph of a picture, and the height and width that it has upright by its header."""
    notes, doubts = list[Remark](), list[Remark]()
    white_is_zero = getattr(picture, "tag_v2", {}).get(262) == _WHITE_IS_ZERO
    deep_colour = _is_deep_colour(picture)
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    width, height = picture.size
    aspect, colour = _aspect(picture), 0.0
    if orientation in _ON_ITS_SIDE:
        aspect = 1 / aspect
        if picture.format != "TIFF":  # of which Pillow gives the size upright
            width, height = height, width
    picture.load()
    if source.given is not None:
        picture = picture.copy()  # the caller's own stays as it is
    if picture.mode in _DEEP:
        values = _deep_samples(picture, doubts)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ReadError(source.name, NOT_NUMBERS)
        apart = standing_apart(values, doubts)  # stays white, or black: which of them is air is not known yet
        greys = _scaled(values, notes, apart)
        if white_is_zero:  # Pillow accounts for it in 8-bit pictures alone
            greys = inverted(greys)
    elif deep_colour and source.content:  # of a picture that was given, Pillow has kept 8 bits
        samples = _upright(_opencv_rgba(source), orientation)
        values, colour = _grey_on_black(samples, notes)
        greys = _scaled(values, notes)
    else:
        is_signed = picture.mode == "L" and picture.format == "TIFF" and _states_sign(picture)
        greys, colour = _shallow(picture, notes)
        if picture.mode == "L" and picture.format == "TIFF":
            greys = _of_right_sign(greys, is_signed, doubts)
    greys = np.ascontiguousarray(greys)
    radiograph = Radiograph(greys, source.name, aspect=aspect, colour=colour, notes=tuple(notes), doubts=tuple(doubts))
    return radiograph, (height, width)


def _states_sign(picture: Image.Image) -> bool:
    """Whether a TIFF states that its samples have a sign."""
    return getattr(picture, "tag_v2", {}).get(_SAMPLE_FORMAT, (1,))[:1] == (_SIGNED,)


def _deep_samples(picture: Image.Image, doubts: list[Remark]) -> np.ndarray:
    """The samples of a loaded picture of more than 8 bits, upright, of the type that its file states, or shows.

    Pillow has one type for those of 32 bits, and for those of 16 bits with a sign.
    """
    bits, signed = getattr(picture, "tag_v2", {}).get(_BITS, (0,))[0], _states_sign(picture)
    ImageOps.exif_transpose(picture, in_place=True)
    values = np.asarray(picture)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if picture.mode == "I" and (bits, signed) == (32, False):
        return values.view(np.uint32)
    if picture.mode == "I" and (bits, signed) == (16, True):
        values = values.astype(np.int16)
    return values if values.dtype.kind == "f" else as_smooth(values, None, 8 * values.dtype.itemsize, doubts)


def _of_right_sign(greys: np.ndarray, is_signed: bool, doubts: list[Remark]) -> np.ndarray:
    """Greys of a TIFF of 8 bits, for which Pillow knows no sign."""
    values = as_smooth(greys.view(np.int8) if is_signed else greys, None, 8, doubts)
    return values if values.dtype == np.uint8 else values.view(np.uint8) ^ np.uint8(0x80)


def _shallow(picture: Image.Image, notes: list[Remark]) -> tuple[np.ndarray, float]:
    """Greys and chroma of a loaded picture of 8 bits a sample, upright."""
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in _GREY:
        return _pixels(_in_mode("L", picture)), 0.0
    if picture.has_transparency_data:
        return _grey_on_black(np.asarray(_in_mode("RGBA", picture)), notes)
    return grey_of_colour(np.asarray(_in_mode("RGB", picture)))


def _in_mode(mode: str, picture: Image.Image) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)


def _pixels(picture: Image.Image) -> np.ndarray:
    """The greys of a picture of mode L, uint8: copied at once, where NumPy would have them encoded and put together."""
    greys = np.empty((picture.height, picture.width), np.uint8)
    shared = Image.frombuffer("L", picture.size, greys, "raw", "L", 0, 1)  # a picture in the array's own memory
    shared.readonly = 0
    shared.paste(picture)
    return greys


def _scaled(values: np.ndarray, notes: list[Remark], apart: np.ndarray | None = None) -> np.ndarray:
    counted = values if apart is None else values[~apart]
    low, high = float(counted.min()), float(counted.max())
    notes.append(
        Remark("grey levels are real numbers: {low:g} to {high:g} were scaled to black and white", low=low, high=high)
        if values.dtype.kind == "f"
        else Remark(
            "grey levels have more than 8 bits: {low:g} to {high:g} were scaled to black and white", low=low, high=high
        )
    )
    return stretch(values, None if apart is None else ~apart)


def _grey_on_black(rgba: np.ndarray, notes: list[Remark]) -> tuple[np.ndarray, float]:
    """Grey and warmth of RGBA (height x width x 4, uint8 or uint16) composited on black."""
    opaque = np.iinfo(rgba.dtype).max
    alpha = rgba[..., 3]
    rgb = np.ascontiguousarray(rgba[..., :3])
    if alpha.min() < opaque:
        share = float(np.mean(alpha < opaque))
        notes.append(Remark("{share:.0%} of the picture is transparent and was taken as black", share=share))
        rgb = np.rint(rgb * (alpha[..., None] / np.float32(opaque))).astype(rgba.dtype)
    return grey_of_colour(rgb)


def _opencv_rgba(source: Source) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(source.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        remark = Remark("its 16-bit colour cannot be decoded; save it as 16-bit grey or 8-bit colour")
        raise ReadError(source.name, remark)
    return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA if decoded.shape[2] == 4 else cv2.COLOR_BGR2RGBA)


def _upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turn samples upright; EXIF 2.32, tag 0x0112: 1 is upright, 5 to 8 swap rows and columns."""
    if orientation in _ON_ITS_SIDE:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)
