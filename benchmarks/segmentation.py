"""How small the segmenter's input may be: time against the keypoint check on annotated films, and their readings."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.keypoints import KeypointCheck, check_keypoints
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.handseg.finder import Hand, HandFinder
from boneage.handseg.geometry import Box
from boneage.handseg.segmenter import HandSegmenter
from boneage.regressor.reader import BoneAgeReader

from .clock import timed
from .films import SEX
from .report import Bar, Findings, Table
from .setting import Setting
from .subjects import Subject, bundles, usual

ROUNDS = 15
SIDES = (128, 160, 192, 224)  # pixels, multiples of 32
INSIDE, RATIO = 0.995, 1.6  # share of films with every keypoint in the crop, at least; crop over hand box, at most
QUICK_FILMS = 12
BATCH = 16


def measure(setting: Setting) -> Findings:
    """Time to segment one film, the check on all annotated ones and their readings, at several sides of the input."""
    if setting.data is None:
        raise ValueError("segmentation needs the real radiographs; give their folder with --data")
    table = setting.data / "hand-keypoints.csv"
    if setting.quick:
        some = setting.folder / "some-keypoints.csv"
        pd.read_csv(table, dtype={"id": str}).head(QUICK_FILMS).to_csv(some, index=False)
        table = some
    bundle = "fast" if "fast" in bundles() else bundles()[0]
    shipped, reader = Subject(bundle, "torch").load().finder, usual(bundle).load().reader
    own = shipped.segmenter.input_size
    finders = {
        # with torch, which takes pictures of any side
        side: HandFinder(HandSegmenter(shipped.segmenter.engine, side), shipped.crop_size)
        for side in sorted({*SIDES, own})
    }
    film = read_radiograph(setting.films[0]).greys
    looks = {_px(side): functools.partial(finder.segmenter.look, [film]) for side, finder in finders.items()}
    samples = timed(looks, setting.rounds(ROUNDS), warm_ups=2)

    ids = pd.read_csv(table, dtype={"id": str})["id"].tolist()
    folder = setting.data / "rsna" / "boneage-training-dataset"
    films = [read_radiograph(folder / f"{id}.webp") for id in ids]
    hands = {side: _hands(films, finder) for side, finder in finders.items()}
    checks = {
        side: check_keypoints(table, dict(zip(ids, map(_place, found), strict=True)).get)
        for side, found in hands.items()
    }
    months = {side: _months(found, reader) for side, found in hands.items()}
    rows = [
        (
            _px(side) + (", as shipped" if side == own else ""),
            samples[_px(side)].scaled(1000),
            (
                f"{check.inside:.1%}",
                str(len(check.missed)),
                f"{check.ratio:.2f}",
                str(sum(hand.verdict.status != "ok" for hand in hands[side])),
                f"{np.nanmean(np.abs(months[side] - months[own])):.2f}",
            ),
        )
        for side, check in checks.items()
    ]
    columns = (
        f"all keypoints inside, of {len(ids)} films",
        "films missed",
        "crop over hand box, median",
        "films not ok",
        "readings moved by, months",
    )
    keeping = [side for side, check in checks.items() if _kept(check)]
    note = (
        f"The smallest side that keeps the check: {min(keeping)} px." if keeping else "No side keeps the check."
    ) + f" The last column is how far the readings of {bundle} lie from those at the shipped side, on average."
    found = Table("segmenter's input against the keypoint check", "ms a film", rows, columns, note)
    asked = f"segmenter as shipped: keypoints inside on {INSIDE:.1%}, crop at most {RATIO} x the hand box"
    words = f"{checks[own].inside:.1%}, {checks[own].ratio:.2f} x at {_px(own)}"
    return Findings([found], [Bar(asked, words, _kept(checks[own]))])


def _px(side: int) -> str:
    return f"{side} px"


def _kept(check: KeypointCheck) -> bool:
    return check.inside >= INSIDE and check.ratio <= RATIO


def _hands(films: Sequence[Radiograph], finder: HandFinder) -> list[Hand]:
    return [hand for start in range(0, len(films), BATCH) for hand in finder.find(films[start : start + BATCH])]


def _place(hand: Hand) -> tuple[Box, tuple[int, int]] | None:
    return (hand.crop.fit.box, hand.crop.fit.frame) if hand.crop else None


def _months(hands: Sequence[Hand], reader: BoneAgeReader) -> NDArray[np.float64]:
    """The prediction for each hand as a girl's, since only its change counts; NaN without a crop."""
    crops = [hand.crop.pixels if hand.crop else None for hand in hands]
    return np.array([np.nan if crop is None else reader.months([crop], [SEX])[0] for crop in crops])
