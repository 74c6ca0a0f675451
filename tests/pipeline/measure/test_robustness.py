from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hands import sex_of
from told import reader

from boneage.data.cohort import Cohort, Film
from boneage.data.errors import BoneAgeError
from boneage.data.remark import Remark
from boneage.handseg.orientation import ROTATED
from boneage.pipeline.cli import main
from boneage.pipeline.measure.copies import COPIES, PLAIN
from boneage.pipeline.measure.robustness import Robustness, measure_robustness, read_robustness, sample


@pytest.fixture
def cohort(small_films) -> Cohort:
    films = tuple(Film(path.stem, path, "F", 90.0 + 10 * k, path.stem) for k, path in enumerate(small_films))
    return Cohort("three", films)


def row(robustness: Robustness, copy: str) -> Any:
    return robustness.summary().set_index("copy").loc[copy]


def test_figures_are_those_of_the_copies(cohort):
    told = {"jpeg-30": -14.0, "shifted": 3.0, "rotated-90": None, "half-brightness": Remark("dim")}
    measured = measure_robustness(reader(told), cohort)
    assert list(measured.summary()["copy"]) == list(COPIES)
    plain = row(measured, PLAIN)
    assert (plain["n"], plain["ok"], plain["mae"]) == (3, 3, pytest.approx(20 / 3))  # labels 90, 100, 110
    jpeg = row(measured, "jpeg-30")
    assert (jpeg["change_mean"], jpeg["change_95"], jpeg["far"]) == (14, 14, 1)
    assert jpeg["mae"] == pytest.approx((4 + 14 + 24) / 3)
    assert row(measured, "shifted")["far"] == 0
    rotated = row(measured, "rotated-90")
    assert (rotated["rejected"], rotated["compared"], np.isnan(rotated["mae"])) == (3, 0, True)
    assert row(measured, "half-brightness")["review"] == 3


def test_a_film_that_cannot_be_read_fails_as_every_copy_and_the_rest_goes_on(cohort, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    films = Cohort("four", (Film("broken", broken, "M", 60.0, "broken"), *cohort))
    measured = measure_robustness(reader(), films)
    assert set(measured.summary()["failed"]) == {1}
    assert set(measured.summary()["compared"]) == {3}
    assert "3 of 4" in measured.promises()[1].measured


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({}, [True, True, True, True]),
        ({"mirrored": 0.99, "dicom-window": -0.99}, [True, True, True, True]),
        ({"mirrored": 1.0}, [False, True, True, True]),
        ({"dicom-monochrome1": -2.0, "jpeg-30": 30.0}, [False, True, True, True]),
        ({"png-16": None}, [False, True, True, True]),
        ({"rotated-90": 3.0, "rotated-180": 3.1}, [True, True, False, True]),
        ({"rotated-90": None}, [True, False, True, True]),
        ({"rotated-270": ROTATED[3]}, [True, True, True, True]),
        ({"rotated-270": Remark("the film was rotated upright")}, [True, True, True, False]),
    ],
)
def test_promises_hold_as_far_as_they_are_kept(cohort, told, kept):
    measured = measure_robustness(reader(told), cohort)
    assert [promise.kept for promise in measured.promises()] == kept
    assert measured.table().count("**not kept**") == kept.count(False)


def test_an_upright_film_whose_note_states_a_rotation_is_counted(cohort):
    assert "with such a note as they are: 3 of 3" in measure_robustness(reader({PLAIN: ROTATED[2]}), cohort).table()
    assert "with such a note as they are: 0 of 3" in measure_robustness(reader(), cohort).table()


def test_what_is_written_is_the_measurement_again(cohort, tmp_path):
    told = {"jpeg-30": -14.1234, "rotated-90": None}
    measured = measure_robustness(reader(told), cohort, tmp_path, split="part report")
    assert {path.name for path in tmp_path.iterdir()} == {f"robustness.{kind}" for kind in ("csv", "json", "md")}
    again = read_robustness(tmp_path)
    assert again.table() == measured.table() == page_of((tmp_path / "robustness.md").read_text())
    assert all(words in again.table() for words in ("three", "part report", "told", "n = 3"))
    pd.testing.assert_frame_equal(again.readings, measured.readings)
    with pytest.raises(BoneAgeError, match="boneage robustness -o"):
        read_robustness(tmp_path / "none")


def test_a_sample_is_stratified_and_always_the_same():
    films = [Film(str(k), Path(f"{k}.png"), sex_of(k), float(k % 200), str(k)) for k in range(400)]
    cohort = Cohort("many", tuple(films))
    taken = sample(cohort, 40)
    assert len(taken) == 40
    assert [film.id for film in taken] == [film.id for film in sample(cohort, 40)]
    assert sum(film.sex == "F" for film in taken) == 20
    assert np.mean([film.bone_age_months for film in taken]) == pytest.approx(99.5, abs=8)
    assert sample(cohort, 400) is sample(cohort, 1000) is cohort


def test_the_command_reads_real_files_with_a_bundle_and_prints_the_table(
    finds_hands, tiny_bundle, hand_films, tmp_path
):
    table = tmp_path / "own.csv"
    lines = [f"{path},F,{path.stem}\n" for path in hand_films]
    table.write_text("path,sex,bone_age_months\n" + "".join(lines))
    out = tmp_path / "out"
    command = ["robustness", table, "--films", 2, "--weights", tiny_bundle, "-o", out]
    result = CliRunner().invoke(main, [str(word) for word in command], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == page_of((out / "robustness.md").read_text())
    measured = read_robustness(out)
    assert len(set(measured.readings["id"])) == 2
    assert list(row(measured, "dicom-window")[["change_mean", "failed"]]) == [0, 0]
    assert float(row(measured, "inverted")["change_mean"]) < 0.1


def page_of(text: str) -> str:
    """A page without its mark."""
    assert text.endswith("\n\n<!-- made by boneage -->\n")
    return text.removesuffix("\n<!-- made by boneage -->\n")
