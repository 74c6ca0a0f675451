"""The hand on a radiograph with its verdict and crop, found in the same way for training and for inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from .pairs import Choice, Side, chosen, fields_of, two_hands
from .quality import Verdict, judge_hand, judge_picture
from .segmenter import HandMap, HandSegmenter


@dataclass(frozen=True, eq=False)
class Hand:
    """What was found on one radiograph.

    `verdict` says whether it may be assessed. `seen`: what the segmenter saw of the hand, None where none was found.
    `crop` is None when the picture is rejected, else upright; its `fit` leads back to the original. `remarks`: how it
    was chosen where the film shows two.
    """

    verdict: Verdict
    seen: HandMap | None = None
    crop: Crop | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def box(self) -> Box | None:
        """The hand's box in original pixels."""
        return self.seen.box if self.seen else None

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The hand in original pixels, bool, height x width, made when it is first asked for."""
        return self.seen.mask if self.seen else None

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
        """`crop_size`: side of the square crops in pixels. `side`: the hand that is taken where a film shows two."""
        self.segmenter, self.crop_size = segmenter, crop_size
        self.side: Side = side

    @classmethod
    def load(cls, segmenter: NetFile, crop_size: int, backend: Backend = Backend(), side: Side = "left") -> HandFinder:
        """From a segmenter's weights file; raises WeightsError."""
        return cls(HandSegmenter.load(segmenter, backend), crop_size, side)

    def find(self, radiographs: Sequence[Radiograph]) -> list[Hand]:
        """One Hand for each radiograph, in order; the segmenter sees them as one batch."""
        first = [judge_picture(radiograph.greys, radiograph.colour) for radiograph in radiographs]
        good = [k for k, verdict in enumerate(first) if verdict.status != "rejected"]
        seen = dict(zip(good, self._look([radiographs[k].greys for k in good]), strict=True)) if good else {}
        hands = []
        for k, radiograph in enumerate(radiographs):
            hand = self._on_film(radiograph.greys, seen[k]) if k in seen else Hand(first[k])
            for doubt in radiograph.doubts:
                hand = replace(hand, verdict=hand.verdict.and_also("review", doubt))
            hands.append(hand)
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

    def _on_film(self, pixels: Greys, seen: HandMap) -> Hand:
        """The hand of a film on which something was seen, one of two where there are two."""
        choice = self._one_of_two(pixels, seen) if two_hands(seen) else Choice(seen)
        hand = self._hand(pixels, choice.hand)
        if not hand.crop:
            return hand
        if choice.doubt:
            hand = replace(hand, verdict=hand.verdict.and_also("review", choice.doubt))
        if not surely_upright(seen):
            hand = replace(hand, verdict=hand.verdict.and_also("review", UNSURE))
        return replace(hand, remarks=(choice.note,)) if choice.note else hand

    def _one_of_two(self, pixels: Greys, seen: HandMap) -> Choice:
        return chosen(self.segmenter.look([pixels] * 2, [seen.fit.turn] * 2, fields_of(seen)), seen, self.side)

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
