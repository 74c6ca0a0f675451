"""The stored values of a DICOM's picture: of the size that its header states, and of the bits that its samples use.

A header may be wrong about its samples (BitsStored, HighBit, the sign, the number of frames). Compressed data are
checked before they are decoded, and samples after; where these contradict the header, a doubt names its attribute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, generate_frames
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import get_expected_length, pixel_array
from pydicom.uid import UID, RLELossless

from .codestream import is_codestream, read_codestream, rle_fits
from .damage import damage_of_codestream
from .errors import ReadError
from .radiograph import check_decoding, check_size
from .remark import Remark, Verbatim
from .tags import number_of, numbers_of

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_SIDES = ("Rows", "Columns")
_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")  # of frames, which a single one does not need
_VOI = ("WindowCenter", "VOILUTSequence")
_MOST_BITS = 32
_ROUGH_BYTES = 0.6  # of the roughness as stated: under it, the bytes are plainly swapped
_ROUGH = 0.15  # of the spread: over it, no picture; of 11 films up to 0.09, with their bytes swapped 0.26 and more
_ROUGH_SIGN = 0.9  # the same for the sign, which with the right one is never rougher
_DIFFERING = 0.05  # share of pixels that the sign makes differ; letters burnt in may be fewer
_SAMPLE = 512  # rows that tell roughness well enough
_ROUNDING = 0.005  # of the range, by which equal samples of a pixel may differ
_MOST_MORE = 0.01  # of the length of pixel data, which may stand after their end


@dataclass(frozen=True, eq=False)
class Stored:
    """Stored values, height x width (x samples), which of them are padding (None: none are), and what they may be."""

    values: np.ndarray
    padding: np.ndarray | None
    range: tuple[float, float] = (-np.inf, np.inf)


def read_stored(path: str, dataset: Dataset, grey: bool, notes: list[Remark], doubts: list[Remark]) -> Stored:
    """Decode the only frame. `grey`: of one sample a pixel, as the photometric interpretation states it.

    Raises ReadError for several frames and for whatever is not as large as Rows and Columns state.
    """
    shape = _shape(path, dataset, notes)
    _check_frames(path, dataset, notes)
    samples = _samples(dataset, grey, notes)
    bits = _bits(path, dataset, notes, doubts)
    check_decoding(path, shape[1], shape[0], samples * max(bits.allocated // 8, 1))
    if UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated:
        bits = _check_frame(path, dataset, shape, samples, bits, doubts)
    else:
        _check_length(path, dataset, doubts)
    values = _grey_of_equal(path, _decoded(dataset, samples, doubts), grey, notes)
    if values.shape[:2] != shape or values.ndim != (2 if grey else values.ndim):
        found = Verbatim(" x ".join(map(str, values.shape)))
        remark = Remark(
            "its pixel data decode to {found}, expected {rows} rows and {columns} columns; export it again",
            found=found,
            rows=shape[0],
            columns=shape[1],
        )
        raise ReadError(path, remark)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ReadError(
                path, Remark("has pixels that are not numbers, expected finite grey levels; export it again")
            )
        return Stored(values, _float_padding(dataset, values, notes))
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return _as_sampled(dataset, values, bits, grey, notes, doubts)


def _shape(path: str, dataset: Dataset, notes: list[Remark]) -> tuple[int, int]:
    sides = []
    for name in _SIDES:
        numbers = numbers_of(dataset, name, notes)
        if len(numbers) != 1 or numbers[0] < 1:
            remark = Remark(
                "{name} is missing or malformed, expected the picture's size; export it again", name=Verbatim(name)
            )
            raise ReadError(path, remark)
        sides.append(int(numbers[0]))
        dataset.add_new(name, "US", sides[-1])
    check_size(path, sides[1], sides[0])
    return sides[0], sides[1]


def _check_frames(path: str, dataset: Dataset, notes: list[Remark]) -> None:
    frames = number_of(dataset, "NumberOfFrames", notes) if "NumberOfFrames" in dataset else 1
    if frames is not None and frames > 1:
        raise ReadError(path, several_frames(int(frames)))
    dataset.add_new("NumberOfFrames", "IS", 1)  # pydicom reads it again; where it is malformed, the pixel data tell
    for name in _OFFSETS:
        if name in dataset:
            del dataset[name]


def several_frames(frames: int) -> Remark:
    """Why a DICOM of several pictures is refused."""
    return Remark("is a multi-frame DICOM of {frames} pictures, expected one; export a single frame", frames=frames)


def _samples(dataset: Dataset, grey: bool, notes: list[Remark]) -> int:
    stated = number_of(dataset, "SamplesPerPixel", notes)
    samples = int(stated) if stated in (1, 3, 4) else 1 if grey else 3
    dataset.add_new("SamplesPerPixel", "US", samples)
    if samples > 1:
        planar = number_of(dataset, "PlanarConfiguration", notes)
        dataset.add_new("PlanarConfiguration", "US", int(planar == 1))
    return samples


@dataclass(frozen=True)
class _Bits:
    """Bits of a sample: how many it takes up, how many of them are stored, and the highest of these."""

    allocated: int
    stored: int
    high: int


def _bits(path: str, dataset: Dataset, notes: list[Remark], doubts: list[Remark]) -> _Bits:
    """The bits of a sample as stated; all of them are stored where that is missing or impossible."""
    stated = number_of(dataset, "BitsAllocated", notes)
    if stated is None or not (stated == 1 or (stated % 8 == 0 and 8 <= stated <= 64)):
        remark = Remark("BitsAllocated is missing or malformed, expected 8, 16 or 32; export it again")
        raise ReadError(path, remark)
    allocated = int(stated)
    stored, high = (number_of(dataset, name, notes) for name in ("BitsStored", "HighBit"))
    if stored is None or not 1 <= stored <= allocated:
        if "PixelData" in dataset:
            doubts.append(Remark("BitsStored is missing or impossible; all bits of the samples were read"))
        stored, high = allocated, allocated - 1
    if high is None or not stored - 1 <= high < allocated:
        high = stored - 1
    signed = number_of(dataset, "PixelRepresentation", notes)
    dataset.add_new("PixelRepresentation", "US", int(signed == 1))
    return _stating(dataset, _Bits(allocated, int(stored), int(high)))


def _stating(dataset: Dataset, bits: _Bits) -> _Bits:
    """The bits, which the dataset states now."""
    for name, value in (("BitsAllocated", bits.allocated), ("BitsStored", bits.stored), ("HighBit", bits.high)):
        dataset.add_new(name, "US", value)
    return bits


def _check_length(path: str, dataset: Dataset, doubts: list[Remark]) -> None:
    """Refuse uncompressed pixel data that are plainly longer than one picture; of those too short, pydicom says so."""
    name = next(name for name in PIXELS if name in dataset)
    length, expected = len(dataset[name].value or b""), get_expected_length(dataset)
    more = length - expected - expected % 2
    if 0 < more <= _MOST_MORE * expected:
        doubts.append(Remark("the pixel data are {more} bytes longer than the picture; these were ignored", more=more))
        dataset[name].value = dataset[name].value[: length - more]
    elif more > 0:
        remark = Remark(
            "its pixel data are {length} bytes long, expected {expected} for one picture of {rows} rows and {columns} "
            "columns; it holds several pictures, or its header is wrong: export it again",
            length=length,
            expected=expected,
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
        )
        raise ReadError(path, remark)


def _decoded(dataset: Dataset, samples: int, doubts: list[Remark]) -> np.ndarray:
    """The samples as they are stored; those of colour as RGB.

    Where uncompressed samples are those of a grey picture, their order and kind are found, and other ones doubted: a
    film in colour is grey, so its last two samples are equal in RGB and in YBR, in which the first is another one.
    """
    native = not UID(dataset.file_meta.TransferSyntaxUID).is_encapsulated
    colour = native and samples == 3 and dataset.PhotometricInterpretation in ("RGB", "YBR_FULL")
    stated = pixel_array(dataset, raw=colour, correct_unused_bits=False)
    if not colour:
        return stated
    shape, planar = stated.shape, dataset.PlanarConfiguration
    other = stated.transpose(2, 0, 1).reshape(shape) if planar else stated.reshape(3, *shape[:2]).transpose(1, 2, 0)
    if _is_equal(other) and _difference(other) < _difference(stated) / 4:
        doubts.append(_misfit(Verbatim("PlanarConfiguration")))
        stated = other
    if dataset.PhotometricInterpretation == "RGB":
        return stated
    if _is_equal(stated) and _is_equal(stated[..., :2]):
        doubts.append(_misfit(Verbatim("PhotometricInterpretation")))
        return stated
    return convert_color_space(stated, "YBR_FULL", "RGB")


def _is_equal(samples: np.ndarray) -> bool:
    """Whether the last two samples of the pixels are equal, but for rounding."""
    return _difference(samples) <= _ROUNDING * np.iinfo(samples.dtype).max


def _difference(samples: np.ndarray) -> float:
    """Mean difference of the last two samples of the pixels."""
    step = max(samples.shape[0] // _SAMPLE, 1)
    one, other = (samples[::step, :, k].astype(np.float32) for k in (-1, -2))
    return float(np.abs(one - other).mean())


def _check_frame(
    path: str, dataset: Dataset, shape: tuple[int, int], samples: int, bits: _Bits, doubts: list[Remark]
) -> _Bits:
    """Refuse compressed pixel data of more than one picture, of another size, or too costly; doubt damaged ones.

    Returns the bits of a sample, by the compressed picture where it has others than the tags can hold.
    """
    frames = sum(map(is_codestream, generate_fragments(dataset.PixelData)))
    if frames > 1:
        raise ReadError(path, several_frames(frames))
    frame = next(iter(generate_frames(dataset.PixelData, number_of_frames=1)))
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        expected = shape[0] * shape[1] * samples * bits.allocated // 8
        if not rle_fits(frame, expected):
            remark = Remark(
                "its run lengths decode to more than its {expected} bytes; export it again", expected=expected
            )
            raise ReadError(path, remark)
        return bits
    stated = read_codestream(frame)
    if (stated.height, stated.width) != shape or stated.samples != samples:
        remark = Remark(
            "its compressed picture is {width} x {height} x {samples}, its tags state {columns} x {rows} x {expected}; "
            "export it again",
            width=stated.width,
            height=stated.height,
            samples=stated.samples,
            columns=shape[1],
            rows=shape[0],
            expected=samples,
        )
        raise ReadError(path, remark)
    check_decoding(path, stated.width, stated.height, stated.sample_bytes * stated.samples, stated.scans, stated.tiles)
    doubts.extend(damage_of_codestream(frame))
    if 8 * stated.sample_bytes == bits.allocated:
        return bits
    remark = Remark(
        "BitsAllocated is {allocated}, but the compressed picture has {bits} bits; all of them were read",
        allocated=bits.allocated,
        bits=stated.bits,
    )
    doubts.append(remark)
    return _stating(dataset, _Bits(8 * stated.sample_bytes, stated.bits, stated.bits - 1))


def _grey_of_equal(path: str, values: np.ndarray, grey: bool, notes: list[Remark]) -> np.ndarray:
    """Grey values that are stored as several equal samples; other pictures as they are."""
    if not grey or values.ndim != 3:
        return values
    if (values == values[..., :1]).all():
        notes.append(Remark("grey levels are stored as {count} equal samples", count=values.shape[2]))
        return np.ascontiguousarray(values[..., 0])
    remark = Remark(
        "its grey pixels have {count} different samples, expected one; export it again", count=values.shape[2]
    )
    raise ReadError(path, remark)


def _float_padding(dataset: Dataset, values: np.ndarray, notes: list[Remark]) -> np.ndarray | None:
    for kind in ("Float", "DoubleFloat"):
        name = f"{kind}PixelPaddingValue"
        if (value := number_of(dataset, name, notes)) is not None:
            limit = number_of(dataset, f"{kind}PixelPaddingRangeLimit", notes)
            low, high = sorted((value, value if limit is None else limit))
            return (values >= low) & (values <= high)
    return None


def _as_sampled(
    dataset: Dataset, values: np.ndarray, bits: _Bits, grey: bool, notes: list[Remark], doubts: list[Remark]
) -> Stored:
    """Whole numbers as the header states them where the samples agree with it, else as the samples show."""
    container = 8 * values.dtype.itemsize
    pattern = values.view(f"u{values.dtype.itemsize}")
    padding = _padding(dataset, values, bits.stored, notes) if grey else None
    if bits.allocated == 1 or container > _MOST_BITS:
        return Stored(values, padding)
    stored, high = min(bits.stored, container), min(bits.high, container - 1)
    signed = values.dtype.kind == "i"
    field = _field(pattern, stored, high, signed)
    used, overlays = pattern if padding is None else pattern[~padding], _overlay_bits(dataset)
    fits = not _holds_more(used, stored, high, signed, overlays)
    if not fits and grey and container == 16 and not _holds_more(used.byteswap(), stored, high, signed, overlays):
        doubts.append(_misfit(Remark("the byte order")))
        field = _field(pattern.byteswap(), stored, high, signed)
    elif not fits:
        upper = _field(pattern, high + 1, high, signed)
        whole = not grey or not _is_smoother(upper, values, padding)
        doubts.append(_other_bits(stored, high, int(np.bitwise_or.reduce(used, axis=None)).bit_length(), whole))
        field, stored = (values, container) if whole else (upper, high + 1)
    if grey:
        if padding is None and not any(name in dataset for name in _VOI):
            padding = _standing_apart(field, doubts)
        field = _as_smooth(field, padding, stored, doubts)
    lowest = -(2 ** (stored - 1)) if field.dtype.kind == "i" else 0
    return Stored(field, padding, (lowest, lowest + 2**stored - 1))


def _standing_apart(values: np.ndarray, doubts: list[Remark]) -> np.ndarray | None:
    """Where the pixels have the one lowest or highest value that is further from all others than these from each other.

    No picture has such a value; a frame, letters and blank pixels have, where nothing states it.
    """
    for extreme in (int(values.max()), int(values.min())) if values.dtype.itemsize > 1 else ():
        apart = values == extreme
        rest = values[~apart]
        low, high = (int(rest.min()), int(rest.max())) if rest.size else (0, 0)
        if max(low - extreme, extreme - high) > high - low > 0:
            doubts.append(Remark("the value {value} stands apart and was taken as padding", value=extreme))
            return apart
    return None


def _other_bits(stored: int, high: int, used: int, whole: bool) -> Remark:
    if whole:
        return Remark(
            "BitsStored is {stored} and HighBit {high}, but the samples use {used} bits; all of their bits were read",
            stored=stored,
            high=high,
            used=used,
        )
    return Remark(
        "BitsStored is {stored} and HighBit {high}, but the samples use {used} bits; those above were left out",
        stored=stored,
        high=high,
        used=used,
    )


def _is_smoother(upper: np.ndarray, values: np.ndarray, padding: np.ndarray | None) -> bool:
    """Whether samples without their bits above HighBit make the better picture.

    It is torn where bits of the picture were left out; bits that do not belong to it roughen it.
    """
    rough = _roughness(upper, padding)
    return rough < _ROUGH * _spread(upper, padding) and rough <= _roughness(values, padding)


def _overlay_bits(dataset: Dataset) -> int:
    """Bits of the samples that hold overlays, as films of old devices have them (retired: PS3.3-2004 C.9.2)."""
    bits = 0
    for group in range(0x6000, 0x6020, 2):
        element = dataset.get_item((group, 0x0102))
        if element is None or (group, 0x3000) in dataset:
            continue
        try:
            place = int(dataset[(group, 0x0102)].value)
        except (TypeError, ValueError):
            continue
        bits |= 1 << place if 0 < place < _MOST_BITS else 0
    return bits


def _holds_more(used: np.ndarray, stored: int, high: int, signed: bool, overlays: int) -> bool:
    """Whether bit patterns hold something beside the stored bits, their sign above them, and overlays."""
    container, kind = 8 * used.dtype.itemsize, used.dtype.type
    rest = ((1 << container) - 1) & ~(((1 << stored) - 1) << (high + 1 - stored)) & ~overlays
    if not rest or not used.size:
        return False
    others = used & kind(rest)
    if signed:
        above = rest >> (high + 1) << (high + 1)
        negative = (used >> kind(high)) & kind(1)
        others = np.where(others == negative * kind(above), kind(0), others)
    return bool(others.any())


def _field(pattern: np.ndarray, stored: int, high: int, signed: bool) -> np.ndarray:
    """The stored bits of the samples as numbers."""
    container = 8 * pattern.dtype.itemsize
    kind = np.dtype(f"{'i' if signed else 'u'}{pattern.dtype.itemsize}")
    if stored == container:
        return pattern.view(kind)
    lifted = (pattern << pattern.dtype.type(container - 1 - high)).view(kind)
    return lifted >> kind.type(container - stored)


def _padding(dataset: Dataset, values: np.ndarray, stored: int, notes: list[Remark]) -> np.ndarray | None:
    """True where a sample is padding: PixelPaddingValue, or up to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2).

    Both are compared as bit patterns: their tags may have the other sign, and samples need not extend it.
    """
    value = number_of(dataset, "PixelPaddingValue", notes)
    if value is None:
        return None
    limit = number_of(dataset, "PixelPaddingRangeLimit", notes)
    low, high = sorted(_in_type(number, values.dtype) for number in (value, value if limit is None else limit))
    padding = (values >= low) & (values <= high)
    if values.dtype.kind == "i" and limit is None and -(2 ** (stored - 1)) <= low < 0:
        padding |= values == low & ((1 << stored) - 1)
    return padding


def _in_type(number: float, kind: np.dtype) -> int:
    """A number by its bit pattern in a type of whole numbers: 65,535 is -1 among signed ones of 16 bits."""
    bits = 8 * kind.itemsize
    pattern = int(number) & ((1 << bits) - 1)
    return pattern - (1 << bits) if kind.kind == "i" and pattern >> (bits - 1) else pattern


def _as_smooth(values: np.ndarray, padding: np.ndarray | None, stored: int, doubts: list[Remark]) -> np.ndarray:
    """The values with their stated sign and byte order, or with the other one where only that makes a picture.

    Neighbours in a picture are alike; read with the wrong sign, bright parts turn black, and edges stand around them.
    """
    if values.dtype.itemsize > 2:
        return values
    size, unused = values.dtype.itemsize, 8 * values.dtype.itemsize - stored
    other_sign = np.dtype(f"{'u' if values.dtype.kind == 'i' else 'i'}{size}")
    raised = (values << values.dtype.type(unused)).view(other_sign) >> other_sign.type(unused)
    differing = float((raised.astype(np.int64) != values).mean())
    if differing > _DIFFERING and _roughness(raised, padding) < _ROUGH_SIGN * _roughness(values, padding):
        doubts.append(_misfit(Verbatim("PixelRepresentation")))
        return raised
    if size == 2 and stored == 16:
        swapped = values.byteswap()
        rough, other = (_roughness(v, padding) / (_spread(v, padding) or 1) for v in (values, swapped))
        if rough > _ROUGH and other < _ROUGH_BYTES * rough:
            doubts.append(_misfit(Remark("the byte order")))
            return swapped
    return values


def _misfit(name: Verbatim | Remark) -> Remark:
    return Remark("{name} does not fit the samples, which were read the other way", name=name)


def _roughness(values: np.ndarray, padding: np.ndarray | None) -> float:
    """Mean step between neighbours in rows and columns; padding does not count."""
    return (_steps(values, padding) + _steps(values.T, None if padding is None else padding.T)) / 2


def _steps(values: np.ndarray, padding: np.ndarray | None) -> float:
    """Mean step between neighbours in a row."""
    rows, counted = _sampled(values, padding)
    both = counted[:, 1:] & counted[:, :-1]
    return float(np.abs(np.diff(rows, axis=1))[both].mean()) if both.any() else 0.0


def _spread(values: np.ndarray, padding: np.ndarray | None) -> float:
    rows, counted = _sampled(values, padding)
    return float(rows[counted].std()) if counted.any() else 0.0


def _sampled(values: np.ndarray, padding: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Some rows, float32, and which of their pixels count."""
    step = max(values.shape[0] // _SAMPLE, 1)
    rows = values[::step].astype(np.float32)
    return rows, np.ones(rows.shape, bool) if padding is None else ~padding[::step]
