"""Either engine reads the same; exported files are made once, whole, and stand for nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from boneage import BoneAge
from boneage.data.errors import ConfigError, OutputError, WeightsError
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.network import HandLook, build_unet
from boneage.handseg.segmenter import SEGMENTER
from boneage.pipeline.cli import main
from boneage.regressor.reader import REGRESSOR
from boneage.weights import engine as engines
from boneage.weights import onnx_engine
from boneage.weights.bundle import HOME
from boneage.weights.engine import Backend, chosen_backend, open_engine
from boneage.weights.onnx_engine import OnnxEngine, export_weights, open_onnx
from boneage.weights.torch_engine import TorchEngine
from boneage.weights.weights_file import load_weights, save_weights

ONNX = Backend("onnx")
MODELS = {model.kind: model for model in (SEGMENTER, REGRESSOR)}


def inputs(kind: str, number: int, size: int = 64) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(number)
    squares = rng.integers(0, 256, (number, size, size), np.uint8)
    return (squares,) if kind == "segmenter" else (squares, rng.choice([-1, 1], number).astype(np.float32))


@pytest.fixture(scope="module")
def exported(tiny_bundle, tmp_path_factory) -> Path:
    """A folder with the exported files of tiny_bundle."""
    folder = tmp_path_factory.mktemp("exported")
    for kind, model in MODELS.items():
        export_weights(tiny_bundle / f"{kind}.safetensors", model, folder)
    return folder


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """An empty cache of our own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "boneage"


@pytest.fixture
def full_cache(cache, exported) -> Path:
    """A cache with the exported files of tiny_bundle."""
    shutil.copytree(exported, cache)
    return cache


@pytest.fixture
def no_export(monkeypatch) -> None:
    def refuse(*_):
        raise AssertionError("nothing was to be exported")

    monkeypatch.setattr(onnx_engine, "export_weights", refuse)


@pytest.mark.parametrize(
    ("gpus", "device", "engine", "chosen"),
    [
        (0, "auto", "auto", Backend("onnx", "cpu")),
        (0, "cpu", "auto", Backend("onnx", "cpu")),
        (0, "auto", "torch", Backend("torch", "cpu")),
        (0, "cpu", "onnx", Backend("onnx", "cpu")),
        (2, "auto", "auto", Backend("torch", "cuda")),
        (2, "cpu", "auto", Backend("onnx", "cpu")),
        (2, "auto", "onnx", Backend("onnx", "cpu")),
        (2, "cuda:1", "auto", Backend("torch", "cuda:1")),
        (2, "cpu", "torch", Backend("torch", "cpu")),
    ],
)
def test_the_engine_follows_the_machine_unless_it_is_named(monkeypatch, gpus, device, engine, chosen):
    monkeypatch.delenv(engines.VARIABLE)
    monkeypatch.setattr(engines, "_gpus", lambda: gpus)
    assert chosen_backend(device, engine) == chosen


@pytest.mark.parametrize(
    ("gpus", "device", "engine", "said"),
    [
        (0, "cuda", "auto", "device is 'cuda', expected auto or one this machine has: cpu"),
        (2, "cuda:2", "torch", "cpu, cuda, cuda:0, cuda:1"),
        (2, "cuda", "onnx", "the engine onnx runs on the CPU, not on cuda"),
        (0, "auto", "tvm", "engine is 'tvm', expected one of auto, torch, onnx"),
    ],
)
def test_what_is_not_there_is_said(monkeypatch, gpus, device, engine, said):
    monkeypatch.setattr(engines, "_gpus", lambda: gpus)
    with pytest.raises(ConfigError, match=said):
        chosen_backend(device, engine)


def test_the_environment_says_what_auto_means(monkeypatch):
    monkeypatch.setenv(engines.VARIABLE, "torch")
    assert chosen_backend("cpu").engine == "torch"
    assert chosen_backend("cpu", "onnx").engine == "onnx"


def test_hidden_gpus_are_not_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "_DRIVER", (str(tmp_path),))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert engines._gpus() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert engines._gpus() == 0


