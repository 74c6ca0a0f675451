"""Remarks on what a film shows, from the probabilities that the segmenter has for it."""

from __future__ import annotations

from ..data.remark import Remark
from .segmenter import HandMap

# Probability of a whole hand under which a film is rejected, and from which on nothing is said. Of 1,568 pictures
# without one, from sources that did not train the head, 20 reach 0.15, 15 of which the outline refuses, and none 0.8.
# Of the 600 films of the part `choose` 10 have less than 0.8; `fast` errs on them by 9.0 months, by 6.5 on the others.
REFUSED, SURE = 0.15, 0.8
NO_HAND = Remark("the picture does not look like a radiograph of a hand")
PART_OF_HAND = Remark("the picture shows only part of a hand")
UNSURE = Remark("it is not certain that the picture is a radiograph of a whole hand")


def shows_no_hand(view: HandMap) -> Remark | None:
    """Why a film is rejected for what it shows; None for a hand, and for a network without the head."""
    if view.contents is None or view.contents[0] >= REFUSED:
        return None
    return PART_OF_HAND if view.contents[1] >= view.contents[2] else NO_HAND


def surely_whole(view: HandMap) -> bool | None:
    """Whether a film surely shows a whole hand; None for a network without the head."""
    return None if view.contents is None else bool(view.contents[0] >= SURE)


def likely_whole(view: HandMap) -> bool:
    """Whether a whole hand is likelier than not; False for a network without the head."""
    return view.contents is not None and bool(view.contents[0] >= 0.5)
