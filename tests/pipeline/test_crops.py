"""Crops of a cohort: cut once, in order, whatever becomes of single films."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import threshold_segmenter

from boneage.data.cohort import Cohort, Film
from boneage.data.errors import TrainingError
from boneage.data.read import read_radiograph
from boneage.handseg.crop import CROP_VERSION
from boneage.handseg.finder import HandFinder
from boneage.handseg.geometry import Box
from boneage.pipeline import crops
from boneage.pipeline.crops import cache_crops, labelled, read_crops
from boneage.regressor.crop_store import CropStore, StoreKind
from boneage.regressor.reader import BoneAgeReader
from boneage.weights.bundle import read_bundle

SIZE = 64


@pytest.fixture
def finder(finds_hands) -> HandFinder:
    return HandFinder(threshold_segmenter(), SIZE)


@pytest.fixture
def store(tmp_path) -> CropStore:
    return CropStore(tmp_path / "crops", StoreKind(CROP_VERSION, SIZE, "threshold"))


@pytest.fixture(scope="module")
def cohort(drawn_cohort, tmp_path_factory) -> Cohort:
    """Eleven drawn hands with one file amid them that is no picture."""
    broken = tmp_path_factory.mktemp("broken") / "broken.png"
    broken.write_text("no picture")
    films = drawn_cohort.films[20:31]
    return Cohort("films", (*films[:5], Film("broken", broken, "F", 100.0, "broken"), *films[5:]))


def test_every_film_has_the_crop_that_the_finder_cuts_of_it_alone(cohort, store, finder, monkeypatch):
    monkeypatch.setattr(crops, "SHARD", 5)
    cache_crops(cohort, store, finder)
    assert len(store) == len(cohort)
    for film in cohort:
        row = store.row(store.key_of(film.path))
        assert row.file == str(film.path)
        if film.id == "broken":
            assert row.status == "rejected"
            assert "broken.png" in row.reasons
            assert not store[row.key].any()
        else:
            (hand,) = finder.find([read_radiograph(film.path)])
            assert row.status == hand.verdict.status
            assert (row.box_x, row.box_y, row.box_width, row.box_height) == (hand.box or Box(0, 0, 0, 0)).as_tuple()
            np.testing.assert_array_equal(store[row.key], hand.crop.pixels if hand.crop else np.zeros((SIZE, SIZE)))


def test_a_film_on_which_the_segmenter_fails_is_rejected_alone(cohort, store, finder, monkeypatch):
    find, bad = finder.find, str(cohort.films[2].path)

    def fail(films):
        if any(film.source == bad for film in films):
            raise type("PanicException", (BaseException,), {})("native")
        return find(films)

    monkeypatch.setattr(finder, "find", fail)
    cache_crops(cohort, store, finder)
    for film in cohort:
        row = store.row(store.key_of(film.path))
        assert ("native" in row.reasons) == (str(film.path) == bad)
        assert row.status == "rejected" or film.id != "broken"


def test_only_what_is_missing_is_cut(cohort, store, finder, monkeypatch):
    cache_crops(Cohort("some", cohort.films[:7]), store, finder)
    cut = []
    read = crops.read_radiograph
    monkeypatch.setattr(crops, "read_radiograph", lambda path: cut.append(path) or read(path))
    cache_crops(cohort, store, finder)
    assert sorted(cut) == sorted(film.path for film in cohort.films[7:])


def test_a_crop_that_changed_on_the_disk_is_cut_anew_alone_and_told(cohort, store, finder, caplog):
    some = Cohort("some", cohort.films[:3])
    cache_crops(some, store, finder)
    keys = [store.key_of(film.path) for film in some]
    before = [store[key].copy() for key in keys]
    (shard,) = store.folder.glob("*.npy")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1  # of the last film's crop
    shard.write_bytes(content)
    opened = CropStore(store.folder, store.kind)
    assert [opened.is_whole(key) for key in keys] == [True, True, False]
    cache_crops(some, opened, finder)
    assert "1 crop changed since stored, and cut anew" in caplog.text
    for again in (opened, CropStore(store.folder, store.kind)):
        assert len(again) == len(keys)
        assert all(again.is_whole(key) for key in keys)
        np.testing.assert_array_equal([again[key] for key in keys], before)


def test_labels_stay_with_their_films_and_sex_is_f_or_m(cohort, store, finder, tiny_bundle):
    cache_crops(cohort, store, finder)
    found = labelled(cohort, store)
    read = [film for film in cohort if film.id != "broken"]
    hands = finder.find([read_radiograph(film.path) for film in read])
    usable = [film for film, hand in zip(read, hands, strict=True) if hand.crop]
    assert len(usable) >= 5
    assert found.ids == tuple(film.id for film in usable)
    assert found.sexes == tuple(film.sex for film in usable)
    np.testing.assert_allclose(found.months, [film.bone_age_months for film in usable])
    reader = BoneAgeReader.load(read_bundle(tiny_bundle).regressors, CROP_VERSION)
    alone = [float(reader.raw_months([store[key]], [sex])[0]) for key, sex in zip(found.keys, found.sexes, strict=True)]
    np.testing.assert_allclose(read_crops(reader, found, batch=4), alone, atol=1e-3)


def test_a_cohort_without_a_usable_crop_is_refused(cohort, store, finder):
    broken = Cohort("broken", cohort.films[5:6])
    cache_crops(broken, store, finder)
    with pytest.raises(TrainingError, match="broken: no film with a usable crop"):
        labelled(broken, store)
