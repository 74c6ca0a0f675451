from __future__ import annotations

from pathlib import Path

import pytest

from boneage.data.errors import CohortError, ReadError, SexError
from boneage.pipeline.inputs import output_names, read_inputs


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(rows, folder: Path) -> list[str]:
    return [row.path.relative_to(folder).as_posix() for row in rows]


def test_files_stand_for_themselves_in_the_order_given_whether_they_exist_or_not(tmp_path):
    touch(tmp_path, "b.png")
    rows = read_inputs([tmp_path / "b.png", tmp_path / "a.png"], "M")
    assert names(rows, tmp_path) == ["b.png", "a.png"]
    assert {row.sex for row in rows} == {"M"}


def test_a_folder_gives_its_radiographs_sorted_and_nothing_else(tmp_path):
    touch(tmp_path, "b.PNG", "a.dcm", "sub/IM0001", "sub/1.2.840.10008.7", "table.csv", "notes.txt", "DICOMDIR")
    touch(tmp_path, ".hidden.png", ".cache/x.png", "__MACOSX/b.png")
    assert names(read_inputs([tmp_path]), tmp_path) == ["a.dcm", "b.PNG", "sub/1.2.840.10008.7", "sub/IM0001"]


def test_a_folder_without_radiographs_is_an_error_that_says_what_was_looked_for(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(ReadError, match=r"no radiographs in this folder.*\.dcm.*\.png"):
        read_inputs([tmp_path])


def test_a_csv_gives_each_row_its_own_sex_and_the_option_fills_blanks(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,F\nb.png,\n")
    assert [row.sex for row in read_inputs([tmp_path / "films.csv"])] == ["F", None]
    assert [row.sex for row in read_inputs([tmp_path / "films.csv"], "F")] == ["F", "F"]


def test_a_csv_that_contradicts_the_option_is_refused_and_names_the_row(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,F\nb.png,M\n")
    with pytest.raises(SexError, match=r"says M for 1 of its 2 rows \(first: b\.png\), --sex says F"):
        read_inputs([tmp_path / "films.csv"], "F")


def test_columns_of_a_csv_can_be_named(tmp_path):
    (tmp_path / "films.csv").write_text("bild,male\na.png,True\n")
    rows = read_inputs([tmp_path / "films.csv"], columns={"path": "bild"})
    assert (names(rows, tmp_path), rows[0].sex) == (["a.png"], "M")


def test_a_csv_with_bad_rows_is_refused_with_all_their_lines(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,girlish\n,M\n")
    with pytest.raises(CohortError, match=r"(?s)2 faults.*line 2: unknown sex.*line 3: blank cell"):
        read_inputs([tmp_path / "films.csv"])


def test_output_names_are_stems_and_never_meet():
    files = [
        Path(name) for name in ("a/hand.png", "b/hand.png", "c/hand-2.png", "c/hand.dcm", "1.2.840.5", "1.2.840.6")
    ]
    given = output_names(files)
    assert given == ("hand", "hand-3", "hand-2", "hand-4", "1.2.840.5", "1.2.840.6")
