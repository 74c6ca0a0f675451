"""A cohort on a cluster of Ray of this machine, with 4 logical cores: the table of a run without it, whatever dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from boneage.data.errors import WeightsError
from boneage.pipeline.cli import main
from boneage.pipeline.cluster import run as run_module
from boneage.pipeline.cluster.readings_folder import TABLE
from boneage.pipeline.cluster.run import Engine, Part, Piece, predict_on_cluster
from boneage.weights.bundle import read_bundle

pytest.importorskip("ray", reason="the extra ray is not installed, so no cohort is read on a cluster")

pytestmark = pytest.mark.slow
PARTS = 4  # films of a part
FAST: dict[str, Any] = {
    "weights": "fast",
    "net_engine": "onnx",
}  # a shipped bundle, since workers are processes of their own
OPTIONS = ["--weights", "fast", "--engine", "onnx"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of 4 logical cores, which this process is part of."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    few = {"enable_worker_prestart": False}  # no processes that no test uses
    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False, _system_config=few)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="module")
def cohort(hand_films, tmp_path_factory) -> Path:
    """The folder of films.csv: 18 films by relative paths, of which one is no picture, one missing and some doubled."""
    folder = tmp_path_factory.mktemp("cohort")
    hands = [np.asarray(Image.open(path)) for path in hand_films]
    for number in range(14):
        Image.fromarray(hands[number % 3][: 400 - number]).save(folder / f"{number:02}.png")
    (folder / "07.png").write_text("not a picture")
    shutil.copy(folder / "03.png", folder / "14.png")
    shutil.copy(folder / "03.png", folder / "15.png")
    names = [f"{number:02}.png" for number in range(16)] + ["03.png", "missing.png"]
    (folder / "films.csv").write_text("path,sex\n" + "".join(f"{name},F\n" for name in names))
    return folder


@pytest.fixture(scope="module")
def on_this_machine(cohort) -> tuple[bytes, str]:
    """The table of the run without a cluster, and what it says at its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cohort)
        done = predict("films.csv", *OPTIONS, "--parquet", "local.parquet")
    return (cohort / "local.parquet").read_bytes(), done.stderr


def predict(*arguments: object) -> Result:
    done = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def on_ray(cores: int, *, killing: bool = False) -> Engine:
    """The engine; if `killing`, one of its workers is killed once there is a first result."""
    from boneage.pipeline.cluster.on_ray import on_ray

    @contextmanager
    def engine(settings):
        with on_ray(cores=cores)(settings) as read:

            def pieces(parts: Sequence[Part]) -> Iterator[Piece]:
                for number, piece in enumerate(read(parts)):
                    if number == 0:
                        kill_worker()
                    yield piece

            yield pieces if killing else read

    return engine


def kill_worker() -> None:
    """Kill one of the processes in which actors of this process's cluster read films: a child of its raylet."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    for pid, parent in parents.items():
        if parents.get(parent) == os.getpid():
            with suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::MapWorker"):
                    os.kill(pid, signal.SIGKILL)
                    return
    raise AssertionError("no worker was found")


def test_the_table_and_the_summary_are_those_of_a_run_on_this_machine(cluster, cohort, on_this_machine, monkeypatch):
    monkeypatch.chdir(cohort)
    options = [*OPTIONS, "--on", "ray", "--workers", 4, "-o", "readings", "--rows-per-part", PARTS]
    done = predict("films.csv", *options)
    table, said = on_this_machine
    assert (cohort / "readings" / TABLE).read_bytes() == table
    assert done.stderr == said
    assert "18 films: " in said
    assert "2 failed" in said
    assert done.exit_code == 1
    assert len(list((cohort / "readings" / "_parts").iterdir())) == 5


def test_after_the_driver_was_killed_what_is_missing_is_read(cluster, cohort, on_this_machine, tmp_path, monkeypatch):
    monkeypatch.chdir(cohort)
    options = ["films.csv", *OPTIONS, "--on", "ray", "-o", str(tmp_path / "r"), "--rows-per-part", str(PARTS)]
    options += ["--workers", "4"]
    code = f"""
        import os, signal
        from boneage.pipeline.cli import main
        from boneage.pipeline.cluster.readings_folder import ReadingsFolder

        add, stored = ReadingsFolder.add, []

        def killed_after_the_second(self, number, films, read):
            add(self, number, films, read)
            stored.append(number)
            if len(stored) == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        ReadingsFolder.add = killed_after_the_second
        main({["predict", *options]!r})
    """
    environment = os.environ | {"RAY_ADDRESS": cluster}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / "_parts").glob("*.parquet")}
    assert len(kept) == 2
    assert not (tmp_path / "r" / TABLE).exists()
    resumed = predict(*options, "--resume")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (tmp_path / "r" / TABLE).read_bytes() == on_this_machine[0]
    assert "of them were read before" in resumed.stderr


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="workers are found in /proc")
def test_films_of_a_worker_that_was_killed_are_read_by_others(cluster, cohort, on_this_machine, tmp_path, monkeypatch):
    monkeypatch.chdir(cohort)
    predict_on_cluster(on_ray(2, killing=True), "films.csv", out=tmp_path / "r", rows_per_part=PARTS, **FAST)
    assert (tmp_path / "r" / TABLE).read_bytes() == on_this_machine[0]


def test_workers_with_other_weights_refuse(cluster, cohort, tmp_path, monkeypatch):
    other = replace(read_bundle("fast"), calibration=None)
    monkeypatch.setattr(run_module, "read_bundle", lambda _: other)
    monkeypatch.chdir(cohort)
    with pytest.raises(WeightsError, match=rf"the run is of {other.digest[:12]}…; install the same weights"):
        predict_on_cluster(on_ray(4), "films.csv", out=tmp_path / "r", **FAST)
    assert not (tmp_path / "r" / TABLE).exists()


def test_more_cores_for_a_worker_than_a_machine_has_are_refused(cluster, cohort, tmp_path):
    done = predict(cohort / "films.csv", "--on", "ray", "-o", tmp_path / "r", "--workers", 64)
    assert done.exit_code == 2
    assert "each worker is to have 64 cores, but the machines of the cluster have at most 4" in done.stderr


def test_a_cluster_that_does_not_answer_is_an_error_of_one_line(cohort, tmp_path):
    code = f"""
        from boneage.pipeline.cli import main

        for address in ("ray", "ray://127.0.0.1:9"):
            try:
                main(["predict", {str(cohort)!r}, "--sex", "F", "--on", address, "-o", "r"])
            except SystemExit as ended:
                print(ended.code)
    """
    environment = os.environ | {"RAY_ADDRESS": "127.0.0.1:9"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["2", "2"], done.stderr
    named = [line for line in done.stderr.splitlines() if "127.0.0.1:9: the cluster cannot be reached" in line]
    assert [line.count("ray://") for line in named] == [0, 1]
    assert done.stderr.splitlines()[-1] == named[-1]
    assert not (tmp_path / "r").exists()
