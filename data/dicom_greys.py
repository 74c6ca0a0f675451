"""Stored values of a DICOM to greys: every greyscale transformation of the standard applied once, in its order.

Stored values pass the modality LUT (or rescale), then a VOI LUT (or window), then the presentation (PS3.4 N.2).
The presentation inverts once if the photometric interpretation is MONOCHROME1 or PresentationLUTShape is INVERSE:
both say that the lowest value is white, and PS3.3 C.8.11.3 asks for the one with the other, so they never cancel.

A transformation that cannot be applied, or that leaves no picture where the stored values show one, is left out and
named in a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from pydicom.dataset import Dataset

from .dicom_samples import Stored
from .greys import percentiles, stretch
from .remark import Remark, Verbatim
from .tags import class_name, number_of, numbers_of, text_of, value_of

_SHAPES = ("", "IDENTITY", "INVERSE", "LIN OD")
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_CLIPPED = 0.005  # of the range, within which a grey is plain black or white
# of what stands out in the stored values: 0.22 with windows that suit real films, 1 with those of a CT
_MOST_CLIPPED = 0.7
# From here doubted. Of 9 windows each on 4 films that leave all but 0.34 of it, none moved a reading that was `ok` by
# over 3 months.
_MUCH_CLIPPED = 0.25
_LEAST_CONTRAST = 0.02  # of a picture; less is blank
_SAMPLE = 256  # rows and columns that tell enough
_WIDEST = 0.1  # of all values, that blackest ones may take up as padding
_SOLID = 0.8  # share of padding with padding beside it; a value of the picture is scattered
_APART = 0.02  # of the range of the other values; a value further from them is none of theirs
_AT_FRAME = 0.5  # share of bright padding in areas that reach the frame; bright parts of a picture lie within it
# R2 of what a curve shows to the values: above it readings of 13 films moved by up to 5 months, under it by up to 12
_STRAIGHT = 0.975
_TURNS = 4  # times that a table passes over its range, which a curve does once; with its bytes swapped, 16 times
# of the values, between which a table is looked at, and how often it may pass over its range there
_MOST_VALUES, _MOST_TURNS = (0.5, 99.5), 1.5
# Classes whose modality LUT leads from stored values, made to be looked at, back to the beam (PS3.3 C.8.7.1.1.2)
_FLUOROSCOPY = ("X-Ray Angiographic", "X-Ray Radiofluoroscopic")
_OUTSIDE, _MOST_OUTSIDE = 0.05, 0.5  # share of values without an entry in a table: doubted, and ignored, from there on
_BEYOND, _LEFT_OUT = 0.2, 0.1  # of a window, beyond what the samples can hold; of that, outside the window

Map = Callable[[np.ndarray], np.ndarray]  # values to values, or to greys in [0, 1], pixel by pixel


@dataclass(frozen=True)
class _Voi:
    """A VOI transformation of the file: its `name` in messages, and the map of values to greys in [0, 1].

    `ends`: of a window, the values that are black and white, or nearly so where it is a curve.
    """

    name: Remark
    greys: Map
    ends: tuple[float, float] | None = None
    curved: bool = False


def greys_of(
    dataset: Dataset, stored: Stored, photometric: str, notes: list[Remark], doubts: list[Remark]
) -> np.ndarray:
    """Greys, float32 in [0, 1], height x width, of a MONOCHROME1 or MONOCHROME2 picture; padding is black."""
    padding = stored.padding
    if padding is not None and padding.mean() > 0.995:
        doubts.append(Remark("PixelPaddingValue leaves no picture and was ignored"))
        padding = None
    dark_is_white = _dark_is_white(dataset, photometric, notes)
    if padding is not None and _is_scattered(stored.values, padding, dark_is_white):
        doubts.append(Remark("PixelPaddingValue is a grey level of the picture itself and was ignored"))
        padding = None
    pixels = _shown(dataset, stored, padding, dark_is_white, notes, doubts)
    if dark_is_white:
        pixels = np.subtract(1, pixels, dtype=np.float32)
    if padding is not None:
        pixels[padding] = 0
    return np.ascontiguousarray(pixels, np.float32)


def _dark_is_white(dataset: Dataset, photometric: str, notes: list[Remark]) -> bool:
    shape = text_of(dataset, "PresentationLUTShape", notes).upper()
    if shape not in _SHAPES:
        notes.append(Remark("PresentationLUTShape is none that the standard knows and was ignored"))
    if (photometric, shape) in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        notes.append(
            Remark(
                "{photometric} and presentation shape {shape} disagree; the lowest value was taken as white",
                photometric=Verbatim(photometric),
                shape=Verbatim(shape),
            )
        )
    return photometric == "MONOCHROME1" or shape == "INVERSE"


def _is_scattered(values: np.ndarray, padding: np.ndarray, dark_is_white: bool) -> bool:
    """Whether what is stated as padding are values of the picture: not its few blackest, nor areas at the frame."""
    there, rest = values[padding], values[~padding]
    if not there.size:
        return False
    low, high, least, most = (float(value) for part in (there, rest) for value in (part.min(), part.max()))
    if max(low - most, least - high) > _APART * (most - least):
        return False
    if low >= most if dark_is_white else high <= least:
        return high - low > _WIDEST * (max(high, most) - min(low, least))
    if float((padding[:, 1:] & padding[:, :-1]).sum()) < _SOLID * there.size:
        return True
    _, areas = cv2.connectedComponents(padding.astype(np.uint8))
    at_frame = np.unique(np.concatenate([areas[[0, -1]].ravel(), areas[:, [0, -1]].ravel()]))
    return float(np.isin(areas, at_frame[at_frame > 0]).sum()) < _AT_FRAME * there.size


def _shown(
    dataset: Dataset,
    stored: Stored,
    padding: np.ndarray | None,
    dark_is_white: bool,
    notes: list[Remark],
    doubts: list[Remark],
) -> np.ndarray:
    """Greys by the first VOI LUT or window that leaves a picture, else by the range of the values."""
    values, used = stored.values, None if padding is None else ~padding
    step = max(min(values.shape) // _SAMPLE, 1)
    few = values[::step, ::step]
    if used is not None and used[::step, ::step].any():
        few = few[used[::step, ::step]]
    modality = _modality(dataset, few, doubts)
    sample = modality(few)
    held = sorted(modality(np.array(stored.range)).tolist())
    plain = stretch(sample).ravel()
    out = _standing_out(plain, dark_is_white)
    if _are_bent(few.ravel()[out], plain[out]):
        doubts.append(_bent(Remark("the modality LUT")))
    for voi in _voi_transformations(dataset, sample, notes, doubts):
        shown = voi.greys(sample).ravel()
        if not out.any() or _leaves_picture(shown, plain, out):
            doubts.extend(_faults_of(voi, shown, plain, out, held))
            return _of_each_value(values, lambda values: voi.greys(modality(values)))  # noqa: B023 - used at once
        doubts.append(Remark("{look} leaves no picture and was ignored", look=voi.name))
    return stretch(modality(values), used)


def _is_beside(window: tuple[float, float], held: list[float]) -> bool:
    """Whether a window reaches beyond what can be held at one end, and leaves that out at the other."""
    width, span = window[1] - window[0], held[1] - held[0]
    below, above = (held[0] - window[0]) / width, (window[1] - held[1]) / width
    out_below, out_above = (window[0] - held[0]) / span, (held[1] - window[1]) / span
    return (below > _BEYOND and out_above > _LEFT_OUT) or (above > _BEYOND and out_below > _LEFT_OUT)


def _faults_of(voi: _Voi, shown: np.ndarray, plain: np.ndarray, out: np.ndarray, held: list[float]) -> Iterator[Remark]:
    """Why a transformation that leaves a picture may be wrong; `held`: least and greatest value of the samples."""
    if voi.ends and _is_beside(voi.ends, held):
        yield Remark("{look} does not fit what the samples can hold", look=voi.name)
    if not out.any():
        return
    share = float(_is_clipped(shown[out]).mean())
    if share > max(_MUCH_CLIPPED, 1.2 * float(_is_clipped(plain[out]).mean())):
        yield Remark("{look} leaves {share:.0%} of what stands out plain black or white", look=voi.name, share=share)
    if voi.curved and _are_bent(plain[out], shown[out]):
        yield _bent(voi.name)


def _are_bent(values: np.ndarray, shown: np.ndarray) -> bool:
    """Whether what is shown of values is far from a straight line over them; False where either has no contrast."""
    contrast = values.size and np.ptp(values) and np.ptp(shown)
    return bool(contrast and np.corrcoef(values, shown)[0, 1] ** 2 < _STRAIGHT)


def _bent(look: Remark) -> Remark:
    return Remark("{look} bends the grey levels, so that bright or dark parts have little contrast", look=look)


def _standing_out(plain: np.ndarray, dark_is_white: bool) -> np.ndarray:
    """Which values `plain` in [0, 1] are brighter (darker if `dark_is_white`) than Otsu's threshold; none if flat."""
    if plain.min() == plain.max():
        return np.zeros(plain.shape, bool)
    levels = np.rint(np.clip(plain, 0, 1) * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return levels <= threshold if dark_is_white else levels > threshold


def _leaves_picture(shown: np.ndarray, plain: np.ndarray, out: np.ndarray) -> bool:
    """Whether what stands out in the values as they are stored is still more than plain black and white when shown."""
    low, high = percentiles(shown, (1, 99.5))
    clipped = float(_is_clipped(shown[out]).mean())
    return high - low >= _LEAST_CONTRAST and clipped <= max(_MOST_CLIPPED, 1.2 * float(_is_clipped(plain[out]).mean()))


def _is_clipped(greys: np.ndarray) -> np.ndarray:
    """Where greys are plain black or white; callers leave room for rounding in the share of the stored values."""
    return (greys <= _CLIPPED) | (greys >= 1 - _CLIPPED)


def _of_each_value(stored: np.ndarray, greys: Map) -> np.ndarray:
    """Stored values mapped by `greys`, which is computed once for each value of up to 16 bits, not for each pixel."""
    if stored.dtype.itemsize > 2:
        return greys(stored)
    index = np.dtype(f"u{stored.dtype.itemsize}")
    values = np.arange(2 ** (8 * index.itemsize)).astype(index).view(stored.dtype)
    return greys(values)[stored.view(index)]


def _modality(dataset: Dataset, sample: np.ndarray, doubts: list[Remark]) -> Map:
    """Values after the modality LUT or the rescale."""
    has_table = not class_name(dataset).startswith(_FLUOROSCOPY)
    for item in _items(dataset, "ModalityLUTSequence", doubts) if has_table else ():
        if table := _table(item, Remark("the modality LUT"), sample, doubts):
            return table.look_up
    slope, intercept = (number_of(dataset, name, doubts) for name in ("RescaleSlope", "RescaleIntercept"))
    if slope is not None and (slope == 0 or not 1e-9 < abs(slope) < 1e9):
        doubts.append(Remark("RescaleSlope is {slope:g} and was ignored", slope=slope))
        slope = None
    if intercept is not None and abs(intercept) > 1e12:
        doubts.append(Remark("RescaleIntercept is {intercept:g} and was ignored", intercept=intercept))
        intercept = None
    if slope is None and intercept is None:
        return lambda values: values
    return lambda values: values * (1.0 if slope is None else slope) + (intercept or 0.0)


def _voi_transformations(
    dataset: Dataset, sample: np.ndarray, notes: list[Remark], doubts: list[Remark]
) -> Iterator[_Voi]:
    """VOI LUTs, then windows, in the order of the file."""
    name = Remark("the VOI LUT")
    for item in _items(dataset, "VOILUTSequence", doubts):
        if table := _table(item, name, sample, doubts):
            yield _Voi(name, table.greys, curved=True)
    function = text_of(dataset, "VOILUTFunction", notes).upper() or "LINEAR"
    if function not in _FUNCTIONS:
        remark = Remark(
            "VOI LUT function is {function}, expected LINEAR, LINEAR_EXACT or SIGMOID; the windows were ignored",
            function=Verbatim(function[:16]),
        )
        doubts.append(remark)
        return
    for centre, width in _windows(dataset, function, notes):
        name = Remark("the window of centre {centre:g} and width {width:g}", centre=centre, width=width)
        ends = (centre - width / 2, centre + width / 2)
        yield _Voi(name, _window(centre, width, function), ends, curved=function == "SIGMOID")


def _items(dataset: Dataset, name: str, doubts: list[Remark]) -> list[Dataset]:
    return list(value_of(dataset, name, doubts) or ())


@dataclass(frozen=True)
class _Table:
    """A LUT: what values from `first` on are mapped to; values outside take the first or last entry."""

    entries: np.ndarray
    first: int

    def look_up(self, values: np.ndarray) -> np.ndarray:
        index = np.clip(np.rint(np.asarray(values, np.float64)) - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.int64)]

    def greys(self, values: np.ndarray) -> np.ndarray:
        """Greys in [0, 1], white being the largest entry, as viewers have it: LUTs state more bits than they use."""
        return (self.look_up(values) / self.entries.max()).astype(np.float32)


