"""Cohorts through the command: one row a film, streamed, resumed to the same bytes, in flat memory."""

from __future__ import annotations

import csv
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import ROOT
from dicom_files import write_object
from PIL import Image
from pyarrow import parquet
from pydicom.uid import BasicTextSRStorage, ComputedRadiographyImageStorage, CTImageStorage

from boneage.data.errors import ReadError
from boneage.data.progress import shown_by, tracked
from boneage.data.source import name_of
from boneage.pipeline.cli import main
from boneage.pipeline.cli.bars import Bars
from boneage.pipeline.cli.options import LogLines
from boneage.pipeline.clinical.reference import brush_reference
from boneage.pipeline.examination import Examination
from boneage.pipeline.predict import bone_age as bone_age_module
from boneage.pipeline.predict.bone_age import BATCH, BoneAge
from boneage.pipeline.predict.cohort import predict_cohort
from boneage.pipeline.predict.parallel import cores
from boneage.pipeline.reading import Reading
from boneage.weights.bundle import read_bundle, write_bundle


def run(*args: object) -> Result:
    result = CliRunner().invoke(main, ["predict", *map(str, args)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def weights(finds_hands, tiny_bundle) -> tuple[str, Path]:
    return "--weights", tiny_bundle


@pytest.fixture
def read_now(monkeypatch) -> list[str]:
    """Names of the files that are opened to be read."""
    read: list[str] = []
    real = bone_age_module.read_radiograph
    monkeypatch.setattr(
        bone_age_module, "read_radiograph", lambda film: read.append(Path(name_of(film)).name) or real(film)
    )
    return read


@pytest.fixture(scope="module")
def cohort(hand_films, tmp_path_factory) -> Path:
    """Twenty films, no two alike, one of which is text and one blank."""
    folder = tmp_path_factory.mktemp("cohort")
    hands = [np.asarray(Image.open(path).resize((160, 200))) for path in hand_films]
    for k in range(20):
        Image.fromarray(hands[k % 3][: 200 - k]).save(folder / f"{k:02}.png")
    (folder / "07.png").write_text("not a picture")
    Image.new("L", (160, 200), 90).save(folder / "11.png")
    return folder


def tiny_copy(cohort: Path, folder: Path) -> Path:
    """The first three films, to be changed."""
    folder.mkdir()
    for path in sorted(cohort.iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
def test_killed_in_the_middle_of_a_row_a_run_goes_on_to_the_same_bytes(weights, cohort, tmp_path, read_now):
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(ROOT / "tests")!r})
        from conftest import threshold_segmenter
        from boneage.handseg import quality
        from boneage.handseg.segmenter import HandSegmenter
        from boneage.pipeline.cli import main
        from boneage.pipeline.predict.readings_file import ReadingsFile
        from boneage.pipeline.predict.rows import to_line

        quality.cut_off = lambda *_, **__: iter(())
        HandSegmenter.load = lambda path, backend=None: threshold_segmenter()
        add, batches = ReadingsFile.add, []

        def killed_in_the_second_batch(self, rows):
            rows = list(rows)
            batches.append(rows)
            if len(batches) == 1:
                return add(self, rows)
            add(self, rows[:3])
            with open(self.partial, "ab") as file:
                file.write(to_line(rows[3])[:40])
            os.kill(os.getpid(), signal.SIGKILL)

        ReadingsFile.add = killed_in_the_second_batch
        main({["predict", str(cohort), "--sex", "F", "--csv", str(tmp_path / "r"), *map(str, weights)]!r})
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "r").exists()
    assert b"\n" not in (tmp_path / "r.partial").read_bytes().splitlines(keepends=True)[-1]

    resumed = run(cohort, "--sex", "F", "--csv", tmp_path / "r", "--resume", *weights)
    assert f"; {BATCH + 3} of them were read before" in resumed.stderr
    assert "00.png" not in read_now  # of the first batch, which was whole
    read_now.clear()
    run(cohort, "--sex", "F", "--csv", tmp_path / "whole", *weights)
    assert len(read_now) == 20
    assert (tmp_path / "r").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not (tmp_path / "r.partial").exists()
    rows = table(tmp_path / "r")
    assert [Path(row["file"]).name for row in rows] == [f"{k:02}.png" for k in range(20)]
    run(cohort, "--sex", "F", "--parquet", tmp_path / "r.parquet", *weights)
    stored = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in parquet.read_table(tmp_path / "r.parquet").to_pylist()
    ]
    assert stored == rows
    assert sum(row["status"] in ("ok", "review") and float(row["bone_age_months"]) > 0 for row in rows) >= 15


