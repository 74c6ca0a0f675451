from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import REAL

from boneage.data.cohort import Cohort, Film, read_cohort
from boneage.data.errors import CohortError
from boneage.data.split import (
    DEFAULT_PARTS,
    RSNA_PARTS,
    RSNA_SEED,
    Split,
    make_split,
    named_split,
    read_split,
    refuse_test_ids,
    rsna_split,
    training_split,
    write_split,
)


def cohort_of(n: int, films_each: int = 1, seed: int = 0) -> Cohort:
    random = np.random.default_rng(seed)
    films: list[Film] = []
    for patient in range(n):
        sex = "M" if random.random() < 0.54 else "F"
        age = float(np.clip(random.normal(127, 41), 1, 228))
        films += [
            Film(f"{patient}-{k}", Path(f"{patient}-{k}.png"), sex, age, f"p{patient}") for k in range(films_each)
        ]
    return Cohort("made", tuple(films))


def test_parts_are_complete_disjoint_and_of_the_size_asked():
    cohort = cohort_of(1000)
    split = make_split(cohort, {"train": 1.0, "choose": 60, "report": 90}, seed=3)
    assert Counter(split.parts.values()) == {"train": 850, "choose": 60, "report": 90}
    assert sorted(split.parts) == sorted(film.id for film in cohort)
    assert Counter(make_split(cohort).parts.values()) == {"train": 800, "choose": 100, "report": 100}
    assert list(DEFAULT_PARTS) == ["train", "choose", "report"]


