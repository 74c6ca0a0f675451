"""The hand on a radiograph with its verdict and crop, found in the same way for training and for inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys
from ..data.radiograph import Radiograph
from ..data.remark import Remark
from ..weights.backend import Backend
from ..weights.bundle import NetFile
from .crop import Crop, cut_crop
from .exposure import spoilt
from .geometry import Box, SquareFit
from .letterbox import even_exposure
from .orientation import ROTATED, UNSURE, likeliest, sure_rotation, surely_upright
from .pairs import Choice, Side, Which, chosen, fields_of, two_hands
from .quality import Verdict, judge_hand, judge_picture
from .segmenter import HandMap, HandSegmenter


@dataclass(frozen=True, eq=False)
class Hand:
    """What was found on one radiograph.

    `verdict`: whether the hand may be assessed. `view`: the segmenter's map of the hand, None where none was found.
    `crop`: the upright crop, None when the picture is rejected. Both are of the film in square pixels
    (`Radiograph.square`); `box`, `mask`, `crop_box`, `to_original` and `over_film` are in the film's own pixels.
    `frame`: height and width of the film where its pixels are not square, else None. On a film of two hands, `which` is
    the one that this is, `remarks` say how it was chosen, and `other` is the other one if both are read.
    """

    verdict: Verdict
    view: HandMap | None = None
    crop: Crop | None = None
    remarks: tuple[Remark, ...] = ()
    frame: tuple[int, int] | None = None
    which: Which | None = None
    other: Hand | None = None

    @property
    def each(self) -> tuple[Hand, ...]:
        """The hand itself, and the other one where both are read."""
        return (self, self.other) if self.other else (self,)

    @cached_property
    def box(self) -> Box | None:
        """The hand's box in original pixels."""
        if self.frame is None or self.mask is None:
            return self.view.box if self.view else None
        box = Box(*cv2.boundingRect(self.mask.view(np.uint8)))
        return box if box.area else None

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """The hand in original pixels, bool, height x width."""
        mask = self.view.mask if self.view else None
        if mask is None or self.frame is None:
            return mask
        height, width = self.frame
        return cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)

    @property
    def crop_box(self) -> Box | None:
        """The box that the crop was cut out of, in original pixels."""
        if self.crop is None or self.frame is None:
            return self.crop.fit.box if self.crop else None
        box = self.crop.fit.box
        ends = np.rint(np.array([(box.x, box.y), (box.x + box.width, box.y + box.height)]) * self._scale).astype(int)
        (x, y), (right, bottom) = ends.tolist()
        return Box(x, y, max(right - x, 1), max(bottom - y, 1))

    def to_original(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates in the crop, n x 2, to (x, y) in original pixels; needs a crop."""
        assert self.crop is not None
        return (self.crop.fit.to_original(points) + 0.5) * self._scale - 0.5

    def over_film(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map over the crop as one over the film in original pixels, 0 outside the crop's box; needs a crop."""
        assert self.crop is not None
        whole = self.crop.fit.back(square)
        if self.frame is None:
            return whole
        return np.asarray(cv2.resize(whole, self.frame[::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    @property
    def crop_scale(self) -> NDArray[np.float64]:
        """Original pixels per pixel of the crop, across and down the film; needs a crop."""
        assert self.crop is not None
        return self._scale * (self.crop.fit.side / self.crop.fit.size)

    @property
    def _scale(self) -> NDArray[np.float64]:
        """Original pixels per pixel of the film in square pixels, across and down."""
        if self.crop is None or self.frame is None:
            return np.ones(2)
        height, width = self.crop.fit.frame
        return np.array([self.frame[1] / width, self.frame[0] / height])

    @property
    def rotation(self) -> int:
        """Quarter turns anticlockwise, 0 to 3, by which the film was rotated to lay the hand upright."""
        return self.crop.fit.rotation if self.crop else 0

    @property
    def notes(self) -> tuple[Remark, ...]:
        """Remarks on how the hand was read that are no reason to review it."""
        return (*self.remarks, ROTATED[self.rotation]) if self.rotation else self.remarks


class HandFinder:
    """Finds, judges and crops the hand on radiographs."""

    def __init__(self, segmenter: HandSegmenter, crop_size: int, side: Side = "left") -> None:
        """`crop_size`: side of the square crops in pixels. `side`: which hand is read where a film shows two."""
        self.segmenter, self.crop_size = segmenter, crop_size
        self.side: Side = side

    @classmethod
    def load(cls, segmenter: NetFile, crop_size: int, backend: Backend = Backend(), side: Side = "left") -> HandFinder:
        """From a segmenter's weights file; raises WeightsError."""
        return cls(HandSegmenter.load(segmenter, backend), crop_size, side)

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order; the segmenter takes all as one batch."""
        films = [radiograph.square for radiograph in radiographs]
        first = [judge_picture(film, radiograph.colour) for film, radiograph in zip(films, radiographs, strict=True)]
        good = [k for k, verdict in enumerate(first) if verdict.status != "rejected"]
        views = dict(zip(good, self._views([films[k] for k in good]), strict=True)) if good else {}
        hands = []
        for k, radiograph in enumerate(radiographs):
            found = self._on_film(films[k], views[k], radiograph) if k in views else [Hand(first[k])]
            hand, *others = [_on_its_film(one, radiograph) for one in found]
            hands.append(replace(hand, other=others[0]) if others else hand)
        return hands

    def _views(self, films: Sequence[Greys]) -> list[HandMap]:
        """The map of each film as it lies or, where the hand is surely rotated, of the film rotated upright.

        Where neither is sure, it is the likeliest of the maps of all four rotations (`orientation.likeliest`).
        """
        views = self.segmenter.predict(films)
        rotations = {k: rotation for k, view in enumerate(views) if (rotation := sure_rotation(view))}
        if rotations:
            again = self.segmenter.predict([films[k] for k in rotations], list(rotations.values()))
            for k, view in zip(rotations, again, strict=True):
                views[k] = view if surely_upright(view) else views[k]
        for k, view in enumerate(views):
            if not surely_upright(view):
                views[k] = likeliest(self.segmenter.predict([films[k]] * 4, range(4)))
        return views

    def _on_film(self, pixels: Greys, view: HandMap, film: Radiograph) -> list[Hand]:
        """The hand of a film, or of its two hands the wanted one or both."""
        if two_hands(view):
            hands = self.segmenter.predict([pixels] * 2, [view.fit.rotation] * 2, fields_of(view))
            choices = chosen(hands, view, self.side, film)
        else:
            choices = (Choice(view),)
        return [self._chosen(pixels, view, choice) for choice in choices]

    def _chosen(self, pixels: Greys, view: HandMap, choice: Choice) -> Hand:
        hand = replace(self._hand(pixels, choice.hand), which=choice.which)
        if not hand.crop:
            return hand
        if choice.doubt:
            hand = replace(hand, verdict=hand.verdict.and_also("review", choice.doubt))
        if not surely_upright(view):
            hand = replace(hand, verdict=hand.verdict.and_also("review", UNSURE))
        return replace(hand, remarks=(choice.note,)) if choice.note else hand

    def _hand(self, pixels: Greys, view: HandMap) -> Hand:
        verdict = judge_hand(view)
        if verdict.status == "rejected":
            return self._with_even_exposure(pixels, view.fit, verdict)
        return self._cut_out(pixels, view, verdict)

    def _with_even_exposure(self, pixels: Greys, fit: SquareFit, first: Verdict) -> Hand:
        """The hand that is found with the exposure evened out, or else the verdict before.

        Of 9,728 real films 7 were rejected as they are; in 5 of these a hand was found this way.
        """
        (view,) = self.segmenter.predict([even_exposure(pixels)], [fit.rotation], [fit.box])
        verdict = judge_hand(view)
        if verdict.status != "rejected":
            verdict = verdict.and_also("review", Remark("the hand was found only after evening out the exposure"))
            return self._cut_out(pixels, view, verdict)
        return Hand(first)

    def _cut_out(self, pixels: Greys, view: HandMap, verdict: Verdict) -> Hand:
        assert view.box is not None  # no verdict but rejected comes without one
        around, mask = view.part
        crop = cut_crop(pixels, view.box, self.crop_size, hand=view.over, rotation=view.fit.rotation)
        for doubt in spoilt(pixels[around.slices], mask, crop.fit.scale):
            verdict = verdict.and_also("review", doubt)
        return Hand(verdict, view, crop)


def _on_its_film(hand: Hand, radiograph: Radiograph) -> Hand:
    """The hand with the doubts about its film, in the film's own pixels."""
    for doubt in radiograph.doubts:
        hand = replace(hand, verdict=hand.verdict.and_also("review", doubt))
    return hand if radiograph.aspect == 1 else replace(hand, frame=radiograph.greys.shape)