def test_the_number_of_workers_changes_nothing_but_time(weights, cohort, tmp_path):
    for workers in (1, 3):
        run(cohort, "--sex", "F", "--csv", tmp_path / f"{workers}", "--workers", workers, *weights)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()


def test_resume_knows_a_film_by_its_content(weights, cohort, tmp_path, read_now):
    films, out = tiny_copy(cohort, tmp_path / "films"), tmp_path / "r.csv"
    again = (films, "--sex", "F", "--csv", out, "--resume", *weights)
    run(*again)
    first = table(out)
    read_now.clear()
    (films / "00.png").rename(films / "99.png")
    run(*again)
    assert read_now == []
    assert [Path(row["file"]).name for row in table(out)] == ["01.png", "02.png", "99.png"]
    assert table(out)[-1]["bone_age_months"] == first[0]["bone_age_months"]
    (films / "01.png").write_bytes((cohort / "05.png").read_bytes())
    run(*again)
    assert "01.png" in read_now
    assert table(out)[0]["hand_box_height"] != first[1]["hand_box_height"]


@pytest.mark.parametrize("change", ["sex", "facts", "model"])
def test_what_decides_a_reading_besides_the_film_has_it_read_again(weights, cohort, tmp_path, read_now, change):
    films, out = tiny_copy(cohort, tmp_path / "films"), tmp_path / "r.csv"
    run(films, "--sex", "F", "--csv", out, *weights)
    read_now.clear()
    if change == "model":
        bundle = read_bundle(weights[1])
        other = tmp_path / "tiny"
        write_bundle(replace(bundle, regressors=(replace(bundle.regressors[0], zooms=(0.9,)),)), other)
        weights = ("--weights", other)
    options = {"sex": ("--sex", "M"), "facts": ("--sex", "F", "--age", "10y"), "model": ("--sex", "F")}[change]
    run(films, *options, "--csv", out, "--resume", *weights)
    assert len(read_now) == 3
    assert {row["sex"] for row in table(out)} == {options[1]}


def test_a_missing_film_stays_failed_until_it_is_there(weights, cohort, tmp_path, read_now):
    films, out = tiny_copy(cohort, tmp_path / "films"), tmp_path / "r.csv"
    (films / "list.csv").write_text("path,sex\n00.png,F\nlate.png,F\n")
    again = (films / "list.csv", "--csv", out, "--resume", *weights)
    run(*again)
    assert [row["status"] == "failed" for row in table(out)] == [False, True]
    read_now.clear()
    run(*again)
    assert read_now == []
    (films / "late.png").write_bytes((cohort / "05.png").read_bytes())
    run(*again)
    assert [row["status"] == "failed" for row in table(out)] == [False, False]


def test_the_summary_counts_films_by_status_and_failures_by_reason(weights, cohort, tmp_path):
    films = tiny_copy(cohort, tmp_path / "films")
    for name in ("x.png", "y.png"):
        (films / name).write_text(f"{name} is no picture")
    (films / "empty.png").touch()
    result = run(films, "--sex", "F", "--csv", tmp_path / "r.csv", *weights)
    summary = result.stderr.splitlines()[1:]
    assert summary[0].startswith("6 films: ")
    assert summary[0].endswith("3 failed")
    assert summary[1:] == [
        "3 of 6 not assessed (3 failed)",
        "  2  failed: is not a picture (it begins with …), expected a PNG, JPEG, WebP, TIFF or BMP picture, or a DICOM "
        "radiograph",
        "  1  failed: is empty (0 bytes), expected a radiograph; copy or export it again",
    ]
    assert result.exit_code == 1


