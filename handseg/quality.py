"""Judge whether a picture shows a whole hand: one verdict with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys, percentiles, white_of
from ..data.remark import Remark
from . import content
from .content import likely_whole, shows_no_hand, surely_whole
from .crop import LEVELS
from .cut_off import cut_off
from .field import field_box
from .geometry import whole_frame
from .segmenter import HandMap

Status = Literal["ok", "review", "rejected"]
STATUSES: tuple[Status, ...] = ("ok", "review", "rejected")

MIN_SIDE = 96  # pixels; below this a hand shows no growth plates
MIN_CONTRAST = 0.02  # between the LEVELS of a picture with grey levels in [0, 1]; a blank field has less
MAX_COLOUR = 0.05  # mean excess of red or green over blue; films and their scans have next to none
NO_HAND = 0.02  # share of the field under which nothing was found
# Certainty is the mean of |2p - 1| where the mask or its surroundings are. Over 192 real films it was 0.81 to 0.96,
# under 0.84 on one in a hundred; on 29 photographs and text pages made grey, what might be a hand had at most 0.72, but
# for one with 0.82.
# Of 250 other films, the 5 below 0.84 were read 12 months wrong on average, the 5 from 0.84 to 0.85 as well as all.
SURE, UNSURE = 0.84, 0.79
# Area of a hand as a fraction of the field: 0.1th and 99.9th percentile over 14,036 published hand masks
# (RSNA Pediatric Bone Age Challenge 2017), rounded.
AREA_RANGE = (0.08, 0.49)
SHAPE = (0.40, 0.93)  # area over convex hull; 0.53 to 0.89 over 192 real films


@dataclass(frozen=True)
class Verdict:
    """`status`: ok, review (read with care) or rejected (no bone age); `reasons`: remarks, none when ok."""

    status: Status = "ok"
    reasons: tuple[Remark, ...] = ()

    def and_also(self, status: Status, reason: Remark) -> Verdict:
        """The worse status of both, with one more reason."""
        worse = STATUSES[max(STATUSES.index(self.status), STATUSES.index(status))]
        return Verdict(worse, (*self.reasons, reason))


def judge_picture(pixels: Greys, colour: float) -> Verdict:
    """Judge a picture before its hand is searched for. `colour`: as Radiograph's, in [0, 1]."""
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        remark = Remark(
            "the picture is {width} x {height} pixels, at least {least} are needed",
            width=width,
            height=height,
            least=MIN_SIDE,
        )
        return _rejected(remark)
    if max(height, width) > 8 * min(height, width):
        remark = Remark(
            "the picture is {width} x {height} pixels, too long for a radiograph of a hand", width=width, height=height
        )
        return _rejected(remark)
    low, high = percentiles(pixels[:: max(height // 128, 1), :: max(width // 128, 1)], LEVELS)
    if high - low < MIN_CONTRAST * white_of(pixels):
        return _rejected(Remark("the picture is blank: it has hardly any contrast"))
    if colour > MAX_COLOUR:
        return _rejected(Remark("the picture is in colour: a photograph, not a radiograph"))
    return Verdict()


def judge_hand(view: HandMap) -> Verdict:
    """Judge whether the segmenter's map shows one whole hand."""
    if refused := shows_no_hand(view):
        return _rejected(refused)
    field = field_box(view)
    parts = view.components
    area = np.count_nonzero(parts[0]) if parts else 0
    if area < NO_HAND * field.area:
        return _rejected(Remark("no hand was found"))
    sure = certainty(view)
    if sure < UNSURE and not likely_whole(view):
        return _rejected(Remark("what was found does not look like a hand: the outline is uncertain"))
    verdict = Verdict()
    alone = view.fit.box == whole_frame(*view.fit.frame)
    for gone, reason in cut_off(parts[0], view.square, field, view.missing, alone=alone):
        verdict = verdict.and_also("rejected" if gone else "review", reason)
    if verdict.status == "rejected":
        return verdict
    for reason in _doubts(view, sure, area / field.area):
        verdict = verdict.and_also("review", reason)
    return verdict


def _rejected(reason: Remark) -> Verdict:
    return Verdict("rejected", (reason,))


def _doubts(view: HandMap, sure: float, share: float) -> Iterator[Remark]:
    """Reasons to review a hand that may be read; `sure`: its certainty; `share`: of the field that is hand."""
    if surely_whole(view) is False:
        yield content.UNSURE
    if sure < SURE:
        yield Remark("the outline of the hand is uncertain")
    if not SHAPE[0] <= solidity(view.components[0].astype(np.uint8)) <= SHAPE[1]:
        yield Remark("the outline does not have the shape of a hand")
    if share < AREA_RANGE[0]:
        yield Remark("the hand fills {share:.0%} of the field, under {least:.0%}", share=share, least=AREA_RANGE[0])


def certainty(view: HandMap) -> float:
    """Mean of |2p - 1| over the pixels with a probability of hand over 0.05; 0 to 1."""
    likely = view.probability > 0.05
    return float(np.abs(2 * view.probability - 1)[likely].mean()) if likely.any() else 0.0


def solidity(mask: NDArray[np.uint8]) -> float:
    """Area of the mask's largest component over the area of its convex hull, 0 to 1."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return 0.0
    contour = max(contours, key=cv2.contourArea)
    hull = cv2.contourArea(cv2.convexHull(contour))
    return cv2.contourArea(contour) / hull if hull else 0.0