@pytest.mark.parametrize("kind", MODELS)
def test_both_engines_agree_on_batches_of_any_size(kind, tiny_bundle, full_cache, no_export):
    path = tiny_bundle / f"{kind}.safetensors"
    header, onnx = open_engine(path, MODELS[kind], ONNX)
    same, plain = open_engine(path, MODELS[kind], Backend())
    assert isinstance(onnx, OnnxEngine)
    assert header == same
    for number in (1, 2, 5):
        arrays = inputs(kind, number)
        for ours, theirs in zip(onnx(*arrays), plain(*arrays), strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_film_and_its_mirror_image_are_seen_alike():
    torch.manual_seed(1)
    look = TorchEngine(HandLook(build_unet("timm-mobilenetv3_small_minimal_100", (8, 8, 8, 8, 8), turn_grid=2)))
    (squares,) = inputs("segmenter", 2)
    probability, agreement, turns = look(squares)
    mirrored, same, other_turns = look(squares[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :, ::-1], probability, atol=1e-5)
    np.testing.assert_allclose(same, agreement, atol=1e-5)
    np.testing.assert_allclose(other_turns[:, [0, 3, 2, 1]], turns, atol=1e-5)
    assert np.ptp(turns) > 1e-3


def test_the_module_behind_an_export_is_the_weights(tiny_bundle, full_cache, no_export):
    path = tiny_bundle / "regressor.safetensors"
    onnx, plain = (open_engine(path, REGRESSOR, backend)[1].module.state_dict() for backend in (ONNX, Backend()))
    assert onnx.keys() == plain.keys()
    assert all(torch.equal(onnx[name], tensor) for name, tensor in plain.items())


def test_heat_maps_are_drawn_whatever_reads(tiny_bundle, full_cache, no_export, hand_films, finds_hands):
    maps = []
    for engine in ("onnx", "torch"):
        bone_age = BoneAge.load(tiny_bundle, "cpu", engine)
        maps.append(bone_age.examine(hand_films[1], "F").evidence())
    assert maps[0].max() > 0
    np.testing.assert_allclose(*maps, atol=1e-5)


def test_an_export_is_made_once(tiny_bundle, exported, cache, monkeypatch):
    made = []

    def export(path, model, folder):
        made.append(path)
        return Path(shutil.copytree(exported, folder)) / next(exported.glob("regressor-*")).name

    monkeypatch.setattr(onnx_engine, "export_weights", export)
    path = tiny_bundle / "regressor.safetensors"
    arrays = inputs("regressor", 2)
    first, second = (open_onnx(path, REGRESSOR)[1](*arrays)[0] for _ in range(2))
    assert made == [path]
    np.testing.assert_array_equal(first, second)


def test_an_export_beside_the_weights_serves_everybody(tiny_bundle, exported, cache, no_export, tmp_path):
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    shutil.copytree(exported, own, dirs_exist_ok=True)
    assert isinstance(open_onnx(own / "segmenter.safetensors", SEGMENTER)[1], OnnxEngine)
    assert not cache.exists()


def test_a_damaged_export_is_made_again(tiny_bundle, exported, full_cache, monkeypatch, caplog):
    (kept,) = full_cache.glob("regressor-*")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-100] + bytes(100))

    def export(path, model, folder):
        kept.write_bytes(whole)
        return kept

    monkeypatch.setattr(onnx_engine, "export_weights", export)
    open_onnx(tiny_bundle / "regressor.safetensors", REGRESSOR)
    assert f"{kept}: is damaged" in caplog.text
    assert kept.read_bytes() == whole


def test_weights_with_another_header_are_exported_and_so_checked_anew(tiny_bundle, full_cache, tmp_path):
    path = tmp_path / "changed.safetensors"
    header, state = load_weights(tiny_bundle / "regressor.safetensors", "regressor")
    save_weights(path, replace(header, name="this"), state)
    path.write_bytes(path.read_bytes().replace(b'\\"this\\"', b'\\"that\\"'))
    with pytest.raises(WeightsError, match="SHA-256"):
        open_onnx(path, REGRESSOR)


def test_changed_code_makes_another_export(tiny_bundle, full_cache, tmp_path):
    code = tmp_path / "network.py"
    code.write_text("changed")
    path = tiny_bundle / "regressor.safetensors"
    before = sorted(full_cache.iterdir())
    changed = replace(REGRESSOR, code=(code,))
    assert isinstance(open_onnx(path, changed)[1], OnnxEngine)
    assert len(sorted(full_cache.iterdir())) == len(before) + 1


def test_without_a_cache_torch_reads(tiny_bundle, monkeypatch, tmp_path, caplog, hand_films, finds_hands):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    bone_age = BoneAge.load(tiny_bundle, engine="onnx")
    assert isinstance(bone_age.reader.engine, TorchEngine)
    assert "read with the engine torch" in caplog.text
    assert bone_age.predict(hand_films[0], "F").bone_age_months is not None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OutputError("not to be had in ONNX")])
def test_an_export_that_fails_leaves_nothing_and_torch_reads(tiny_bundle, cache, monkeypatch, caplog, error):
    def fail(module, arrays, target):
        Path(target).write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("boneage.weights.export.export", fail)
    _, engine = open_onnx(tiny_bundle / "regressor.safetensors", REGRESSOR)
    assert isinstance(engine, TorchEngine)
    assert not list(cache.iterdir())
    assert str(error.args[-1]) in caplog.text


def test_an_export_that_reads_otherwise_is_refused(tiny_bundle, exported, cache, monkeypatch):
    (other,) = exported.glob("segmenter-*")
    monkeypatch.setattr("boneage.weights.export.export", lambda module, arrays, target: shutil.copy(other, target))
    with pytest.raises(OutputError, match="cannot be run"):
        export_weights(tiny_bundle / "regressor.safetensors", REGRESSOR, cache)
    wrong = replace(SEGMENTER, build=lambda header, state: Shifted(SEGMENTER.build(header, state)))
    with pytest.raises(OutputError, match=r"the export is off by 0\.1, expected at most 0\.02"):
        export_weights(tiny_bundle / "segmenter.safetensors", wrong, cache)
    assert not list(cache.iterdir())


