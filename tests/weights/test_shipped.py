"""The shipped bundle: what the README promises of it, on drawn hands, on pictures that are none, and on real films."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import ROOT
from dicom_files import dataset
from dicom_files import write as write_dicom
from hands import write
from keypoints import check_finder, lie_in
from matplotlib import cbook
from PIL import Image, ImageDraw
from pydicom.uid import DigitalXRayImageStorageForPresentation

from boneage import BoneAge
from boneage.data.cohort import read_cohort
from boneage.data.read import read_radiograph
from boneage.data.split import rsna_split
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.crop import MARGIN
from boneage.pipeline.measure.metrics import agreement
from boneage.weights.bundle import HOME, read_bundle, shipped_bundles
from boneage.weights.header import read_header


@pytest.fixture(scope="module")
def bone_age() -> BoneAge:
    return BoneAge.load(engine="onnx")  # as it is on a machine without a GPU


def test_the_shipped_files_are_small_enough_for_a_repository():
    assert sum(file.stat().st_size for file in (HOME / "nets").iterdir()) <= 48e6
    assert sum(file.stat().st_size for file in HOME.rglob("*.safetensors")) <= 90e6  # with the starts of trainings


def test_a_net_that_bundles_share_is_stored_once():
    bundles = [read_bundle(name) for name in shipped_bundles()]
    named = {net.path: net.sha256 for bundle in bundles for net in (bundle.segmenter, *bundle.regressors)}
    assert sorted(named) == sorted((HOME / "nets").iterdir())
    assert len(set(named.values())) == len(named)


@pytest.mark.parametrize("name", ["default", "fast"])
def test_the_shipped_weights_say_what_they_are(name):
    bundle = read_bundle(name)
    report = bundle.metrics["report"]
    assert report["n"] + sum(report["not_assessed"].values()) == len(rsna_split().ids("report"))
    assert report["mae_low"] < report["mae"] < report["mae_high"]
    assert bundle.name == name
    for net in (bundle.segmenter, *bundle.regressors):
        header = read_header(net.path)
        assert "Halabi" in header.data["description"]
        assert "non-commercial" in header.licence == bundle.licence
    card = bundle.card.read_text("utf-8")
    assert all((bundle.card.parent / picture).is_file() for picture in re.findall(r"\]\((case-.*?)\)", card))
    (said,) = re.findall(r"\| all \| \d+ \| \d+ \| ([\d.]+) \(", card)
    assert float(said) == pytest.approx(report["mae"], abs=0.006)
    assert said in (ROOT / "README.md").read_text("utf-8")


def test_the_example_of_the_readme_is_read_by_the_installed_command():
    command = [sys.executable, "-m", "boneage", "predict", "data/example/synthetic-hand.png", "--sex", "F"]
    environment = {name: value for name, value in os.environ.items() if name != "BONEAGE_ENGINE"}
    done = subprocess.run([*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    reading = json.loads(done.stdout)
    assert reading["status"] in ("ok", "review")
    assert 0 < reading["bone_age_months"] < 240
    low, high = reading["interval_90"]
    assert low < reading["bone_age_months"] < high


@pytest.mark.parametrize("months", [48, 96, 132, 180])
def test_the_hand_of_a_drawn_film_is_found_where_it_is(bone_age, tmp_path, months):
    for seed in range(3):
        hand = synthetic_hand(months, "M", seed=9000 + seed, size=(640, 512))
        radiograph = read_radiograph(write(tmp_path / "hand.png", hand.pixels))
        found = bone_age.finder.find([radiograph])[0]
        assert found.verdict.status != "rejected", found.verdict.reasons
        assert found.mask is not None
        overlap = (found.mask & (hand.mask > 0)).sum() / (found.mask | (hand.mask > 0)).sum()
        assert overlap > 0.85
        assert lie_in(found.box.grown(MARGIN), hand.keypoints).all()


def text_page() -> np.ndarray:
    page = Image.new("L", (900, 1200), 250)
    draw = ImageDraw.Draw(page)
    for line in range(40):
        draw.text((60, 40 + 28 * line), "the quick brown fox reads radiographs of hands all day long", fill=20)
    return np.asarray(page) / 255


def photograph() -> np.ndarray:
    file: Any = cbook.get_sample_data("grace_hopper.jpg")
    with file:
        return np.asarray(Image.open(file).convert("RGB")) / 255


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("blank", np.full((600, 500), 0.4)),
        ("noise", np.random.default_rng(0).random((600, 500))),
        ("text", text_page()),
        ("photograph in colour", photograph()),
        ("photograph in grey", photograph().mean(axis=2)),
        ("gradient", np.tile(np.linspace(0, 1, 500), (600, 1))),
        ("tiny", synthetic_hand(100, "F", 1, (96, 96)).pixels[:80, :80]),
    ],
)
def test_what_is_no_hand_is_rejected_with_a_reason(bone_age, tmp_path, name, pixels):
    reading = bone_age.predict(write(tmp_path / "picture.png", pixels), "F")
    assert reading.status == "rejected"
    assert reading.bone_age_months is None
    assert reading.reasons


def test_chest_films_are_rejected(bone_age, tmp_path):
    """Drawn ones, by another hand than the ones the segmenter was trained on: no real one may be had."""
    rows, columns = np.mgrid[0:512, 0:512] / 512
    for shift in (-0.02, 0.0, 0.03):
        trunk = 0.75 * np.exp(-(((columns - 0.5) / 0.42) ** 6))
        lungs = sum(np.exp(-(((columns - x) / 0.12) ** 4) - ((rows - 0.45) / 0.27) ** 4) for x in (0.31 + shift, 0.69))
        spine = 0.2 * np.exp(-(((columns - 0.5) / 0.035) ** 2))
        heart = 0.25 * np.exp(-(((columns - 0.56) / 0.1) ** 2) - ((rows - 0.6) / 0.12) ** 2)
        ribs = 0.06 * np.sin(rows * 60 - 6 * np.abs(columns - 0.5)) * lungs
        film = np.clip(trunk - 0.5 * lungs + spine + heart + ribs, 0, 1)
        assert bone_age.predict(write(tmp_path / "chest.png", film), "M").status == "rejected"


def test_of_two_hands_on_one_film_the_left_one_is_read_and_a_note_says_so(bone_age, tmp_path):
    left, right = (synthetic_hand(120, "F", seed, (640, 512), label=False).pixels for seed in (9001, 9002))
    reading = bone_age.predict(write(tmp_path / "two.png", np.hstack([left, right])), "F")
    assert reading.assessed
    assert [str(note) for note in reading.notes] == ["there are two hands; the left one was read"]
    x, _, width, _ = reading.hand_box
    assert x >= 512 or x + width <= 512, "the box holds one of the two"


def test_real_films_are_aged(bone_age, real_films):
    readings = list(bone_age.predict_many([(film, "F") for film in real_films]))
    assert all(reading.assessed for reading in readings), [(r.file, r.reasons) for r in readings]


@pytest.mark.slow
def test_real_films_are_read_better_than_their_mean(bone_age, shared_data):
    """Films of the reporting part, at most 30: the full figure stands in the model card."""
    cohort = rsna_split().take(read_cohort(shared_data / "rsna"), "report")
    films = list(cohort)[:30]
    readings = list(bone_age.predict_many([(film.path, film.sex) for film in films]))
    pairs = [(r.bone_age_months, f.bone_age_months) for r, f in zip(readings, films, strict=True) if r.assessed]
    assert len(pairs) >= 29
    predicted, labelled = zip(*pairs, strict=True)
    assert agreement(predicted, labelled).mae < 0.4 * np.abs(np.array(labelled) - np.mean(labelled)).mean()


def test_the_same_film_in_other_clothes_reads_the_same(bone_age, real_films, tmp_path):
    film = read_radiograph(real_films[2])
    plain = bone_age.predict(write(tmp_path / "plain.png", film.pixels), "M").bone_age_months

    inverted = bone_age.predict(write(tmp_path / "inverted.png", 1 - film.pixels), "M")
    assert inverted.bone_age_months == pytest.approx(plain, abs=1.0)
    assert any("inverted" in str(note) for note in inverted.notes)

    deep = np.rint(film.pixels * 65535).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert bone_age.predict(tmp_path / "deep.png", "M").bone_age_months == pytest.approx(plain, abs=1.0)

    dicom = dataset(deep, 16, DigitalXRayImageStorageForPresentation, PatientSex="M", Modality="DX")
    write_dicom(dicom, tmp_path / "film.dcm")
    reading = bone_age.predict(tmp_path / "film.dcm")
    assert reading.sex == "M"
    assert reading.bone_age_months == pytest.approx(plain, abs=1.0)


def test_a_mirrored_film_has_the_mirrored_hand(bone_age, real_films):
    for path in real_films:
        film = read_radiograph(path)
        turned = replace(film, greys=np.ascontiguousarray(film.greys[:, ::-1]))
        hand, mirrored = bone_age.finder.find([film, turned])
        width = film.pixels.shape[1]
        x, y, w, h = mirrored.box.as_tuple()
        assert np.allclose((width - x - w, y, w, h), hand.box.as_tuple(), atol=0.01 * width)


@pytest.mark.slow
def test_keypoints_of_real_films_lie_inside_the_default_crop(bone_age, shared_data, tmp_path):
    """Every fourth annotated film, none of which the segmenter was trained on; the README says how to check all 568."""
    header, *rows = (shared_data / "hand-keypoints.csv").read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join([header, *rows[::4]]))
    check = check_finder(bone_age.finder, tmp_path / "some.csv", shared_data / "rsna" / "boneage-training-dataset")
    assert check.n == 142
    assert check.inside >= 0.994, check.missed  # all of them, that is
    assert check.ratio <= 1.6
