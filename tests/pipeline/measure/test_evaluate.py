from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click import unstyle
from hands import sex_of

from boneage.data.cohort import Cohort, Film
from boneage.data.errors import BoneAgeError
from boneage.data.remark import Remark
from boneage.data.sex import Sex
from boneage.pipeline.measure.evaluate import evaluate, read_evaluation
from boneage.pipeline.output import show_markdown
from boneage.pipeline.reading import Reading


class Reader:
    """Stands for BoneAge: reads what it is told, by file name."""

    model = "told"

    def __init__(self, **months: float | None) -> None:
        self.months = months

    def predict_many(self, requests):
        for file, sex in requests:
            months = self.months[Path(file).stem]
            status, reasons = ("ok", ()) if months is not None else ("rejected", (Remark("no hand was found"),))
            interval = None if months is None else (months - 10, months + 10)
            yield Reading(str(file), status, reasons, sex, months, interval, model=self.model)


def told(**months: float | None) -> Any:
    return Reader(**months)


def cohort() -> Cohort:
    films: tuple[tuple[str, Sex, float], ...] = ("a", "F", 50.0), ("b", "M", 100.0), ("c", "M", 150.0)
    return Cohort("three", tuple(Film(id, Path(f"{id}.png"), sex, months, id) for id, sex, months in films))


def test_figures_are_over_the_aged_films_and_the_others_are_counted(tmp_path):
    measured = evaluate(told(a=56.0, b=88.0, c=None), cohort(), tmp_path)
    assert measured.overall.n == 2
    assert measured.overall.mae == pytest.approx(9.0)
    assert measured.overall.bias == pytest.approx(-3.0)
    assert measured.not_assessed() == {"rejected": 1}
    assert dict(zip(measured.groups["level"], measured.groups["not_assessed"], strict=True))["boys"] == 1


@pytest.mark.usefixtures("blank_plots")
def test_every_film_is_in_the_csv_with_its_own_numbers_and_reasons(tmp_path):
    evaluate(told(a=56.0, b=88.0, c=None), cohort(), tmp_path)
    films = pd.read_csv(tmp_path / "predictions.csv").set_index("id")
    assert list(films.index) == ["a", "b", "c"]
    assert films.loc["b", "error_months"] == -12
    assert films.loc["b", "interval_90_high"] == 98
    assert films.loc["c", ["status", "reasons", "sex"]].tolist() == ["rejected", "no hand was found", "M"]
    assert pd.isna(films.loc["c", "bone_age_months"])


def test_plots_and_table_are_written_and_name_cohort_split_and_model(tmp_path):
    measured = evaluate(told(a=56.0, b=88.0, c=None), cohort(), tmp_path, split="part report")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"predictions.csv", "predictions.json", "scatter.png", "bland-altman.png", "table.md"}
    text = (tmp_path / "table.md").read_text()
    assert text == f"{measured.page()}\n<!-- made by boneage -->\n"
    assert all(words in text for words in ("three", "part report", "told"))


@pytest.mark.usefixtures("blank_plots")
def test_what_is_written_is_the_evaluation_again(tmp_path):
    measured = evaluate(told(a=56.1234, b=88.0, c=None), cohort(), tmp_path, split="part report")
    again = read_evaluation(tmp_path)
    assert again.table() == measured.table()
    assert again.to_dict() == measured.to_dict()
    pd.testing.assert_frame_equal(again.films, measured.films)
    pd.testing.assert_frame_equal(again.coverage(), measured.coverage())
    (tmp_path / "predictions.json").unlink()
    with pytest.raises(BoneAgeError, match="boneage evaluate -o"):
        read_evaluation(tmp_path)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate(told(a=56.0, b=88.0, c=None), cohort())
    assert not list(tmp_path.iterdir())


def test_the_summary_is_json_and_says_on_which_films(tmp_path):
    summary = json.loads(json.dumps(evaluate(told(a=56.0, b=None, c=None), cohort()).to_dict(), allow_nan=False))
    assert (summary["n"], summary["mae"], summary["mae_low"]) == (1, 6, None)
    assert summary["not_assessed"] == {"rejected": 2}
    assert summary["cohort"] == "three"


def test_no_aged_film_is_an_error_and_the_csv_tells_why(tmp_path):
    with pytest.raises(BoneAgeError, match=r"none of its 3 radiographs has a bone age.*no hand was found"):
        evaluate(told(a=None, b=None, c=None), cohort(), tmp_path)
    assert (tmp_path / "predictions.csv").read_text().count(",rejected,no hand was found,") == 3


def many_films(n: int, lost: int) -> tuple[Any, Cohort]:
    """Films of both sexes with errors of some months, the first `lost` of them without a bone age."""
    random = np.random.default_rng(n)
    labelled = random.uniform(1, 228, n).round()
    months = {f"f{k}": None if k < lost else value + random.normal(2, 9) for k, value in enumerate(labelled)}
    films = (Film(id, Path(f"{id}.png"), sex_of(k), labelled[k], id) for k, id in enumerate(months))
    return told(**months), Cohort("made of numbers", tuple(films))


def test_the_table_has_n_split_and_interval_in_every_group():
    measured = evaluate(*many_films(300, lost=4), split="part report of a split")
    text = measured.table()
    assert text.startswith("Model told on cohort made of numbers, part report of a split: n = 296 radiographs; 4 more")
    assert "4 more were not assessed (4 rejected)." in text
    figures, reasons = text.split("\n\n| reason |")
    assert "| no hand was found | 4 | 0 | |" in reasons
    rows = [line for line in figures.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(measured.groups) == 2 + 7
    assert len({row.count("|") for row in rows}) == 1
    for row, (_, group) in zip(rows[2:], measured.groups.iterrows(), strict=True):
        assert f"| {group.level} | {group.n} | {group.not_assessed} |" in row
        assert f"| {group.mae:.2f} ({group.mae_low:.2f} to {group.mae_high:.2f}) |" in row


def test_the_table_leaves_blank_what_one_or_no_film_cannot_tell():
    text = evaluate(told(a=50.0, b=None, c=None), cohort()).table()
    assert "nan" not in text
    rows = {line.split("|")[1].strip(): line.replace(" ", "") for line in text.splitlines() if line.startswith("|")}
    assert rows["girls"].startswith("|girls|1|0|0.00|0.00|0.00|+0.00||")
    assert rows["boys"].startswith("|boys|0|2||")


def test_a_terminal_of_80_columns_shows_every_figure_whole(monkeypatch, capsys):
    text = evaluate(*many_films(300, lost=4)).table()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    show_markdown(text)
    shown = unstyle(capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 80
    figures = re.compile(r"[+-]?\d+\.\d+")
    assert {*figures.findall(text)} <= {*figures.findall(shown)}
