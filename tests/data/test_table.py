"""CSV files as spreadsheets and people write them: understood, or refused with the line."""

from __future__ import annotations

import os
import sys
import zipfile
from datetime import date, datetime

import pytest

from boneage.data.cohort import read_cohort
from boneage.data.errors import CohortError, OutputError
from boneage.data.inputs_table import read_inputs_table
from boneage.data.table import read_ids, read_table, write_table

FIELDS = {"path": {"path": ("path",)}, "sex": {"sex": ("sex",)}, "note": {"note": ("note",)}}


def cells(path, text: str) -> list[dict[str, str]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    table = read_table(path, FIELDS)
    table.faults.raise_any()
    return [row.cells for row in table.rows]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('path,sex,note\na.png,M,"see film\nb.png,M,\n', 2),  # to the end of the file
        ('path,sex,note\na.png,M,\nb.png,M,"see film\nc.png,M,\nd.png,F,"\n', 3),  # to the next stray quote
        ('path,sex,note\na.png,M,"see" film\n', 2),
        ('path,sex\na.png,"M\nb.png,F\nc.png,M"\n', 2),
        ('path,sex\n"a.png,M\nb.png",F\n', 2),
        ('path,sex,note\na.png,"M,\nb.png,F",\n', 2),
    ],
)
def test_a_stray_quote_is_an_error_that_names_the_line_of_the_quote(tmp_path, text, line):
    with pytest.raises(CohortError, match=rf"line {line}\b.*quote"):
        cells(tmp_path / "t.csv", text)


def test_a_cell_of_several_lines_is_no_stray_quote(tmp_path):
    rows = cells(tmp_path / "t.csv", 'path,sex,note\na.png,M,"cut off, see\nthe other film"\nb.png,F,\n')
    assert [row["note"] for row in rows] == ["cut off, see\nthe other film", ""]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_first_line_may_name_the_separator(tmp_path, first):
    assert cells(tmp_path / "t.csv", f"{first}\npath;sex;note\na,b.png;M;\n") == [
        {"path": "a,b.png", "sex": "M", "note": ""}
    ]
    with pytest.raises(CohortError, match="line 3: wrong number of cells"):
        cells(tmp_path / "t.csv", f"{first}\npath;sex;note\na.png;M\n")


@pytest.mark.parametrize(
    ("first", "separator", "said"),
    [
        ("sep=;", ",", "commas"),
        ("sep=,", ";", "semicolons"),
        ('"sep=|"', "\t", "tabs"),
        ("sep=", ",", "commas"),
        (r"sep=\t", "\t", "tabs"),
        ('sep="', ",", "commas"),
    ],
)
def test_a_first_line_that_names_another_separator_is_told(tmp_path, first, separator, said):
    text = f"{first}\n" + "path,sex,note\na.png,M,\n".replace(",", separator)
    with pytest.raises(CohortError, match=rf"its first line, sep=.* separated by {said}; delete that line"):
        cells(tmp_path / "t.csv", text)


