"""Is this a hand, whole and alone? One verdict with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys, percentiles, white_of
from ..data.remark import Remark
from .geometry import Box
from .segmenter import HandMap
from .training.classical import AREA_RANGE, solidity

Status = Literal["ok", "review", "rejected"]
STATUSES: tuple[Status, ...] = ("ok", "review", "rejected")

MIN_SIDE = 96  # pixels; below this a hand shows no growth plates
MIN_CONTRAST = 0.02  # 1st to 99.5th percentile of grey levels in [0, 1]; a blank field has less
MAX_COLOUR = 0.05  # mean chroma; films and their scans have next to none
NO_HAND = 0.02  # share of the field under which nothing was found
SECOND_HAND = 0.30  # the second part's area over the first's, from which on it is another hand
# Certainty is the mean of |2p - 1| where the mask or its surroundings are. Over 192 real films it was 0.81 to 0.96,
# under 0.84 on one in a hundred; on 29 photographs and text pages made grey, what might be a hand had at most 0.72, but
# for one with 0.82.
SURE, UNSURE = 0.85, 0.79
# Intersection over union of a film's mask with its mirror image's, from which on there may be a hand that could not be
# outlined: 0.77 and 0.78 on the two real films of 9,728 that need it, at most 0.69 on the photographs it has to refuse.
MIRROR_AGREEMENT = 0.72
SHAPE = (0.40, 0.93)  # area over convex hull; 0.53 to 0.89 over 192 real films
FLAT, STEP, EDGE = 3, 6, 3  # grey levels within a border, grey levels between it and the field, pixels this takes
CUT_SIDE = 0.02  # share of a side of the field that the mask covers, from which on it reaches that side


@dataclass(frozen=True)
class Verdict:
    """`status`: ok, review (read with care) or rejected (no bone age); `reasons`: remarks, none when ok."""

    status: Status = "ok"
    reasons: tuple[Remark, ...] = ()

    def and_also(self, status: Status, reason: Remark) -> Verdict:
        """The worse of both, with one more reason."""
        worse = STATUSES[max(STATUSES.index(self.status), STATUSES.index(status))]
        return Verdict(worse, (*self.reasons, reason))


def judge_picture(pixels: Greys, colour: float) -> Verdict:
    """What can be said before a hand is looked for: too small, blank, or a colour photograph.

    `pixels`: height x width, uint8 or float32 in [0, 1]; `colour`: mean chroma in [0, 1].
    """
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        return _rejected(
            Remark(
                "the picture is {width} x {height} pixels, at least {least} are needed",
                width=width,
                height=height,
                least=MIN_SIDE,
            )
        )
    if max(height, width) > 8 * min(height, width):
        return _rejected(
            Remark(
                "the picture is {width} x {height} pixels, too long for a radiograph of a hand",
                width=width,
                height=height,
            )
        )
    low, high = percentiles(pixels[:: max(height // 128, 1), :: max(width // 128, 1)], (1, 99.5))
    if high - low < MIN_CONTRAST * white_of(pixels):
        return _rejected(Remark("the picture is blank: it has hardly any contrast"))
    if colour > MAX_COLOUR:
        return _rejected(Remark("the picture is in colour: a photograph, not a radiograph"))
    return Verdict()


def judge_hand(seen: HandMap) -> Verdict:
    """Whether what the segmenter saw is one whole hand."""
    field = field_box(seen)
    parts = seen.components
    areas = [np.count_nonzero(part) for part in parts]
    if not parts or areas[0] < NO_HAND * field.area:
        return _rejected(Remark("no hand was found"))
    sure = certainty(seen)
    if sure < UNSURE:
        return _rejected(Remark("what was found does not look like a hand: the outline is uncertain"))
    verdict = Verdict()
    if sure < SURE:
        verdict = verdict.and_also("review", Remark("the outline of the hand is uncertain"))
    if not SHAPE[0] <= solidity(parts[0].astype(np.uint8)) <= SHAPE[1]:
        verdict = verdict.and_also("review", Remark("the outline does not have the shape of a hand"))
    if len(parts) > 1 and areas[1] > SECOND_HAND * areas[0]:
        verdict = verdict.and_also("review", Remark("there seem to be several hands; the largest was read"))
    for doubt in _of_place(parts[0], areas[0] / field.area, field, seen.fit.turn):
        verdict = verdict.and_also("review", doubt)
    return verdict


def _rejected(reason: Remark) -> Verdict:
    return Verdict("rejected", (reason,))


def _of_place(mask: NDArray[np.bool_], share: float, field: Box, turn: int) -> Iterator[Remark]:
    """What is odd about a hand's size and place, `share` of the field being hand."""
    least, most = AREA_RANGE
    if share < least:
        yield Remark("the hand fills {share:.0%} of the field, under {least:.0%}", share=share, least=least)
    elif share > most:
        yield Remark("the hand fills {share:.0%} of the field, over {most:.0%}", share=share, most=most)
    sides = _sides_reached(mask, field, turn)
    if len(sides) > 1:
        yield Remark("the hand may be cut off: it reaches the {sides} edges", sides=sides)


