from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from click.testing import CliRunner

from boneage.data.errors import ConfigError, OutputError
from boneage.pipeline.cli import main
from boneage.pipeline.cli.predict import FILES
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.pipeline.predict.film_files import KINDS, FilmFiles, film_paths
from boneage.pipeline.report import heatmap
from boneage.pipeline.report.heatmap import write_heatmap
from boneage.pipeline.report.write import write_report

SUFFIXES = (".html", ".pdf")


def paths(target, *films, option="--report") -> list[str]:
    return [path.as_posix() for path in film_paths(option, Path(target), [Path(film) for film in films], SUFFIXES)]


def test_one_film_gets_the_file_that_was_named():
    assert paths("out/r.pdf", "a/hand.png") == ["out/r.pdf"]


def test_a_folder_gets_a_file_for_each_film_by_its_name(tmp_path):
    assert paths("out", "a/hand.png", "b/hand.dcm") == ["out/hand-report.html", "out/hand-2-report.html"]
    assert paths("out", "hand.png", option="--dicom-sr") == ["out/hand-sr.html"]
    folder = tmp_path / "v1.2"
    folder.mkdir()
    assert paths(folder, "hand.png") == [f"{folder.as_posix()}/hand-report.html"]


def test_name_stands_for_the_film_wherever_it_is():
    assert paths("out/{name}/r.pdf", "hand.png", "foot.png") == ["out/hand/r.pdf", "out/foot/r.pdf"]


@pytest.mark.parametrize(
    ("target", "films", "words"),
    [
        ("r.pdf", ["a.png", "b.png"], r"--report: r\.pdf is one file for 2 films; .*\{name\}\.pdf"),
        ("r.docx", ["a.png"], r"r\.docx ends in \.docx, expected \.html or \.pdf"),
        ("{name}", ["a.png"], r"\{name\} ends in no suffix"),
    ],
)
def test_a_place_that_cannot_be_is_refused(target, films, words):
    with pytest.raises(OutputError, match=words):
        paths(target, *films)


def test_two_options_cannot_share_a_file():
    with pytest.raises(OutputError, match=r"--dicom-sc: x\.dcm"):
        FilmFiles([Path("a.png")], {"dicom-sr": "x.dcm", "dicom-sc": "x.dcm"})


def test_a_kind_or_language_that_is_not_known_is_refused():
    with pytest.raises(OutputError, match=r"x-ray: no kind of file.*heatmap, report"):
        FilmFiles([Path("a.png")], {"x-ray": "out"})
    with pytest.raises(ConfigError, match="language"):
        FilmFiles([Path("a.png")], {"report": "out"}, "tlh")


def test_the_command_has_an_option_for_each_kind():
    assert tuple(FILES) == KINDS


@pytest.fixture
def predict(finds_hands, tiny_bundle):
    def run(*arguments):
        return CliRunner().invoke(main, ["predict", *map(str, arguments), "--sex", "F", "--weights", str(tiny_bundle)])

    return run


def test_one_film_with_all_its_files(predict, hand_films, tmp_path):
    done = predict(hand_films[1], "--report", tmp_path / "r.pdf", "--heatmap", tmp_path / "h.png", "--language", "ko")
    assert (done.exit_code, done.exception and str(done.exception)) == (0, None)
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")


def test_files_about_a_film_share_one_map_which_goes_with_the_film(finds_hands, tiny_bundle, hand_films, tmp_path):
    bone_age, maps = BoneAge.load(tiny_bundle), []
    evidence = bone_age.reader.evidence

    def counted(crop, sex):
        made = evidence(crop, sex)
        maps.append(weakref.ref(made))
        return made

    bone_age.reader.evidence = counted
    seen = bone_age.examine(hand_films[1], "F")
    write_heatmap(seen, tmp_path / "h.png")
    write_report(seen, tmp_path / "r.html")
    assert len(maps) == 1
    assert maps[0]() is not None
    del seen
    gc.collect()
    assert maps[0]() is None


def test_a_run_that_goes_on_makes_the_files_that_are_missing(predict, hand_films, tmp_path):
    table, maps = tmp_path / "t.csv", tmp_path / "maps"
    (tmp_path / "blank.png").write_bytes(b"no picture")
    films = [*hand_films[:2], tmp_path / "blank.png"]
    assert predict(*films, "--csv", table).exit_code == 1
    assert predict(*films, "--csv", table, "--resume", "--heatmap", maps).exit_code == 1
    made = {path.name: path.stat().st_mtime_ns for path in maps.iterdir()}
    assert set(made) == {"60-heatmap.png", "120-heatmap.png"}
    (maps / "60-heatmap.png").unlink()
    predict(*films, "--csv", table, "--resume", "--heatmap", maps)
    again = {path.name: path.stat().st_mtime_ns for path in maps.iterdir()}
    assert set(again) == set(made)
    assert again["120-heatmap.png"] == made["120-heatmap.png"]


def test_what_cannot_be_made_of_one_film_is_said_and_the_others_go_on(predict, hand_films, tmp_path):
    from PIL import Image

    Image.new("L", (200, 200), 90).save(tmp_path / "blank.png")
    done = predict(tmp_path / "blank.png", hand_films[0], "--heatmap", tmp_path / "maps", "--report", tmp_path / "maps")
    assert done.exit_code == 1
    assert "blank.png: has no bone age, so there is no heat map of it" in done.stderr
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["60-heatmap.png", "60-report.html", "blank-report.html"]


def test_a_reading_is_in_the_table_before_its_files_are_made(predict, hand_films, tmp_path, monkeypatch):
    table, rows = tmp_path / "t.csv", []
    monkeypatch.setattr(heatmap, "write_heatmap", lambda *_: rows.append(len(partial.read_text().splitlines()) - 1))
    partial = table.with_name("t.csv.partial")
    assert predict(*hand_films, "--csv", table, "--heatmap", tmp_path / "maps").exit_code == 0
    assert rows == [3, 3, 3]  # all of one batch


def test_a_file_that_cannot_be_written_costs_that_file_alone(predict, hand_films, tmp_path, monkeypatch):
    def fails(examination, path):
        (tmp_path / "taken").write_text("a file that was put where a folder should be")
        if path.name.startswith("60"):
            raise ZeroDivisionError("of a library")
        path.write_text("made")

    monkeypatch.setattr(heatmap, "write_heatmap", fails)
    options = ("--csv", tmp_path / "t.csv", "--report", tmp_path / "taken" / "{name}.html")
    done = predict(*hand_films[:2], *options, "--heatmap", tmp_path / "{name}-map.png", "--json")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    assert (tmp_path / "120-map.png").read_text() == "made"
    faults = done.stderr.splitlines()[-3:]
    assert f"{tmp_path / '60-map.png'}: cannot be made of {hand_films[0]} (ZeroDivisionError: of a library)" in faults
    taken = f"cannot be written ({tmp_path / 'taken'} is a file, expected a folder, or nothing yet"
    assert sum(taken in fault for fault in faults) == 2