def _table(item: Dataset, name: Remark, values: np.ndarray, doubts: list[Remark]) -> _Table | None:
    """The table of a LUT item (PS3.3 C.11.1.1, C.11.2.1.1), None where it cannot be used, which is doubted.

    LUTDescriptor holds the number of entries (0 means 65,536), the first value mapped, and the bits of an entry. The
    first value is of the sign that suits `values`, whatever its tag says. Entries of 8 bits may be packed.
    """
    descriptor, data = numbers_of(item, "LUTDescriptor", []), value_of(item, "LUTData", [])
    held = np.zeros(0) if len(descriptor) != 3 or data is None else _entries(item, data, descriptor)
    if not held.size or held.min() == held.max():
        doubts.append(Remark("{name} is malformed or empty and was ignored", name=name))
        return None
    values = values.astype(np.float64)
    stated, first = _count(descriptor), _first_mapped(int(descriptor[1]), len(held), values)
    if len(held) < stated or values.max() - first >= stated < len(held):
        remark = Remark("{name} states {stated} entries and holds {held}", name=name, stated=stated, held=len(held))
        doubts.append(remark)
    else:
        held = held[:stated]
    outside = _outside(first, len(held), values)
    if outside > _MOST_OUTSIDE or (outside > _OUTSIDE and len(held) < stated):
        remark = Remark("{name} has no entry for {share:.0%} of the values and was ignored", name=name, share=outside)
        doubts.append(remark)
        return None
    if outside > _OUTSIDE:
        doubts.append(Remark("{name} has no entry for {share:.0%} of the values", name=name, share=outside))
    swapped = held.astype(np.uint16).byteswap().astype(np.float64)
    if _turns(swapped) * _TURNS < _turns(held):
        doubts.append(Remark("{name} has its bytes swapped and was read the other way", name=name))
        held = swapped
    low, high = np.clip(np.rint(percentiles(values, _MOST_VALUES)).astype(np.int64) - first, 0, len(held))
    if _turns(held[low : high + 1]) > _MOST_TURNS:
        doubts.append(Remark("{name} rises and falls, so that different values have one grey level", name=name))
    return _Table(held, first)


