from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from dicom_files import write_object
from pydicom.uid import ComputedRadiographyImageStorage

from boneage.data.remark import Remark
from boneage.pipeline.cli import main
from boneage.pipeline.cli.options import Number
from boneage.pipeline.predict.rows import COLUMNS
from boneage.pipeline.reading import Reading
from boneage.weights.backend import Backend
from boneage.weights.bundle import read_bundle

COMMANDS = main.list_commands(click.Context(main))


def run(*args: object) -> Result:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def weights(finds_hands, tiny_bundle) -> tuple[str, Path]:
    return "--weights", tiny_bundle


def write_dicom(path: Path, sex: str) -> Path:
    return write_object(path, ComputedRadiographyImageStorage, "CR", side=128, PatientSex=sex)


def in_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


# Help


def test_help_of_every_command_loads_nothing_heavy():
    code = f"""
import sys
from boneage.pipeline.cli import COMMANDS, main
for command in {[[], *([name] for name in COMMANDS)]}:
    try:
        main([*command, "--help"])
    except SystemExit as end:
        assert not end.code
heavy = {{"torch", "timm", "lightning", "cv2", "numpy", "pandas", "matplotlib", "pydicom", "rich"}} & set(sys.modules)
print("HEAVY", sorted(heavy))
"""
    assert in_python(code).splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_an_example_of_the_command_that_parses(command):
    text = run(command, "--help").stdout
    example = next(line for line in text.splitlines() if line.strip().startswith(f"boneage {command} "))
    words = example.split()[2:]
    found = main.get_command(click.Context(main), command)
    assert found
    found.make_context(command, words, resilient_parsing=False)
    assert "[default:" in text


# Predict


def test_one_film_is_told_in_words(weights, hand_films):
    result = run("predict", hand_films[1], "--sex", "F", *weights)
    assert result.exit_code == 0
    assert " months)" in result.stdout
    assert "bone age" in result.stdout
    assert result.stderr == "Research use only; not a medical device.\n"


def test_json_is_one_whole_object_a_line_and_nothing_else(weights, hand_films):
    result = run("predict", *hand_films, "--sex", "F", "--json", *weights)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["file"] for record in records] == [str(path) for path in hand_films]
    for record in records:
        assert {"file", "status", "reasons", "sex", "bone_age_months", "hand_box", "model"} <= set(record)
        assert record["bone_age_months"] > 0
        assert len(record["hand_box"]) == 4
        assert (record["sex"], record["model"]) == ("F", "tiny")
        assert record["model_sha256"] == read_bundle(weights[1]).digest
        assert record["boneage_version"] == version("boneage")


def test_csv_says_the_same_as_json(weights, hand_films, tmp_path):
    result = run("predict", *hand_films, "--sex", "F", "--json", "--csv", tmp_path / "out" / "all.csv", *weights)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "all.csv").read_text())))
    assert tuple(rows[0]) == tuple(COLUMNS)
    for row, line in zip(rows, result.stdout.splitlines(), strict=True):
        record = json.loads(line)
        assert float(row["bone_age_months"]) == record["bone_age_months"]
        assert [int(row[f"hand_box_{side}"]) for side in ("x", "y", "width", "height")] == record["hand_box"]
        assert row["interval_90_low"] == ""  # these weights carry no calibration


def test_age_and_height_add_sds_and_adult_height(weights, hand_films, tmp_path):
    facts = ("--sex", "F", "--height", "140.5cm")
    dates = ("--birth-date", "2010-01-15", "--exam-date", "2020-04-15")
    result = run("predict", hand_films[0], *facts, *dates, "--json", *weights)
    reading = json.loads(result.stdout)
    assert reading["chronological_age_months"] == 123
    assert reading["difference_months"] == pytest.approx(reading["bone_age_months"] - 123, abs=0.011)
    assert reading["assessment"] in ("delayed", "normal", "advanced")
    assert reading["height_cm"] == 140.5
    text = run("predict", hand_films[0], *facts, "--age", "10y3m", *weights).stdout
    assert "10 y 3 m (123.0 months), age given" in text
    assert f"SDS {' ' * 14} {reading['sds']:+.2f}" in text
    assert "centre: chronological age" in text
    assert "Brush Foundation's children" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--age", "10"), "--age: age is '10', expected years and months such as 10y3m"),
        (
            ("--birth-date", "3/4/2010"),
            "--birth-date: '3/4/2010' can be 2010-04-03 or 2010-03-04",
        ),
        (("--height", "14.05cm"), "--height: height is '14.05cm', expected 40 to 230 cm"),
        (("--age", "9y0m", "--birth-date", "2010-01-15", "--exam-date", "2020-04-15"), "9 y 0 m (age given) and 10 y"),
        (("--birth-date", "2020-04-15", "--exam-date", "2010-01-15"), "which is before birth; check both dates"),
    ],
)
def test_facts_that_cannot_be_are_errors_of_one_line(weights, hand_films, options, words):
    result = run("predict", hand_films[0], "--sex", "F", *options, *weights)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_sex_changes_the_reading(weights, hand_films):
    months = [
        json.loads(run("predict", hand_films[0], "--sex", sex, "--json", *weights).stdout)["bone_age_months"]
        for sex in ("girl", "M")
    ]
    assert months[0] != months[1]


