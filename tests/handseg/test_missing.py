"""The head for what is missing of a hand: how it is taught, and what it adds to a segmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hands import write

from boneage.data.errors import BoneAgeError
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import MissingConfig, SegmenterConfig
from boneage.handseg.heads import SIDES
from boneage.handseg.missing_head import MissingHead
from boneage.handseg.network import MirroredUNet, build_from, build_unet
from boneage.handseg.segmenter import HandSegmenter
from boneage.handseg.training import copies
from boneage.handseg.training import missing_training as training
from boneage.handseg.training.bootstrap import add_heads
from boneage.handseg.training.wrists import read_wrists
from boneage.weights.bundle import NetFile
from boneage.weights.header import Header, read_header
from boneage.weights.weights_file import load_weights, save_weights

TINY = ("timm-mobilenetv3_small_minimal_100", (8, 8, 8, 8, 8))
CONFIG = SegmenterConfig(
    *TINY, imagenet=False, input_size=64, missing=MissingConfig(films=30, copies=6, epochs=60, batch_size=32)
)


def drawn_film(seed: int) -> copies.Film:
    hand = synthetic_hand(120, "F", seed, (240, 192), label=False)
    picture = (hand.pixels * 255).astype(np.uint8)
    return copies.Film(picture, hand.mask.astype(np.uint8), tuple(hand.keypoints[0]))


def test_an_amount_is_the_share_of_the_hand_outside_a_window_and_negative_within():
    film = drawn_film(1)
    top, left, right, length = film.hand()
    window = [top + round(0.1 * length), round(film.wrist[1] - 0.2 * length), left - 5, right + 1]
    np.testing.assert_allclose(copies.missing(film, window), [0.1, -5 / length, 0.2, 0.0], atol=0.01)


@pytest.mark.slow
def test_the_head_learns_from_films_and_changes_nothing_else(tmp_path):
    paths = [
        Path(write(tmp_path / f"{seed}.png", synthetic_hand(60 + 4 * seed, "F", seed, (160, 128)).pixels))
        for seed in range(12)
    ]
    torch.manual_seed(0)
    arguments = {"encoder": TINY[0], "decoder_channels": list(TINY[1])}
    segmenter = tmp_path / "segmenter.safetensors"
    save_weights(segmenter, Header("segmenter", "smp.Unet", arguments, 64), build_from(arguments).state_dict())
    drawn = {path: drawn_film(number) for number, path in enumerate(paths)}
    with pytest.MonkeyPatch.context() as patch:  # an untrained net finds no hand
        patch.setattr(training, "upright_film", lambda unet, path, size: drawn[path])
        made = add_heads(segmenter, paths, None, tmp_path / "out", CONFIG)
        few = add_heads(segmenter, paths[:3], None, tmp_path / "few", CONFIG)
        wrists = dict.fromkeys(paths[:10], (0.5, 0.7))
        marked = add_heads(segmenter, paths, None, tmp_path / "marked", CONFIG, wrists)
    assert read_header(few).arguments == arguments
    header = read_header(made)
    assert header.arguments["missing"] == [4, 64, 3]
    assert set(header.metrics) == {f"missing_error_{side}" for side in ("fingertips", "left", "wrist", "right")}
    assert header.metrics["missing_error_wrist"]["n"] == 2 * 6
    assert read_header(marked).data["marked_wrists"] == 10
    assert read_header(marked).metrics["missing_error_wrist"]["n"] == 6  # copies of one of them
    before, after = (load_weights(path, "segmenter")[1] for path in (segmenter, made))
    assert all(torch.equal(before[name], after[name]) for name in before)
    (view,) = HandSegmenter.load(NetFile.of(made)).predict([drawn[paths[0]].picture])
    assert view.missing is not None
    assert view.missing.shape == (SIDES,)
    assert view.contents is view.rotations is None


def test_left_is_right_in_the_mirror_image():
    torch.manual_seed(1)
    net = MirroredUNet(build_unet(*TINY, missing=(4, 8, 2)).eval())
    squares = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        plain, mirrored = net(squares)[2], net(squares.flip(-1))[2]
    assert plain.shape == (2, SIDES)
    torch.testing.assert_close(plain, mirrored[:, [0, 3, 2, 1]])
    assert not torch.allclose(plain, mirrored)


def test_the_amounts_are_the_mean_of_nets_that_know_nothing_of_each_other():
    torch.manual_seed(2)
    head = MissingHead(5, 4, 8, nets=3).eval()
    features, hand = torch.randn(2, 5, 4, 4), torch.rand(2, 1, 4, 4)
    with torch.no_grad():
        before = head.each(features, hand)
        torch.testing.assert_close(head.judge(features, hand), before.mean(1))
        for layer in head.layers:
            if isinstance(layer, torch.nn.Conv2d):  # the last of three groups of channels
                layer.weight[-len(layer.weight) // 3 :] += 1
        after = head.each(features, hand)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_the_wrist_of_a_film_is_where_it_was_marked(tmp_path):
    film = drawn_film(1)
    height, width = film.picture.shape
    marks = tmp_path / "wrists.csv"
    marks.write_text("id;side;width;height;wrist_x;wrist_y\n7;left;1000;2000;500;1500,5\n")
    (wrist,) = read_wrists(marks).values()
    assert training._marked(film, wrist).wrist == pytest.approx((0.5 * width, 0.75025 * height))


@pytest.mark.parametrize("cells", ["100,200,101,50", "100,200,-1,50", "100,200,,50", "0,200,0,50", "100,inf,5,nan"])
def test_a_wrist_that_is_not_on_its_film_is_named_by_its_line(tmp_path, cells):
    marks = tmp_path / "wrists.csv"
    marks.write_text(f"id,width,height,wrist_x,wrist_y\n1,100,200,50,150\n2,{cells}\n")
    with pytest.raises(BoneAgeError, match=r"wrists.csv: 1 fault .*\n  line 3: no place on the film"):
        read_wrists(marks)


def test_columns_that_a_table_of_wrists_lacks_are_named(tmp_path):
    marks = tmp_path / "wrists.csv"
    marks.write_text("id,width,height,x,y\n1,100,200,50,150\n")
    with pytest.raises(BoneAgeError, match="no column wrist_x, wrist_y; expected id, width"):
        read_wrists(marks)
