"""Left and right hands: how they are named, which are compared, and what is said of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dicom_files import dataset
from PIL import Image

from boneage.data.errors import ChildError
from boneage.data.side import parse_side
from boneage.pipeline.cli import main
from boneage.pipeline.predict.hands import Hands
from boneage.pipeline.predict.rows import COLUMNS


def row(side: str | None, months: float | None, **others) -> dict:
    facts = {"patient": "C01", "exam_date": "2018-04-07", "sex": "F", "side": side, "bone_age_months": months}
    return dict.fromkeys(COLUMNS) | facts | others


def said(*rows: dict) -> list[str]:
    hands = Hands()
    for one in rows:
        hands.add(one)
    return list(map(str, hands.compared()))


def test_a_left_and_a_right_hand_of_one_child_and_day_are_compared():
    (line,) = said(row("right", 85.0), row("left", 87.0), row("left", 90.0, patient="C02"))
    assert line.startswith("both hands of C01, 2018-04-07: left 7 y 3 m, right 7 y 1 m, which is +2.0 months left less")
    assert "up to 6 months are usual" in line
    (far,) = said(row("left", 80.0), row("right", 86.5))
    assert "-6.5 months left less right; more than 6 months is rare" in far


def test_two_hands_of_one_film_need_no_patient():
    alone = {"patient": None, "exam_date": None, "file": "both.png"}
    (line,) = said(row("left", 80.0, hand="left", **alone), row("right", 81.0, hand="right", **alone))
    assert line.startswith("both hands of both.png: left 6 y 8 m")
    assert not said(row("left", 80.0, **alone), row("right", 81.0, **alone))  # two films that share a name


@pytest.mark.parametrize(
    "others",
    [
        (row("left", 80.0), row("left", 81.0)),
        (row("left", 80.0), row(None, 81.0)),
        (row("left", 80.0), row("right", None)),
        (row("left", 80.0), row("right", 81.0, exam_date="2019-04-07")),
    ],
)
def test_what_is_no_pair_is_not_compared(others):
    assert not said(*others)


def test_a_pair_that_is_not_clear_is_told():
    for further in (row("right", 82.0), row("right", 81.0, sex="M")):
        rows = (
            [row("left", 80.0), further] if further["sex"] == "M" else [row("left", 80.0), row("right", 81.0), further]
        )
        (line,) = said(*rows)
        assert f"were not compared: there are {len(rows)} readings" in line


def test_sides_are_words_of_three_languages():
    assert [parse_side(word) for word in ("Left", "L", "links", "왼손")] == ["left"] * 4
    assert [parse_side(word) for word in ("right", "r", "RECHTS", "우측")] == ["right"] * 4
    with pytest.raises(ChildError, match=r"--side: side is .both., expected left.right"):
        parse_side("both")


def test_the_command_compares_two_films_of_a_table_and_names_each_hand(hand_films, tiny_bundle, finds_hands, tmp_path):
    table = tmp_path / "films.csv"
    lines = [f"{film},F,{side},C01,07.04.2018" for film, side in zip(hand_films, ("links", "rechts"), strict=False)]
    table.write_text("path,sex,side,patient,exam_date\n" + "\n".join(lines) + "\n")
    asked = ["predict", table, "--weights", tiny_bundle, "--csv", tmp_path / "out.csv"]
    done = CliRunner().invoke(main, [str(part) for part in asked])
    assert done.exit_code == 0, done.output
    assert "both hands of C01, 2018-04-07: left " in done.stderr
    with open(tmp_path / "out.csv", newline="") as file:
        assert [one["side"] for one in csv.DictReader(file)] == ["left", "right"]


def test_a_side_that_contradicts_the_dicom_is_refused_and_a_name_stands_on_the_report_alone(
    hand_films, tiny_bundle, finds_hands, tmp_path
):
    film: Path = tmp_path / "film.dcm"
    greys = np.asarray(Image.open(hand_films[1])).astype(np.int64)
    dataset(greys, 8, PatientSex="F", ImageLaterality="L").save_as(film, enforce_file_format=True)

    def predicted(*options):
        asked = ["predict", film, "--weights", tiny_bundle, *options]
        return CliRunner().invoke(main, [str(part) for part in asked])

    against = predicted("--side", "right")
    assert against.exit_code == 2
    assert "the hand given is the right one, the DICOM says left" in against.stderr
    report = ("--report", tmp_path / "r.html", "--no-heatmap", "--language", "en", "--fhir", tmp_path / "r.json")
    named = predicted("--name", "E-17 <b>", "--json", *report)
    assert named.exit_code == 0, named.output
    assert json.loads(named.stdout.splitlines()[0])["side"] == "left"
    assert "E-17" not in named.stdout
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "E-17 &lt;b&gt;" in page
    assert "left" in page
    bundle = (tmp_path / "r.json").read_text("utf-8")
    assert "left hand" in bundle
    assert "E-17" not in bundle
    assert "--name is what reports call the child; give --report too" in predicted("--name", "E-17").stderr
