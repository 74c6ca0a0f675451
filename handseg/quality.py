"""Is this a hand, whole and alone? One verdict with reasons in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .classical import AREA_RANGE

Status = Literal["ok", "review", "rejected"]

MIN_SIDE = 96  # pixels; below this a hand shows no growth plates
MIN_CONTRAST = 0.02  # 1st to 99th percentile of grey levels in [0, 1]
MAX_COLOUR = 0.05  # mean chroma; films and their scans stay below 0.02
MIN_HAND = 0.02  # share of the frame below which nothing was found
SECOND_HAND = 0.30  # area of the second component, as a share of the first, from which on it is another hand
CERTAIN = 0.85  # mean certainty of the mask, below which the segmenter did not know what it saw
DOUBTFUL = 0.70


@dataclass(frozen=True)
class Verdict:
    """`status`: ok, review (read with care) or rejected (not aged); `reasons`: sentences, empty when ok."""

    status: Status
    reasons: tuple[str, ...] = ()

    def joined(self, other: Verdict) -> Verdict:
        """The worse status and all reasons."""
        order = ("ok", "review", "rejected")
        worse = max(self.status, other.status, key=order.index)
        return Verdict(worse, self.reasons + other.reasons)
