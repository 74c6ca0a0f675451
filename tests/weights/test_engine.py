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
from boneage.data.errors import ConfigError, OutputError
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.network import MirroredUNet, build_unet
from boneage.handseg.segmenter import segmenter_spec
from boneage.pipeline.cli import main
from boneage.regressor.common import common_header
from boneage.regressor.reader import regressor_spec
from boneage.weights import backend as backends
from boneage.weights import onnx_engine
from boneage.weights.backend import Backend, chosen_backend
from boneage.weights.bundle import read_bundle
from boneage.weights.engine import NetSpec
from boneage.weights.onnx_engine import OnnxEngine, export_name, export_net, open_onnx
from boneage.weights.torch_engine import TorchEngine

ONNX = Backend("onnx")
KINDS = ("segmenter", "regressor")


def specs_of(weights) -> dict[str, NetSpec]:
    bundle = read_bundle(weights)
    regressor = regressor_spec(bundle.regressors, common_header(bundle.regressors))
    return {"segmenter": segmenter_spec(bundle.segmenter), "regressor": regressor}


def inputs(kind: str, number: int, size: int = 64) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(number)
    squares = rng.integers(0, 256, (number, size, size), np.uint8)
    return (squares,) if kind == "segmenter" else (squares, rng.choice([-1, 1], number).astype(np.float32))


@pytest.fixture(scope="module")
def specs(tiny_bundle) -> dict[str, NetSpec]:
    return specs_of(tiny_bundle)


@pytest.fixture(scope="module")
def exported(specs, tmp_path_factory) -> Path:
    """A folder with the exported files of tiny_bundle."""
    folder = tmp_path_factory.mktemp("exported")
    for spec in specs.values():
        export_net(spec, folder)
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

    monkeypatch.setattr(onnx_engine, "export_net", refuse)


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
    monkeypatch.delenv(backends.VARIABLE)
    monkeypatch.setattr(backends, "_gpus", lambda: gpus)
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
    monkeypatch.setattr(backends, "_gpus", lambda: gpus)
    with pytest.raises(ConfigError, match=said):
        chosen_backend(device, engine)


def test_the_environment_says_what_auto_means(monkeypatch):
    monkeypatch.setenv(backends.VARIABLE, "torch")
    assert chosen_backend("cpu").engine == "torch"
    assert chosen_backend("cpu", "onnx").engine == "onnx"


def test_hidden_gpus_are_not_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(backends, "_DRIVER", (str(tmp_path),))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert backends._gpus() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert backends._gpus() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_agree_on_batches_of_any_size(kind, specs, full_cache, no_export):
    onnx, plain = ONNX.open(specs[kind]), Backend().open(specs[kind])
    assert isinstance(onnx, OnnxEngine)
    assert isinstance(plain, TorchEngine)
    for number in (1, 2, 5):
        arrays = inputs(kind, number)
        for ours, theirs in zip(onnx(*arrays), plain(*arrays), strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_film_and_its_mirror_image_are_seen_alike():
    torch.manual_seed(1)
    look = TorchEngine(MirroredUNet(build_unet("tu-test_efficientnet", (8, 8, 8, 8, 8), turn_grid=2)))
    (squares,) = inputs("segmenter", 2)
    probability, agreement, turns = look(squares)
    mirrored, same, other_turns = look(squares[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :, ::-1], probability, atol=1e-5)
    np.testing.assert_allclose(same, agreement, atol=1e-5)
    np.testing.assert_allclose(other_turns[:, [0, 3, 2, 1]], turns, atol=1e-5)
    assert np.ptp(turns) > 1e-3


def test_heat_maps_are_drawn_whatever_reads(tiny_bundle, full_cache, no_export, hand_films, finds_hands):
    maps = []
    for engine in ("onnx", "torch"):
        bone_age = BoneAge.load(tiny_bundle, "cpu", engine)
        maps.append(bone_age.examine(hand_films[1], "F").evidence())
    assert maps[0].max() > 0
    np.testing.assert_allclose(*maps, atol=1e-5)


def test_an_export_is_made_once(specs, exported, cache, monkeypatch):
    made, spec = [], specs["regressor"]

    def export(wanted, folder):
        made.append(wanted)
        return Path(shutil.copytree(exported, folder, dirs_exist_ok=True)) / export_name(wanted)

    monkeypatch.setattr(onnx_engine, "export_net", export)
    arrays = inputs("regressor", 2)
    first, second = (open_onnx(spec)(*arrays)[0] for _ in range(2))
    assert made == [spec]
    np.testing.assert_array_equal(first, second)


def test_an_export_beside_the_weights_serves_everybody(tiny_bundle, exported, cache, no_export, tmp_path):
    own = Path(shutil.copytree(tiny_bundle, tmp_path / "own"))
    shutil.copytree(exported, own, dirs_exist_ok=True)
    assert isinstance(open_onnx(specs_of(own)["segmenter"]), OnnxEngine)
    assert not cache.exists()


def spoil(folder: Path, name: str, how: str) -> None:
    """Do to an exported file what damage or another user could have done."""
    kept = folder / name
    other = next(file for file in folder.glob("*.onnx") if file != kept)
    if how == "damaged":
        kept.write_bytes(kept.read_bytes()[:-1000])
    elif how == "another net in its place":
        shutil.copy(other, kept)
    elif how == "without its digest":
        (folder / f"{name}.sha256").unlink()
    elif how == "a link":
        kept.rename(folder / "elsewhere")
        kept.symlink_to("elsewhere")
    elif how == "others may write it":
        kept.chmod(0o666)
    else:
        folder.chmod(0o777)


@pytest.mark.skipif(sys.platform == "win32", reason="owners are of POSIX")
@pytest.mark.parametrize(
    "how",
    ["damaged", "another net in its place", "without its digest", "a link", "others may write it", "and its folder"],
)
def test_an_export_that_another_could_have_made_is_not_run_but_made_anew(specs, full_cache, monkeypatch, caplog, how):
    spec, made = specs["regressor"], []
    spoil(full_cache, export_name(spec), how)

    def export(wanted, folder):
        made.append(wanted)
        raise OutputError("not now")

    monkeypatch.setattr(onnx_engine, "export_net", export)
    assert isinstance(ONNX.open(spec), TorchEngine)
    assert made == [spec]
    assert "not used" in caplog.text
    assert full_cache.stat().st_mode & 0o777 == 0o700


def test_there_is_no_cache_without_a_home_or_in_a_relative_folder(specs, monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    assert isinstance(ONNX.open(specs["regressor"]), TorchEngine)
    assert "there is no home folder" in caplog.text
    assert not list(tmp_path.iterdir())


def test_an_export_stands_for_one_version_and_for_nets_and_zooms(tiny_bundle, specs, monkeypatch):
    nets = read_bundle(tiny_bundle).regressors
    header = common_header(nets)
    others = [
        regressor_spec(changed, header)
        for changed in ([replace(nets[0], zooms=(0.9,))], [replace(nets[0], sha256="0" * 64)], [*nets, *nets])
    ]
    names = {export_name(spec) for spec in (*specs.values(), *others)}
    monkeypatch.setattr("importlib.metadata.version", lambda package: "9.9")
    names.add(export_name(specs["regressor"]))
    assert len(names) == 6


def test_without_a_cache_torch_reads(tiny_bundle, monkeypatch, tmp_path, caplog, hand_films, finds_hands):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    bone_age = BoneAge.load(tiny_bundle, engine="onnx")
    assert isinstance(bone_age.reader.engine, TorchEngine)
    assert "falling back to the engine torch" in caplog.text
    assert bone_age.predict(hand_films[0], "F").bone_age_months is not None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OutputError("not to be had in ONNX")])
