from __future__ import annotations

from pathlib import Path

import pytest
from conftest import REAL

from boneage.data.cohort import read_cohort
from boneage.data.errors import CohortError
from boneage.data.inputs_table import read_inputs_table


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(cohort) -> list[tuple]:
    return [(film.id, film.path.name, film.sex, film.bone_age_months) for film in cohort]


def test_rsna_training_folder_is_read_as_published(tmp_path):
    table(tmp_path / "boneage-training-dataset.csv", "id,boneage,male", "1377,180,False", "1378,12,True")
    touch(tmp_path / "boneage-training-dataset/1377.png", tmp_path / "boneage-training-dataset/1378.webp")
    cohort = read_cohort(tmp_path)
    assert rows(cohort) == [("1377", "1377.png", "F", 180.0), ("1378", "1378.webp", "M", 12.0)]
    assert len(cohort) == 2
    assert cohort.name == tmp_path.name
    assert [film.patient for film in cohort] == ["1377", "1378"]


def test_rsna_validation_folder_with_nested_images_is_read_as_published(tmp_path):
    table(tmp_path / "Validation Dataset.csv", "Image ID,male,Bone Age (months)", "1386,TRUE,126.5", "1392,FALSE,63")
    touch(tmp_path / "boneage-validation-dataset-1/1386.png", tmp_path / "boneage-validation-dataset-2/1392.png")
    assert rows(read_cohort(tmp_path)) == [("1386", "1386.png", "M", 126.5), ("1392", "1392.png", "F", 63.0)]


def test_rsna_test_table_is_read_as_published(tmp_path):
    table(tmp_path / "truth.csv", "Case ID,Sex,Ground truth bone age (months)", "4360,M,168.9", "4361,F,9.5")
    touch(tmp_path / "Test Set Images/4360.png", tmp_path / "Test Set Images/4361.png")
    assert rows(read_cohort(tmp_path)) == [("4360", "4360.png", "M", 168.9), ("4361", "4361.png", "F", 9.5)]


def test_any_csv_with_named_columns_and_years(tmp_path):
    csv = table(tmp_path / "t/ours.csv", "file,gender,ba,child", "../films/a.png,girl,10.5,p1", "b.dcm,Male,0,p1")
    touch(tmp_path / "films/a.png", tmp_path / "t/b.dcm")
    columns = {"path": "file", "sex": "gender", "bone_age_years": "ba", "patient": "child"}
    cohort = read_cohort(csv, columns=columns)
    assert [(film.sex, film.bone_age_months, film.patient) for film in cohort] == [("F", 126.0, "p1"), ("M", 0.0, "p1")]
    assert all(film.path.is_file() for film in cohort)
    assert [film.id for film in cohort] == ["../films/a.png", "b.dcm"]
    assert cohort.name == "ours"


def test_byte_order_mark_semicolons_spaces_and_decimal_commas_are_tolerated(tmp_path):
    csv = tmp_path / "ours.csv"
    csv.write_bytes("\ufeffID ; Sex; Bone_Age_Years \r\n\r\n x1 ; f ; 12,5 \r\nx2;M;3\r\n".encode())
    touch(tmp_path / "x1.JPG", tmp_path / "x2")
    assert rows(read_cohort(csv)) == [("x1", "x1.JPG", "F", 150.0), ("x2", "x2", "M", 36.0)]


def test_dicom_uid_ids_and_ids_with_suffix_find_their_files(tmp_path):
    csv = table(tmp_path / "t.csv", "id,sex,boneage", "1.2.840.1,F,60", "1.2.840.2,F,60", "x.png,M,60")
    touch(tmp_path / "dicom/1.2.840.1", tmp_path / "dicom/1.2.840.2.dcm", tmp_path / "x.png")
    assert [film.path.name for film in read_cohort(csv)] == ["1.2.840.1", "1.2.840.2.dcm", "x.png"]


def test_images_folder_is_where_ids_and_paths_start(tmp_path):
    touch(tmp_path / "good/1.png", tmp_path / "other/1.png")
    by_id = table(tmp_path / "id.csv", "id,sex,boneage", "1,F,60")
    by_path = table(tmp_path / "path.csv", "path,sex,boneage", "1.png,F,60")
    for csv in (by_id, by_path):
        assert [film.path.parent.name for film in read_cohort(csv, images="good")] == ["good"]
    with pytest.raises(CohortError, match="line 2: several files: 2 for id 1"):
        read_cohort(by_id)
    with pytest.raises(CohortError, match="nowhere: not a folder"):
        read_cohort(by_id, images="nowhere")


