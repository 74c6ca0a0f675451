"""From nothing to the first reading: environment, base installation (from pip's cache), and two readings."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

from .clock import Sample, seconds
from .cold import to_reading
from .films import SEX
from .report import Bar, Findings, Table, short
from .setting import Setting

ROOT = Path(__file__).parents[1]
BUNDLE = "fast"
LARGEST, LONGEST, TO_READING, LATER = 600, 60.0, 90.0, 0.5  # MB; seconds; to the first reading; first less second


def measure(setting: Setting) -> Findings:
    """Seconds of each step, once, and what the environment takes on the disk."""
    home = setting.folder / "base"
    made = seconds(lambda: venv.create(home, with_pip=True))
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    installed = seconds(lambda: _run(scripts / "python", "-m", "pip", "install", "--quiet", ROOT))
    command = [scripts / "boneage", "predict", setting.films[0], "--sex", SEX, "--weights", BUNDLE]
    first, second = (to_reading(command)[0] for _ in range(2))
    packages = _run(scripts / "python", "-m", "pip", "list", "--format", "freeze").split()
    torch = any(package.lower().startswith("torch==") for package in packages)
    size = sum(file.lstat().st_size for file in home.rglob("*") if file.is_file()) / 1e6
    steps = {"environment": made, "installation": installed, "first reading": first, "second reading": second}
    rows = [(step, Sample((value,)), ()) for step, value in steps.items()]
    note = f"{len(packages)} packages, {size:.0f} MB with the environment's own pip; bundle {BUNDLE}."
    total = made + installed + first
    bars = [
        Bar(f"install: under {LARGEST} MB", f"{size:.0f} MB", size < LARGEST),
        Bar(f"install: under {LONGEST:g} s", f"{short(installed)} s", installed < LONGEST),
        Bar(f"install: to the first reading under {TO_READING:g} s", f"{short(total)} s", total < TO_READING),
        Bar(
            f"install: the first reading at most {LATER} s later than the second",
            f"{short(max(first - second, 0.0))} s",
            first - second <= LATER,
        ),
        Bar("install: no torch", "torch" if torch else "none", not torch),
    ]
    return Findings([Table("the base in a new environment", "s", rows, note=note)], bars)


def _run(*command: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed: {done.stderr.strip()}")
    return done.stdout