def test_a_folder_of_studies_gives_rows_of_its_films_and_counts_the_rest(weights, tmp_path):
    studies = tmp_path / "DICOM"
    (studies / "ST1").mkdir(parents=True)
    facts: dict[str, Any] = {
        "PatientSex": "F",
        "PatientID": "P7",
        "StudyDate": "20200407",
        "PatientBirthDate": "20100407",
    }
    write_object(studies / "ST1" / "IM1", ComputedRadiographyImageStorage, "CR", **facts)
    write_object(studies / "ST1" / "IM2", ComputedRadiographyImageStorage, "CR", PatientSex="O")
    write_object(studies / "ST1" / "SR1", BasicTextSRStorage, "SR", side=0)
    write_object(studies / "ST1" / "CT1", CTImageStorage, "CT")
    write_object(studies / "ST1" / "CT2", CTImageStorage, "CT")
    (studies / "VERSION").write_text("3.1")
    result = run(studies, "--csv", tmp_path / "r.csv", *weights)
    rows = table(tmp_path / "r.csv")
    assert [Path(row["file"]).name for row in rows] == ["IM1", "IM2"]
    assert "4 files left out as no films: 2 DICOM CT Image, 1 DICOM Basic Text SR, 1 neither" in result.stderr
    assert "1  failed: PatientSex is" in result.stderr
    # whose film it is stays out of the table unless it is asked for
    assert {(row["patient"], row["exam_date"]) for row in rows} == {("", "")}
    assert "P7" not in (tmp_path / "r.csv").read_text()
    run(studies, "--csv", tmp_path / "r.csv", "--resume", "--patient-ids", *weights)
    assert [(row["patient"], row["exam_date"]) for row in table(tmp_path / "r.csv")] == [("P7", "2020-04-07"), ("", "")]
    named = run(studies / "ST1" / "SR1", "--sex", "F", *weights)
    assert "Basic Text SR without a picture" in named.stderr  # named by the user, it is an error


def test_a_folder_without_any_film_is_an_error_and_makes_no_table(weights, tmp_path):
    (tmp_path / "studies").mkdir()
    write_object(tmp_path / "studies" / "SR1", BasicTextSRStorage, "SR", side=0)
    result = run(tmp_path / "studies", "--csv", tmp_path / "r.csv", *weights)
    assert (result.exit_code, "there are no radiographs" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["studies"]


def test_a_table_gives_its_rows_the_patients_and_dates_that_it_names(weights, cohort, tmp_path):
    films = tiny_copy(cohort, tmp_path / "films")
    (films / "list.csv").write_text(
        "path,sex,age,height,exam_date,patient\n00.png,F,10y3m,140.5cm,2020-04-07,P1\n01.png,M,,,,\n"
    )
    run(films / "list.csv", "--csv", tmp_path / "r.csv", *weights)
    first, second = table(tmp_path / "r.csv")
    assert (first["patient"], first["exam_date"], first["chronological_age_months"]) == ("P1", "2020-04-07", "123.0")
    assert first["height_cm"] == "140.5"
    assert (second["sex"], second["patient"], second["chronological_age_months"]) == ("M", "", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "--resume is about a table"),
        (["--patient-ids"], "--patient-ids is about a table"),
        (["--csv", "a.csv", "--parquet", "a.parquet"], "give one"),
        (["--parquet", "a.csv"], "a.csv ends in .csv, expected .parquet"),
        (["--csv", "a.parquet"], "give it to --parquet"),
    ],
)
def test_options_that_do_not_go_together_are_refused(cohort, options, message):
    result = run(cohort, "--sex", "F", *options)
    assert (result.exit_code, message in result.stderr) == (2, True)


