"""How small the segmenter's input may be: time against the keypoint check on real, annotated films."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from boneage.data.radiograph import Radiograph, read_radiograph
from boneage.handseg.finder import HandFinder
from boneage.handseg.geometry import Box
from boneage.handseg.keypoints import KeypointCheck, check_keypoints
from boneage.handseg.segmenter import HandSegmenter

from .clock import timed
from .report import Bar, Findings, Table
from .setting import Setting
from .subjects import Subject, bundles

ROUNDS = 15
SIDES = (128, 160, 192, 224)  # pixels, multiples of 32
INSIDE, RATIO = 0.995, 1.6  # share of films with every keypoint in the crop, at least; crop over hand box, at most
QUICK_FILMS = 12
BATCH = 16


def measure(setting: Setting) -> Findings:
    """Time to segment one film and the check on all annotated ones, for the shipped segmenter at several sides."""
    if setting.data is None:
        raise ValueError("segmentation needs the real radiographs; give their folder with --data")
    table = setting.data / "hand-keypoints.csv"
    if setting.quick:
        some = setting.folder / "some-keypoints.csv"
        pd.read_csv(table, dtype={"id": str}).head(QUICK_FILMS).to_csv(some, index=False)
        table = some
    finders = {side: _finder_at(side) for side in SIDES}
    shipped = _finder().segmenter.input_size
    film = read_radiograph(setting.films[0]).greys
    looks = {f"{side} px": functools.partial(finder.segmenter.look, [film]) for side, finder in finders.items()}
    samples = timed(looks, setting.rounds(ROUNDS), warm_ups=2)
    checks = {side: _check(table, setting.data, finder) for side, finder in finders.items()}
    rows = [
        (
            f"{side} px" + (", as shipped" if side == shipped else ""),
            samples[f"{side} px"].scaled(1000),
            (f"{check.inside:.1%}", str(len(check.missed)), f"{check.ratio:.2f}"),
        )
        for side, check in checks.items()
    ]
    n = next(iter(checks.values())).n
    columns = (f"all keypoints inside, of {n} films", "films missed", "crop over hand box, median")
    keeping = [side for side, check in checks.items() if _kept(check)]
    note = f"The smallest side that keeps the check: {min(keeping)} px." if keeping else "No side keeps the check."
    found = Table("segmenter's input against the keypoint check", "ms a film", rows, columns, note)
    asked = f"segmenter as shipped: keypoints inside on {INSIDE:.1%}, crop at most {RATIO} x the hand box"
    check = checks.get(shipped) or _check(table, setting.data, _finder())
    words = f"{check.inside:.1%}, {check.ratio:.2f} x at {shipped} px"
    return Findings([found], [Bar(asked, words, _kept(check))])


def _kept(check: KeypointCheck) -> bool:
    return check.inside >= INSIDE and check.ratio <= RATIO


def _finder() -> HandFinder:
    """With torch, which takes pictures of any side."""
    return Subject("default" if "default" in bundles() else bundles()[0], "torch").load().finder


def _finder_at(side: int) -> HandFinder:
    finder = _finder()
    return HandFinder(HandSegmenter(finder.segmenter.engine, side), finder.crop_size)


def _check(table: Path, data: Path, finder: HandFinder) -> KeypointCheck:
    films = data / "rsna" / "boneage-training-dataset"
    ids = pd.read_csv(table, dtype={"id": str})["id"].tolist()
    boxes: dict[str, tuple[Box, tuple[int, int]] | None] = {}
    for some in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH)):
        boxes |= _boxes(some, [read_radiograph(films / f"{id}.webp") for id in some], finder)
    return check_keypoints(table, boxes.get)


def _boxes(
    ids: Sequence[str], films: Sequence[Radiograph], finder: HandFinder
) -> dict[str, tuple[Box, tuple[int, int]] | None]:
    found = zip(ids, films, finder.find(films), strict=True)
    return {id: (hand.crop.fit.box, film.greys.shape) if hand.crop else None for id, film, hand in found}
