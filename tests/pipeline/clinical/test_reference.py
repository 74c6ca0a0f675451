"""References of one's own: what is read of them, what is refused, and where they stand in place of Brush's."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.data.child import parse_age
from boneage.data.errors import CohortError
from boneage.data.sex import Sex
from boneage.pipeline.clinical.assessment import assessed
from boneage.pipeline.clinical.reference import POPULATION, brush_reference, read_reference
from boneage.pipeline.reading import Reading

HEAD = "sex,age_months,mean_months,sd_months,name\n"
GIRLS = "F,96,100,10,Town 2020\nF,120,128,12,Town 2020\n"


def written(folder, text: str, name: str = "town.csv"):
    (folder / name).write_text(text, "utf-8")
    return folder / name


def reading(months: float, sex: Sex = "F") -> Reading:
    return Reading("film.png", "ok", sex=sex, bone_age_months=months, interval_90=(months - 6, months + 6))


def test_an_sds_is_centred_on_the_references_own_mean_and_names_it(tmp_path):
    town = read_reference(written(tmp_path, HEAD + GIRLS))
    found = assessed(reading(136), parse_age("9y0m"), reference=town)  # midway: mean 114, SD 11
    assert (found.reference_mean_months, found.reference_sd_months) == (114, 11)
    assert found.sds == pytest.approx(2)
    assert found.sds_interval_90 == pytest.approx((16 / 11, 28 / 11))
    assert found.difference_months == 28  # of the ages, as ever
    assert str(found.sds_reference) == "Town 2020; centre: its mean at the chronological age"
    assert POPULATION not in found.caveats
    assert "Town 2020, a table that was given (town.csv)" in str(found.caveats[0])


@pytest.mark.parametrize(
    ("age", "sex", "words"),
    [
        ("9y0m", "M", "no SDS: Town 2020 has no boys"),
        ("7y11m", "F", "no SDS: the table begins at 8 y 0 m for girls and the child is 7 y 11 m old"),
        ("10y1m", "F", "no SDS: the table ends at 10 y 0 m for girls and the child is 10 y 1 m old"),
    ],
)
def test_outside_a_reference_there_is_no_sds(tmp_path, age, sex, words):
    town = read_reference(written(tmp_path, HEAD + GIRLS))
    found = assessed(reading(110, sex), parse_age(age), reference=town)
    assert (found.sds, found.caveats) == (None, ())
    assert [note for note in map(str, found.notes) if words in note]


def test_the_band_of_a_chart_lies_around_the_mean(tmp_path):
    town = read_reference(written(tmp_path, HEAD + GIRLS))
    ages, centre, spread = town.normal_band("F", 100, 300)
    assert ages.tolist() == [100, 120]
    assert centre == pytest.approx([100 + 28 / 6, 128])
    assert spread == pytest.approx([2 * (10 + 2 / 6), 24])
    assert [len(part) for part in town.normal_band("M")] == [0, 0, 0]
    ages, centre, _ = brush_reference().normal_band("F")
    assert np.array_equal(ages, centre)


def test_years_decimal_commas_and_words_for_sex_are_read(tmp_path):
    text = "sex;age_years;mean_years;sd_months;name\nweiblich;8,5;8,75;10,5;Stadt\nMädchen;9,5;9,75;11;Stadt\n"
    assert read_reference(written(tmp_path, text)).at("F", 102) == (105, 10.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sex,age,mean,sd,name\n" + GIRLS, "no column for age, mean, SD among .* mean_months or mean_years"),
        (HEAD + GIRLS.replace("100,10", "8.3,10"), "line 2: mean: 8.3 months at an age of 96, expected within 48"),
        (HEAD + GIRLS.replace("128,12", "99,12"), "line 3: mean: 99 months after 100; bones do not become younger"),
        (HEAD + GIRLS.replace("F,120", "F,96"), "line 3: age: 96 months after 96; ages of a sex rise"),
        (HEAD + GIRLS.replace("100,10", "100,0"), "line 2: SD: 0 months, expected above 0"),
        (HEAD + GIRLS.replace("100,10", "100,ten"), "line 2: SD: 'ten' is not a number"),
        (HEAD + GIRLS.replace("F,120", "x,120"), "line 3: unknown sex"),
        (HEAD + GIRLS.replace("128,12,Town 2020", "128,12,Village"), "line 3: name: 'Village', and 'Town 2020' above"),
        (HEAD + GIRLS.replace("Town 2020", ""), "line 2: name: blank"),
        (HEAD + "F,96,100,10,Town\n", "1 row for F, expected two ages or more"),
        (HEAD, "no rows under the header"),
    ],
)
def test_a_reference_that_cannot_be_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(CohortError, match=f"(?s)town.csv: .*{words}"):
        read_reference(written(tmp_path, text))


def test_what_differs_in_a_reference_gives_it_another_key(tmp_path):
    first = read_reference(written(tmp_path, HEAD + GIRLS))
    again = read_reference(written(tmp_path, HEAD + GIRLS, "copy.csv"))
    other = read_reference(written(tmp_path, HEAD + GIRLS.replace("128,12", "128,13"), "other.csv"))
    assert first.key == again.key != other.key
    assert brush_reference().key == ""