def test_a_table_of_one_column_needs_no_separator(tmp_path):
    assert cells(tmp_path / "t.csv", "sep=;\npath\na,b.png\n") == [{"path": "a,b.png"}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_text_of_a_spreadsheet_is_read_with_its_mark_and_without(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes("path\tsex\nö.png\tF\n".encode(encoding))
    assert read_table(tmp_path / "t.csv", FIELDS).rows[0].cells["path"] == "ö.png"


def test_a_workbook_that_is_called_csv_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04\x14\0")
    with pytest.raises(CohortError, match="is a workbook or an archive"):
        read_table(tmp_path / "t.csv", FIELDS)


@pytest.mark.parametrize(
    ("begin", "said"), [(b"\x1f\x8b\x08\0", "is compressed"), (b"\xd0\xcf\x11\xe0\xa1\xb1", r"an old kind \(\.xls\)")]
)
def test_what_is_no_text_is_named_by_what_it_is(tmp_path, begin, said):
    (tmp_path / "t.csv").write_bytes(begin)
    with pytest.raises(CohortError, match=said):
        read_table(tmp_path / "t.csv", FIELDS)


@pytest.mark.parametrize(
    "text",
    [
        '"note, of films";path;sex\nx;a.png;F\n',
        'path|sex|"note; or, comments"\na.png|F|x\n',
        "\ufeff\ufeffpath,sex\na.png,F\n",  # as of two programs after each other
    ],
)
def test_the_separator_is_what_stands_between_the_names(tmp_path, text):
    read = cells(tmp_path / "t.csv", text)
    assert [(row["path"], row["sex"]) for row in read] == [("a.png", "F")]


def test_one_film_of_two_sexes_is_a_fault_and_of_one_is_not(tmp_path):
    for text, faults in (("M\na.png,F", "line 3: sex: F, but M for the same film on line 2"), ("M\na.png,M", "")):
        (tmp_path / "t.csv").write_text(f"path,sex\na.png,{text}\na.png,\n")
        if faults:
            with pytest.raises(CohortError, match=faults):
                read_inputs_table(tmp_path / "t.csv")
        else:
            assert len(read_inputs_table(tmp_path / "t.csv")) == 3


@pytest.mark.parametrize("name", ["Gender", "gender", "Patient Sex"])
def test_another_name_for_sex_is_used_where_there_is_no_column_sex(tmp_path, name):
    (tmp_path / "t.csv").write_text(f"path,{name}\na.png,M\n")
    assert read_inputs_table(tmp_path / "t.csv")[0].child.sex == "M"


@pytest.mark.parametrize("male", ["True", "1", "1.0", "yes", "wahr"])
def test_male_is_yes_or_no_however_programs_write_that(tmp_path, male):
    opposite = {"True": "False", "1": "0", "1.0": "0.0", "yes": "no", "wahr": "falsch"}[male]
    (tmp_path / "t.csv").write_text(f"path,male\na.png,{male}\nb.png,{opposite}\nc.png,\n")
    assert [row.child.sex for row in read_inputs_table(tmp_path / "t.csv")] == ["M", "F", None]


def test_columns_that_speak_of_the_child_and_are_not_used_are_named(tmp_path, caplog):
    unused = ("Gender at birth", "age at film", "AgeMonths", "PatientBirthDate", "study_date", "Alter_Monate")
    (tmp_path / "t.csv").write_text(f"path,sex,scanner,Average,{','.join(unused)},boneage\na.png,M,,,{',' * 6}120\n")
    read_inputs_table(tmp_path / "t.csv")
    assert f"not used: the column {', '.join(unused)};" in caplog.text


def test_leading_zeros_that_a_spreadsheet_dropped_are_put_back_where_one_file_fits(tmp_path):
    for name in ("0012.png", "7.png", "07.png", "003.png", "03.png", "a5.png"):
        (tmp_path / name).touch()
    table = tmp_path / "t.csv"
    table.write_text("path,sex\n12.png,M\n7.png,M\n3.png,M\n5.png,M\n")
    assert [row.path.name for row in read_inputs_table(table)] == ["0012.png", "7.png", "3.png", "5.png"]
    table.write_text("id,sex,boneage\n12,M,120\n7,F,120\n")
    assert [film.path.name for film in read_cohort(table)] == ["0012.png", "7.png"]
    assert [row.path.name for row in read_inputs_table(table)] == ["0012.png", "7.png"]
    table.write_text("id,sex,boneage\n3,M,120\n")
    with pytest.raises(CohortError, match="several files: 2 for id 3"):
        read_inputs_table(table)


def test_a_table_by_ids_is_read_as_a_cohort_is_and_a_missing_film_fails_alone(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "1.png").touch()
    (tmp_path / "films.csv").write_text("id,boneage,male\n1,120,True\n2,90,False\n")
    rows = read_inputs_table(tmp_path / "films.csv")
    assert [(row.path, row.child.sex) for row in rows] == [
        (tmp_path / "films" / "1.png", "M"),
        (tmp_path / "films" / "2", "F"),
    ]


def test_carriage_returns_and_formulas_are_written_so_that_they_come_back(tmp_path):
    hostile = ["a\rb", "=1+1", "-1", "+x", "@y", "'=1", "\tz", 'q"q', "semi;colon", " spaced "]
    write_table(tmp_path / "t.csv", ["path", "note"], ({"path": text} for text in hostile))
    written = (tmp_path / "t.csv").read_bytes()
    assert b'"a\rb"' in written
    assert b"\n'=1+1," in written
    assert b"\n-1," in written  # a number is no formula
    read = read_table(tmp_path / "t.csv", FIELDS).rows
    assert [row.cells["path"].strip() for row in read] == [text.replace("\r", "\n").strip() for text in hostile]


def test_a_table_is_not_written_over_a_file_that_begins_otherwise(tmp_path):
    for text in ("path,sex\na.png,F\n", "", "not a table"):
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(OutputError, match=r"t\.csv: is there already, and not a file that this program wrote"):
            write_table(tmp_path / "t.csv", ["path", "note"], [])
        assert (tmp_path / "t.csv").read_text() == text
    (tmp_path / "t.csv").write_text("path,note\nold,\n")
    write_table(tmp_path / "t.csv", ["path", "note"], [{"path": "new"}])
    assert "new" in (tmp_path / "t.csv").read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


def test_ids_are_read_from_their_column_alone(tmp_path):
    (tmp_path / "ids.csv").write_text("width;ID\n5;0017\n6; b \n")
    assert read_ids(tmp_path / "ids.csv") == {"0017", "b"}


def test_a_table_without_ids_is_refused(tmp_path):
    (tmp_path / "ids.csv").write_text("film,width\na,5\n")
    with pytest.raises(CohortError, match="no column called id among film, width; expected a CSV of ids"):
        read_ids(tmp_path / "ids.csv")
    (tmp_path / "ids.csv").write_text("id,width\na,5\nb\n")
    with pytest.raises(CohortError, match="line 3: wrong number of cells"):
        read_ids(tmp_path / "ids.csv")


def workbook(path, *sheets):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_is_read_as_a_csv_with_numbers_and_dates_as_they_are(tmp_path):
    path = workbook(
        tmp_path / "films.xlsx",
        [
            ["path", "sex", "age", "height_cm", "exam_date", "boneage"],
            ["a.png", "weiblich", "10,25y", 140.5, date(2020, 4, 15), 120],
            [],
            ["b.png", "남", None, "140,5", datetime(2020, 4, 16), "120,5", None],
        ],
        [],
    )
    first, second = read_inputs_table(path)
    assert (first.path.name, first.child.sex, first.child.height_cm) == ("a.png", "F", 140.5)
    assert first.child.age is not None
    assert (first.child.age.months, first.child.exam_date) == (pytest.approx(123), date(2020, 4, 15))
    assert (second.child.sex, second.child.age, second.child.height_cm) == ("M", None, 140.5)
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    assert [film.bone_age_months for film in read_cohort(tmp_path)] == [120.0, 120.5]  # the one table of the folder


def test_ids_of_a_workbook_are_whole_numbers_and_faults_have_its_rows(tmp_path):
    path = workbook(tmp_path / "t.xlsx", [["id", "note"], [1377, 1], [], [1378.0, "x", "more"]])
    with pytest.raises(CohortError, match="line 4: wrong number of cells: 3, the header has 2"):
        read_ids(path)
    assert read_ids(workbook(tmp_path / "u.xlsx", [["id"], [1377], [1378.0]])) == {"1377", "1378"}


def test_a_formula_without_its_value_is_no_blank_cell(tmp_path):
    rows = [["path", "sex"], ["a.png", "F"], ["b.png", '=IF(A3="","",LEFT("Male",1))']]
    path = workbook(tmp_path / "t.xlsx", rows)
    with pytest.raises(CohortError, match=r"t\.xlsx: line 3 has the formula =IF.* without its value"):
        read_inputs_table(path)
    with zipfile.ZipFile(path) as parts, zipfile.ZipFile(tmp_path / "u.xlsx", "w") as stored:
        for name in parts.namelist():  # as a spreadsheet stores the value "" of a formula
            stored.writestr(name, parts.read(name).replace(b'<c r="B3">', b'<c r="B3" t="str">'))
    assert [row.child.sex for row in read_inputs_table(tmp_path / "u.xlsx")] == ["F", None]


def test_two_columns_for_sex_are_refused_unless_one_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("path,sex,gender\na.png,F,M\nb.png,,M\n")
    with pytest.raises(CohortError, match=r"several columns for sex \(sex, gender\)"):
        read_inputs_table(tmp_path / "t.csv")
    assert [row.child.sex for row in read_inputs_table(tmp_path / "t.csv", {"sex": "gender"})] == ["M", "M"]


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes that are files")
    for name in ("t.csv", "t.xlsx", "t.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(CohortError, match="is not a regular file, expected a table"):
            read_inputs_table(tmp_path / name)


def test_one_film_by_two_names_has_one_sex_and_one_row_of_a_cohort(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "x").mkdir()
    (tmp_path / "b.png").symlink_to("a.png")
    for other in ("b.png", "x/../a.png"):
        (tmp_path / "t.csv").write_text(f"path,sex,boneage\na.png,F,60\n{other},M,60\n")
        with pytest.raises(CohortError, match="line 3: sex: M, but F for the same film on line 2"):
            read_inputs_table(tmp_path / "t.csv")
        with pytest.raises(CohortError, match=r"line 3: doubled file: .* is already on line 2"):
            read_cohort(tmp_path / "t.csv")


def test_a_number_is_no_number_of_python(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "t.csv").write_text("path,sex,boneage\na.png,F,1_0\n")
    with pytest.raises(CohortError, match="line 2: bone age: '1_0'"):
        read_cohort(tmp_path / "t.csv")


def test_what_is_no_workbook_of_one_table_is_refused(tmp_path, monkeypatch):
    path = workbook(tmp_path / "t.xlsx", [["id"], [1]], [["id"], [2]])
    with pytest.raises(CohortError, match=r"several sheets have cells \(Sheet1, Sheet2\)"):
        read_ids(path)
    monkeypatch.setattr("boneage.data.workbook._LARGEST", 10)
    with pytest.raises(CohortError, match="when unpacked"):
        read_ids(path)
    monkeypatch.undo()
    with zipfile.ZipFile(tmp_path / "z.xlsx", "w") as other:
        other.writestr("a.txt", "")
    (tmp_path / "x.xlsx").write_text("id\n1\n")
    for name in ("x.xlsx", "z.xlsx"):
        with pytest.raises(CohortError, match="not a workbook"):
            read_ids(tmp_path / name)
    with pytest.raises(CohortError, match="no such file"):
        read_ids(tmp_path / "missing.xlsx")


@pytest.mark.parametrize(
    ("name", "separator", "cell", "months"),
    [("t.csv", ",", '"120,5"', 120.5), ("t.csv", ";", "120,5", 120.5), ("t.csv", ";", "12,345", 12.345)],
)
def test_a_decimal_comma_is_one_wherever_it_can_be_nothing_else(tmp_path, name, separator, cell, months):
    (tmp_path / "a.png").touch()
    (tmp_path / name).write_text(separator.join(("path", "sex", "boneage")) + f"\na.png{separator}F{separator}{cell}\n")
    assert read_cohort(tmp_path / name).films[0].bone_age_months == months


def test_a_comma_that_could_stand_for_thousands_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "t.csv").write_text('path,sex,boneage\na.png,F,"0,120"\n')
    with pytest.raises(CohortError, match="bone age: '0,120' months"):
        read_cohort(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("word", "sex"),
    [
        *[(word, "F") for word in ("weiblich", "W", "Mädchen", "Ma\u0308dchen", "여", "여자", "여아", "GIRL")],
        *[(word, "M") for word in ("männlich", "Junge", "Knabe", "남", "남성", "boy")],
    ],
)
def test_words_for_sex_in_the_languages_of_reports_are_understood(tmp_path, word, sex):
    (tmp_path / "t.csv").write_text(f"path,Geschlecht\na.png,{word}\n")
    assert read_inputs_table(tmp_path / "t.csv")[0].child.sex == sex


@pytest.mark.parametrize("word", ["1", "2", "J", "K", "d", "divers", "x", "unbekannt", "여/남"])
def test_a_word_that_could_mean_either_sex_or_none_is_never_guessed(tmp_path, word):
    (tmp_path / "t.csv").write_text(f"path,sex\na.png,M\nb.png,{word}\n")
    with pytest.raises(CohortError, match="line 3: unknown sex"):
        read_inputs_table(tmp_path / "t.csv")


def test_a_parquet_file_is_read_as_a_csv_of_the_same_cells_is(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    columns = {
        "path": ["a.png", "b.png", None, "c.png"],
        "male": [True, False, None, None],
        "age_years": [10.25, None, None, 7.0],
        "height": ["140.5cm", "", None, None],
        "birth_date": [date(2010, 1, 15), None, None, None],
        "exam_date": [datetime(2020, 4, 15), None, None, None],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    text = "path,male,age_years,height,birth_date,exam_date\na.png,True,10.25,140.5cm,2010-01-15,2020-04-15\n"
    (tmp_path / "t.csv").write_text(text + "b.png,False,,,,\n\nc.png,,7,,,\n")
    read = {suffix: read_inputs_table(tmp_path / f"t.{suffix}") for suffix in ("parquet", "csv")}
    assert [(row.path, row.child) for row in read["parquet"]] == [(row.path, row.child) for row in read["csv"]]
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises(CohortError, match=r"torn\.parquet: is not a whole Parquet file \("):
        read_inputs_table(tmp_path / "torn.parquet")
    with pytest.raises(CohortError, match=r"missing\.parquet: no such file or folder"):
        read_inputs_table(tmp_path / "missing.parquet")


def test_pixels_in_a_parquet_file_are_left_out_and_a_folder_of_such_files_is_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    columns = {
        "image": pyarrow.array([{"bytes": b"\x89PNG", "path": "inside.png"}] * 2),
        "path": pyarrow.array(["a.png", "b.png"]).dictionary_encode(),
        "thumbnail": pyarrow.array([b"\x89PNG", None]),
        "labels": pyarrow.array([[1, 2], []]),
        "sex": ["F", None],
    }
    (tmp_path / "parts.parquet").mkdir()
    for file in ("t.parquet", "parts.parquet/0.parquet"):
        parquet.write_table(pyarrow.table(columns), tmp_path / file)
    rows = read_table(tmp_path / "t.parquet", {name: {name: (name,)} for name in columns}).rows
    blank = dict.fromkeys(("image", "thumbnail", "labels"), "")
    assert [row.cells for row in rows] == [
        blank | {"path": "a.png", "sex": "F"},
        blank | {"path": "b.png", "sex": ""},
    ]
    with pytest.raises(CohortError, match=r"is a folder of Parquet files; give the files in it \('parts\.parquet/\*"):
        read_inputs_table(tmp_path / "parts.parquet")


def test_whole_numbers_that_a_column_with_blanks_holds_as_reals_are_ids(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"id": [1377.0, None, float("nan"), 1378.0]}), tmp_path / "t.parquet")
    assert read_ids(tmp_path / "t.parquet") == {"1377", "1378"}


def test_without_pyarrow_a_parquet_file_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CohortError, match=r"t\.parquet: reading Parquet needs pyarrow.*boneage\[parquet\]"):
        read_ids(tmp_path / "t.parquet")
