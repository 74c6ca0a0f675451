from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from boneage.data.child import Child
from boneage.data.errors import ChildError, CohortError, ReadError, SexError
from boneage.data.inputs import output_names, read_inputs
from boneage.data.listing import files_below
from boneage.data.remark import Remark
from boneage.data.source import open_source
from boneage.pipeline.overlay import write_png


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def films_among(rows) -> tuple[list[Path], Counter[Remark]]:
    """The films, and how many other files there are of each kind."""
    files, others = list[Path](), Counter[Remark]()
    for row in rows:
        source = row.opened()
        if source and source.no_film:
            others[source.no_film] += 1
        else:
            files.append(row.path)
    return files, others


def names(rows, folder: Path) -> list[str]:
    return [row.path.relative_to(folder).as_posix() for row in rows]


def test_files_stand_for_themselves_in_the_order_given_whether_they_exist_or_not(tmp_path):
    touch(tmp_path, "b.png")
    rows = read_inputs([tmp_path / "b.png", tmp_path / "a.png"], Child(sex="M"))
    assert names(rows, tmp_path) == ["b.png", "a.png"]
    assert {(row.child.sex, row.found) for row in rows} == {("M", False)}


def test_a_folder_gives_all_that_is_in_it_sorted(tmp_path):
    touch(tmp_path, "b.PNG", "a.dcm", "sub/IM0001", "sub/1.2.840.10008.7", "sub/x.dcm_anon", "table.csv", "DICOMDIR")
    touch(tmp_path, ".hidden.png", ".cache/x.png", "__MACOSX/b.png")
    rows = read_inputs([tmp_path])
    films = ["DICOMDIR", "a.dcm", "b.PNG", "sub/1.2.840.10008.7", "sub/IM0001", "sub/x.dcm_anon", "table.csv"]
    assert names(rows, tmp_path) == [".cache", ".hidden.png", *films[:1], "__MACOSX", *films[1:]]
    assert all(row.found for row in rows)  # so that what is no film of them, such as DICOMDIR, can be left out
    assert films_among(rows)[1] == {
        Remark("hidden folder"): 2,
        Remark("hidden file"): 1,
        Remark("neither a picture nor DICOM"): 5,
    }


def test_links_are_followed_once_and_loops_end(tmp_path):
    touch(tmp_path, "films/a.png", "films/deep/b.png", "elsewhere/c.png")
    films = tmp_path / "films"
    for name, target in {"up": "..", "deep/loop": "../..", "deep/again": ".", "out": "../elsewhere"}.items():
        (films / name).symlink_to(target)
    for name, target in {"a-link.png": "a.png", "c-link.png": "../elsewhere/c.png", "broken.png": "nothing"}.items():
        (films / name).symlink_to(target)
    found = [row.path.resolve() for row in read_inputs([films]) if row.path.exists()]
    assert sorted(path.name for path in found) == ["a.png", "b.png", "c.png"]
    kinds = films_among(read_inputs([films]))[1]
    assert kinds == {Remark("link that leads nowhere"): 1}
    for pattern in ("**/*.png", "**", "**/**/*", "*/**/?.png"):
        rows = read_inputs([films / pattern])
        assert len({row.path.resolve() for row in rows}) == len(rows)
        assert {path.name for path in found} >= {row.path.name for row in rows if row.path.name in "abc"}


def test_what_is_neither_file_nor_folder_is_named_and_never_opened(tmp_path):
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert films_among(read_inputs([tmp_path])) == (
        [tmp_path / "a.png"],
        {Remark("neither a file nor a folder"): 1},
    )


def test_of_two_links_to_one_file_outside_the_first_by_path_is_read(tmp_path):
    touch(tmp_path, "outside.png", "films/a/b.txt", "films/b/c.txt")
    for folder in ("a", "b"):
        (tmp_path / "films" / folder / "link.png").symlink_to(tmp_path / "outside.png")
    links = [path for path in files_below(tmp_path / "films") if path.name == "link.png"]
    assert links == [tmp_path / "films/a/link.png"]


@pytest.mark.parametrize("lists", [False, True])
def test_a_folder_that_may_not_be_listed_or_entered_is_a_row_of_its_own(tmp_path, monkeypatch, lists):
    touch(tmp_path, "a.png", "private/b.png", "private/c/d.png")
    (tmp_path / "link.png").symlink_to("private/b.png")
    listing, looking_up = Path.iterdir, Path.stat

    def refused(folder):
        if folder.name == "private" and not lists:
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    def refused_within(path, **options):
        followed = path.name == "link.png" and not options
        if followed or path.parent.name == "private":
            raise PermissionError(13, "Permission denied")
        return looking_up(path, **options)

    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(Path, "stat", refused_within)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "private")
    rows = read_inputs([tmp_path])
    assert names(rows, tmp_path) == ["a.png", "link.png", "private"]
    assert names(read_inputs([tmp_path / "**" / "*.png"]), tmp_path) == ["a.png", "link.png", "private"]
    assert names(read_inputs([tmp_path / "pri*" / "*.png"]), tmp_path) == ["private"]
    with pytest.raises(ReadError, match="private: is a folder that may not be listed"):
        open_source(rows[2].path, found=True)
    for path in (tmp_path / "link.png", tmp_path / "private" / "b.png"):
        assert names(read_inputs([path]), tmp_path) == [path.relative_to(tmp_path).as_posix()]


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_a_folder_too_deep_for_a_path_is_named_and_the_films_beside_it_are_read(tmp_path, monkeypatch):
    touch(tmp_path, "a.png")
    monkeypatch.chdir(tmp_path)
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    near, deep = read_inputs([tmp_path])
    assert near.path == tmp_path / "a.png"
    with pytest.raises(ReadError, match="cannot be opened"):
        open_source(deep.path, found=True)