class Live:
    """Counts the readings that are alive, and the most that were at one time."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0

    def born(self, reading: Reading) -> Reading:
        self.now, self.all = self.now + 1, self.all + 1
        self.most = max(self.most, self.now)
        weakref.finalize(reading, self.died)
        return reading

    def died(self) -> None:
        self.now -= 1


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv", "r.csv"), ("--parquet", "r.parquet", "--workers", "3")])
def test_readings_are_not_kept_however_many_films_there_are(tiny_bundle, tmp_path, monkeypatch, options):
    workers = 3 if "--workers" in options else cores()
    most = (workers + 2) * BATCH  # the batches of all workers, the one that waits for them, and the one being written
    live, films = Live(), 20 * most

    class Fake:
        digest = "0"
        finder = SimpleNamespace(side="left")
        reference = brush_reference()

        def examine_batch(self, requests):
            assert len(requests) <= BATCH
            return [Examination(live.born(Reading(str(path), "ok", (), child.sex, 100.0))) for path, child in requests]

    monkeypatch.setattr(BoneAge, "load", lambda weights, device, engine, hand, reference: Fake())
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text("path,sex\n" + "".join(f"{k}.png,F\n" for k in range(films)))
    gc.collect()
    result = run("list.csv", *options, "--weights", tiny_bundle)
    assert f"{films:,} films: {films:,} ok" in result.stderr
    assert live.all == films
    assert live.most <= most


def test_the_bar_shows_rate_and_time_left_on_a_terminal_only(monkeypatch, capsys):
    with shown_by(Bars()):
        assert list(tracked("Reading", range(3), 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    log = logging.getLogger("boneage.tests")
    monkeypatch.setattr(log, "handlers", [LogLines()])
    with shown_by(Bars()):
        for number in tracked("Reading", range(3), 3):
            time.sleep(0.2)  # until the bar is drawn
            log.warning("film %d is odd", number)
    shown = capsys.readouterr()
    assert re.search(r"\x1b\[2Kfilm 1 is odd\n", shown.err)  # the bar is wiped out first, and drawn again below
    assert "Reading" in shown.err
    assert "/3" in shown.err
    assert "left" in shown.err
    assert shown.out == ""


def test_python_reads_a_cohort_as_the_command_does(weights, cohort, tmp_path):
    run(cohort, "--sex", "F", "--csv", tmp_path / "command.csv", *weights)
    readings = []
    tally = predict_cohort(
        BoneAge.load(weights[1]),
        cohort,
        "F",
        table=tmp_path / "python.csv",
        on_reading=readings.append,
    )
    assert (tmp_path / "python.csv").read_bytes() == (tmp_path / "command.csv").read_bytes()
    assert [Path(reading.file).name for reading in readings] == [f"{k:02}.png" for k in range(20)]
    assert (tally.films, tally.statuses["failed"], tally.statuses["rejected"], tally.exit_code) == (20, 1, 1, 1)


def test_a_reader_is_loaded_only_when_the_inputs_are_in_order(tmp_path):
    with pytest.raises(ReadError, match="no radiographs in this folder"):
        predict_cohort(lambda: pytest.fail("loaded for nothing"), tmp_path, "F")


def test_what_a_caller_raises_leaves_the_rows_read_so_far(weights, cohort, tmp_path):
    def stop(reading: Reading) -> None:
        raise RuntimeError(reading.file)

    with pytest.raises(RuntimeError, match=r"00\.png"):
        predict_cohort(BoneAge.load(weights[1]), cohort, "F", table=tmp_path / "r.csv", on_reading=stop)
    assert len(table(tmp_path / "r.csv.partial")) == BATCH
    assert not (tmp_path / "r.csv").exists()


@pytest.fixture
def both_hands(monkeypatch):
    """A reader of both hands that finds two on films called two, and says how many films it has read."""
    read = []

    class Fake:
        digest = "0"
        finder = SimpleNamespace(side="both")
        reference = brush_reference()

        def examine_batch(self, requests):
            read.extend(requests)
            return [_examined(source.name) for source, _ in requests]

    monkeypatch.setattr(BoneAge, "load", lambda weights, device, engine, hand, reference: Fake())
    return read


def _examined(name: str) -> Examination:
    hands = ("left", "right") if "two" in name else (None,)
    first, *others = [Examination(Reading(name, "ok", (), "F", 100.0, hand=hand)) for hand in hands]
    return replace(first, other=others[0]) if others else first


def test_both_hands_have_a_row_each_and_a_run_that_goes_on_reads_what_lacks_one(
    both_hands, tiny_bundle, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name, shade in (("one.png", 10), ("two.png", 20)):
        Image.new("L", (64, 64), shade).save(name)
    call = ("one.png", "two.png", "--sex", "F", "--hand", "both", "--csv", "r.csv", "--weights", tiny_bundle)
    assert "2 films: 3 ok" in run(*call).stderr
    assert [(row["file"], row["hand"]) for row in table(Path("r.csv"))] == [
        ("one.png", ""), ("two.png", "left"), ("two.png", "right"),
    ]  # fmt: skip
    run(*call, "--resume")
    assert len(both_hands) == 2
    whole = Path("r.csv").read_text().splitlines(keepends=True)
    Path("r.csv").write_text("".join(whole[:-1]))
    run(*call, "--resume")
    assert len(both_hands) == 4
    assert Path("r.csv").read_text() == "".join(whole)


def test_files_about_one_hand_are_refused_where_both_are_read(tmp_path):
    Image.new("L", (64, 64)).save(tmp_path / "one.png")
    result = run(tmp_path / "one.png", "--hand", "both", "--report", tmp_path / "r.html")
    assert result.exit_code == 2
    assert "--report is about one hand" in result.stderr