def test_every_fault_is_reported_together_with_its_line(tmp_path):
    csv = table(
        tmp_path / "t.csv",
        "id,sex,bone_age_months,patient",
        "1,F,60,a",  # line 2: good
        "2,unknown,60,b",
        "3,F,240.5,c",
        "4,F,sixty,d",
        "5,M,60,e",  # line 6: no file
        "1,M,70,f",
        "6,,nan,g",
        "7,M,60",  # line 9: a cell too few
        "",
        "8,M,-1,",  # line 11
    )
    touch(*(tmp_path / f"{id}.png" for id in (1, 2, 3, 4, 6, 7, 8)))
    with pytest.raises(CohortError) as caught:
        read_cohort(csv)
    lines = str(caught.value).splitlines()
    assert str(csv) in lines[0]
    assert "10 faults" in lines[0]
    faults = [line.split(":")[:2] for line in lines[1:]]
    assert [(int(line.removeprefix("  line ")), kind.strip()) for line, kind in faults] == [
        (3, "unknown sex"),
        (4, "bone age"),
        (5, "bone age"),
        (6, "missing file"),
        (7, "doubled id"),
        (8, "blank cell"),
        (8, "bone age"),
        (9, "wrong number of cells"),
        (11, "blank cell"),
        (11, "bone age"),
    ]
    assert "'unknown'" in lines[1]
    assert "line 2" in lines[5]  # where the doubled id stands first


def test_many_faults_are_counted_and_cut_short(tmp_path):
    csv = table(tmp_path / "t.csv", "id,sex,boneage", *(f"{id},F,60" for id in range(500)), "x,?,60")
    with pytest.raises(CohortError) as caught:
        read_cohort(csv)
    lines = str(caught.value).splitlines()
    assert "missing file: 501" in lines[0]
    assert "unknown sex: 1" in lines[0]
    assert len(lines) == 22
    assert "482 more" in lines[-1]


def test_one_file_under_two_ids_is_a_fault(tmp_path):
    csv = table(tmp_path / "t.csv", "id,path,sex,boneage", "a,x.png,F,60", "b,./x.png,F,60")
    touch(tmp_path / "x.png")
    with pytest.raises(CohortError, match=r"line 3: doubled file: .*x.png is already on line 2"):
        read_cohort(csv)


def test_a_sex_column_of_numbers_is_refused_and_a_male_column_is_not(tmp_path):
    touch(tmp_path / "1.png")
    with pytest.raises(CohortError, match="line 2: unknown sex: '1'"):
        read_cohort(table(tmp_path / "sex.csv", "id,sex,boneage", "1,1,60"))
    assert next(iter(read_cohort(table(tmp_path / "male.csv", "id,male,boneage", "1,1,60")))).sex == "M"


def test_the_unit_of_bone_age_is_never_guessed(tmp_path):
    touch(tmp_path / "1.png")
    csv = table(tmp_path / "t.csv", "id,sex,bone_age", "1,F,10")
    with pytest.raises(CohortError, match="give --age-unit months or years"):
        read_cohort(csv)
    assert next(iter(read_cohort(csv, age_unit="years"))).bone_age_months == 120
    assert next(iter(read_cohort(csv, age_unit="months"))).bone_age_months == 10
    with pytest.raises(CohortError, match="bone ages in months, but years"):
        read_cohort(table(tmp_path / "months.csv", "id,sex,boneage", "1,F,10"), age_unit="years")


def test_a_folder_without_a_known_table_says_what_was_looked_for(tmp_path):
    table(tmp_path / "notes.csv", "id,part", "1,train")
    with pytest.raises(CohortError) as caught:
        read_cohort(tmp_path)
    for words in ("id,boneage,male", "Image ID,male", "Case ID,Sex", "notes.csv", "no column for sex, bone age"):
        assert words in str(caught.value)