def test_pictures_of_this_program_are_no_films(tmp_path):
    write_png(Image.new("L", (64, 64)), tmp_path / "heatmap.png")
    touch(tmp_path, "a.png")
    assert films_among(read_inputs([tmp_path]))[1] == {Remark("file made by this program"): 1}


def test_a_folder_with_a_cohorts_table_is_read_by_it_and_nothing_in_it_is_lost(tmp_path):
    touch(tmp_path, "films/1.png", "films/3.png")
    (tmp_path / "films.csv").write_text("id,boneage,male\n1,120,True\n2,90,False\n")
    rows = read_inputs([tmp_path])
    assert [(row.path.name, row.child.sex, row.found) for row in rows] == [
        ("1.png", "M", False),
        ("2", "F", False),
        ("3.png", None, True),
        ("films.csv", None, True),
    ]
    (tmp_path / "again.csv").write_text("id,boneage,male\n1,120,False\n")
    assert {row.child.sex for row in read_inputs([tmp_path])} == {None}  # which of the two is meant is not guessed


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("**/*.png", ["a.png", "b.png", "deep/er/c.png"]),
        ("**", ["a.png", "b.png", "deep/.hidden.png", "deep/d.dcm", "deep/er/c.png", "deep/notes.txt"]),
        ("de*", ["deep/.hidden.png", "deep/d.dcm", "deep/er/c.png", "deep/notes.txt"]),
    ],
)
def test_a_pattern_gives_each_radiograph_that_matches_once(tmp_path, pattern, expected):
    touch(tmp_path, "b.png", "a.png", "deep/er/c.png", "deep/d.dcm", "deep/notes.txt", "deep/.hidden.png")
    rows = read_inputs([tmp_path / pattern], Child(sex="F"))
    assert sorted(names(rows, tmp_path)) == expected
    assert all(row.found and row.child.sex == "F" for row in rows)


def test_of_what_was_found_the_films_are_told_from_the_rest_and_counted(tmp_path):
    (tmp_path / "README").write_text("how to open this disc")
    touch(tmp_path, "a.png")
    files, no_films = films_among(read_inputs([tmp_path]))
    assert ([file.name for file in files], no_films) == (["a.png"], {Remark("neither a picture nor DICOM"): 1})
    assert films_among(read_inputs([tmp_path / "README"]))[0] == [tmp_path / "README"]  # named, so it is meant


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path):
    touch(tmp_path, "a.txt")
    with pytest.raises(ReadError, match=r"\*\.png: no radiographs match"):
        read_inputs([tmp_path / "*.png"])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    touch(tmp_path, "hand[1].png", "hand1.png")
    assert names(read_inputs([tmp_path / "hand[1].png"]), tmp_path) == ["hand[1].png"]


def test_a_pattern_of_tables_reads_each(tmp_path):
    (tmp_path / "1.csv").write_text("path,sex\na.png,F\n")
    (tmp_path / "2.csv").write_text("path,sex\nb.png,M\n")
    rows = read_inputs([tmp_path / "*.csv"])
    assert [(row.path.name, row.child.sex) for row in rows] == [("a.png", "F"), ("b.png", "M")]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ReadError, match=r"no radiographs in this folder; it is empty"):
        read_inputs([tmp_path])


