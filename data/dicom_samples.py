"""What the samples of a DICOM are: which of their bits, of what sign and byte order, and which are padding.

A header may be wrong about them. Where the samples contradict it, they are read as they show, and a doubt names the
attribute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from .remark import Remark, Verbatim
from .tags import number_of

_VOI = ("WindowCenter", "VOILUTSequence")
_MOST_BITS = 32
_ROUGH_BYTES = 0.6  # of the roughness as stated: under it, the bytes are plainly swapped
_ROUGH = 0.15  # of the spread: over it, no picture; of 11 films up to 0.09, with their bytes swapped 0.26 and more
_ROUGH_SIGN = 0.9  # the same for the sign, which with the right one is never rougher
_DIFFERING = 0.05  # share of pixels that the sign makes differ; letters burnt in may be fewer
_SAMPLE = 512  # rows that tell roughness well enough


@dataclass(frozen=True, eq=False)
class Stored:
    """Stored values, height x width (x samples), which of them are padding (None: none are), and what they may be."""

    values: np.ndarray
    padding: np.ndarray | None
    range: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True)
class Bits:
    """Bits of a sample: how many it takes up, how many of them are stored, and the highest of these."""

    allocated: int
    stored: int
    high: int


def float_padding(dataset: Dataset, values: np.ndarray, notes: list[Remark]) -> np.ndarray | None:
    """True where a sample of floating point is padding, as the header states it; None where it states none."""
    for kind in ("Float", "DoubleFloat"):
        name = f"{kind}PixelPaddingValue"
        if (value := number_of(dataset, name, notes)) is not None:
            limit = number_of(dataset, f"{kind}PixelPaddingRangeLimit", notes)
            low, high = sorted((value, value if limit is None else limit))
            return (values >= low) & (values <= high)
    return None


def as_sampled(
    dataset: Dataset, values: np.ndarray, bits: Bits, grey: bool, notes: list[Remark], doubts: list[Remark]
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
        doubts.append(misfit(Remark("the byte order")))
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
    moved = float((raised.astype(np.int64) != values).mean())
    # those that the sign moves do so by the same amount; where they are most, it is the others that differ from them
    if min(moved, 1 - moved) > _DIFFERING and _roughness(raised, padding) < _ROUGH_SIGN * _roughness(values, padding):
        doubts.append(misfit(Verbatim("PixelRepresentation")))
        return raised
    if size == 2 and stored == 16:
        swapped = values.byteswap()
        rough, other = (_roughness(v, padding) / (_spread(v, padding) or 1) for v in (values, swapped))
        if rough > _ROUGH and other < _ROUGH_BYTES * rough:
            doubts.append(misfit(Remark("the byte order")))
            return swapped
    return values


def misfit(name: Verbatim | Remark) -> Remark:
    """The doubt about an attribute that the samples contradict."""
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
