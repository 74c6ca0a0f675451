"""The head for what is missing of a hand: how it is taught, and what it adds to a segmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hands import write

from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import MissingConfig, SegmenterConfig
from boneage.handseg.heads import SIDES
from boneage.handseg.network import MirroredUNet, build_from, build_unet
from boneage.handseg.segmenter import HandSegmenter
from boneage.handseg.training import copies
from boneage.handseg.training import missing_training as training
from boneage.handseg.training.bootstrap import add_heads
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
    assert read_header(few).arguments == arguments
    header = read_header(made)
    assert header.arguments["missing"] == [4, 64]
    assert set(header.metrics) == {f"missing_error_{side}" for side in ("fingertips", "left", "wrist", "right")}
    assert header.metrics["missing_error_wrist"]["n"] == 2 * 6
    before, after = (load_weights(path, "segmenter")[1] for path in (segmenter, made))
    assert all(torch.equal(before[name], after[name]) for name in before)
    (view,) = HandSegmenter.load(NetFile.of(made)).predict([drawn[paths[0]].picture])
    assert view.missing is not None
    assert view.missing.shape == (SIDES,)
    assert view.contents is view.rotations is None


def test_left_is_right_in_the_mirror_image():
    torch.manual_seed(1)
    net = MirroredUNet(build_unet(*TINY, missing=(4, 8)).eval())
    squares = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        plain, mirrored = net(squares)[2], net(squares.flip(-1))[2]
    assert plain.shape == (2, SIDES)
    torch.testing.assert_close(plain, mirrored[:, [0, 3, 2, 1]])
    assert not torch.allclose(plain, mirrored)
