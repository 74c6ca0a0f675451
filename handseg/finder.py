"""From a radiograph to its hand: mask, box, crop and verdict, by one function for training and inference alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.radiograph import Radiograph
from .crop import Crop, cut_crop
from .geometry import Box, whole_frame
from .quality import Verdict, judge_hand, judge_picture
from .segmenter import HandMap, HandSegmenter


@dataclass(frozen=True, eq=False)
class Hand:
    """What was found on one radiograph.

    `verdict` says whether it may be aged. `box` and `mask` (bool, height x width) are in original pixels; both are
    None when no hand was found. `crop` is None when the picture is rejected.
    """

    verdict: Verdict
    box: Box | None = None
    mask: NDArray[np.bool_] | None = None
    crop: Crop | None = None


class HandFinder:
    """Segments, judges and crops."""

    def __init__(self, segmenter: HandSegmenter, crop_size: int) -> None:
        """`crop_size`: side of the square crops in pixels."""
        self.segmenter, self.crop_size = segmenter, crop_size

    @classmethod
    def load(cls, path: str | Path, crop_size: int, device: str = "cpu") -> HandFinder:
        """From a segmenter's weights file; raises WeightsError."""
        return cls(HandSegmenter.load(path, device), crop_size)

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order; the segmenter sees them as one batch."""
        first = [judge_picture(radiograph.pixels, radiograph.colour) for radiograph in radiographs]
        good = [k for k, verdict in enumerate(first) if verdict.status != "rejected"]
        seen = dict(zip(good, self.segmenter.look([radiographs[k].pixels for k in good]), strict=True)) if good else {}
        return [
            self._hand(radiograph.pixels, seen[k]) if k in seen else Hand(first[k])
            for k, radiograph in enumerate(radiographs)
        ]

    def _hand(self, pixels: NDArray[np.float32], seen: HandMap) -> Hand:
        verdict = judge_hand(seen)
        if verdict.status == "rejected":
            return Hand(verdict)
        if seen.box is None:  # not rejected, yet nothing to cut out: the whole frame is read, with a warning
            verdict = verdict.and_also("review", "the hand could not be outlined; the whole frame was read")
            return Hand(verdict, crop=cut_crop(pixels, whole_frame(*pixels.shape), self.crop_size, margin=0.0))
        mask = seen.mask()
        return Hand(verdict, seen.box, mask, cut_crop(pixels, seen.box, self.crop_size, mask=mask))