def test_several_films_are_a_line_each_under_a_heading(weights, hand_films):
    lines = run("predict", hand_films[0].parent, "--sex", "F", *weights).stdout.splitlines()
    assert lines[0].startswith("file ")
    assert [line.split()[0] for line in lines[1:]] == sorted(map(str, hand_films))
    at = lines[0].index("status")
    assert all(line[at:].startswith(("ok", "review")) for line in lines[1:])


def test_a_bad_file_in_a_batch_is_a_row_and_exit_code_1(weights, hand_films, tmp_path):
    bad = tmp_path / "text.png"
    bad.write_text("not a picture")
    result = run("predict", hand_films[0], bad, tmp_path / "none.png", "--sex", "F", "--json", *weights)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] == "failed" for record in records] == [False, True, True]
    assert "text.png" in records[1]["reasons"][0]
    assert "no such file" in records[2]["reasons"][0]
    assert result.exit_code == 1
    assert "2 of 3 not assessed (2 failed)" in result.stderr


def test_a_rejected_film_is_exit_code_1(weights, tmp_path):
    from PIL import Image

    Image.new("L", (200, 200), 90).save(tmp_path / "blank.png")
    result = run("predict", tmp_path / "blank.png", "--sex", "F", *weights)
    assert result.exit_code == 1
    assert "rejected" in result.stdout
    assert "blank" in result.stdout


def test_a_film_comes_from_stdin(weights, hand_films, tmp_path):
    command = ["predict", "-", "--sex", "F", "--json", "--csv", str(tmp_path / "r.csv"), *map(str, weights)]
    result = CliRunner().invoke(main, command, input=hand_films[0].read_bytes())
    reading = json.loads(result.stdout)
    assert (result.exit_code, reading["file"]) == (0, "stdin")
    expected = json.loads(run("predict", hand_films[0], "--sex", "F", "--json", *weights).stdout)
    assert reading["bone_age_months"] == expected["bone_age_months"]
    empty = CliRunner().invoke(main, command, input=b"")
    assert (empty.exit_code, "stdin: is empty" in empty.stderr) == (2, True)


def test_nothing_readable_is_exit_code_2(weights, tmp_path):
    result = run("predict", tmp_path / "a.png", tmp_path / "b.png", "--sex", "F", *weights)
    assert result.exit_code == 2
    assert "2 of 2 not assessed" in result.stderr


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda folder: folder / "none.png", ["--sex", "F"], "no such file"),
        (lambda folder: _text(folder), ["--sex", "F"], "text.png"),
        (lambda folder: write_dicom(folder / "film", "M"), ["--sex", "F"], "sex F was given, the DICOM says M"),
        (lambda folder: write_dicom(folder / "film", "O"), [], "PatientSex is 'O', expected F or M"),
        (lambda folder: _grey(folder), [], "sex of the child is not known"),
        (lambda folder: _grey(folder), ["--sex", "X"], "expected F or M"),
        (lambda folder: _grey(folder), ["--sex", "F", "--device", "abacus"], "device is 'abacus'"),
        (lambda folder: _grey(folder), ["--sex", "F", "--column", "sex"], "ROLE=NAME"),
        (lambda folder: folder, ["--sex", "F"], "no radiographs in this folder"),
        (lambda folder: folder / "none.csv", [], "no such file or folder"),
        (lambda folder: _table(folder), [], "line 2: unknown sex"),
    ],
)
def test_a_bad_input_is_one_clear_error_and_exit_code_2(tiny_bundle, tmp_path, make, options, message):
    result = run("predict", make(tmp_path), *options, "--weights", tiny_bundle)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert message in result.stderr
    assert result.stdout == ""