def test_a_csv_gives_each_row_its_own_sex_and_the_option_fills_blanks(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,F\nb.png,\n")
    assert [row.child.sex for row in read_inputs([tmp_path / "films.csv"])] == ["F", None]
    assert [row.child.sex for row in read_inputs([tmp_path / "films.csv"], Child(sex="F"))] == ["F", "F"]


def test_a_csv_tells_of_each_child_what_it_has_columns_for(tmp_path):
    (tmp_path / "films.csv").write_text(
        "path;sex;age;height;birth_date;exam_date;patient;more\n"
        "a.png;F;10y3m;140.5cm;2010-01-05;2020-04-07;P1;x\nb.png;M;;;;;;\n"
    )
    first, second = read_inputs([tmp_path / "films.csv"])
    assert first.child.age is not None
    assert (first.child.age.months, first.child.height_cm, first.patient) == (123, 140.5, "P1")
    assert (first.child.birth_date, first.child.exam_date) == (date(2010, 1, 5), date(2020, 4, 7))
    assert (second.child, second.patient) == (Child(sex="M"), None)


@pytest.mark.parametrize(
    ("header", "cells", "months", "height"),
    [
        ("age_months;height_cm", "123;140,5", 123, 140.5),
        ("age_years;height", "10,25;1.405m", 123, 140.5),
        ("age_months;height_cm;weight_kg;mother;father_cm", "123;140,5;32,5;165cm;180,0", 123, 140.5),
        ("Age_Years;Height_cm", "10.25;140.5", 123, 140.5),
    ],
)
def test_ages_and_heights_are_numbers_where_the_column_names_the_unit(tmp_path, header, cells, months, height):
    (tmp_path / "films.csv").write_text(f"path;{header}\na.png;{cells}\n")
    (row,) = read_inputs([tmp_path / "films.csv"])
    assert row.child.age is not None
    assert (row.child.age.months, row.child.height_cm) == (months, height)
    if "weight" in header:
        assert (row.child.weight_kg, row.child.mother_cm, row.child.father_cm) == (32.5, 165, 180)


def test_facts_that_cannot_be_read_are_named_with_their_lines(tmp_path):
    (tmp_path / "films.csv").write_text("path,age,birth_date,height\na.png,10,2010-13-01,1\nb.png,10y,,\nc.png,,,9cm\n")
    with pytest.raises(CohortError, match=r"(?s)4 faults.*line 2: age.*unit.*line 2: birth date.*line 4: height"):
        read_inputs([tmp_path / "films.csv"])


def test_a_csv_that_contradicts_another_fact_given_is_refused_too(tmp_path):
    (tmp_path / "films.csv").write_text("path,height\na.png,140cm\n")
    with pytest.raises(ChildError, match=r"says 140\.0 for 1 of its 1 rows \(first: a\.png\), --height says 141\.0"):
        read_inputs([tmp_path / "films.csv"], Child(height_cm=141.0))


def test_a_csv_that_contradicts_the_option_is_refused_and_names_the_row(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,F\nb.png,M\n")
    with pytest.raises(SexError, match=r"says M for 1 of its 2 rows \(first: b\.png\), --sex says F"):
        read_inputs([tmp_path / "films.csv"], Child(sex="F"))


def test_columns_of_a_csv_can_be_named(tmp_path):
    (tmp_path / "films.csv").write_text("bild,male\na.png,True\n")
    rows = read_inputs([tmp_path / "films.csv"], columns={"path": "bild"})
    assert (names(rows, tmp_path), rows[0].child.sex) == (["a.png"], "M")


def test_a_csv_with_bad_rows_is_refused_with_all_their_lines(tmp_path):
    (tmp_path / "films.csv").write_text("path,sex\na.png,girlish\n,M\n")
    with pytest.raises(CohortError, match=r"(?s)2 faults.*line 2: unknown sex.*line 3: blank cell"):
        read_inputs([tmp_path / "films.csv"])


def test_output_names_are_neither_options_nor_hidden_and_differ_however_accents_are_stored():
    files = [Path(name) for name in ("-rf.png", ".x.png", "--sex.png", "b\u00e4r.png", "ba\u0308r.png", "rf.png")]
    assert output_names(files) == ("rf", "x", "sex", "b\u00e4r", "ba\u0308r-2", "rf-2")


def test_output_names_are_stems_and_never_meet():
    files = [
        Path(name) for name in ("a/hand.png", "b/hand.png", "c/hand-2.png", "c/hand.dcm", "1.2.840.5", "1.2.840.6")
    ]
    given = output_names(files)
    assert given == ("hand", "hand-3", "hand-2", "hand-4", "1.2.840.5", "1.2.840.6")


def test_a_german_and_a_korean_table_are_read_by_the_names_of_their_columns(tmp_path):
    (tmp_path / "de.csv").write_text(
        "path;Geschlecht;Geburtsdatum;Untersuchungsdatum;Größe;Gewicht\n"
        "a.png;weiblich;15.01.2010;15.04.2020;140,5cm;32,5kg\n",
        "utf-8",
    )
    (tmp_path / "ko.csv").write_text(
        "path,성별,생년월일,검사일,신장,체중\na.png,여아,2010. 1. 15.,2020년 4월 15일,140.5cm,32.5kg\n", "utf-8"
    )
    (german,), (korean,) = (read_inputs([tmp_path / name]) for name in ("de.csv", "ko.csv"))
    assert german.child == korean.child
    child = german.child
    assert (child.sex, child.birth_date, child.exam_date) == ("F", date(2010, 1, 15), date(2020, 4, 15))
    assert (child.height_cm, child.weight_kg) == (140.5, 32.5)


def test_a_date_that_can_be_two_days_is_a_fault_of_its_row(tmp_path):
    (tmp_path / "films.csv").write_text("path,birth_date\na.png,15/01/2010\nb.png,03/04/2010\n")
    with pytest.raises(
        CohortError, match=r"(?s)1 fault \(birth date.*line 3: birth date: .*can be 2010-04-03 or 2010-03-04"
    ):
        read_inputs([tmp_path / "films.csv"])