def certainty(seen: HandMap) -> float:
    """Mean of |2p - 1| over everything that is at all likely to be hand, 0 to 1."""
    likely = seen.probability > 0.05
    return float(np.abs(2 * seen.probability - 1)[likely].mean()) if likely.any() else 0.0


def may_be_hand(seen: HandMap) -> bool:
    """Whether an outline too uncertain to use is at least the same on the mirrored film, as it is for a hand."""
    return seen.agreement >= MIRROR_AGREEMENT


def field_box(seen: HandMap) -> Box:
    """The exposed field inside a collimator's flat border, in pixels of the letterboxed square."""
    square, frame = seen.square.astype(np.int16), seen.fit.inside()
    rows, columns = np.flatnonzero(frame.any(axis=1)), np.flatnonzero(frame.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    for _ in range(2):  # borders of different greys: one may look flat only when its neighbours are gone
        above, below = _borders(square[top:bottom, left:right])
        top, bottom = top + above, bottom - below
        before, after = _borders(np.ascontiguousarray(square[top:bottom, left:right].T))
        left, right = left + before, right - after
        if not before + after:
            break
    return Box(left, top, right - left, bottom - top)


def _borders(lines: NDArray[np.int16]) -> tuple[int, int]:
    """How many of the first lines, and of the last, are a border: flat ones, up to a step along most of the next line.

    A film's clean background is flat as well, but ends at fingertips, not at a straight step.
    """
    near = np.abs(lines - _medians(lines)[:, None]) <= FLAT
    flat = np.count_nonzero(near, axis=1) > 0.9 * lines.shape[1]
    half = (len(lines) - 1) // 2
    return _border(lines[:half], flat[:half]), _border(lines[::-1][:half], flat[::-1][:half])


def _border(lines: NDArray[np.int16], flat: NDArray[np.bool_]) -> int:
    """How many of the first lines, of which `flat` says which are, make up a border; at most all that there are."""
    run = len(lines) if flat.all() else int(flat.argmin())
    if not run:
        return 0
    near = lines[: run + EDGE]
    found = np.flatnonzero(_medians(np.abs(near[EDGE:] - near[:-EDGE])) > STEP)
    return int(found[-1]) + 1 if len(found) else 0


def _medians(lines: NDArray[np.int16]) -> NDArray[np.float64]:
    """The median of each line; for lines as short as these, sorting takes a third of np.median's time."""
    ordered, half = np.sort(lines, axis=1), lines.shape[1] // 2
    return ordered[:, half - 1 + lines.shape[1] % 2 : half + 1].mean(axis=1)


def _sides_reached(mask: NDArray[np.bool_], field: Box, turn: int) -> tuple[Remark, ...]:
    """Sides of the film as it lies that the mask reaches; `turn`: as the square was turned anticlockwise."""
    inside = mask[field.y : field.y + field.height, field.x : field.x + field.width]
    upper, right, lower, left = Remark("upper"), Remark("right"), Remark("lower"), Remark("left")
    clockwise = (upper, right, lower, left)
    sides = (inside[0], inside[:, -1], inside[-1], inside[:, 0])
    reached = {clockwise[(k + turn) % 4] for k, side in enumerate(sides) if side.mean() > CUT_SIDE}
    return tuple(name for name in (upper, lower, left, right) if name in reached)
