"""What a cluster costs beside threads: 400 films by Ray on this machine's cores and by `--workers`, each a process.

`python -m benchmarks --only cluster`; needs the extra ray. Films are read by the command, to a table either way.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from boneage.pipeline.predict.parallel import cores

from .clock import Sample, in_turns
from .films import SEX, folder_of_others
from .report import Bar, Findings, Table, short
from .setting import Setting

ROUNDS = 3
FILMS, FEW = 400, 40  # the rest of a run with few films is its start and end
BUNDLE = "fast"  # the bundle that reads fastest, beside which a cluster costs most
THREADS, RAY = "--workers", "--on ray"
MOST = 1.25  # times what a film takes by threads that a film may take on the cluster, without its start and end


def measure(setting: Setting) -> Findings:
    """Seconds of many films and of few by each, from start to end, and from their difference what a film takes."""
    counts = (FEW // 5, FEW) if setting.quick else (FEW, FILMS)
    folders = {count: folder_of_others(setting.films, count, setting.folder / f"cluster-{count}") for count in counts}
    measures = {
        f"{count} films, {how}": functools.partial(_seconds, how, folder, setting.folder)
        for count, folder in folders.items()
        for how in (THREADS, RAY)
    }
    measured = in_turns(measures, setting.rounds(ROUNDS), warm_ups=0)
    samples = {name: Sample(tuple(values)) for name, values in measured.items()}
    few, many = counts
    film = {how: _difference(samples, few, many, how) / (many - few) for how in (THREADS, RAY)}
    rows = [(name, sample, (_ratio(name, samples),)) for name, sample in samples.items()]
    note = "; ".join(
        f"by {how} a further film takes {short(1000 * film[how])} ms on {cores()} cores, and start and end "
        f"{short(samples[f'{few} films, {how}'].median - few * film[how])} s"
        for how in film
    )
    table = Table(f"films to a table by the command, {BUNDLE}", "s", rows, ("of threads",), f"{note}.")
    ratio = film[RAY] / film[THREADS]
    asked = f"cluster: a further film on Ray takes at most {MOST} x what it takes by threads"
    return Findings([table], [Bar(asked, f"{ratio:.2f} x", 0 < ratio <= MOST)])  # below 0: noise


def _difference(samples: dict[str, Sample], few: int, many: int, how: str) -> float:
    return samples[f"{many} films, {how}"].median - samples[f"{few} films, {how}"].median


def _ratio(name: str, samples: dict[str, Sample]) -> str:
    count, how = name.split(" films, ")
    return "" if how == THREADS else f"{samples[name].over(samples[f'{count} films, {THREADS}']):.2f} x"


def _seconds(how: str, folder: Path, place: Path) -> float:
    """Read a folder by the command, in a process of its own."""
    out = Path(mkdtemp(dir=place))
    where = ["--on", "ray", "-o", out / "r"] if how == RAY else ["--parquet", out / "r.parquet"]
    command = [sys.executable, "-m", "boneage", "predict", folder, "--sex", SEX, "--weights", BUNDLE, *where]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"reading {folder} by {how} failed: {done.stderr.strip()}")
    return time.perf_counter() - start
