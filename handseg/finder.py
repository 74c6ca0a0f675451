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
from .orientation import ROTATED, UNSURE, likeliest, surely_turned, surely_upright
from .pairs import Choice, Side, Which, chosen, fields_of, two_hands
from .quality import Verdict, judge_hand, judge_picture
from .segmenter import HandMap, HandSegmenter


@dataclass(frozen=True, eq=False)
class Hand:
    """What was found on one radiograph.

    `verdict` says whether it may be assessed. `seen`: what the segmenter saw of the hand, None where none was found.
    `crop` is None when the picture is rejected, else upright. Both are of the film in square pixels
    (`Radiograph.square`); `box`, `mask`, `crop_box`, `to_original` and `over_film` are in the film's own pixels.
    `frame`: height and width of the film where its pixels are not square, else None. `remarks`: how it was chosen where
    the film shows two, and `which` of them it is. `other`: the other of two where both are read.
    """

    verdict: Verdict
    seen: HandMap | None = None
    crop: Crop | None = None
    remarks: tuple[Remark, ...] = ()
    frame: tuple[int, int] | None = None
    which: Which | None = None
    other: Hand | None = None

    @property
    def each(self) -> tuple[Hand, ...]:
        """The hand, and the other one where both are read."""
        return (self, self.other) if self.other else (self,)

    @cached_property
    def box(self) -> Box | None:
        """The hand's box in original pixels."""
        if self.frame is None or self.mask is None:
            return self.seen.box if self.seen else None
        box = Box(*cv2.boundingRect(self.mask.view(np.uint8)))
        return box if box.area else None

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """The hand in original pixels, bool, height x width, made when it is first asked for."""
        mask = self.seen.mask if self.seen else None
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
    def turned(self) -> int:
        """Quarter turns anticlockwise, 0 to 3, by which the film was turned so that the hand is upright in the crop."""
        return self.crop.fit.turn if self.crop else 0

    @property
    def notes(self) -> tuple[Remark, ...]:
        """What was done to read the hand; no cause to review it."""
        return (*self.remarks, ROTATED[self.turned]) if self.turned else self.remarks


class HandFinder:
    """Segments, judges and crops."""

    def __init__(self, segmenter: HandSegmenter, crop_size: int, side: Side = "left") -> None:
        """`crop_size`: side of the square crops in pixels. `side`: what is taken where a film shows two."""
        self.segmenter, self.crop_size = segmenter, crop_size
        self.side: Side = side

    @classmethod
    def load(cls, segmenter: NetFile, crop_size: int, backend: Backend = Backend(), side: Side = "left") -> HandFinder:
        """From a segmenter's weights file; raises WeightsError."""
        return cls(HandSegmenter.load(segmenter, backend), crop_size, side)

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order; the segmenter sees them as one batch."""
        films = [radiograph.square for radiograph in radiographs]
        first = [judge_picture(film, radiograph.colour) for film, radiograph in zip(films, radiographs, strict=True)]
        good = [k for k, verdict in enumerate(first) if verdict.status != "rejected"]
        seen = dict(zip(good, self._look([films[k] for k in good]), strict=True)) if good else {}
        hands = []
        for k, radiograph in enumerate(radiographs):
            found = self._on_film(films[k], seen[k], radiograph) if k in seen else [Hand(first[k])]
            hand, *others = [_on_its_film(one, radiograph) for one in found]
            hands.append(replace(hand, other=others[0]) if others else hand)
        return hands

    def _look(self, films: Sequence[Greys]) -> list[HandMap]:
        """What is seen of each film as it lies or, where the hand surely lies turned, of the film turned upright.

        Where neither is sure, it is seen the likeliest of all four ways (`orientation.likeliest`).
        """
        seen = self.segmenter.look(films)
        turns = {k: turn for k, one in enumerate(seen) if (turn := surely_turned(one))}
        if turns:
            again = self.segmenter.look([films[k] for k in turns], list(turns.values()))
            for k, one in zip(turns, again, strict=True):
                seen[k] = one if surely_upright(one) else seen[k]
        for k, one in enumerate(seen):
            if not surely_upright(one):
                seen[k] = likeliest(self.segmenter.look([films[k]] * 4, range(4)))
        return seen

    def _on_film(self, pixels: Greys, seen: HandMap, film: Radiograph) -> list[Hand]:
        """What was asked for of the hands of a film on which something was seen."""
        if two_hands(seen):
            hands = self.segmenter.look([pixels] * 2, [seen.fit.turn] * 2, fields_of(seen))
            choices = chosen(hands, seen, self.side, film)
        else:
            choices = (Choice(seen),)
        return [self._chosen(pixels, seen, choice) for choice in choices]

    def _chosen(self, pixels: Greys, seen: HandMap, choice: Choice) -> Hand:
        hand = replace(self._hand(pixels, choice.hand), which=choice.which)
        if not hand.crop:
            return hand
        if choice.doubt:
            hand = replace(hand, verdict=hand.verdict.and_also("review", choice.doubt))
        if not surely_upright(seen):
            hand = replace(hand, verdict=hand.verdict.and_also("review", UNSURE))
        return replace(hand, remarks=(choice.note,)) if choice.note else hand

    def _hand(self, pixels: Greys, seen: HandMap) -> Hand:
        verdict = judge_hand(seen)
        if verdict.status == "rejected":
            return self._second_look(pixels, seen.fit, verdict)
        return self._cut_out(pixels, seen, verdict)

    def _second_look(self, pixels: Greys, fit: SquareFit, first: Verdict) -> Hand:
        """Look again with the exposure evened out.

        Of 9,728 real films the first look rejected 7; the second found the hand in 5 of them.
        """
        (seen,) = self.segmenter.look([even_exposure(pixels)], [fit.turn], [fit.box])
        verdict = judge_hand(seen)
        if verdict.status != "rejected":
            verdict = verdict.and_also("review", Remark("the hand was found only after evening out the exposure"))
            return self._cut_out(pixels, seen, verdict)
        return Hand(first)

    def _cut_out(self, pixels: Greys, seen: HandMap, verdict: Verdict) -> Hand:
        assert seen.box is not None  # no verdict but rejected comes without one
        around, mask = seen.part
        crop = cut_crop(pixels, seen.box, self.crop_size, hand=seen.over, turn=seen.fit.turn)
        for doubt in spoilt(pixels[around.slices], mask, crop.fit.scale):
            verdict = verdict.and_also("review", doubt)
        return Hand(verdict, seen, crop)


def _on_its_film(hand: Hand, radiograph: Radiograph) -> Hand:
    """The hand with the doubts of its film, and in the film's own pixels."""
    for doubt in radiograph.doubts:
        hand = replace(hand, verdict=hand.verdict.and_also("review", doubt))
    return hand if radiograph.aspect == 1 else replace(hand, frame=radiograph.greys.shape)
