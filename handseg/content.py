"""What a film shows, by the segmenter's head for it, as remarks."""

from __future__ import annotations

from ..data.remark import Remark
from .segmenter import HandMap

# Probability of a whole hand under which a film is rejected, and from which on nothing is said. Of 1,568 pictures that
# are none, from sources that did not teach the head, 16 came to 0.3 and one, a foot, to 0.6.
REFUSED, SURE = 0.3, 0.6
NO_HAND = Remark("the picture does not look like a radiograph of a hand")
PART_OF_HAND = Remark("the picture shows only part of a hand")
UNSURE = Remark("it is not certain that the picture is a radiograph of a whole hand")


def shows_no_hand(seen: HandMap) -> Remark | None:
    """Why a film is rejected for what it shows; None for a hand, and from a network without the head."""
    if seen.contents is None or seen.contents[0] >= REFUSED:
        return None
    return PART_OF_HAND if seen.contents[1] >= seen.contents[2] else NO_HAND


def surely_whole(seen: HandMap) -> bool | None:
    """Whether a film surely shows a whole hand; None from a network without the head."""
    return None if seen.contents is None else bool(seen.contents[0] >= SURE)


def likely_whole(seen: HandMap) -> bool:
    """Whether a film shows a whole hand rather than not, as far as a network tells."""
    return seen.contents is not None and bool(seen.contents[0] >= 0.5)