def test_an_export_that_fails_leaves_nothing_and_torch_reads(specs, cache, monkeypatch, caplog, error):
    def fail(module, arrays, target):
        Path(target).write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("boneage.weights.export.export", fail)
    assert isinstance(ONNX.open(specs["regressor"]), TorchEngine)
    assert not list(cache.iterdir())
    assert str(error.args[-1]) in caplog.text


def test_an_export_that_reads_otherwise_is_refused(specs, exported, cache, monkeypatch):
    (other,) = exported.glob("segmenter-*.onnx")
    monkeypatch.setattr("boneage.weights.export.export", lambda module, arrays, target: shutil.copy(other, target))
    with pytest.raises(OutputError, match="cannot be run"):
        export_net(specs["regressor"], cache)
    wrong = replace(specs["segmenter"], build=lambda: Shifted(specs["segmenter"].build()))
    with pytest.raises(OutputError, match=r"the export is off by 0\.1, expected at most 0\.02"):
        export_net(wrong, cache)
    assert not list(cache.iterdir())


class Shifted(torch.nn.Module):
    """What is seen, a tenth too likely."""

    def __init__(self, look: torch.nn.Module) -> None:
        super().__init__()
        self.look = look

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, ...]:
        probability, *others = self.look(squares)
        return probability + 0.1, *others


def test_two_at_once_do_not_harm_each_other(specs, exported, cache, monkeypatch):
    (whole,) = exported.glob("regressor-*.onnx")

    def slowly(module, arrays, target):
        data = whole.read_bytes()
        with open(target, "wb") as file:
            for start in range(0, len(data), len(data) // 5 + 1):
                file.write(data[start : start + len(data) // 5 + 1])
                time.sleep(0.02)

    monkeypatch.setattr("boneage.weights.export.export", slowly)
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(lambda _: open_onnx(specs["regressor"]), range(2)))
    assert all(isinstance(engine, OnnxEngine) for engine in opened)
    assert [file.read_bytes() for file in cache.glob("*.onnx")] == [whole.read_bytes()]


def test_the_command_exports_to_where_it_is_asked_to(tiny_bundle, exported, tmp_path, cache):
    done = CliRunner().invoke(main, ["export", "--weights", str(tiny_bundle), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.split()) == sorted(str(file) for file in (tmp_path / "out").glob("*.onnx"))
    assert {file.name for file in (tmp_path / "out").iterdir()} == {file.name for file in exported.iterdir()}
    assert not cache.exists()


def test_onnx_on_a_gpu_is_refused_by_the_command(tiny_bundle, hand_films, monkeypatch):
    monkeypatch.setattr(backends, "_gpus", lambda: 1)
    options = ["--sex", "F", "--weights", str(tiny_bundle), "--device", "cuda", "--engine", "onnx"]
    done = CliRunner().invoke(main, ["predict", str(hand_films[0]), *options])
    assert done.exit_code == 2
    assert "the engine onnx runs on the CPU" in done.output


# What a reading does without, and starts the sooner for it
SLOW = {"albumentations", "babel", "fpdf", "highdicom", "jinja2", "lightning", "matplotlib", "onnx", "onnxscript"}
SLOW |= {
    "pandas",
    "pyarrow",
    "pydantic",
    "pydicom",
    "scipy",
    "segmentation_models_pytorch",
    "timm",
    "torch",
    "torchvision",
}


@pytest.fixture(scope="module")
def shipped_cache(tmp_path_factory) -> Path:
    """XDG_CACHE_HOME with the exported files of the shipped weights."""
    home = tmp_path_factory.mktemp("shipped")
    for spec in specs_of("default").values():
        export_net(spec, home / "boneage")
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
