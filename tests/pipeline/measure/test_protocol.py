"""A published benchmark of robustness: its copies, what counts as a change, and the count in the published form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from told import reader

from boneage.data.child import Age
from boneage.data.cohort import Cohort, Film
from boneage.data.errors import BoneAgeError, ChildError
from boneage.data.remark import Remark
from boneage.pipeline.cli import main
from boneage.pipeline.measure.copies import PLAIN, write_copies
from boneage.pipeline.measure.protocol import (
    COLUMNS,
    MONTHS,
    PROTOCOLS,
    Stress,
    ages_of,
    mcnemar,
    measure_protocol,
    protocol_of,
)
from boneage.pipeline.measure.results_io import read_measured

PUBLISHED = PROTOCOLS["santomartino-2024"]


@pytest.fixture
def cohort(small_films) -> Cohort:
    return Cohort("three", tuple(Film(path.stem, path, "F", 100.0, path.stem, ("8y4m",)) for path in small_films))


def row(stress: Stress, copy: str) -> Any:
    return stress.summary().set_index("copy").loc[copy]


def test_the_published_benchmark_has_33_transformations_of_seven_kinds():
    kinds = Counter(PUBLISHED.kinds.values())
    assert kinds == {
        **{"rotation": 11, "flip": 2, "brightness": 8, "contrast": 8},
        **{"inversion": 1, "laterality marker": 1, "resolution": 2},
    }
    assert sum(kinds.values()) == 33
    assert next(iter(PUBLISHED.copies)) == PLAIN
    assert set(PUBLISHED.copies) - {PLAIN} == set(PUBLISHED.kinds)
    assert "10.1148/ryai.230240" in PUBLISHED.source


def test_each_copy_is_what_its_name_says(tmp_path):
    rng = np.random.default_rng(0)
    pixels = (0.3 + 0.3 * rng.random((120, 90))).astype(np.float32)
    files = write_copies(pixels, tmp_path, "film", PUBLISHED.copies)
    of = {name: np.asarray(Image.open(file)) / 255 for name, file in files.items()}
    plain = of[PLAIN]
    np.testing.assert_allclose(plain, pixels, atol=0.003)
    np.testing.assert_allclose(of["rotated-180"], np.rot90(plain, 2), atol=0.01)
    np.testing.assert_allclose(of["rotated-90"], np.rot90(plain), atol=0.01)
    assert min(of["rotated-30"].shape) > 120
    np.testing.assert_allclose(of["flipped-left-right"], plain[:, ::-1])
    np.testing.assert_allclose(of["flipped-upside-down"], plain[::-1])
    np.testing.assert_allclose(of["brightness-0.4"], 0.4 * plain, atol=0.005)
    assert of["brightness-1.6"].max() == pytest.approx(0.96, abs=0.01)
    for factor in (0.4, 1.6):
        assert of[f"contrast-{factor}"].std() == pytest.approx(factor * plain.std(), rel=0.03)
        assert of[f"contrast-{factor}"].mean() == pytest.approx(plain.mean(), abs=0.005)
    np.testing.assert_allclose(of["inverted"], 1 - plain, atol=1e-6)
    changed = np.argwhere(of["marker"] != plain)
    assert len(changed) > 5
    assert (of["marker"][tuple(changed.T)] == 1).all()
    assert (changed.max(0) < 30).all()
    assert of["resolution-4"].shape == (30, 22)
    assert of["resolution-2"].mean() == pytest.approx(plain.mean(), abs=0.005)


def test_an_assessment_changes_where_a_copy_moves_the_reading_beyond_two_sds(cohort):
    # girls of 100 months: the SD lies between 10.23 and 10.74 months, so normal ends about 20.8 months from the age
    told = {"inverted": 20.0, "marker": -22.0, "rotated-30": None}
    stress = measure_protocol(reader(told), cohort, PUBLISHED)
    assert row(stress, "inverted")["changed"] == 0
    marker = row(stress, "marker")
    assert (marker["changed"], marker["errors"], marker["errors_plain"], marker["change"]) == (1, 1, 0, 22)
    assert marker["changed_low"] < 1
    lost = row(stress, "rotated-30")
    assert (lost["lost"], lost["compared"], np.isnan(lost["changed"])) == (3, 0, True)
    assert "each child is taken to be as old as the label says" in stress.table()
    assert "transformations. Fewer than 30 films can hardly show a difference.\n" in stress.table()


def test_with_chronological_ages_the_assessment_is_that_of_the_child(cohort):
    ages = {film.id: Age(81.0, 1, Remark("age given")) for film in cohort}  # the reading is 19 months ahead
    stress = measure_protocol(reader({"inverted": 5.0}), cohort, PUBLISHED, ages=ages)
    assert row(stress, "inverted")["changed"] == 1  # from normal to advanced
    assert "most often, on 100.0%, where they are inverted" in stress.table()
    assert "changes on no film" in measure_protocol(reader({}), cohort, PUBLISHED, ages=ages).table()
    assert "is taken to be" not in stress.table()
    young = {film.id: Age(12.0, 1, Remark("age given")) for film in cohort}  # without an SDS there is nothing to change
    assert row(measure_protocol(reader({}), cohort, PUBLISHED, ages=young), "inverted")["compared"] == 0


def test_the_count_is_in_the_published_form(small_films):
    films = tuple(Film(str(n), small_films[0], "M", 100.0, str(n)) for n in range(8))
    stress = measure_protocol(reader({"inverted": 60.0, "marker": -60.0}), Cohort("eight", films), PUBLISHED)
    assert row(stress, "inverted")["p"] == pytest.approx(2 / 2**8)
    assert "for 2 of 33 transformations" in stress.table()


@pytest.mark.parametrize(("one", "other", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (0, 6, 0.03125)])
def test_mcnemars_test_is_exact(one, other, p):
    assert mcnemar(one, other) == mcnemar(other, one) == pytest.approx(p)


def test_what_is_written_is_the_measurement_again(cohort, tmp_path):
    stress = measure_protocol(reader({"marker": -22.0, "rotated-30": None}), cohort, PUBLISHED, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"santomartino-2024.{kind}" for kind in ("csv", "json", "md", "png")
    }
    readings, about = read_measured(tmp_path, PUBLISHED.name, COLUMNS, MONTHS, made_by="boneage robustness")
    again = Stress(PUBLISHED, **about, readings=readings)
    pd.testing.assert_frame_equal(again.readings, stress.readings)
    assert again.table() == stress.table()


def test_ages_are_read_as_the_column_states_them(cohort):
    assert {age.months for age in ages_of(cohort, "age").values()} == {100.0}
    numbers = Cohort("n", (Film("a", Path("a"), "F", 1.0, "a", ("8.5",)),))
    assert ages_of(numbers, "age_years")["a"].months == 102
    assert ages_of(numbers, "age_months")["a"].months == 8.5
    with pytest.raises(ChildError, match="column age"):
        ages_of(numbers, "age")


def test_a_protocol_of_another_name_is_refused_with_those_there_are(small_films, tmp_path):
    with pytest.raises(BoneAgeError, match="there are santomartino-2024"):
        protocol_of("other")
    (tmp_path / "t.csv").write_text(f"path,sex,bone_age_months,age\n{small_films[0]},F,100,8y4m\n")
    run = CliRunner().invoke(main, ["robustness", str(tmp_path / "t.csv"), "--age", "age", "-o", str(tmp_path / "o")])
    assert run.exit_code == 2
    assert "--age is for --protocol" in run.stderr
