from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from click.testing import CliRunner

from boneage.data.cohort import InputRow
from boneage.data.errors import OutputError
from boneage.pipeline.cli import main
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.pipeline.predict.film_files import FilmFiles, film_paths
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
        ("./a.pdf", ["b/../a.pdf"], r"a\.pdf is a film to be read"),
    ],
)
def test_a_place_that_cannot_be_is_refused(target, films, words):
    with pytest.raises(OutputError, match=words):
        paths(target, *films)


def test_two_options_cannot_share_a_file():
    files = FilmFiles([InputRow(Path("a.png"))])
    files.add("--report", Path("x.html"), SUFFIXES, lambda *_: None)
    with pytest.raises(OutputError, match=r"--other: x\.html"):
        files.add("--other", Path("x.html"), SUFFIXES, lambda *_: None)


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
    write_heatmap(bone_age, seen, tmp_path / "h.png")
    write_report(bone_age, seen, tmp_path / "r.html")
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
    assert "blank.png: was not aged, so there is no heat map of it" in done.stderr
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["60-heatmap.png", "60-report.html", "blank-report.html"]
