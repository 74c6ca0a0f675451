"""The mean over nets, zooms and mirror images, and which nets have one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from boneage.data.config import config_values
from boneage.data.errors import WeightsError
from boneage.data.resize import resize_square
from boneage.regressor.config import NetConfig
from boneage.regressor.ensemble import Ensemble, resampling
from boneage.regressor.network import SEX_CODING, BoneAgeNet, normalise
from boneage.regressor.reader import BoneAgeReader
from boneage.weights.bundle import RegressorFile
from boneage.weights.header import Header
from boneage.weights.torch_engine import TorchEngine
from boneage.weights.weights_file import save_weights

CONFIG = NetConfig("tf_efficientnet_lite0", hidden=(8,))
MEAN, SD = 120.0, 40.0


def a_net(seed: int) -> BoneAgeNet:
    torch.manual_seed(seed)
    return BoneAgeNet(CONFIG).eval()


def saved(path, net: BoneAgeNet, size: int, zooms=(1.0,), **changes) -> RegressorFile:
    header = Header("regressor", "boneage.regressor.BoneAgeNet", config_values(CONFIG), size, 1, MEAN, SD, SEX_CODING)
    save_weights(path, replace(header, **changes), net.state_dict())
    return RegressorFile.of(path, zooms)


@pytest.fixture
def crop() -> np.ndarray:
    """A smooth picture with a bright spot off the middle."""
    rng = np.random.default_rng(3)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (96, 96)).astype(np.float32), (0, 0), 4)
    grey[20:30, 60:75] += 60
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 96, 128])
def test_resampling_is_the_projects_resizing(crop, size):
    matrix = resampling(96, size)
    expected = resize_square(crop.astype(np.float32), size)
    np.testing.assert_allclose(matrix @ crop.astype(np.float32) @ matrix.T, expected, atol=0.01)


@pytest.mark.parametrize("zoom", [0.5, 0.9, 1.1, 1.5])
def test_a_zoom_enlarges_about_the_middle_and_shows_padding_beyond_the_rim(zoom):
    line = np.zeros(96, np.float32)
    line[60:64] = 1  # 14 pixels right of the middle
    seen = resampling(96, 96, zoom) @ line
    assert (seen * np.arange(96)).sum() / seen.sum() == pytest.approx(47.5 + 14 * zoom, abs=0.3)
    beyond = int((1 - zoom) * 48) if zoom < 1 else 0
    assert np.count_nonzero(resampling(96, 96, zoom) @ np.ones(96, np.float32) == 0) == 2 * beyond


def test_the_reading_is_the_mean_over_nets_zooms_and_mirror_images(crop):
    nets, zooms = [a_net(1), a_net(2)], ((0.8, 1.0), (0.9, 1.0, 1.1))
    sexes = torch.tensor([1.0])
    ensemble = Ensemble([TorchEngine(net) for net in nets], (64, 96), zooms, 96, MEAN, SD)
    expected = []
    with torch.inference_mode():
        for net, size, of_net in zip(nets, (64, 96), zooms, strict=True):
            for zoom in of_net:
                matrix = torch.from_numpy(resampling(96, size, zoom))
                square = matrix @ torch.from_numpy(crop).float() @ matrix.T
                expected += [float(net(normalise(view[None]), sexes)) for view in (square, square.flip(-1))]
    months = float(ensemble(crop[None], sexes.numpy())[0])
    assert np.ptp(expected) > 1e-4  # the views differ, so the mean is one
    assert months == pytest.approx(np.mean(expected) * SD + MEAN, abs=1e-3)
    plain = [expected[2], expected[6]]  # each net's view of the whole crop, not mirrored
    assert ensemble.at_once(crop[None], sexes.numpy())[0] == pytest.approx(np.mean(plain) * SD + MEAN, abs=1e-3)


def test_a_bundle_of_two_nets_reads_their_mean(tmp_path, crop):
    files = [saved(tmp_path / f"{seed}.safetensors", a_net(seed), 64) for seed in (1, 2)]
    readers = [BoneAgeReader.load(nets, 1) for nets in (files[:1], files[1:], files)]
    one, other, both = (float(reader.raw_months([crop], ["F"])[0]) for reader in readers)
    assert one != pytest.approx(other, abs=1e-4)
    assert both == pytest.approx((one + other) / 2, abs=1e-3)


def test_crops_are_as_large_as_the_largest_net_wants(tmp_path):
    files = [saved(tmp_path / f"{size}.safetensors", a_net(size), size, (0.9, size / 64)) for size in (96, 64)]
    reader = BoneAgeReader.load(files, 1)
    assert (reader.input_size, reader.ensemble.crop_size) == (96, 96)


@pytest.mark.parametrize("changes", [{"label_mean": 100.0}, {"crop_version": 2}, {"sex_coding": {"F": 0.0, "M": 1.0}}])
def test_nets_without_a_common_mean_are_refused(tmp_path, changes):
    files = [saved(tmp_path / f"{k}.safetensors", a_net(k), 64, **(changes if k else {})) for k in (0, 1)]
    with pytest.raises(WeightsError, match=rf"1\.safetensors: {next(iter(changes))} is"):
        BoneAgeReader.load(files, 1)


def test_a_file_without_the_labels_scale_is_refused(tmp_path):
    file = saved(tmp_path / "a.safetensors", a_net(1), 64, label_sd=None)
    with pytest.raises(WeightsError, match="label mean"):
        BoneAgeReader.load([file], 1)
