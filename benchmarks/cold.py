"""From the key press to the reading: a program that starts, reads one film and ends, beside bare interpreters."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .clock import Sample, in_turns, seconds
from .films import SEX
from .report import Bar, Findings, Table, short
from .setting import Setting
from .subjects import Subject, subjects, usual

ROUNDS = 7
LIMIT, TIMES_BARE = 1.5, 6.0  # seconds; against an interpreter that imports numpy and cv2
REPORTS = ("html", "pdf")
BARE, ARRAYS = "python -c pass", "python -c 'import numpy, cv2'"


def measure(setting: Setting) -> Findings:
    """Seconds until the reading is printed and until the program has ended; files are in the system's cache."""
    film = setting.films[0]
    measures = {
        BARE: lambda: (seconds(lambda: _python("pass")),) * 2,
        ARRAYS: lambda: (seconds(lambda: _python("import numpy, cv2")),) * 2,
    }
    measures |= {str(subject): functools.partial(to_reading, _command(subject, film)) for subject in subjects()}
    plain = _command(usual("fast"), film)
    for kind in REPORTS:
        page = setting.folder / f"page.{kind}"
        measures[f"{usual('fast')}, report.{kind}"] = functools.partial(
            to_reading, [*plain, "--no-heatmap", "--report", page]
        )
    measured = in_turns(measures, setting.rounds(ROUNDS))
    samples = {name: Sample(tuple(reading for reading, _ in pairs)) for name, pairs in measured.items()}
    ended = {name: Sample(tuple(end for _, end in pairs)) for name, pairs in measured.items()}
    rows = [
        (name, sample, (short(ended[name].median), short(sample.over(samples[ARRAYS]))))
        for name, sample in samples.items()
    ]
    note = "`boneage predict film.png --sex F --weights BUNDLE --engine ENGINE`; reports by `--report`, `--no-heatmap`."
    table = Table("cold start to the printed reading", "s", rows, ("median to the end, s", "x numpy and cv2"), note)
    return Findings([table], _bars(samples))


def to_reading(command: Sequence[str | Path]) -> tuple[float, float]:
    """Seconds until a command has printed its first line, and until it has ended; RuntimeError where it fails."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        printed = time.perf_counter() - start
        _, error = process.communicate()
    ended = time.perf_counter() - start
    if process.returncode or not line:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with code {process.returncode}: {error.strip()}")
    return printed, ended


def _bars(samples: dict[str, Sample]) -> list[Bar]:
    what = f"cold start, {usual('fast')}"
    fast = samples[str(usual("fast"))]
    against = fast.over(samples[ARRAYS])
    return [
        Bar(f"{what}: at most {LIMIT} s", f"{short(fast.median)} s", fast.median <= LIMIT),
        Bar(f"{what}: at most {TIMES_BARE:g} x numpy and cv2", f"{short(against)} x", against <= TIMES_BARE),
    ]


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def _command(subject: Subject, film: Path) -> list[str | Path]:
    script = Path(sys.executable).with_name("boneage")
    program: list[str | Path] = [script] if script.exists() else [sys.executable, "-m", "boneage"]
    options = ["--sex", SEX, "--weights", subject.bundle, "--engine", subject.engine, "--device", "cpu"]
    return [*program, "predict", film, *options]
