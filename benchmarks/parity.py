"""How far the readings of both engines differ, with each bundle, on every film that no training saw.

`python -m benchmarks --only parity --rsna DATA/rsna`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from boneage.data.cohort import Film, read_cohort
from boneage.data.split import CHOOSE, REPORT, rsna_split
from boneage.pipeline.reading import Reading
from boneage.weights.bundle import shipped_bundles

from .clock import Sample
from .report import Bar, Findings, Table, short
from .setting import Setting
from .subjects import Subject

ENGINES = "onnx", "torch"
LIMIT = 0.05  # months between both readings of a film
FEW = 8  # films of a quick run


def measure(setting: Setting) -> Findings:
    """Months between both readings of each film that has them, and how many films have another status or hand box."""
    films = _films(setting.rsna, FEW if setting.quick else None)
    rows, bars = [], []
    for bundle in shipped_bundles():
        pairs = list(zip(*(_readings(Subject(bundle, engine), films) for engine in ENGINES), strict=True))
        apart = Sample(
            tuple(
                abs(one.bone_age_months - other.bone_age_months)
                for one, other in pairs
                if one.bone_age_months is not None and other.bone_age_months is not None
            )
        )
        statuses, boxes = (
            sum(getattr(one, name) != getattr(other, name) for one, other in pairs) for name in ("status", "hand_box")
        )
        rows.append((bundle, apart, (str(statuses), str(boxes))))
        asked = f"{bundle}: both engines within {LIMIT} months and of one status on every film"
        bars.append(Bar(asked, f"{short(apart.high)} months, n = {apart.n}", apart.high <= LIMIT and not statuses))
    columns = "films of another status", "of another hand box"
    return Findings([Table(f"{' against '.join(ENGINES)}, {len(films)} films", "months", rows, columns)], bars)


def _films(folder: Path | None, most: int | None) -> Sequence[Film]:
    assert folder is not None  # the command asks for it
    cohort, split = read_cohort(folder), rsna_split()
    return [film for part in (CHOOSE, REPORT) for film in islice(split.take(cohort, part), most)]


def _readings(subject: Subject, films: Sequence[Film]) -> list[Reading]:
    return list(subject.load().predict_many((film.path, film.sex) for film in films))
