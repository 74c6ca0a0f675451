"""No output of any command is an input, or a file of someone else's: one rule, over the tree of commands itself."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sources import ROOT, modules, tree_of

from boneage.data.cohort import Cohort, Film
from boneage.data.errors import OutputError
from boneage.data.files import MARK, inputs_kept, keep, whole_file, whole_folder
from boneage.data.split import Split, training_split, write_split
from boneage.pipeline.cli import main
from boneage.pipeline.cli.group import Output, SafeCommand

# Parameters whose paths are read. A new one for what is written has the type Output, or nothing can be written there.
READ = {"inputs", "readings", "data", "table", "images", "folder", "plan", "evaluation", "robustness"}
READ |= {"recipe", "cutouts", "negatives", "exclude", "finer", "wrists", "authorization", "token_file", "reference"}
FOLDERS = {"folder", "evaluation"}
SUFFIXES = {"--parquet": ".parquet"}


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    return {name: command for name in main.list_commands(context) if (command := main.get_command(context, name))}


def outputs() -> Iterator[tuple[str, str]]:
    for name, command in commands().items():
        for param in command.params:
            if isinstance(param.type, Output):
                yield name, param.opts[-1]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def state(folder: Path) -> dict[str, bytes | None]:
    return {str(path): None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))}


def is_refused(done: Result) -> bool:
    return (
        done.exit_code == 2 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith("Error: ")
    ) and isinstance(done.exception, SystemExit)


def test_each_path_of_each_command_is_known_as_read_or_written():
    for name, command in commands().items():
        assert isinstance(command, SafeCommand), f"{name}: make it with options.command"
        paths = {param.name for param in command.params if isinstance(param.type, click.Path)}
        written = {param.name for param in command.params if isinstance(param.type, Output)}
        assert paths - written <= READ, f"{name}: give what is written the type Output, or name here what is read"


@pytest.mark.parametrize("by", ["path", "detour", "link", "hard link", "case"])
@pytest.mark.parametrize(("command", "option"), outputs())
def test_no_output_of_any_command_is_an_input(command, option, by, tmp_path):
    given: list[object] = []
    first: Path | None = None
    for param in commands()[command].params:
        if isinstance(param.type, Output) or not isinstance(param.type, click.Path) or param.name not in READ:
            continue
        path = tmp_path / f"{param.name}{'' if param.name in FOLDERS else SUFFIXES.get(option, '.csv')}"
        if param.name in FOLDERS:
            path.mkdir()
        else:
            path.write_text("path,sex\n")
        first = first or path
        given += [path] if isinstance(param, click.Argument) else [param.opts[-1], path]
    if first is None:
        pytest.skip("reads nothing by a path")
    there = tmp_path / f"there{first.suffix}"
    if by == "link":
        there.symlink_to(first)
    elif by == "hard link" and first.is_file():
        os.link(first, there)
    else:
        there = {"detour": first.parent / "x" / ".." / first.name, "case": first.with_name(first.name.upper())}.get(
            by, first
        )
        if by == "case" and option in SUFFIXES:
            there = there.with_suffix(first.suffix)
    before = state(tmp_path)
    done = run(command, *given, option, there)
    assert is_refused(done), done.stderr
    assert "give another place" in done.stderr
    assert state(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs devices")
def test_devices_pipes_and_what_lies_below_a_file_are_refused_before_films_are_read(tmp_path, hand_films, monkeypatch):
    monkeypatch.setattr("boneage.pipeline.predict.bone_age.BoneAge.load", pytest.fail)
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "list").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for option, path, said in (
        ("--csv", "/dev/null", "/dev/null: is a device, expected a file"),
        ("--csv", "pipe.csv", "pipe.csv: is a pipe, expected a file"),
        ("--csv", "list/r.csv", "list is a file, expected a folder"),
        ("--parquet", "/dev/null/r.parquet", "/dev/null is a device, expected a folder"),
        ("--heatmap", "/dev/full", "/dev/full is a device, expected a folder"),
        ("--heatmap", "pipe.png", "pipe.png: is a pipe, expected a file"),
        ("--report", "/dev/zero/{name}.html", "/dev/zero is a device, expected a folder"),
        ("--fhir", "list", "list is a file, expected a folder"),
        ("--fhir", "list/a/b.json", "list is a file, expected a folder"),
        ("--dicom-sr", "nowhere/a.dcm", "nowhere is a link that leads nowhere, expected a folder"),
        ("--csv", "-", "- is stdout, expected a file"),
        ("--heatmap", "-", "- is stdout, expected a file"),
        ("--csv", "file:///tmp/a%00b.csv", "has a NUL"),
    ):
        done = run("predict", hand_films[0], "--sex", "F", option, path)
        assert done.exit_code == 2, done.output
        assert said in done.stderr, done.stderr
        assert "give" in done.stderr.splitlines()[-1]
        assert not done.stdout
    assert (tmp_path / "list").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["folder", "link", "link that leads nowhere", "pipe"])
def test_what_lies_where_rows_are_kept_and_is_no_file_stays(kind, tmp_path, hand_films):
    partial, mine = tmp_path / "r.csv.partial", tmp_path / "mine.txt"
    mine.write_text("mine")
    if kind == "folder":
        partial.mkdir()
    elif kind == "pipe":
        os.mkfifo(partial)
    else:
        partial.symlink_to(mine if kind == "link" else tmp_path / "gone")
    for more in ([], ["--resume"], ["--overwrite"]):
        done = run("predict", hand_films[0], "--sex", "F", "--csv", tmp_path / "r.csv", *more)
        assert is_refused(done), done.stderr
        assert f"r.csv.partial: is a {kind.split()[0]}, expected the rows of a run" in done.stderr
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "r.csv.partial"]


def test_a_table_that_may_not_be_written_is_not_replaced(tmp_path, hand_films, monkeypatch):
    table = tmp_path / "r.csv"
    table.write_text(MARK)
    monkeypatch.setattr("boneage.data.files.os.access", lambda *_: False)  # as for others than root
    monkeypatch.setattr("boneage.pipeline.predict.readings_file.ReadingsFile._is_ours", lambda *_: True)
    for more in ("--resume", "--overwrite"):
        done = run("predict", hand_films[0], "--sex", "F", "--csv", table, more)
        assert is_refused(done), done.stderr
        assert "r.csv: may not be written; make it writable, or give another name" in done.stderr
    with pytest.raises(OutputError, match="may not be written"), whole_file(table):
        pass
    assert table.read_text() == MARK


def test_what_is_read_is_not_written_over_though_this_program_wrote_it(tmp_path):
    own, film, folder = tmp_path / "own.txt", tmp_path / "film.txt", tmp_path / "bundle"
    folder.mkdir()
    for path in (own, film, folder / "net.txt"):
        path.write_text(MARK)
    os.link(own, tmp_path / "hard.txt")
    with inputs_kept([own]):
        keep([film, folder / "net.txt"])
        for path in (own, tmp_path / "hard.txt", film, folder / "net.txt"):
            with pytest.raises(OutputError, match="is read by this command"), whole_file(path):
                pass
        with pytest.raises(OutputError, match="is read by this command"), whole_folder(folder):
            pass
    with whole_file(own) as temporary:
        temporary.write_text("new")
    assert own.read_text() == "new"


def test_nothing_is_written_but_as_a_whole_file():
    """Each call that writes has the temporary file of `whole_file` as its target, by that name, or memory."""
    rooms = ("predict/readings_file", "cli/streams", "node/spool")
    allowed = {"data/files.py", *(f"pipeline/{room}.py" for room in rooms)}
    for path in modules():
        if path.relative_to(ROOT).as_posix() in allowed:
            continue
        for call in ast.walk(tree_of(path)):
            target = _written(call) if isinstance(call, ast.Call) else None
            assert target in (None, "temporary", "buffer"), f"{path}:{getattr(call, 'lineno', 0)}"


def _written(call: ast.Call) -> str | None:
    """The source of what a call writes to; None for one that writes nothing."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ("write_text", "write_bytes") and isinstance(function, ast.Attribute):
        return ast.unparse(function.value)
    if name in ("savefig", "to_csv", "to_parquet", "save_file", "copyfile"):
        return ast.unparse(call.args[-1 if name in ("save_file", "copyfile") else 0]).removeprefix("str(").rstrip(")")
    mode = [
        ast.unparse(argument) for argument in (*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode"))
    ]
    return ast.unparse(call.args[0]) if name == "open" and any(set("wax+") & set(each) for each in mode) else None


def test_files_of_others_are_found_before_anything_is_measured(tmp_path, tiny_bundle, finds_hands, hand_films):
    table = tmp_path / "own.csv"
    table.write_text(f"path,sex,bone_age_months\n{hand_films[0]},F,60\n")
    (tmp_path / "pictures.csv").write_text(f"file,kind,repo\n{hand_films[0]},hand,x\n")
    weights = ("--weights", tiny_bundle)
    for name, command in (
        ("table.md", ["evaluate", table]),
        ("predictions.csv", ["evaluate", table]),
        ("robustness.md", ["robustness", table]),
        ("screening.csv", ["screen", tmp_path]),
        ("segmenter.onnx", ["export"]),
        ("60-crop.png", ["segment", hand_films[0]]),
    ):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).write_text("mine")
        done = run(*command, "-o", out, *weights)
        assert is_refused(done), (name, done.stderr, done.exception)
        assert name in done.stderr
        assert state(out) == {str(out / name): b"mine"}


