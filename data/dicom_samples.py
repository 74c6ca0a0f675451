"""What the samples of a DICOM are: which of their bits, of what sign and byte order, and which are padding.

A header may be wrong about them. Where the samples contradict it, they are read as they show, and a doubt says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from .remark import Remark, Verbatim
from .samples import ROUGH, as_smooth, misfit, roughness, spread, standing_apart
from .tags import number_of

_VOI = ("WindowCenter", "VOILUTSequence")
_MOST_BITS = 32


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
            padding = standing_apart(field, doubts)
        field = as_smooth(field, padding, stored, doubts, Verbatim("PixelRepresentation"))
    lowest = -(2 ** (stored - 1)) if field.dtype.kind == "i" else 0
    return Stored(field, padding, (lowest, lowest + 2**stored - 1))


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
    rough = roughness(upper, padding)
    return rough < ROUGH * spread(upper, padding) and rough <= roughness(values, padding)


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
