"""Sign, byte order and padding of samples by the picture that they make, where a header is wrong or says nothing."""

from __future__ import annotations

import numpy as np

from .remark import Remark, Verbatim

_ROUGH_BYTES = 0.6  # of the roughness as stated: under it, the bytes are plainly swapped
ROUGH = 0.15  # of the spread: over it, no picture; of 11 films up to 0.09, with their bytes swapped 0.26 and more
_ROUGH_SIGN = 0.9  # the same for the sign, which with the right one is never rougher
_DIFFERING = 0.05  # share of pixels that the sign makes differ; letters burnt in may be fewer
_FEWEST_EDGES = 16  # between pixels that the sign moves and others, which tell it where the former are fewer
_ONE_VALUE = {"u": 0.25, "i": 0.5}  # of these pixels: over it they are letters, which are seldom below 0
_TORN = 0.25  # of the steps at these edges
_SAMPLE = 512  # rows that tell roughness well enough
_SIGN = Remark("the sign")


def standing_apart(values: np.ndarray, doubts: list[Remark]) -> np.ndarray | None:
    """Which pixels have the highest or lowest value, if that is further from all others than these from each other.

    Frames, letters and blank pixels have such a value; no picture has one, and 8 bits leave no room for it.
    """
    for extreme in (values.max().item(), values.min().item()) if values.dtype.itemsize > 1 else ():
        apart = values == extreme
        rest = values[~apart]
        low, high = (rest.min().item(), rest.max().item()) if rest.size else (0, 0)
        if max(low - extreme, extreme - high) > high - low > 0:
            value = Verbatim(f"{extreme:.6g}") if isinstance(extreme, float) else extreme
            doubts.append(Remark("the value {value} stands apart and was taken as padding", value=value))
            return apart
    return None


def as_smooth(
    values: np.ndarray, padding: np.ndarray | None, stored: int, doubts: list[Remark], sign: Remark | Verbatim = _SIGN
) -> np.ndarray:
    """The values with their stated sign and byte order, or with the other one where only that makes a picture.

    Read with the wrong sign, bright parts turn black, and edges stand around them. `values`: whole numbers in the byte
    order of the machine, of `stored` bits; those of more than 16 bits stay. `sign`: what states it.
    """
    if values.dtype.itemsize > 2:
        return values
    size, unused = values.dtype.itemsize, 8 * values.dtype.itemsize - stored
    other_sign = np.dtype(f"{'u' if values.dtype.kind == 'i' else 'i'}{size}")
    raised = (values << values.dtype.type(unused)).view(other_sign) >> other_sign.type(unused)
    moved = raised.astype(f"i{2 * size}") != values
    # those that the sign moves do so by the same amount; where they are most, it is the others that differ from them
    few = min(share := float(moved.mean()), 1 - share)
    if few > _DIFFERING:
        other = roughness(raised, padding) < _ROUGH_SIGN * roughness(values, padding)
    else:
        other = few > 0 and _is_torn(values, raised, moved if share < 0.5 else ~moved, padding)
    if other:
        doubts.append(misfit(sign))
        return raised
    if size == 2 and stored == 16:
        swapped = values.byteswap()
        rough, other = (roughness(v, padding) / (spread(v, padding) or 1) for v in (values, swapped))
        if rough > ROUGH and other < _ROUGH_BYTES * rough:
            doubts.append(misfit(Remark("the byte order")))
            return swapped
    return values


def _is_torn(values: np.ndarray, raised: np.ndarray, few: np.ndarray, padding: np.ndarray | None) -> bool:
    """Whether a few pixels are far from their neighbours as stated and near them with the other sign.

    Burnt-in letters are left out: with the other sign they are near to a black film, too, but most have one value.
    """
    known = np.ones(few.shape, bool) if padding is None else ~padding
    edges = (few[:, 1:] != few[:, :-1]) & known[:, 1:] & known[:, :-1]
    levels = values[few & known]
    most = _ONE_VALUE[values.dtype.kind] * levels.size
    if edges.sum() < _FEWEST_EDGES or np.unique(levels, return_counts=True)[1].max() > most:
        return False
    stated, other = (np.abs(v[:, 1:][edges] - v[:, :-1][edges].astype(np.float64)).mean() for v in (values, raised))
    return bool(other < _TORN * stated)


def misfit(name: Verbatim | Remark) -> Remark:
    """The doubt about an attribute that the samples contradict."""
    return Remark("{name} does not fit the samples, which were read the other way", name=name)


def roughness(values: np.ndarray, padding: np.ndarray | None) -> float:
    """Mean step between neighbours in rows and columns; padding does not count."""
    return (_steps(values, padding) + _steps(values.T, None if padding is None else padding.T)) / 2


def _steps(values: np.ndarray, padding: np.ndarray | None) -> float:
    """Mean step between neighbours in a row."""
    rows, counted = _sampled(values, padding)
    both = counted[:, 1:] & counted[:, :-1]
    return float(np.abs(np.diff(rows, axis=1))[both].mean()) if both.any() else 0.0


def spread(values: np.ndarray, padding: np.ndarray | None) -> float:
    """Standard deviation of the values; padding does not count."""
    rows, counted = _sampled(values, padding)
    return float(rows[counted].std()) if counted.any() else 0.0


def _sampled(values: np.ndarray, padding: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Some rows, float32, and which of their pixels count."""
    step = max(values.shape[0] // _SAMPLE, 1)
    rows = values[::step].astype(np.float32)
    return rows, np.ones(rows.shape, bool) if padding is None else ~padding[::step]