class Shifted(torch.nn.Module):
    """What is seen, a tenth too likely."""

    def __init__(self, look: torch.nn.Module) -> None:
        super().__init__()
        self.look = look

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, ...]:
        probability, *others = self.look(squares)
        return probability + 0.1, *others


def test_two_at_once_do_not_harm_each_other(tiny_bundle, exported, cache, monkeypatch):
    (whole,) = exported.glob("regressor-*")

    def slowly(module, arrays, target):
        data = whole.read_bytes()
        with open(target, "wb") as file:
            for start in range(0, len(data), len(data) // 5 + 1):
                file.write(data[start : start + len(data) // 5 + 1])
                time.sleep(0.02)

    monkeypatch.setattr("boneage.weights.export.export", slowly)
    path = tiny_bundle / "regressor.safetensors"
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(lambda _: open_onnx(path, REGRESSOR)[1], range(2)))
    assert all(isinstance(engine, OnnxEngine) for engine in opened)
    assert [file.read_bytes() for file in cache.iterdir()] == [whole.read_bytes()]


def test_the_command_exports_to_where_it_is_asked_to(tiny_bundle, exported, tmp_path, cache):
    done = CliRunner().invoke(main, ["export", "--weights", str(tiny_bundle), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.split()) == sorted(str(file) for file in (tmp_path / "out").iterdir())
    assert {file.name[:19] for file in (tmp_path / "out").iterdir()} == {file.name[:19] for file in exported.iterdir()}
    assert not cache.exists()


def test_onnx_on_a_gpu_is_refused_by_the_command(tiny_bundle, hand_films, monkeypatch):
    monkeypatch.setattr(engines, "_gpus", lambda: 1)
    options = ["--sex", "F", "--weights", str(tiny_bundle), "--device", "cuda", "--engine", "onnx"]
    done = CliRunner().invoke(main, ["predict", str(hand_films[0]), *options])
    assert done.exit_code == 2
    assert "the engine onnx runs on the CPU" in done.output


# What a reading does without, and starts the sooner for it
SLOW = {"albumentations", "babel", "fpdf", "highdicom", "jinja2", "lightning", "matplotlib", "onnx", "onnxscript"}
SLOW |= {"pandas", "pyarrow", "pydicom", "scipy", "segmentation_models_pytorch", "timm", "torch", "torchvision", "yaml"}


@pytest.fixture(scope="module")
def shipped_cache(tmp_path_factory) -> Path:
    """XDG_CACHE_HOME with the exported files of the shipped weights."""
    home = tmp_path_factory.mktemp("shipped")
    for kind, model in MODELS.items():
        export_weights(HOME / "default" / f"{kind}.safetensors", model, home / "boneage")
    return home


def test_a_film_is_read_without_the_slow_libraries(shipped_cache, tmp_path):
    hand = synthetic_hand(120, "F", 3, (600, 480))
    Image.fromarray(np.rint(hand.pixels * 255).astype(np.uint8)).save(tmp_path / "hand.png")
    code = """
        import json, sys
        from boneage.pipeline.cli import main
        main(["predict", "hand.png", "--sex", "F"], standalone_mode=False)
        print(json.dumps(sorted(sys.modules)))
    """
    environment = {"XDG_CACHE_HOME": str(shipped_cache), "HOME": str(tmp_path), "PATH": ""}
    command = [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    *said, modules = done.stdout.splitlines()
    assert any("months" in line for line in said)
    loaded = {module.split(".")[0] for module in json.loads(modules)}
    assert "onnxruntime" in loaded
    assert not loaded & SLOW
    # ONNX Runtime would report the run to its makers, and keep a number of this machine for it
    assert [folder.name for folder in shipped_cache.iterdir()] == ["boneage"]
    assert [file.name for file in tmp_path.iterdir()] == ["hand.png"]


def test_the_shipped_weights_read_alike_on_both_engines(shipped_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(shipped_cache))
    with_onnx, with_torch = (BoneAge.load("default", "cpu", engine) for engine in ("onnx", "torch"))
    assert isinstance(with_onnx.reader.engine, OnnxEngine)
    assert isinstance(with_onnx.finder.segmenter.engine, OnnxEngine)
    paths = []
    for seed in range(12):
        hand = synthetic_hand(30 + 15 * seed, "FM"[seed % 2], 400 + seed, (500, 400))
        Image.fromarray(np.rint(hand.pixels * 255).astype(np.uint8)).save(tmp_path / f"{seed}.png")
        paths.append((tmp_path / f"{seed}.png", "FM"[seed % 2]))
    pairs = list(zip(with_onnx.predict_many(paths), with_torch.predict_many(paths), strict=True))
    assert sum(one.bone_age_months is not None for one, _ in pairs) >= 10
    for one, other in pairs:
        assert one.status == other.status
        assert one.hand_box == pytest.approx(other.hand_box, abs=1)
        assert one.bone_age_months == pytest.approx(other.bone_age_months, abs=0.05)