def test_a_command_given_again_replaces_its_own_files(tmp_path, tiny_bundle, finds_hands, hand_films):
    (tmp_path / "pictures.csv").write_text(f"file,kind,repo\n{hand_films[0]},=hand,x\n")
    films = tmp_path / "films"
    films.mkdir()
    (films / "a.png").write_bytes(hand_films[1].read_bytes())
    weights = ("--weights", tiny_bundle)
    for _ in range(2):
        assert run("screen", tmp_path, "-o", tmp_path / "out", *weights).exit_code == 0
        about = ("--csv", films / "r.csv", "--report", films / "{name}.html", "--no-heatmap")
        done = run("predict", films, "--sex", "F", *about, "--overwrite", *weights)
        assert (done.exit_code, (films / "a.html").exists()) == (0, True), done.stderr
    assert "'=hand" in (tmp_path / "out" / "screening.csv").read_text()


def test_a_table_of_this_program_that_is_read_stays(tmp_path, tiny_bundle, finds_hands):
    readings = tmp_path / "r.csv"
    readings.write_text("patient,bone_age_months,chronological_age_months\nx,100,100\nx,112,112\n")
    assert run("growth", readings, "-o", tmp_path / "out").exit_code == 0
    before = (tmp_path / "out" / "children.csv").read_bytes()
    columns = (
        "--column",
        "bone_age_months=last_bone_age_months",
        "--column",
        "chronological_age_months=last_age_months",
    )
    done = run("growth", tmp_path / "out" / "children.csv", "-o", tmp_path / "out", *columns)
    assert is_refused(done)
    assert (tmp_path / "out" / "children.csv").read_bytes() == before


