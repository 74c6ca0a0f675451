"""Where the time of one film goes, once the program is warm: stage by stage, and outside nets and decoder."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import kornia_rs

from boneage.handseg.finder import HandFinder
from boneage.handseg.segmenter import HandSegmenter
from boneage.pipeline.predict import bone_age as whole
from boneage.regressor.reader import BoneAgeReader

from .clock import Sample, in_turns, seconds, timed
from .films import SEX
from .report import Bar, Findings, Table
from .setting import Setting
from .subjects import nets_wrapped, subjects, usual

ROUNDS = 15
LIMIT = 0.15  # share of the time that may go by outside the two nets and the decoder
GATE = 0.10  # share of the time that may be spent on what a film shows where no second look is taken, both by torch
LOOKS = "By torch. A second look is taken only where the head is unsure."

# where a stage's function is looked up; a stage may lie within another
PLACES: dict[str, tuple[Any, str]] = {
    "read": (whole, "read_radiograph"),
    "decoder": (kornia_rs.io, "decode_image_png_u8"),
    "find": (HandFinder, "find"),
    "segment": (HandSegmenter, "predict"),
    "regress": (BoneAgeReader, "months"),
}


def measure(setting: Setting) -> Findings:
    """Milliseconds of each stage, of one film at a time, the bundles and engines in turns.

    Each reads one film before the one that is measured, since the others have run in between.
    """
    film = setting.films[0]
    loaded = {str(subject): subject.load() for subject in subjects()}

    def second(bone_age: whole.BoneAge) -> dict[str, float]:
        bone_age.predict(film, SEX)
        return stages(bone_age, film)

    measures = {name: functools.partial(second, bone_age) for name, bone_age in loaded.items()}
    measured = in_turns(measures, setting.rounds(ROUNDS), warm_ups=2)
    tables, bars = [], []
    for subject in subjects():
        rounds = measured[str(subject)]
        total = Sample(tuple(one["whole"] for one in rounds))
        rows = []
        for stage in rounds[0]:
            sample = Sample(tuple(one[stage] for one in rounds))
            rows.append((stage, sample.scaled(1000), (f"{sample.over(total):.0%}",)))
        tables.append(Table(f"one film, {subject}", "ms", rows, ("of the whole",)))
        if subject == usual(subject.bundle):
            share = Sample(tuple(one["outside nets and decoder"] / one["whole"] for one in rounds)).median
            bars.append(Bar(f"{subject}: under {LIMIT:.0%} outside nets and decoder", f"{share:.1%}", share < LIMIT))
        if subject.engine == "torch":
            looks = _looks(subject.bundle, setting.rounds(ROUNDS))
            rows = [(name, sample.scaled(1000), (f"{sample.over(total):.0%}",)) for name, sample in looks.items()]
            tables.append(Table(f"what one film shows, {subject}", "ms", rows, ("of the whole",), LOOKS))
            share = max(looks["mask and head"].median - looks["mask alone"].median, 0.0) / total.median
            bars.append(Bar(f"{subject}: under {GATE:.0%} for what a film shows", f"{share:.1%}", share < GATE))
    return Findings(tables, bars)


def _looks(bundle: str, rounds: int) -> dict[str, Sample]:
    """Seconds of a look of the segmenter with and without its content head, and of a second look where it has a net."""
    import torch

    from boneage.handseg.network import MirroredUNet, build_mirrored
    from boneage.weights.bundle import segmenter_of

    path = segmenter_of(bundle).path
    bare: Any = build_mirrored(path).net
    bare.content_head = None
    square, hand = torch.randint(0, 256, (1, 192, 192), dtype=torch.uint8), torch.rand(1, 192, 192)
    tasks = {
        "mask and head": functools.partial(build_mirrored(path).eval(), square),
        "mask alone": functools.partial(MirroredUNet(bare).eval(), square),
    }
    if bare.second is not None:
        tasks["second look"] = functools.partial(bare.second.eval(), square, hand)
    with torch.no_grad():
        return timed(tasks, rounds, warm_ups=2)


def stages(bone_age: whole.BoneAge, film: Path) -> dict[str, float]:
    """Seconds of each stage of one reading, and of the whole."""
    spent: defaultdict[str, float] = defaultdict(float)

    def clocked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*inputs: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*inputs, **named)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    with ExitStack() as stack:
        for name, (owner, attribute) in PLACES.items():
            stack.enter_context(patch.object(owner, attribute, clocked(name, getattr(owner, attribute))))
        stack.enter_context(nets_wrapped(bone_age, clocked))
        total = seconds(lambda: bone_age.predict(film, SEX))
    return {
        "read the file": spent["read"],
        "- of which decoder": spent["decoder"],
        "segment": spent["segment"],
        "- of which net": spent["segmenter"],
        "judge and crop": spent["find"] - spent["segment"],
        "regress": spent["regress"],
        "- of which nets": spent["regressor"],
        "the rest": total - spent["read"] - spent["find"] - spent["regress"],
        "outside nets and decoder": total - spent["decoder"] - spent["segmenter"] - spent["regressor"],
        "whole": total,
    }
