"""Which way up a hand lies: the head, what it learns from, and what becomes of a film that lies turned."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hands import write, write_hand
from PIL import Image

from boneage import BoneAge
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.data.split import rsna_split
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import RotationConfig, SegmenterConfig
from boneage.handseg.finder import HandFinder
from boneage.handseg.geometry import Box, SquareFit, rotated
from boneage.handseg.letterbox import letterbox
from boneage.handseg.network import build_from, build_unet
from boneage.handseg.orientation import LEAST_ROTATED, LEAST_UPRIGHT, ROTATED, UNSURE, likeliest
from boneage.handseg.segmenter import HandMap, HandSegmenter
from boneage.handseg.training import orientation_head as learn_orientation
from boneage.handseg.training.bootstrap import with_rotations
from boneage.handseg.training.orientation_head import learn_rotations
from boneage.pipeline.segment import load_finder, segment_file
from boneage.weights.bundle import NetFile, read_bundle
from boneage.weights.header import Header, read_header
from boneage.weights.weights_file import load_weights, save_weights

TINY = ("tu-test_efficientnet", (8, 8, 8, 8, 8))
QUARTERS = (1, 2, 3)


def lying(pixels: np.ndarray, rotation: int) -> np.ndarray:
    """A film whose hand is upright, laid `rotation` quarter turns clockwise."""
    return rotated(pixels, -rotation)


@pytest.fixture(scope="module")
def hand():
    return synthetic_hand(110, "F", 3, (330, 260), label=False)


class Wrist(torch.nn.Module):
    """A threshold that finds synthetic hands, and takes the side of the square that the hand reaches for the wrist's.

    `sure` is the logit of that turn where only one side is reached.
    """

    heads = ("rotations",)

    def __init__(self, sure: float = 40.0) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(-0.7))  # between film background and soft tissue in [-1, 1]
        self.sure, self.passes = sure, 0

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.passes += len(squares)
        wider = torch.nn.functional.pad(squares, (2, 2, 2, 2), mode="replicate")
        logits = 60 * (torch.nn.functional.avg_pool2d(wider, 5, 1) - self.level)
        found = (logits[:, 0] > 0).float()
        sides = (found[:, -1], found[:, :, 0], found[:, 0], found[:, :, -1])  # of a hand turned by 0, 1, 2, 3 quarters
        reached = torch.stack([side.mean(1) for side in sides], 1)
        return logits, self.sure * reached / reached.sum(1, keepdim=True).clamp(min=1e-6)


def finder(sure: float = 40.0) -> Any:  # what is found in these tests is never None
    return HandFinder(HandSegmenter.of(Wrist(sure), 128), 96)


@pytest.mark.parametrize("rotation", QUARTERS)
@pytest.mark.parametrize("box", [Box(0, 0, 60, 101), Box(11, 20, 30, 47), Box(5, 6, 33, 90), Box(5, 6, 40, 40)])
def test_a_turned_fit_is_the_turned_square_and_leads_back_to_the_original(rotation, box):
    picture = np.random.default_rng(rotation).random((110, 80)).astype(np.float32)
    turned = SquareFit(box, 64, picture.shape, rotation)
    whole = np.zeros_like(picture)
    whole[box.y : box.y + box.height, box.x : box.x + box.width] = 1
    rows, columns = np.nonzero(np.rot90(whole, rotation))
    upright = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    plain = SquareFit(upright, 64, np.rot90(picture, rotation).shape)
    square = plain.apply(rotated(picture, rotation))
    assert np.allclose(turned.apply(picture), square, atol=1e-5)
    assert np.array_equal(turned.inside(), plain.inside())
    assert np.allclose(turned.back(square), np.rot90(plain.back(square), -rotation), atol=1e-5)
    points = np.array([(box.x, box.y), (box.x + box.width - 1, box.y), (box.x + 7, box.y + 20)], float)
    assert np.allclose(turned.to_original(turned.to_square(points)), points)
    marked = np.zeros_like(picture)
    marked[box.y + 18 : box.y + 23, box.x + 5 : box.x + 10] = 1
    rows, columns = np.nonzero(turned.apply(marked) > 0.5)
    assert np.abs(turned.to_square(points)[2] - (columns.mean(), rows.mean())).max() < 1


def test_the_head_leaves_the_masks_as_they_were():
    torch.manual_seed(0)
    plain = build_unet(*TINY).eval()
    both = build_unet(*TINY, turn_grid=3).eval()
    missing = both.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert all(name.startswith("classification_head.") for name in missing)
    squares = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        masks, rotations = both(squares)
        assert torch.equal(masks, plain(squares))
    assert rotations.shape == (2, 4)


@pytest.mark.parametrize("grid", [None, 0, 2])
def test_weights_of_either_kind_are_loaded(tmp_path, hand, grid):
    arguments = {"encoder": TINY[0], "decoder_channels": TINY[1]} | ({} if grid is None else {"turn_grid": grid})
    path = tmp_path / "segmenter.safetensors"
    save_weights(path, Header("segmenter", "smp.Unet", arguments, 64), build_from(arguments).state_dict())
    (view,) = HandSegmenter.load(NetFile.of(path)).predict([hand.pixels])
    if grid:
        assert view.rotations is not None
        assert view.rotations.sum() == pytest.approx(1, abs=1e-5)
    else:
        assert view.rotations is None


def test_a_film_and_its_mirror_image_lie_turned_the_other_way():
    torch.manual_seed(1)
    net: Any = build_unet(*TINY, turn_grid=2)
    with torch.no_grad():
        net.classification_head[-1].weight.mul_(1000)  # a new head is next to indifferent
    segmenter = HandSegmenter.of(net, 64)
    film = np.random.default_rng(0).random((90, 70)).astype(np.float32)
    one, other = segmenter.predict([film, np.ascontiguousarray(film[:, ::-1])])
    assert one.rotations is not None
    assert other.rotations is not None
    assert np.allclose(one.rotations, other.rotations[[0, 3, 2, 1]], atol=1e-5)
    assert abs(one.rotations[1] - one.rotations[3]) > 1e-4  # so the exchange is seen


@pytest.mark.parametrize("rotation", QUARTERS)
def test_a_turned_film_is_read_upright_and_mapped_in_its_own_geometry(hand, rotation):
    upright, turned = finder().find(
        [Radiograph(hand.pixels, "upright.png"), Radiograph(lying(hand.pixels, rotation), "turned.png")]
    )
    assert (upright.rotation, upright.notes) == (0, ())
    assert turned.rotation == rotation
    assert turned.notes == (ROTATED[rotation],)
    assert turned.verdict == upright.verdict
    assert np.abs(turned.crop.pixels.astype(int) - upright.crop.pixels).max() <= 2
    assert turned.mask.shape == lying(hand.pixels, rotation).shape
    both = lying(upright.mask, rotation)
    assert (turned.mask & both).sum() > 0.98 * (turned.mask | both).sum()
    rows, columns = np.flatnonzero(turned.mask.any(1)), np.flatnonzero(turned.mask.any(0))
    assert turned.box.as_tuple() == (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_only_a_turned_film_is_looked_at_twice(hand):
    upright, turned = (Radiograph(lying(hand.pixels, rotation), "hand.png") for rotation in (0, 2))
    finds = finder()
    finds.find([upright, upright])
    assert finds.segmenter.engine.module.net.passes == 2 * 2  # each with its mirror image
    finds.find([upright, turned])
    assert finds.segmenter.engine.module.net.passes == 2 * 2 + 3 * 2


@pytest.mark.parametrize(
    ("probability", "unsure"),
    [((LEAST_UPRIGHT + LEAST_ROTATED) / 2, False), (LEAST_UPRIGHT - 0.05, True)],
    ids=["settled", "unsettled"],
)
def test_a_turn_that_one_look_is_not_sure_of_is_made_as_four_say_and_judged_as_if_upright(hand, probability, unsure):
    sure = float(np.log(3 * probability / (1 - probability)))
    upright, turned = finder(sure).find([Radiograph(lying(hand.pixels, rotation), "hand.png") for rotation in (0, 1)])
    assert (upright.rotation, upright.notes) == (0, ())
    assert (turned.rotation, turned.notes) == (1, (ROTATED[1],))
    for found in (upright, turned):
        assert found.verdict.status == ("review" if unsure else "ok")
        assert (UNSURE in found.verdict.reasons) == unsure


def test_a_film_is_read_as_it_lies_where_another_turn_is_hardly_likelier(hand):
    (turned,) = finder(0.5).find([Radiograph(lying(hand.pixels, 1), "hand.png")])
    assert (turned.verdict.status, turned.rotation, turned.notes) == ("review", 0, ())
    assert UNSURE in turned.verdict.reasons


def test_the_four_views_of_a_film_are_compared_on_the_film_as_it_lies():
    film = np.zeros((64, 64), np.uint8)
    square, fit = letterbox(film, 64)
    upside_down = np.array([0.1, 0.0, 0.9, 0.0], np.float32)
    views = [
        HandMap(square, (square / 255).astype(np.float32), fit, rotations=np.roll(upside_down, -k)) for k in range(4)
    ]
    assert likeliest(views) is views[2]


def test_a_turn_that_the_second_look_contradicts_is_not_made(hand):
    class Stubborn(Wrist):
        def forward(self, squares):
            logits, rotations = super().forward(squares)
            return logits, torch.tensor([0.0, 0.0, 40.0, 0.0]).expand_as(rotations)

    (found,) = HandFinder(HandSegmenter.of(Stubborn(), 128), 96).find([Radiograph(hand.pixels, "hand.png")])
    assert found.rotation == 0
    assert found.verdict.status == "review"
    assert UNSURE in found.verdict.reasons


def test_a_rejected_picture_is_not_said_to_be_turned():
    speck = np.zeros((200, 200), np.float32)
    speck[90:112, :22] = 1  # where a hand turned clockwise would have its wrist
    (found,) = finder().find([Radiograph(speck, "speck.png")])
    assert found.verdict.status == "rejected"
    assert (found.rotation, found.notes) == (0, ())
    assert UNSURE not in found.verdict.reasons


@pytest.mark.parametrize("rotation", [0, *QUARTERS])
def test_the_record_leads_from_a_turned_crop_back_to_the_film(tiny_bundle, hand_films, tmp_path, monkeypatch, rotation):
    monkeypatch.setattr(HandSegmenter, "load", lambda net, backend=None: HandSegmenter.of(Wrist(), 128))
    film = lying(read_radiograph(hand_films[1]).pixels, rotation)
    Image.fromarray((film * 255).astype("uint8")).save(tmp_path / "film.png")
    record = segment_file(tmp_path / "film.png", load_finder(tiny_bundle, "cpu")[0], tmp_path, "one")
    assert record["notes"] == ([str(ROTATED[rotation])] if rotation else [])
    assert record["crop"]["quarter_turns"] == rotation
    crop = cv2.imread(str(tmp_path / "one-crop.png"), cv2.IMREAD_GRAYSCALE)
    assert crop is not None
    columns, rows = np.meshgrid(np.arange(crop.shape[1]), np.arange(crop.shape[0]))
    x, y = np.rint(np.array(record["crop"]["to_original"]) @ [columns.ravel(), rows.ravel(), np.ones(crop.size)])
    inside = (x >= 0) & (y >= 0) & (x < film.shape[1]) & (y < film.shape[0]) & (crop.ravel() > 0)
    there = film[y[inside].astype(int), x[inside].astype(int)]
    assert np.corrcoef(crop.ravel()[inside], there)[0, 1] > 0.9
    left, top, width, height = record["hand_box"]
    mask = cv2.imread(str(tmp_path / "one-mask.png"), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    assert mask.shape == film.shape
    assert not np.delete(mask, np.s_[left : left + width], axis=1).any()
    assert not np.delete(mask, np.s_[top : top + height], axis=0).any()


def test_a_reading_says_that_its_film_was_turned(tiny_bundle, hand_films, tmp_path, monkeypatch):
    monkeypatch.setattr(HandSegmenter, "load", lambda net, backend=None: HandSegmenter.of(Wrist(), 128))
    bone_age = BoneAge.load(tiny_bundle, "cpu")
    upright = bone_age.predict(hand_films[1], "F")
    Image.fromarray(lying(np.asarray(Image.open(hand_films[1])), 3)).save(tmp_path / "turned.png")
    turned = bone_age.predict(tmp_path / "turned.png", "F")
    assert ROTATED[3] in turned.notes
    assert turned.status == upright.status
    assert turned.bone_age_months == pytest.approx(upright.bone_age_months, abs=0.5)
    assert not set(upright.notes) & set(ROTATED.values())


class Blurred(torch.nn.Module):
    """An encoder whose deepest map is the film at 4 x 4."""

    out_channels = (1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.BatchNorm2d(1))

    def forward(self, squares: torch.Tensor) -> list[torch.Tensor]:
        return [squares, self.layers(squares)]


@pytest.mark.slow
def test_the_head_learns_from_films_and_changes_nothing_else(tmp_path):
    paths = []
    for seed in range(40):
        paths.append(write_hand(tmp_path / f"{seed}.png", 40 + 4 * seed, "F", seed, (160, 128)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    config = SegmenterConfig(*TINY, imagenet=False, input_size=64, turn=RotationConfig(grid=4, learning_rate=0.05))
    net = build_unet(*TINY)
    net.encoder = Blurred()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    figure = learn_rotations(net, [*paths, tmp_path / "broken.png"], config)["turn_accuracy"]
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name.split(".")[0] for name in set(after) - set(before)} == {"classification_head"}
    assert figure["n"] == 4 * 4
    assert figure["value"] > 0.6  # chance is a quarter
    again = build_unet(*TINY)
    again.encoder = Blurred()
    again.load_state_dict(before)
    learn_rotations(again, [*paths, tmp_path / "broken.png"], config)
    assert all(torch.equal(after[name], tensor) for name, tensor in again.state_dict().items())


def test_weights_with_the_head_say_so_and_see_the_turn(tmp_path, hand):
    film = write(tmp_path / "film.png", hand.pixels)
    arguments = {"encoder": TINY[0], "decoder_channels": TINY[1]}
    config = SegmenterConfig(*TINY, imagenet=False, input_size=64, turn=RotationConfig(grid=2, epochs=1))
    header = Header("segmenter", "smp.Unet", arguments, 64, metrics={"composite_iou": {"value": 0.9}})
    path = tmp_path / "segmenter.safetensors"
    net = build_from(arguments)
    save_weights(path, with_rotations(header, net, [film] * learn_orientation.HELD_OUT, config), net.state_dict())
    stored = read_header(path)
    assert stored.arguments == {**json.loads(json.dumps(arguments)), "turn_grid": 2}
    assert set(stored.metrics) == {"composite_iou", "turn_accuracy"}
    assert stored.recipe["turn"]["epochs"] == 1
    assert HandSegmenter.load(NetFile.of(path)).predict([hand.pixels])[0].rotations is not None


def test_too_few_films_teach_no_head(tmp_path):
    net = build_unet(*TINY)
    assert learn_rotations(net, [tmp_path / "none.png"], SegmenterConfig(*TINY, input_size=64)) == {}
    assert not isinstance(net(torch.zeros(1, 1, 64, 64)), tuple)


def turned_features(films: int, seed: int = 0) -> torch.Tensor:
    """Features, films x 4 x 6, of which four tell the turn; far from mean 0 and SD 1."""
    noise = 0.1 * torch.randn(films, 4, 6, generator=torch.Generator().manual_seed(seed))
    noise[:, :, :4] += torch.eye(4)
    return 50 * noise + 200


def test_films_that_were_never_upright_do_not_teach():
    features = turned_features(60)
    for film, rotation in ((3, 1), (10, 2), (41, 3)):
        features[film] = features[film].roll(rotation, 0)
    config = SegmenterConfig(turn=RotationConfig(batch_size=16, learning_rate=0.05))
    kept = learn_orientation._upright(features, config)
    assert set(torch.nonzero(~kept).flatten().tolist()) == {3, 10, 41}


def test_the_fitted_layer_takes_features_as_they_come():
    layer = learn_orientation._fitted(turned_features(60), RotationConfig(batch_size=16, learning_rate=0.05), 0)
    with torch.no_grad():
        assert (layer(turned_features(20, seed=1)).argmax(-1) == torch.arange(4)).all()


@pytest.mark.slow
def test_the_shipped_segmenter_turns_films_upright(shared_data):
    """Twelve films of the choosing part, which no training saw, each laid four ways; one shows a slanted hand."""
    finds, folder = load_finder(engine="onnx")[0], shared_data / "rsna"
    choose = set(rsna_split().ids("choose"))
    with open(folder / "boneage-training-dataset.csv", newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file) if row["id"] in choose][:12]
    right = 0
    for film in (read_radiograph(folder / "boneage-training-dataset" / f"{id}.webp") for id in ids):
        laid = finds.find([replace(film, greys=lying(film.greys, rotation)) for rotation in range(4)])
        for rotation, hand in enumerate(laid):
            right += hand.rotation == rotation
            assert hand.rotation == rotation or UNSURE in hand.verdict.reasons, film.source
            if hand.rotation:
                assert hand.crop
                assert laid[0].crop
                assert np.abs(hand.crop.pixels.astype(int) - laid[0].crop.pixels).mean() < 1
    assert right >= 4 * 11


def test_the_shipped_masks_do_not_depend_on_the_head():
    header, state = load_weights(read_bundle("default").segmenter.path, "segmenter")
    assert header.arguments["turn_grid"] == RotationConfig().grid
    assert header.metrics["turn_accuracy"]["value"] > 0.95
    heads = {"segmentation_head", "classification_head", "content_head", "missing_head"}
    assert {name.split(".")[0] for name in state} == {"encoder", "decoder", "second", *heads}