def _count(descriptor: tuple[float, ...]) -> int:
    """Entries that a LUTDescriptor states, whatever the sign of its tag."""
    return int(descriptor[0]) % 2**16 or 2**16


def _first_mapped(stated: int, entries: int, values: np.ndarray) -> int:
    """The first value that a table maps, of the sign with which the table has an entry for more of the values."""
    other = stated + 2**16 if stated < 0 else stated - 2**16 if stated >= 2**15 else stated
    return min(stated, other, key=lambda first: _outside(first, entries, values))


def _outside(first: int, entries: int, values: np.ndarray) -> float:
    """Share of values for which a table of some entries from `first` on has none."""
    return float(((values < first) | (values >= first + entries)).mean())


def _turns(entries: np.ndarray) -> float:
    """How many times the entries of a table pass over their range: 1 for each curve that only rises or falls."""
    return float(np.abs(np.diff(entries)).sum() / (np.ptp(entries) or 1)) if entries.size else 0.0


def _entries(item: Dataset, data: object, descriptor: tuple[float, ...]) -> np.ndarray:
    """All entries that a LUT holds."""
    count, bits = _count(descriptor), descriptor[2]
    if not isinstance(data, bytes):
        words = np.atleast_1d(np.asarray(data, np.int64))
        packed = bits <= 8 and len(words) == -(-count // 2) < count and int(words.max()) > 255
        return (words.astype("<u2").view("u1")[:count] if packed else words).astype(np.float64)
    big_endian = item.original_encoding[1] is False
    if bits <= 8 and len(data) in (count, count + count % 2):
        packed = np.frombuffer(data, "u1")
        packed = packed.reshape(-1, 2)[:, ::-1].ravel() if big_endian and len(data) % 2 == 0 else packed
        return packed[:count].astype(np.float64)
    whole = data[: len(data) // 2 * 2]
    return np.frombuffer(whole, f"{'>' if big_endian else '<'}u2").astype(np.float64)


def _windows(dataset: Dataset, function: str, notes: list[Remark]) -> Iterator[tuple[float, float]]:
    """Centre and width of each window; those of a width that the standard does not allow are left out and noted."""
    centres, widths = (numbers_of(dataset, name, notes) for name in ("WindowCenter", "WindowWidth"))
    narrowest = 1 if function == "LINEAR" else np.nextafter(0, 1)
    for centre, width in zip(centres, widths, strict=False):
        if width < narrowest:
            notes.append(Remark("window width {width:g} is not valid and was ignored", width=width))
        else:
            yield centre, width


def _window(centre: float, width: float, function: str) -> Map:
    """Greys in [0, 1] by the VOI LUT function of PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    def show(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float64)
        if function == "LINEAR":
            # a width of 1 is a threshold: at and below centre - 0.5 black, above it white
            greys = (values - (centre - 0.5)) / (width - 1) + 0.5 if width > 1 else values > centre - 0.5
        elif function == "LINEAR_EXACT":
            greys = (values - centre) / width + 0.5
        else:
            greys = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
        return np.clip(greys, 0, 1).astype(np.float32)

    return show