def test_a_folder_with_two_tables_asks_which(tmp_path):
    touch(tmp_path / "1.png", tmp_path / "2.png")
    table(tmp_path / "a.csv", "id,sex,boneage", "1,F,60")
    table(tmp_path / "b.csv", "id,sex,boneage", "2,F,60")
    with pytest.raises(CohortError, match=r"a\.csv, b\.csv"):
        read_cohort(tmp_path)
    assert [film.id for film in read_cohort(tmp_path, table="b.csv")] == ["2"]


@pytest.mark.parametrize(
    ("lines", "columns", "message"),
    [
        (["id,sex,boneage"], None, "no rows"),
        ([""], None, "empty"),
        (["id,sex,boneage,Bone Age (months)", "1,F,60,60"], None, "several columns for bone age"),
        (["id,sex,boneage", "1,F,60"], {"sex": "gender"}, "no column 'gender' for sex; it has id, sex, boneage"),
        (["id,sex,boneage", "1,F,60"], {"age": "boneage"}, "unknown role age"),
        (["id,boneage", "1,60"], None, "no column for sex"),
    ],
)
def test_an_unusable_table_is_refused_with_the_reason(tmp_path, lines, columns, message):
    touch(tmp_path / "1.png")
    with pytest.raises(CohortError, match=message):
        read_cohort(table(tmp_path / "t.csv", *lines), columns=columns)


def test_a_missing_table_and_a_binary_table_are_refused(tmp_path):
    with pytest.raises(CohortError, match="no such file"):
        read_cohort(tmp_path / "none.csv")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04\xff\xfe\x80")
    with pytest.raises(CohortError, match="not a workbook"):
        read_cohort(tmp_path / "t.xlsx")


def test_subset_keeps_the_order_and_names_unknown_ids(tmp_path):
    touch(*(tmp_path / f"{id}.png" for id in "abc"))
    cohort = read_cohort(table(tmp_path / "t.csv", "id,sex,boneage", "a,F,1", "b,F,2", "c,F,3"))
    assert [film.id for film in cohort.subset(["c", "a"])] == ["a", "c"]
    with pytest.raises(CohortError, match=r"1 id \(z\)"):
        cohort.subset(["a", "z"])


def test_inputs_table_needs_only_a_path_and_leaves_missing_files_to_the_reader(tmp_path):
    csv = table(tmp_path / "in.csv", "path,sex,boneage", "films/a.png,girl,", "/b.dcm,,x")
    assert [(row.path, row.child.sex) for row in read_inputs_table(csv)] == [
        (tmp_path / "films/a.png", "F"),
        (Path("/b.dcm"), None),
    ]
    bare = table(tmp_path / "bare.csv", "picture", "a.png")
    assert [(row.path.name, row.child.sex) for row in read_inputs_table(bare, {"path": "picture"})] == [("a.png", None)]


def test_inputs_table_reports_bad_rows_together(tmp_path):
    csv = table(tmp_path / "in.csv", "path,sex", "a.png,F", "b.png,x", ",M")
    with pytest.raises(CohortError, match=r"2 faults(.|\n)*line 3: unknown sex: 'x'(.|\n)*line 4: blank cell: no path"):
        read_inputs_table(csv)
    with pytest.raises(CohortError, match="no column called path"):
        read_inputs_table(table(tmp_path / "no.csv", "image,sex", "1,F"))


@pytest.mark.parametrize(("folder", "n"), [("rsna", 12_611), ("rsna-highres", 1_354), ("rsna-original", 8)])
def test_the_real_cohorts_open_as_they_are(folder, n):
    if not (REAL / folder).is_dir():
        pytest.skip(f"{REAL / folder} is not here")
    cohort = read_cohort(REAL / folder)
    assert len(cohort) == n
    assert {film.sex for film in cohort} == {"F", "M"}


def test_a_patient_of_two_sexes_is_named(tmp_path, caplog):
    lines = ("path,sex,bone_age_months,patient", "a.png,F,100,P1", "b.png,M,100,P1", "c.png,M,100,P2")
    touch(*(tmp_path / name for name in ("a.png", "b.png", "c.png")))
    assert len(read_cohort(table(tmp_path / "films.csv", *lines))) == 3
    assert "patients whose films have two sexes: 1 id (P1); correct" in caplog.text
