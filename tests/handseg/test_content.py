"""The head that tells what a film shows: how it is taught, and what it adds to a segmenter."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hands import write

from boneage.data.errors import TrainingError
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import ContentConfig, MissingConfig, SegmenterConfig
from boneage.handseg.content_head import CONTENTS, ContentHead
from boneage.handseg.network import MirroredUNet, build_from, build_unet
from boneage.handseg.second_net import SecondNet
from boneage.handseg.segmenter import HandSegmenter
from boneage.handseg.training.bootstrap import add_heads
from boneage.handseg.training.content_examples import OTHER, PART, UNKNOWN, Encoded, listed_pictures
from boneage.handseg.training.content_training import fitted_heads
from boneage.weights.bundle import NetFile
from boneage.weights.header import Header, read_header
from boneage.weights.imagenet import imagenet_lite
from boneage.weights.weights_file import load_weights, save_weights

TINY = ("timm-mobilenetv3_small_minimal_100", (8, 8, 8, 8, 8))
CONFIG = SegmenterConfig(
    *TINY,
    imagenet=False,
    input_size=64,
    missing=MissingConfig(films=2, copies=2, epochs=1),
    content=ContentConfig(films=2, copies=1, picture_copies=2, made=4, folds=2, heads=2, hidden=4, epochs=1),
)


@pytest.fixture
def pictures(tmp_path):
    """A folder of two pictures of other things and one of a wrist, from three sources, and of a lateral hand."""
    rng = np.random.default_rng(0)
    kinds = ("nonhands", "foot"), ("nonhands", "chest"), ("oddhands", "wrist"), ("oddhands", "hand_lateral")
    with open(tmp_path / "pictures.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "kind", "group", "repo"])
        for number, (group, kind) in enumerate(kinds):
            cv2.imwrite(str(tmp_path / f"{kind}.png"), rng.integers(0, 256, (120, 100), np.uint8))
            table.writerow([f"{kind}.png", kind, group, f"source {number}"])
    return tmp_path


@pytest.fixture
def segmenter(tmp_path) -> Path:
    arguments = {"encoder": TINY[0], "decoder_channels": list(TINY[1]), "turn_grid": 1}
    torch.manual_seed(0)
    path = tmp_path / "segmenter.safetensors"
    save_weights(path, Header("segmenter", "smp.Unet", arguments, 64), build_from(arguments).state_dict())
    return path


def test_pictures_are_listed_by_what_they_show_without_lateral_hands(pictures):
    listed = listed_pictures(pictures)
    assert [one.content for one in listed] == [OTHER, OTHER, PART]
    assert listed[0].source == "source 0"
    table = pictures / "pictures.csv"
    table.write_text(table.read_text().replace("wrist,odd", "hand_whole,odd"))
    assert listed_pictures(pictures)[-1].content == UNKNOWN
    (pictures / "foot.png").unlink()
    with pytest.raises(TrainingError, match="1 of its 3 pictures are missing"):
        listed_pictures(pictures)


@pytest.mark.slow
def test_the_head_is_added_and_nothing_else_changes(pictures, segmenter, tmp_path):
    hand = synthetic_hand(120, "M", 1, (120, 96))
    film = write(tmp_path / "film.png", hand.pixels)
    made = add_heads(segmenter, [film, film], pictures, tmp_path / "out", CONFIG)
    header, before = read_header(made), load_weights(segmenter, "segmenter")[1]
    after = load_weights(made, "segmenter")[1]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"content_head", "second"}
    assert header.data["negatives"] == {"source 0": 1, "source 1": 1, "source 2": 1}
    assert "others_taken_for_a_hand" in header.metrics
    assert (header.arguments["content_hidden"], header.arguments["second"]) == (2 * 4, 2 * 4)
    pictured = imagenet_lite("tf_efficientnet_lite0", {"bn1.running_mean": torch.zeros(32)})
    assert torch.equal(after["second.encoder.model.bn1.running_mean"], pictured["bn1.running_mean"].half().float())
    assert header.metrics["kinds"]["foot"].keys() == {"sources", "n", "accepted", "aged", "ok"}
    assert {kind: row["n"] for kind, row in header.metrics["kinds"].items()} == {"foot": 1, "chest": 1, "wrist": 1}
    plain, judged = (HandSegmenter.load(NetFile.of(path)).predict([hand.pixels])[0] for path in (segmenter, made))
    np.testing.assert_array_equal(plain.probability, judged.probability)
    assert plain.contents is None
    assert judged.contents is not None
    assert judged.contents.sum() == pytest.approx(1, abs=1e-5)
    again = add_heads(made, [film, film], pictures, tmp_path / "again", CONFIG)
    examples = tmp_path / "out" / "examples.pt"
    before = examples.stat().st_mtime_ns
    other = replace(CONFIG, content=replace(CONFIG.content, hidden=3))
    assert (
        read_header(add_heads(segmenter, [film, film], pictures, tmp_path / "out", other)).arguments["content_hidden"]
        == 2 * 3
    )
    assert examples.stat().st_mtime_ns == before, "another head learns from the same examples"
    assert torch.equal(load_weights(again, "segmenter")[1]["content_head.mean"], after["content_head.mean"])


def test_without_a_second_net_the_head_is_alone(pictures, segmenter, tmp_path):
    film = write(tmp_path / "film.png", synthetic_hand(120, "M", 1, (120, 96)).pixels)
    config = replace(CONFIG, content=replace(CONFIG.content, second=False))
    made = add_heads(segmenter, [film, film], pictures, tmp_path / "out", config)
    assert read_header(made).arguments["second"] == 0
    assert not any(name.startswith("second") for name in load_weights(made, "segmenter")[1])


def test_each_kind_of_evidence_has_a_head_of_its_own():
    evidence = [torch.rand(30, 6), torch.rand(30, 9)]
    encoded = Encoded(evidence, torch.arange(30) % CONTENTS, ["made"] * 30, [""] * 30)
    heads = fitted_heads(encoded, encoded.content, CONFIG)
    units = CONFIG.content.heads * CONFIG.content.hidden
    assert [head.judge(part).shape for head, part in zip(heads, evidence, strict=True)] == [(30, CONTENTS)] * 2
    assert [head.layers[0].weight.shape for head in heads] == [(units, 6), (units, 9)]


def test_what_a_film_shows_is_the_same_in_its_mirror_image():
    torch.manual_seed(1)
    net = MirroredUNet(build_unet(*TINY, turn_grid=1, content_hidden=4).eval())
    squares = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        plain, mirrored = net(squares)[3], net(squares.flip(-1))[3]
    assert plain.shape == (2, CONTENTS)
    torch.testing.assert_close(plain, mirrored)


def test_the_second_net_judges_a_film_as_its_mirror_image():
    torch.manual_seed(1)
    net = SecondNet(4).eval()
    squares, hands = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8), torch.rand(2, 64, 64)
    with torch.no_grad():
        plain, mirrored, alone = net(squares, hands), net(squares.flip(-1), hands.flip(-1)), net(squares[:1], hands[:1])
    torch.testing.assert_close(plain, mirrored)
    torch.testing.assert_close(plain[:1], alone)
    torch.testing.assert_close(plain.sum(1), torch.ones(2))


def test_evidence_is_of_what_lies_inside_the_outline_but_for_the_mean_of_all():
    maps = [torch.rand(1, 2, side, side) for side in (16, 8, 4, 2)]
    hand = torch.zeros(1, 1, 64, 64)
    hand[:, :, 32:] = 1
    evidence = ContentHead.evidence(maps, hand)
    changed = [values.clone() for values in maps]
    for values in changed:
        values[:, :, : values.shape[-1] // 2] += 1
    other = ContentHead.evidence(changed, hand)
    inside = torch.tensor([True, True, True, True, False, False] * 4)
    torch.testing.assert_close(evidence[:, inside], other[:, inside])
    assert (other[:, ~inside] > evidence[:, ~inside]).all()
