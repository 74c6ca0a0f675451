"""The command as a process: whatever its streams, its inputs' names and the signals it gets are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import STOPS
from PIL import Image

from boneage.pipeline.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="streams and signals of POSIX")
PROGRAM = [sys.executable, "-m", "boneage"]


ONNX = {**os.environ, "BONEAGE_ENGINE": "onnx"}  # which starts in a fraction of torch's time


def run(*arguments, **options) -> subprocess.CompletedProcess:
    environment = {**ONNX, **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([*PROGRAM, *arguments], env=environment, timeout=300, **options, check=False)


def test_names_that_no_encoding_has_are_printed_as_escapes(tmp_path):
    name = os.fsdecode(b"b\xff\xe4\x1b[31m.png")
    (tmp_path / name).write_bytes(b"no picture")
    for encoding in ("ascii", "utf-8", "latin-1"):
        arguments = ["predict", str(tmp_path / name), "--sex", "F"]
        done = run(*arguments, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert b"\x1b" not in done.stderr
        assert any(name in done.stderr for name in (rb"b\udcff\udce4\x1b[31m.png", rb"b\xff\xe4\x1b[31m.png"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        done = run("info", stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "Error: the output: No space left on device; make room there, or give another place"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_exit_codes_and_results_are_the_same_where_stderr_cannot_be_written(tmp_path, encoding):
    Image.fromarray(np.zeros((80, 60), np.uint8)).save(tmp_path / "blank.png")
    codes = []
    for command in (["predict", "blank.png", "--sex", "F", "--json"], ["predict", "none.png"], ["predict", "--none"]):
        with open("/dev/full", "w") as full:
            done = run(*command, stderr=full, cwd=tmp_path, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
        codes.append(done.returncode)
        assert (b'"status": "rejected"' in done.stdout) == ("--json" in command)
    assert codes == [1, 2, 2]


def test_a_closed_pipe_ends_quietly():
    read, write = os.pipe()
    os.close(read)
    done = run("info", stdout=write)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b""


def test_streams_that_were_closed_before_are_done_without(tmp_path):
    Image.fromarray(np.zeros((80, 60), np.uint8)).save(tmp_path / "blank.png")
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = f"{' '.join(PROGRAM)} predict blank.png --sex F --json --csv t{len(closed)}.csv {closed}"
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=ONNX, capture_output=True, timeout=300, check=False
        )
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert (b'"status": "rejected"' in done.stdout) == (closed == "2>&-")
        assert len((tmp_path / f"t{len(closed)}.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("option", [[""], ["a.png", "--csv", ""], ["a.png", "--csv", "."], ["a.png", "--report", ""]])
def test_a_blank_name_is_not_the_folder_of_the_shell(tmp_path, option):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(main, ["predict", "--sex", "F", *option])
    assert done.exit_code == 2
    assert "is blank" in done.output or "is a folder" in done.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_a_command_with_its_signals_code_and_a_second_one_at_once(tmp_path, number):
    program = tmp_path / "stop.py"
    program.write_text(
        "import os, signal, sys, time\n"
        "import click\n"
        "from boneage.pipeline.cli.group import LazyCommands\n"
        "group = LazyCommands('x', modules={'go': '__main__'})\n"
        "@click.command()\n"
        "def go():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('cleaned', flush=True)\n"
        "        if sys.argv[-1] == 'twice':\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "            time.sleep(60)\n"
        "go.params.append(click.Argument(['how'], expose_value=False))\n"
        "group()\n"
    )
    for how in ("once", "twice"):
        done = subprocess.run([sys.executable, program, "go", how], capture_output=True, timeout=50, check=False)
        assert (done.returncode, done.stdout) == (128 + number, b"cleaned\n")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize(("library", "said"), [("click", 0), ("numpy", 1)])
def test_a_stop_as_libraries_are_imported_is_no_error_of_an_import(tmp_path, number, library, said):
    stops = f"import os, time; os.kill(os.getpid(), {int(number)}); time.sleep(60)\n"
    # as native libraries do whose import is interrupted
    (tmp_path / f"{library}.py").write_text(
        f"try:\n    {stops}except BaseException:\n    raise ImportError('failed')\n"
    )
    done = run("predict", "hand.png", "--sex", "F", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (128 + number, b"", said)


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    (tmp_path / "numpy.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\nprint('went on')\nraise SystemExit(7)\n"
    )
    command = f"trap '' HUP; exec {sys.executable} -m boneage predict hand.png --sex F"
    environment = {**ONNX, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (7, b"went on\n")


def test_a_stop_of_the_group_is_the_matter_of_the_process_that_forked(tmp_path):
    program = tmp_path / "fork.py"
    program.write_text(
        "import os, signal, sys, time\n"
        "from boneage.pipeline.cli.group import _stops_told\n"
        "with _stops_told():\n"
        "    if not (child := os.fork()):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        print('went on', flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == (b"went on\n143\n", b"")


@pytest.mark.parametrize(("twice", "rank", "said"), [(False, "0", 1), (True, "0", 1), (False, "1", 0)])
def test_a_stop_ends_what_the_command_started_and_one_process_of_a_run_speaks(tmp_path, twice, rank, said):
    """What it started holds the pipe of stdout, which ends with the last of them."""
    program = tmp_path / "children.py"
    program.write_text(
        "import multiprocessing, os, signal, subprocess, sys, time\n"
        "import click\n"
        "from boneage.data.processes import end_with_this\n"
        "from boneage.pipeline.cli.group import _stops_told\n"
        "try:\n"
        "    with _stops_told():\n"
        "        multiprocessing.get_context('fork').Process(target=time.sleep, args=(100,)).start()\n"
        "        end_with_this([subprocess.Popen(['sleep', '100'])])\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            time.sleep(100)\n"
        "        finally:\n"
        f"            if {twice}: os.kill(os.getpid(), signal.SIGINT)\n"
        "except click.exceptions.Exit as stop:\n"
        "    sys.exit(stop.exit_code)\n"
    )
    environment = {**ONNX, "LOCAL_RANK": rank}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, b"stopping (SIGINT); once more to stop at once\n" * said)


def test_a_stop_within_a_callback_whose_errors_python_ignores_ends_the_command(tmp_path):
    program = tmp_path / "callback.py"
    program.write_text(
        "import os, signal, time, weakref\n"
        "from boneage.pipeline.cli.group import _stops_told\n"
        "class Object: pass\n"
        "there = Object()\n"
        "ref = weakref.ref(there, lambda _: (os.kill(os.getpid(), signal.SIGINT), time.sleep(1)))\n"
        "with _stops_told():\n"
        "    del there\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, b"stopping (SIGINT); once more to stop at once\n")


def test_a_stop_in_the_midst_of_a_line_of_the_log_is_told(tmp_path):
    program = tmp_path / "midst.py"
    program.write_text(
        "import io, os, signal, sys, time\n"
        "import click\n"
        "from boneage.pipeline.cli.group import _stops_told\n"
        "told = False\n"
        "class Raw(io.FileIO):\n"
        "    def write(self, data):\n"
        "        global told\n"
        "        if not told:\n"
        "            told = True\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "        return super().write(data)\n"
        "sys.stderr = io.TextIOWrapper(io.BufferedWriter(Raw(2, 'w', closefd=False)), line_buffering=True)\n"
        "try:\n"
        "    with _stops_told():\n"
        "        print('a line', file=sys.stderr)\n"
        "        time.sleep(60)\n"
        "except click.exceptions.Exit as stop:\n"
        "    sys.exit(stop.exit_code)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, timeout=50, check=False)
    assert done.returncode == 143
    assert b"stopping (SIGTERM); once more to stop at once\n" in done.stderr


def test_the_callers_warnings_and_signals_stay_as_they_were(tmp_path):
    filters, handler = list(warnings.filters), signal.getsignal(signal.SIGINT)
    CliRunner().invoke(main, ["predict", str(tmp_path / "none.png"), "--sex", "F"])
    assert list(warnings.filters) == filters
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "plain.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    return path


def test_a_film_that_may_not_be_read_leaves_the_others_to_be_read(
    finds_hands, tiny_bundle, film, tmp_path, monkeypatch
):
    (tmp_path / "closed.png").write_bytes(film.read_bytes())
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and "closed" not in str(path))
    command = ["predict", film, tmp_path / "closed.png", "--sex", "F", "--weights", tiny_bundle]
    assert "\n2 films: " in CliRunner().invoke(main, list(map(str, command))).output


def test_no_output_is_an_input_or_someone_elses_file_by_whatever_name(film, tmp_path):
    os.link(film, tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to(film.name)
    (tmp_path / "soft.csv").symlink_to(film.name)
    (tmp_path / "notes.csv").write_text("my,notes\n")
    (tmp_path / "cohort.csv").write_text("path,sex\nplain.png,F\n")
    (tmp_path / "picture.pdf").write_bytes(b"%PDF-1.4 of mine")
    (tmp_path / "other.dcm").write_bytes(b"\0" * 128 + b"DICM")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for options in (
        ["--csv", "plain.png"],
        ["--csv", "soft.csv"],
        ["--csv", "notes.csv"],
        ["--csv", "notes.csv", "--overwrite"],
        ["--csv", "notes.csv", "--resume"],
        ["--csv", "cohort.csv", "--overwrite"],
        ["--csv", "r.xlsx"],
        ["--csv", "r.parquet"],
        ["--parquet", "r.csv"],
        ["--heatmap", "hard.png"],
        ["--heatmap", "soft.png"],
        ["--heatmap", "./sub/../plain.png"],
        ["--report", "picture.pdf"],
        ["--report", "r.png"],
        ["--dicom-sr", "other.dcm"],
        ["--dicom-sr", "a.dcm", "--dicom-sc", "A.dcm"],
    ):
        arguments = [str(tmp_path / option) if "." in option else option for option in options]
        done = CliRunner().invoke(main, ["predict", str(tmp_path / "cohort.csv"), *arguments])
        assert done.exit_code == 2, options
        assert isinstance(done.exception, SystemExit), options
        assert done.stderr.splitlines()[-1].startswith("Error: "), options
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="streams of a POSIX shell")
@pytest.mark.parametrize(
    ("stream", "said"), [("<&-", "stdin: is closed"), ("</dev/zero", "stdin: has over 180,000,000 b")]
)
def test_a_stdin_that_holds_no_film_is_told_in_a_line(stream, said):
    command = f'"{sys.executable}" -m boneage predict - --sex F {stream}'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("place", ["plain.png/r.csv", "plain.png/under/r.csv"])
def test_a_place_below_a_file_is_refused_with_what_was_expected(film, place):
    done = CliRunner().invoke(main, ["predict", str(film), "--sex", "F", "--csv", str(film.parent / place)])
    assert (done.exit_code, film.is_file()) == (2, True)
    assert "expected a folder" in done.stderr
    assert "give another place" in done.stderr


def test_segment_and_growth_leave_the_users_files(film, tmp_path, tiny_bundle, finds_hands):
    (tmp_path / "plain-mask.png").write_bytes(b"drawn by hand")
    CliRunner().invoke(main, ["segment", str(film), "-o", str(tmp_path), "--weights", str(tiny_bundle)])
    assert (tmp_path / "plain-mask.png").read_bytes() == b"drawn by hand"
    readings = tmp_path / "r.csv"
    readings.write_text("patient,bone_age_months,chronological_age_months\nplain,100,100\nplain,112,112\n")
    before = film.read_bytes()
    done = CliRunner().invoke(main, ["growth", str(readings), "-o", str(tmp_path)])
    assert (done.exit_code, film.read_bytes()) == (2, before)
    assert "plain.png: is there already" in done.stderr