def _text(folder: Path) -> Path:
    (folder / "text.png").write_text("not a picture")
    return folder / "text.png"


def _grey(folder: Path) -> Path:
    from PIL import Image

    Image.linear_gradient("L").save(folder / "grey.png")
    return folder / "grey.png"


def _table(folder: Path) -> Path:
    (folder / "films.csv").write_text("path,sex\na.png,unclear\n")
    return folder / "films.csv"


def test_the_sex_of_a_dicom_is_taken_from_the_file(weights, tmp_path):
    result = run("predict", write_dicom(tmp_path / "IM1", "M"), "--json", *weights)
    assert json.loads(result.stdout)["sex"] == "M"


def test_weights_that_are_not_there_or_damaged_are_refused(tiny_bundle, tmp_path, hand_films):
    result = run("predict", hand_films[0], "--sex", "F", "--weights", tmp_path)
    assert (result.exit_code, "no weights there" in result.stderr) == (2, True)
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_bundle, damaged)
    net = damaged / "nets" / "regressor-1.safetensors"
    content = bytearray(net.read_bytes())
    content[-5] ^= 0xFF
    net.write_bytes(content)
    result = run("predict", hand_films[0], "--sex", "F", "--weights", damaged)
    assert (result.exit_code, f"{net}: its SHA-256 is" in result.stderr) == (2, True)


def test_real_films_are_read_to_the_end(weights, real_films):
    result = run("predict", *real_films[:2], "--sex", "M", "--json", *weights)
    assert len(result.stdout.splitlines()) == 2
    assert all(json.loads(line)["status"] != "failed" for line in result.stdout.splitlines())


