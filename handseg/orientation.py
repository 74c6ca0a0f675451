"""The rotation of a hand on its film, and the remarks on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.remark import Remark
from .segmenter import HandMap

# Least probabilities, the mean over film and mirror image, with which a hand is taken to be rotated, or upright. Of 600
# films that the shipped head was not fitted on, 596 were found upright, which they are; three hands at about 45 degrees
# were unsure; one was found upside down, which it is. Each of the 596 was also rotated three ways, and all of these
# rotations were found.
LEAST_ROTATED, LEAST_UPRIGHT = 0.85, 0.8

# Prior odds of "upright" against each other orientation, used only when the network is unsure: most films are upright.
# The least whole number with which the three unsure films of those 600 are read as they lie.
AS_IT_LIES = 3.0

ROTATED: Mapping[int, Remark] = {  # by the quarter turns anticlockwise that bring the hand upright
    1: Remark("the hand is rotated by 90 degrees clockwise on the film; it was rotated upright before it was read"),
    2: Remark("the hand is upside down on the film; it was rotated upright before it was read"),
    3: Remark("the hand is rotated by 90 degrees anticlockwise on the film; it was rotated upright before it was read"),
}
UNSURE = Remark("the orientation of the hand is uncertain; it was read in the likeliest one")


def sure_rotation(view: HandMap) -> int:
    """Quarter turns clockwise by which the hand is surely rotated; 0 where it is upright or the network unsure."""
    if view.rotations is None:
        return 0
    likeliest = int(view.rotations.argmax())
    return likeliest if view.rotations[likeliest] >= LEAST_ROTATED else 0


def surely_upright(view: HandMap) -> bool:
    """Whether the hand is surely upright; a network without a head for the orientation takes every hand to be."""
    return view.rotations is None or bool(view.rotations[0] >= LEAST_UPRIGHT)


def likeliest(views: Sequence[HandMap]) -> HandMap:
    """Of the four views of one film, rotated anticlockwise by 0 to 3 quarters, the one in which the hand is upright.

    The probabilities of the four views are rotated back to the film and averaged; upright is weighted by AS_IT_LIES.
    """
    rotations = [view.rotations for view in views if view.rotations is not None]
    # a hand rotated clockwise by t is rotated by t - k after k quarter turns anticlockwise
    on_film = np.mean([np.roll(rotation, k) for k, rotation in enumerate(rotations)], axis=0)
    on_film[0] *= AS_IT_LIES
    return views[int(on_film.argmax())]