def test_each_part_has_the_cohorts_shares_of_sex_and_age():
    cohort = cohort_of(3000)
    split = make_split(cohort, {"train": 0.8, "choose": 0.1, "report": 0.1}, seed=1)

    def shares(part: Cohort) -> np.ndarray:
        cells = Counter((film.sex, int(film.bone_age_months // 24)) for film in part)
        return np.array([cells[sex, band] / len(part) for sex in "FM" for band in range(10)])

    whole = shares(cohort)
    for name in ("choose", "report"):
        part = split.take(cohort, name)
        # chance alone would give deviations of 0.016 for a cell of 0.1 in 300 films
        assert np.abs(shares(part) - whole).max() < 0.01
        assert np.mean([film.sex == "M" for film in part]) == pytest.approx(
            np.mean([film.sex == "M" for film in cohort]), abs=0.01
        )


def test_a_patient_is_never_in_two_parts():
    cohort = cohort_of(200, films_each=3)
    split = make_split(cohort, seed=5)
    parts_of: dict[str, set[str]] = {}
    for film in cohort:
        parts_of.setdefault(film.patient, set()).add(split.parts[film.id])
    assert all(len(parts) == 1 for parts in parts_of.values())
    assert Counter(split.parts.values())["report"] == pytest.approx(60, abs=3)


def test_the_same_seed_gives_the_same_split_in_any_row_order_and_another_seed_another():
    cohort = cohort_of(300)
    backwards = Cohort("made", cohort.films[::-1])
    first = make_split(cohort, seed=7)
    assert make_split(backwards, seed=7).parts == first.parts
    other = make_split(cohort, seed=8)
    assert set(other.ids("report")) != set(first.ids("report"))


def test_a_split_survives_its_file(tmp_path):
    split = make_split(cohort_of(50), seed=1)
    write_split(split, tmp_path / "deep" / "split.csv")
    assert read_split(tmp_path / "deep" / "split.csv") == split
    assert (tmp_path / "deep" / "split.csv").read_text().splitlines()[0] == "id,part"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["split.csv"]


def test_a_damaged_split_file_is_refused_with_its_lines(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("id,part\na,train\na,report\nb,\n")
    with pytest.raises(CohortError, match=r"line 3: doubled id: a\n *line 4: blank cell"):
        read_split(path)
    path.write_text("id,boneage\na,1\n")
    with pytest.raises(CohortError, match="expected the columns id and part"):
        read_split(path)


def test_a_film_the_split_does_not_know_is_reported_and_a_film_it_knows_may_be_absent():
    cohort = cohort_of(40)
    split = make_split(cohort)
    half = Cohort("half", cohort.films[::2])
    assert {film.id for film in split.take(half, "train")} == set(split.ids("train")) & {film.id for film in half}
    stranger = Film("stranger", Path("s.png"), "F", 60.0, "s")
    with pytest.raises(CohortError, match=r"1 id \(stranger\) not in the split"):
        split.take(Cohort("more", (*cohort.films, stranger)), "train")
    with pytest.raises(CohortError, match="no part called 'test'; it has choose, report, train"):
        split.take(cohort, "test")
    with pytest.raises(CohortError, match="none of its 1 radiographs"):
        Split({"a": "train", "b": "report"}).take(Cohort("c", (Film("a", Path("a"), "F", 1.0, "a"),)), "report")


@pytest.mark.parametrize(
    "parts",
    [{}, {"train": 0.8, "report": 0.1}, {"train": 0.5, "report": 20}, {"train": 5}, {"a": 1.0, "b": 11}, {"a": -0.5}],
)
def test_parts_that_do_not_add_up_are_refused(parts):
    with pytest.raises(CohortError, match="do not add up for 10 films"):
        make_split(cohort_of(10), parts)


def test_thirds_add_up():
    assert set(Counter(make_split(cohort_of(10), dict.fromkeys("abc", 1 / 3)).parts.values()).values()) == {3, 4}


def test_a_cohort_too_small_for_its_parts_is_refused():
    with pytest.raises(CohortError, match=r"too few patients \(3\).*report would be empty"):
        make_split(cohort_of(3))


def test_rsna_test_ids_are_refused_for_training():
    refuse_test_ids(["4359", "4560", "1377"])
    with pytest.raises(CohortError, match=r"2 ids \(4360, 4559\)"):
        refuse_test_ids(["1377", "4360", "images/4559.png"])


def test_the_shipped_split_has_its_parts_and_no_test_film():
    split = rsna_split()
    assert Counter(split.parts.values()) == {"train": 11_411, "choose": 600, "report": 600}
    refuse_test_ids(split.parts)


def test_the_shipped_split_is_what_the_function_makes():
    if not (REAL / "rsna").is_dir():
        pytest.skip(f"{REAL / 'rsna'} is not here")
    cohort = read_cohort(REAL / "rsna")
    assert make_split(cohort, RSNA_PARTS, RSNA_SEED) == rsna_split()


def test_a_split_is_named_by_its_file_or_as_rsnas(tmp_path):
    write_split(Split({"a": "train", "b": "report"}), tmp_path / "own.csv")
    assert named_split(str(tmp_path / "own.csv")) == Split({"a": "train", "b": "report"})
    assert named_split("rsna") == rsna_split()


def test_a_training_keeps_the_split_that_it_was_begun_with(tmp_path):
    cohort = cohort_of(40)
    made = training_split(cohort, None, tmp_path / "run")
    assert made == make_split(cohort)
    assert not (tmp_path / "run").exists()  # a training that cannot begin leaves nothing
    write_split(made, tmp_path / "run" / "split.csv")
    assert training_split(Cohort("half", cohort.films[::2]), None, tmp_path / "run") == made
    other = make_split(cohort, seed=1)
    write_split(other, tmp_path / "other.csv")
    assert training_split(cohort, tmp_path / "other.csv", tmp_path / "run") == other
    shares = training_split(cohort, "50:40:10", tmp_path / "run")
    assert [len(shares.ids(part)) for part in ("train", "choose", "report")] == [20, 16, 4]
    with pytest.raises(CohortError, match="do not add up"):
        training_split(cohort, "100:0:0", tmp_path / "run")


def test_a_training_refuses_films_of_rsnas_test_set_but_where_they_are_only_measured(tmp_path):
    films = tuple(Film(id, Path(f"{id}.png"), "F", 60.0, id) for id in ("1377", "4360"))
    write_split(Split({"1377": "train", "4360": "train"}), tmp_path / "wrong.csv")
    with pytest.raises(CohortError, match=r"1 id \(4360\) of RSNA's test set"):
        training_split(Cohort("films", films), tmp_path / "wrong.csv", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    write_split(Split({"1377": "train", "4360": "report"}), tmp_path / "right.csv")
    training_split(Cohort("films", films), tmp_path / "right.csv", tmp_path / "run")