def test_in_a_process_of_its_own_stdout_holds_results_only(hand_films):
    command = [sys.executable, "-m", "boneage", "predict", str(hand_films[0]), "--sex", "F", "--json"]
    command += ["--weights", "fast", "--engine", "onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    reading = json.loads(done.stdout)
    assert reading["file"] == str(hand_films[0])
    assert done.stderr.splitlines() == ["Research use only; not a medical device."]
    assert done.returncode == (reading["bone_age_months"] is None)


# Text output


def test_text_tells_interval_reasons_and_notes(capsys):
    from boneage.pipeline.output import text_printer

    reading = Reading(
        "a.png", "review", (Remark("the hand may be cut off"),), "M", 127.4, (107.1, 146.2), notes=(Remark("odd"),)
    )
    text_printer(["a.png"])(reading)
    text = capsys.readouterr().out
    for words in ("10 y 7 m (127.4 months)", "between 8 y 11 m and 12 y 2 m (107.1 to 146.2 months)", "cut off", "odd"):
        assert words in text
    assert "\x1b" not in text  # no colours where no terminal is


# Segment


def test_segment_writes_for_each_film_and_never_over_another(weights, hand_films, tmp_path):
    twin = tmp_path / "twin" / hand_films[0].name
    twin.parent.mkdir()
    shutil.copy(hand_films[1], twin)
    result = run("segment", hand_films[0], twin, "-o", tmp_path / "out", *weights)
    assert result.exit_code == 0
    written = {name: json.loads((tmp_path / "out" / f"{name}.json").read_text())["file"] for name in ("60", "60-2")}
    assert written == {"60": str(hand_films[0]), "60-2": str(twin)}
    assert len(list((tmp_path / "out").iterdir())) == 8
    assert len(result.stdout.splitlines()) == 1 + 2


def test_segment_counts_what_it_could_not_do(weights, hand_films, tmp_path):
    result = run("segment", hand_films[0], tmp_path / "none.png", "-o", tmp_path / "out", *weights)
    assert result.exit_code == 1
    assert "1 of 2 not segmented (1 failed)" in result.stderr


# Evaluate


@pytest.fixture
def labelled(hand_films, tmp_path) -> Path:
    table = tmp_path / "own.csv"
    rows = [f"{path},girl,{float(path.stem) / 12}" for path in hand_films]
    table.write_text("\n".join(("film,sex,ba", *rows)) + "\n")
    return table


def test_evaluate_prints_the_figures_of_any_csv_and_writes_its_files(weights, labelled, tmp_path):
    columns = ("--column", "path=film", "--column", "bone_age=ba", "--age-unit", "years")
    result = run("evaluate", labelled, *columns, "-o", tmp_path / "out", *weights)
    assert result.exit_code == 0
    assert result.stdout == page_of((tmp_path / "out" / "table.md").read_text("utf-8"))
    with open(tmp_path / "out" / "predictions.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["labelled_months"]) for row in rows] == [60, 120, 180]
    mae = sum(abs(float(row["error_months"])) for row in rows) / 3
    printed = next(line.split("|") for line in result.stdout.splitlines() if line.startswith("| all "))
    assert float(printed[4].split()[0]) == pytest.approx(mae, abs=0.02)
    assert (tmp_path / "out" / "scatter.png").exists()


def test_evaluate_takes_one_part_of_a_split(weights, labelled, hand_films, tmp_path):
    split = tmp_path / "split.csv"
    parts = zip(hand_films, ("train", "report", "report"), strict=True)
    split.write_text("id,part\n" + "".join(f"{path.as_posix()},{part}\n" for path, part in parts))
    columns = ("--column", "path=film", "--column", "bone_age_years=ba")
    result = run("evaluate", labelled, *columns, "--split", split, *weights)
    assert "n = 2 radiographs." in result.stdout
    assert "part report of the split split.csv" in result.stdout
    result = run("evaluate", labelled, *columns, "--part", "report", *weights)
    assert (result.exit_code, "give --split too" in result.stderr) == (2, True)


# Info


def test_info_tells_versions_and_what_the_weights_state(tiny_bundle):
    text = run("info", "--weights", tiny_bundle).stdout
    record = json.loads(run("info", "--weights", tiny_bundle, "--json").stdout)
    assert {"boneage", "python", "torch", "timm"} <= set(record["versions"])
    assert record["weights"]["metrics"]["report"]["n"] == 12
    assert record["weights"]["licence"] in text
    assert record["weights"]["digest"] in text
    assert len(text.splitlines()) < 15
    assert "random weights, trained on nothing" in run("info", "--weights", tiny_bundle, "--all").stdout


def test_info_names_a_gpu_without_asking_torch(tiny_bundle, monkeypatch):
    monkeypatch.setattr("boneage.pipeline.info.chosen_backend", lambda: Backend("onnx", "cuda"))
    monkeypatch.setitem(sys.modules, "boneage.weights.torch_engine", None)
    record = json.loads(run("info", "--weights", tiny_bundle, "--json").stdout)
    assert (record["device"], record["engine"]) == ("cuda", "onnx")


def test_help_says_of_each_command_what_it_does_in_a_whole_sentence():
    listed = run("--help").stdout.partition("Commands:")[2].strip().splitlines()
    assert len(listed) == len(COMMANDS)  # a line each
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


# Train: that the command hands on what was asked; the trainings themselves have their own tests


@pytest.fixture
def cohort_table(hand_films, tmp_path) -> Path:
    lines = [f"{k},{hand_films[k % 3]},{'FM'[k % 2]},{12 * k}\n" for k in range(3)]
    (tmp_path / "cohort.csv").write_text("id,path,sex,bone_age_months\n" + "".join(lines))
    (tmp_path / "split.csv").write_text("id,part\n0,train\n1,choose\n2,report\n")
    return tmp_path / "cohort.csv"


@pytest.fixture
def asked(monkeypatch) -> dict[str, tuple]:
    """Record the calls of the training functions instead of training."""
    train = pytest.importorskip("boneage.pipeline.train")
    calls: dict[str, tuple] = {}
    for name in ("train_bundle", "train_regressor_on", "train_segmenter_on"):

        def record(*args, _name=name, **options):
            calls[_name] = args, options
            trained = train.Trained(Path("regressor.safetensors"), 9.0, 1, 1.0)
            return {"train_bundle": (Path("done"),), "train_regressor_on": trained}.get(_name, Path("done"))

        monkeypatch.setattr(train, name, record)
    monkeypatch.setattr(train, "outcome", str)
    return calls


def test_options_win_over_the_configuration_file(asked, cohort_table, tiny_bundle, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("loss: mse\nema: 0.5\nnet:\n  pooling: 2x2\n  fusion: both\n")
    options = ("--recipe", config, "--loss", "smooth_l1", "--fusion", "early", "--segmenter", tiny_bundle)
    run("train-regressor", cohort_table, "-o", tmp_path / "run", "--split", tmp_path / "split.csv", *options)
    (_, split, out, settings), passed = asked["train_regressor_on"]
    assert (settings.loss, settings.ema, settings.net.fusion, settings.net.pooling) == (
        "smooth_l1",
        0.5,
        "early",
        "2x2",
    )
    assert split.parts == {"0": "train", "1": "choose", "2": "report"}
    assert out == tmp_path / "run"
    assert passed["segmenter"].path == tiny_bundle / "nets" / "segmenter.safetensors"
    assert passed["devices"] == "auto"


def test_train_hands_on_its_recipe_and_the_split_it_made(asked, hand_films, tmp_path):
    lines = []
    for k in range(10):
        shutil.copy(hand_films[0], tmp_path / f"{k}.png")
        lines.append(f"{k}.png,{'FM'[k % 2]},{12 * k}\n")
    (tmp_path / "cohort.csv").write_text("path,sex,bone_age_months\n" + "".join(lines))
    (tmp_path / "recipe.yaml").write_text("regressors:\n  - batch_size: 4\nbundles:\n  - name: mine\n")
    options = ("--recipe", tmp_path / "recipe.yaml", "--gpus", "2", "--resume")
    result = run("train", tmp_path / "cohort.csv", "-o", tmp_path / "run", *options)
    (_, split, _, recipe), passed = asked["train_bundle"]
    assert (recipe.bundles[0].name, recipe.regressors[0].batch_size) == ("mine", 4)
    assert (passed["devices"], passed["resume"]) == (2, True)
    assert sorted(split.parts.values()).count("train") == 8
    run("train", tmp_path / "cohort.csv", "-o", tmp_path / "run", *options)
    assert asked["train_bundle"][0][1].parts == split.parts
    assert result.stdout.strip() == "done"


def test_an_unknown_key_of_a_configuration_is_named(cohort_table, tmp_path):
    (tmp_path / "config.yaml").write_text("epoch: 3\n")
    result = run("train-segmenter", cohort_table, "-o", tmp_path / "run", "--recipe", tmp_path / "config.yaml")
    assert (result.exit_code, "unknown key epoch" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["train", "train-regressor", "train-segmenter"])
def test_no_training_sees_films_of_the_rsna_test_set(asked, hand_films, tmp_path, command):
    (tmp_path / "cohort.csv").write_text(f"id,path,sex,bone_age_months\n4400,{hand_films[0]},F,60\n")
    (tmp_path / "split.csv").write_text("id,part\n4400,train\n")
    split = () if command == "train-segmenter" else ("--split", tmp_path / "split.csv")
    result = run(command, tmp_path / "cohort.csv", "-o", tmp_path / "run", *split)
    assert (result.exit_code, "RSNA's test set" in result.stderr) == (2, True)
    assert not asked


def test_films_left_out_of_the_segmenter_are_handed_on(asked, cohort_table, tmp_path):
    (tmp_path / "left.csv").write_text("id,width\n1,5\n2,5\n")
    run("train-segmenter", cohort_table, "-o", tmp_path / "run", "--exclude", tmp_path / "left.csv")
    assert asked["train_segmenter_on"][1]["exclude"] == {"1", "2"}


def page_of(text: str) -> str:
    """A page without its mark."""
    assert text.endswith("\n\n<!-- made by boneage -->\n")
    return text.removesuffix("\n<!-- made by boneage -->\n")


def test_help_lists_each_command_with_a_whole_sentence_that_fits_a_line_of_80():
    listed = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.partition("Commands:\n")[2]
    lines = listed.splitlines()
    assert len(lines) == len(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_no_number_of_an_option_is_without_a_finite_range():
    for name in main.list_commands(click.Context(main)):
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for param in command.params:
            kind = param.type
            if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
                assert isinstance(kind, (click.IntRange, Number)), (name, param.name)
                assert None not in (kind.min, kind.max), (name, param.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "x.png", "--workers", "1000000000000"),
        ("train", "x.csv", "-o", "out", "--workers", "100000"),
        ("train", "x.csv", "-o", "out", "--nodes", "1000000"),
        ("train", "x.csv", "-o", "out", "--gpus", "\u00b2"),
        ("train", "x.csv", "-o", "out", "--gpus", "9" * 5000),
        ("serve", "--deadline", "nan"),
        ("serve", "--keep", "inf"),
        ("serve", "--max-upload", "9" * 5000),
        ("node", "--out", "out", "--timeout", "nan"),
        ("predict", "x.png", "--age", f"{'9' * 5000}y3m"),
        ("predict", "x.png", "--age", f"10y{'9' * 400}m"),
    ],
    ids=lambda arguments: "-".join(arguments)[:40],
)
def test_numbers_that_no_machine_has_are_refused_in_a_line(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (2, True), done.exception
    assert "Error: " in done.stderr
    assert len(done.stderr) < 12_000
    assert not list(tmp_path.iterdir())
