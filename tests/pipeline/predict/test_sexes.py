"""Two sexes of one patient are named, whoever states them."""

from __future__ import annotations

import csv

from click.testing import CliRunner

from boneage.pipeline.cli import main


def test_a_patient_of_two_sexes_is_named_with_a_film_of_each(drawn_cohort, tmp_path):
    films = [film.path for film in drawn_cohort.films[:4]]
    with open(tmp_path / "films.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "sex", "patient"])
        patients = ["P1", "P1", "P1", "P2"]
        rows.writerows(zip(films, ["F", "M", "F", "M"], patients, strict=True))
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "films.csv"), "--weights", "fast"])
    lines = [line for line in done.stderr.splitlines() if "two sexes" in line]
    assert lines == [
        f"the films of P1 were read with two sexes: F for {films[0]}, M for {films[1]}; correct the one that is wrong "
        "and read its films again, since the sex moves the bone age."
    ]


def test_films_without_a_patient_are_of_no_common_one(drawn_cohort, tmp_path):
    films = [film.path for film in drawn_cohort.films[:2]]
    lines = ["path,sex,patient", f"{films[0]},F,", f"{films[1]},M,"]
    (tmp_path / "films.csv").write_text("\n".join(lines), "utf-8")
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "films.csv"), "--weights", "fast"])
    assert "two sexes" not in done.stderr


def test_a_run_resumes_a_table_whose_sex_was_edited(drawn_cohort, tmp_path):
    films = [film.path for film in drawn_cohort.films[:2]]
    lines = ["path,sex,patient", f"{films[0]},F,P1", f"{films[1]},F,P1"]
    (tmp_path / "films.csv").write_text("\n".join(lines), "utf-8")
    table = tmp_path / "readings.csv"
    run = ["predict", str(tmp_path / "films.csv"), "--weights", "fast", "--csv", str(table)]
    before = CliRunner().invoke(main, run)
    heading, first, *others = table.read_text("utf-8").splitlines(keepends=True)
    assert ",F," in first
    table.write_text("".join([heading, first.replace(",F,", ",female,", 1), *others]), "utf-8")
    done = CliRunner().invoke(main, [*run, "--resume"])
    assert done.exit_code == before.exit_code, done.output
    assert "two sexes" not in done.stderr
