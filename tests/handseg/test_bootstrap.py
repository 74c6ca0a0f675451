from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hands import write, write_hand

from boneage.data.errors import TrainingError
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.config import SegmenterConfig
from boneage.handseg.letterbox import letterbox
from boneage.handseg.network import build_unet
from boneage.handseg.segmenter import HandMap, HandSegmenter
from boneage.handseg.training import bootstrap
from boneage.handseg.training.bootstrap import train_segmenter
from boneage.weights.bundle import NetFile
from boneage.weights.weights_file import load_weights

pytestmark = pytest.mark.slow
CONFIG = SegmenterConfig(
    encoder="tu-test_efficientnet",
    decoder_channels=(8, 8, 8, 8, 8),
    imagenet=False,
    input_size=64,
    rounds=2,
    steps=2,
    batch_size=4,
    films=6,
)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for seed in range(8):
        write_hand(folder / f"{seed}.png", 40 + 20 * seed, "F", seed, (160, 128))
    (folder / "broken.png").write_bytes(b"no picture")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cutouts")
    for seed in range(9):
        hand = synthetic_hand(20 * seed, "M", 50 + seed, (128, 100), label=False)
        for name, picture in (("images", hand.pixels * hand.mask), ("masks", hand.mask)):
            (folder / name).mkdir(exist_ok=True)
            write(folder / name / f"{seed}.png", picture)
    return folder


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Few synthetic hands, and classical masks in every round: an all but untrained net is sure of none."""
    patch.setattr(bootstrap, "SYNTHETIC_HANDS", 24)
    patch.setattr(bootstrap, "_labelled_films", lambda paths, net, config: labelled(paths, None, config))


labelled = bootstrap._labelled_films


@pytest.fixture(autouse=True)
def small(monkeypatch):
    make_small(monkeypatch)


@pytest.fixture(scope="module")
def finished(films, cutouts, tmp_path_factory):
    """A whole run of two rounds."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        return train_segmenter(
            films, cutouts, out, CONFIG, data={"terms": "synthetic"}, licence="Apache-2.0", workers=0
        )


def test_a_run_writes_weights_that_say_what_they_are(finished):
    header, state = load_weights(finished, "segmenter")
    assert header.input_size == 64
    assert header.data == {"terms": "synthetic"}
    assert header.licence == "Apache-2.0"
    assert header.recipe["steps"] == 2
    assert 0 <= header.metrics["composite_iou"]["value"] <= 1
    assert all(tensor.isfinite().all() for tensor in state.values())
    film = synthetic_hand(80, "M", 3, (150, 120)).pixels
    (view,) = HandSegmenter.load(NetFile.of(finished)).predict([film])
    assert view.probability.shape == (64, 64)
    assert 0 <= view.probability.min() < view.probability.max() <= 1


def test_a_stopped_run_goes_on_with_the_next_round_and_ends_the_same(finished, films, cutouts, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        fit = bootstrap._fit
        patch.setattr(bootstrap, "_fit", lambda *given: stop() if given[-1].name == "round-1" else fit(*given))
        with pytest.raises(KeyboardInterrupt):
            train_segmenter(films, cutouts, tmp_path, CONFIG, workers=0)
    assert not (tmp_path / "segmenter.safetensors").exists()
    rounds = []
    monkeypatch.setattr(bootstrap, "_fit", lambda *given: rounds.append(given[-1].name) or fit(*given))
    resumed = train_segmenter(films, cutouts, tmp_path, CONFIG, workers=0)
    assert rounds == ["round-1"]
    whole, again = load_weights(finished, "segmenter")[1], load_weights(resumed, "segmenter")[1]
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize("place", [0.01, 0.5, None], ids=["what describes", "a tensor", "cut off"])
def test_a_damaged_round_is_named_with_what_to_do(finished, tmp_path, place):
    content = bytearray(finished.with_name("round-0.pt").read_bytes())
    if place is None:
        del content[len(content) // 2 :]
    else:
        content[int(place * len(content))] ^= 0x10
    (tmp_path / "round-0.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"round-0\.pt: is damaged .*delete it, and its round is trained again"):
        bootstrap._load_round(tmp_path / "round-0.pt", build_unet(CONFIG.encoder, CONFIG.decoder_channels))


def test_a_finished_run_is_not_trained_again(finished, films, cutouts, monkeypatch):
    monkeypatch.setattr(bootstrap, "_fit", None)
    before = load_weights(finished, "segmenter")[1]
    after = load_weights(train_segmenter(films, cutouts, finished.parent, CONFIG, workers=0), "segmenter")[1]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_configuration_is_refused_and_the_run_left_as_it_was(finished, films, cutouts):
    before = {path: path.read_bytes() for path in finished.parent.iterdir() if path.is_file()}
    with pytest.raises(TrainingError, match="another configuration"):
        train_segmenter(films, cutouts, finished.parent, replace(CONFIG, steps=3), workers=0)
    assert before == {path: path.read_bytes() for path in finished.parent.iterdir() if path.is_file()}


def test_a_round_without_a_sure_mask_keeps_the_segmenter_of_the_round_before(
    finished, films, cutouts, tmp_path, monkeypatch
):
    monkeypatch.setattr(bootstrap, "_labelled_films", labelled)
    kept = train_segmenter(films, cutouts, tmp_path, CONFIG, workers=0)
    assert not (tmp_path / "round-1.pt").exists()
    first = torch.load(tmp_path / "round-0.pt", weights_only=True)["state"]
    state = load_weights(kept, "segmenter")[1]
    assert all(torch.equal(first[name], state[name]) for name in first)


def test_nothing_to_learn_from_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="none of 0 films got a plausible mask"):
        train_segmenter([], None, tmp_path, CONFIG, workers=0)


def test_a_film_teaches_with_its_own_mask_only_when_it_is_one_sure_hand():
    hand = synthetic_hand(100, "F", 5, (128, 128), label=False)
    square, fit = letterbox(hand.pixels, 64)
    mask = fit.apply(hand.mask * np.uint8(255)) > 127

    def trusted(probability: np.ndarray, agreement: float = 1.0) -> bool:
        return bootstrap._trustworthy(HandMap(square, probability, fit, agreement))

    sure = np.where(mask, 0.999, 0.001).astype(np.float32)
    unsure = np.where(mask, 0.8, 0.1).astype(np.float32)
    speckled = sure.copy()
    speckled[:6, :6], speckled[:8, 8], speckled[8, :8] = 0.999, 0.001, 0.001
    assert trusted(sure)
    assert not trusted(unsure)
    assert not trusted(sure, agreement=0.9)
    assert not trusted(speckled)
    assert not trusted(np.zeros_like(sure))
    assert not trusted(np.ones_like(sure))


def test_every_round_draws_other_films_by_the_seed(films):
    first, second = (bootstrap._drawn(films, CONFIG, number) for number in (0, 1))
    assert first == bootstrap._drawn(films, CONFIG, 0)
    assert len(set(first)) == len(first) == 6
    assert first != second


def test_a_sigterm_is_no_success(films, cutouts, tmp_path, monkeypatch):
    import lightning as L
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    def stopped(*_, **__):
        raise SIGTERMException

    monkeypatch.setattr(L.Trainer, "fit", stopped)
    with pytest.raises(SystemExit) as stop:
        train_segmenter(films, cutouts, tmp_path, CONFIG, workers=0)
    assert stop.value.code == 143
    assert not (tmp_path / "segmenter.safetensors").exists()