def test_a_training_given_again_may_name_its_own_split(tmp_path):
    cohort = Cohort("c", tuple(Film(id, Path(id), "F", 60, id) for id in "abc"))
    split = Split(dict(zip("abc", ("train", "choose", "report"), strict=True)))
    write_split(split, tmp_path / "split.csv")
    with inputs_kept([tmp_path / "split.csv"]):
        assert training_split(cohort, tmp_path / "split.csv", tmp_path) == split


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 64 KB, as root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no disk can be made here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="needs tmpfs")
def test_a_full_disk_is_told_with_the_file_and_what_to_do(small_disk, tmp_path, tiny_bundle, finds_hands, hand_films):
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    table = tmp_path / "own.csv"
    table.write_text(f"path,sex,bone_age_months\n{hand_films[0]},F,60\n")
    weights = ("--weights", tiny_bundle)
    told = "No space left on device; make room there, or give another place"
    for name, arguments in (
        ("r.csv.partial", ["predict", hand_films[0], "--sex", "F", "--csv", small_disk / "r.csv"]),
        ("60-mask.png", ["segment", hand_films[0], "-o", small_disk]),
        ("predictions.csv", ["evaluate", table, "-o", small_disk]),
    ):
        done = run(*arguments, *weights)
        assert is_refused(done), done.stderr
        assert f"{small_disk / name}: {told}" in done.stderr
    done = run("predict", hand_films[0], "--sex", "F", "--report", small_disk / "r.html", "--no-heatmap", *weights)
    assert (done.exit_code, "bone age" in done.stdout) == (1, True)
    assert f"{small_disk / 'r.html'}: cannot be written (No space left on device); mend that" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_an_error_of_a_library_on_a_full_disk_is_told_as_that(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr("boneage.data.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"No space left on device.*a\.txt"), whole_file(tmp_path / "a.txt"):
        raise RuntimeError("file write failed")
