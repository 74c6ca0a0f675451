"""The views that a comparison can train on: the crop of the hand, or the whole frame instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...data.radiograph import Radiograph
from ...handseg.crop import CROP_VERSION, cut_crop
from ...handseg.finder import Hand, HandFinder
from ...handseg.geometry import whole_frame
from ...handseg.quality import Verdict
from ...regressor.crop_store import CropStore, StoreKind
from ...weights.backend import chosen_backend
from ...weights.bundle import NetFile
from ..crops import Finder
from .plan import View


class WholeFrame:
    """The whole frame as the crop: padded to a square, or stretched to it, which changes the aspect ratio."""

    def __init__(self, crop_size: int, stretched: bool) -> None:
        """`crop_size`: side of the square crops in pixels."""
        self.crop_size, self.stretched = crop_size, stretched

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """The frames as crops, without box and mask; none is rejected."""
        hands = []
        for radiograph in radiographs:
            pixels = radiograph.pixels
            if self.stretched:
                how = cv2.INTER_AREA if min(pixels.shape) >= self.crop_size else cv2.INTER_LINEAR
                pixels = cv2.resize(pixels, (self.crop_size, self.crop_size), interpolation=how)
            crop = cut_crop(np.asarray(pixels, np.float32), whole_frame(*pixels.shape), self.crop_size, margin=0.0)
            hands.append(Hand(Verdict(), crop=crop))
        return hands


def open_view(view: View, folder: str | Path, size: int, segmenter: NetFile) -> tuple[CropStore, Finder]:
    """The store in `folder` for crops of one view, `size` pixels a side, and what cuts them.

    `segmenter`: finds hands, used for the view `hand` alone. Raises TrainingError when the folder holds other crops.
    """
    if view == "hand":
        made_by, finder = segmenter.sha256, HandFinder.load(segmenter, size, chosen_backend())
    else:
        stretched = view == "stretched"
        made_by, finder = "stretched-frame" if stretched else "whole-frame", WholeFrame(size, stretched)
    return CropStore(folder, StoreKind(CROP_VERSION, size, made_by)), finder
