"""Which places of a crop a prediction depends on: how much it changes when a place is blurred.

One soft disc of the crop at a time is replaced by a blurred copy, without joints and edges, and the prediction is made
again (occlusion sensitivity, Zeiler & Fergus 2014). The map holds squared differences: a place that lowers the
prediction is as much evidence as one that raises it, and squares add up to a variance, of which each place has its
share, where absolute differences let the many places that hardly matter hide the few that do.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

CELLS = 14  # discs a side
WIDTH = 0.45  # SD of a disc, in distances of two discs
BLUR = 3.0  # SD of the blur, in distances of two discs
LEAST = 2.0  # greatest change of a grey level, of 255, under which a disc counts as even already


def evidence_map(
    read: Callable[[NDArray[np.uint8]], NDArray[np.float64]], crop: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """How much the prediction depends on each place of a crop: float32 in [0, 1], of the crop's shape.

    `read`: bone ages in months, (n,), of crops uint8 (n, s, s) like `crop`, s x s. The greatest evidence is 1, if any.
    """
    step = crop.shape[0] / CELLS
    even = cv2.GaussianBlur(crop, (0, 0), BLUR * step).astype(np.float32)
    places = (np.arange(CELLS) + 0.5) * step - 0.5
    profile = np.exp(-0.5 * ((np.arange(crop.shape[0]) - places[:, None]) / (WIDTH * step)) ** 2).astype(np.float32)
    change = even - crop
    moved, discs = np.zeros((CELLS, CELLS)), []
    for row, column in np.ndindex(moved.shape):
        disc = np.outer(profile[row], profile[column])
        if np.abs(change * disc).max() > LEAST:
            discs.append((row, column, np.rint(crop + change * disc).astype(np.uint8)))
    if discs:
        readings = read(np.stack([crop, *(changed for _, _, changed in discs)]))
        for (row, column, _), months in zip(discs, readings[1:], strict=True):
            moved[row, column] = (months - readings[0]) ** 2
    evidence = profile.T @ moved.astype(np.float32) @ profile
    return np.asarray(evidence / max(evidence.max(), np.finfo(np.float32).tiny), np.float32)
