"""Films of two hands: where each hand lies, and which one is the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.radiograph import Radiograph
from ..data.remark import Remark, Verbatim
from .content import shows_no_hand
from .geometry import Box
from .orientation import surely_upright
from .segmenter import HandMap
from .shape import HandShape

Side = Literal["left", "right", "both"]  # what is read of a film of two hands
Which = Literal["left", "right", "larger", "smaller"]

SECOND_HAND = 0.30  # the second part's area over the first's, from which on it is another hand
BROAD = 1.25  # width over height of an upright mask, from which on it is taken for two hands that touch; one has 1.21
MIDDLE = (0.3, 0.7)  # share of such a mask's longer side, between which the hands touch
THUMBS = 0.15  # widths of the palm by which two hands' `HandShape.thumb` must differ to tell their sides


def two_hands(view: HandMap) -> bool:
    """Whether the map shows several hands; hands that touch are recognised only where they are upright."""
    areas = [np.count_nonzero(part) for part in view.components[:2]]
    if len(areas) == 2 and areas[1] > SECOND_HAND * areas[0]:
        return True
    if not areas or not surely_upright(view):
        return False
    _, _, width, height = cv2.boundingRect(view.components[0].view(np.uint8))
    return width > BROAD * height


def fields_of(view: HandMap) -> tuple[Box, Box]:
    """The two parts of a film, in original pixels, each with one of its two hands."""
    parts = view.components[:2]
    areas = [np.count_nonzero(part) for part in parts]
    if len(parts) == 2 and areas[1] > SECOND_HAND * areas[0]:
        mask = parts[0] | parts[1]
        centres = np.array([np.argwhere(part).mean(axis=0) for part in parts])
        axis = int(np.abs(centres[0] - centres[1]).argmax())  # 1: beside each other, 0: one above the other
        first, last = sorted(centres[:, axis].tolist())
    else:
        mask = parts[0]
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        axis = int(width > height)
        start, length = (x, width) if axis else (y, height)
        first, last = (start + share * length for share in MIDDLE)
    cut = _emptiest(mask.sum(axis=1 - axis), round(first), round(last))
    size = len(mask)
    before = Box(0, 0, cut, size) if axis else Box(0, 0, size, cut)
    after = Box(cut, 0, size - cut, size) if axis else Box(0, cut, size, size - cut)
    return _in_original(view, before), _in_original(view, after)


def _emptiest(filled: NDArray[np.integer], first: int, last: int) -> int:
    """The middle of the lines from first to last with the fewest pixels of hand."""
    part = filled[first : last + 1]
    return first + round(float(np.flatnonzero(part == part.min()).mean()))


def _in_original(view: HandMap, square: Box) -> Box:
    """A box of the letterboxed square in original pixels, inside the picture."""
    corners = np.array([(square.x, square.y), (square.x + square.width, square.y + square.height)]) - 0.5
    ends = view.fit.to_original(corners) + 0.5
    x, y = np.rint(ends.min(axis=0)).astype(int).tolist()
    right, bottom = np.rint(ends.max(axis=0)).astype(int).tolist()
    return Box(x, y, right - x, bottom - y).clipped(*view.fit.frame)


@dataclass(frozen=True, eq=False)
class Choice:
    """A hand to read, which one of two it is, and a doubt about this choice or a note on it, if any."""

    hand: HandMap
    doubt: Remark | None = None
    note: Remark | None = None
    which: Which | None = None


def chosen(hands: Sequence[HandMap], film: HandMap, side: Side, stated: Radiograph) -> tuple[Choice, ...]:
    """The hand of a `side`, or both with the left one first.

    Where the sides are uncertain, the larger one takes the place of either. `film`: the map of the whole film, whose
    largest part is taken where the separated parts are not two hands. `stated`: the film, with what its DICOM states.
    """
    if not all(hand.components and shows_no_hand(hand) is None for hand in hands):
        return (Choice(film, Remark("there seem to be several hands; the largest was read")),)
    sides, doubt = sides_of(hands, stated)
    if sides is None:
        sides = _by_size(hands)
    each = dict(zip(sides, hands, strict=True))
    wanted: tuple[Which, ...] = tuple(which for which in _WORDS if which in each)
    if side != "both":
        wanted = (side,) if side in each else wanted[:1]
    choices = []
    for which in wanted:
        words = _WORDS[which]
        certain = which in ("left", "right")
        choices.append(Choice(each[which], doubt if certain else words, words if certain else None, which))
    return tuple(choices)


_WORDS: Mapping[Which, Remark] = {  # in the order in which both are read
    "left": Remark("there are two hands; the left one was read"),
    "right": Remark("there are two hands; the right one was read"),
    "larger": Remark("there are two hands, and which is left and right is uncertain; the larger was read"),
    "smaller": Remark("there are two hands, and which is left and right is uncertain; this is the smaller"),
}


def _by_size(hands: Sequence[HandMap]) -> tuple[Which, Which]:
    first, second = (np.count_nonzero(hand.components[0]) / hand.fit.scale**2 for hand in hands)
    return ("larger", "smaller") if first >= second else ("smaller", "larger")


def sides_of(hands: Sequence[HandMap], stated: Radiograph) -> tuple[tuple[Which, Which] | None, Remark | None]:
    """The sides of two upright hands, None where they are uncertain, and a doubt about them.

    They follow from PatientOrientation if it states to which side of the patient the line from hand to hand runs, else
    from the thumbs: palms are taken to lie on the plate, unless ViewPosition is AP.
    """
    first, second = (HandShape(hand.components[0]).thumb for hand in hands)
    left_first = None if abs(first - second) < THUMBS else (first > second) != (stated.view == "AP")
    by_file = _left_is_first(hands, stated)
    doubt = None
    if by_file is not None and left_first not in (None, by_file):
        name = Verbatim("PatientOrientation")
        doubt = Remark("{name} and the thumbs differ on which hand is the left; the first was taken", name=name)
    left_first = left_first if by_file is None else by_file
    if left_first is None:
        return None, None
    return (("left", "right") if left_first else ("right", "left")), doubt


def _left_is_first(hands: Sequence[HandMap], stated: Radiograph) -> bool | None:
    """Whether the first hand is the left one by PatientOrientation; None where it does not state this."""
    one, other = (hand.fit.box for hand in hands)
    across = other.x - one.x + (other.width - one.width) / 2
    down = other.y - one.y + (other.height - one.height) / 2
    towards, way = (stated.towards[0], across) if abs(across) > abs(down) else (stated.towards[1], down)
    return (towards == "R") == (way > 0) if towards in ("L", "R") and way else None
