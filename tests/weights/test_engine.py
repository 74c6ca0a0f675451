"""Either engine reads the same from one weights file, and neither reads a file that is not the one named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from hands import sex_of, write_hand

from boneage import BoneAge
from boneage.data.config import config_values
from boneage.data.errors import ConfigError, WeightsError
from boneage.handseg import second_look, second_net
from boneage.handseg.crop import CROP_VERSION
from boneage.handseg.heads import SECOND_GRAPH
from boneage.handseg.network import MirroredUNet, build_mirrored, build_unet, save_segmenter
from boneage.handseg.second_look import SecondLook
from boneage.handseg.segmenter import HandSegmenter
from boneage.pipeline.cli import main
from boneage.regressor.config import NetConfig
from boneage.regressor.network import SEX_CODING, BoneAgeNet, build_from, save_regressor
from boneage.weights import backend as backends
from boneage.weights import weights_file
from boneage.weights.backend import Backend, chosen_backend
from boneage.weights.bundle import Bundle, NetFile, RegressorFile, write_bundle
from boneage.weights.engine import NetSpec
from boneage.weights.header import Header
from boneage.weights.onnx_engine import OnnxEngine, parts_of
from boneage.weights.torch_engine import TorchEngine
from boneage.weights.weights_file import load_net, load_weights

ONNX = Backend("onnx")
KINDS = ("segmenter", "regressor")
SEGMENTER = {"encoder": "tu-test_efficientnet", "decoder_channels": (8, 8, 8, 8, 8), "turn_grid": 2}
REGRESSOR = NetConfig(backbone="test_efficientnet", hidden=(8,))


def inputs(kind: str, number: int, size: int = 64) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(number)
    if kind == "segmenter":
        return (rng.integers(0, 256, (number, size, size), np.uint8),)
    crops = rng.uniform(-1, 1, (number, 1, size, size)).astype(np.float32)
    return crops, rng.choice([-1, 1], number).astype(np.float32)


def write_net(kind: str, path: Path, dtype: str = "float32") -> NetFile:
    """A tiny net with random weights in a file with its graph."""
    torch.manual_seed(0)
    if kind == "segmenter":
        header = Header("segmenter", "smp.Unet", SEGMENTER, 64, dtype=dtype)
        save_segmenter(path, header, build_unet(**SEGMENTER).eval())
    else:
        about = (config_values(REGRESSOR), 64, CROP_VERSION, 120.0, 40.0, SEX_CODING)
        save_regressor(
            path, Header("regressor", "boneage.regressor.BoneAgeNet", *about, dtype=dtype), BoneAgeNet(REGRESSOR).eval()
        )
    return NetFile.of(path)


def spec_of(kind: str, net: NetFile) -> NetSpec:
    if kind == "segmenter":
        return NetSpec(net, lambda: build_mirrored(net.path))
    return NetSpec(net, lambda: load_net(net.path, "regressor", build_from)[1], together=2)


@pytest.fixture(scope="module")
def nets(tmp_path_factory, real_graphs) -> dict[str, NetFile]:
    folder = tmp_path_factory.mktemp("nets")
    return {kind: write_net(kind, folder / f"{kind}.safetensors") for kind in KINDS}


@pytest.fixture(scope="module")
def bundle(nets, tmp_path_factory) -> Path:
    """The folder of a bundle whose nets have graphs."""
    made = Bundle("tiny", nets["segmenter"], (RegressorFile(*vars(nets["regressor"]).values()),))
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(made, folder)
    return folder


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
    monkeypatch.setattr(backends, "_driver", lambda: gpus > 0)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert chosen_backend(device, engine) == chosen


@pytest.mark.parametrize(
    ("gpus", "device", "engine", "said"),
    [
        (0, "cuda", "auto", "device is 'cuda', expected auto or one this machine has: cpu"),
        (2, "cuda:2", "torch", "cpu, cuda, cuda:0, cuda:1"),
        (2, "cuda", "onnx", "has: cpu; ONNX Runtime was built for the CPU; install onnxruntime-gpu in place"),
        (2, "tpu", "onnx", "device is 'tpu', expected auto or one this machine has: cpu$"),
        (0, "auto", "tvm", "engine is 'tvm', expected one of auto, torch, onnx"),
    ],
)
def test_what_is_not_there_is_said(monkeypatch, gpus, device, engine, said):
    monkeypatch.setattr(backends, "_gpus", lambda: gpus)
    monkeypatch.setattr(backends, "_driver", lambda: gpus > 0)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
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


GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def asked_for(monkeypatch) -> list[int]:
    """A driver, no torch that can use it, and onnxruntime-gpu, which can use GPU 1 alone: the GPUs it is asked for."""
    asked = []

    def allocate(*arguments: object) -> None:
        asked.append(arguments[-1])
        if arguments[-1] != 1:
            raise RuntimeError("CUDA Provider not available")

    monkeypatch.delenv(backends.VARIABLE)
    monkeypatch.setattr(backends, "_driver", lambda: True)
    monkeypatch.setattr(backends, "_gpus", lambda: 0)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, CPU])
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", allocate)
    return asked


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_onnx_runtime_uses_a_gpu_that_torch_does_not(asked_for, monkeypatch, engine):
    assert chosen_backend("cuda:1", engine) == Backend("onnx", "cuda:1")
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", lambda *_: None)
    assert chosen_backend("auto", engine) == Backend("onnx", "cuda")
    assert chosen_backend("cpu", engine) == Backend("onnx", "cpu")
    assert chosen_backend("auto", "torch") == Backend("torch", "cpu")
    assert asked_for == [1]


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_a_gpu_that_onnx_runtime_cannot_use_is_told(asked_for, tiny_bundle, hand_films, caplog, engine):
    command = ["predict", str(hand_films[0]), "--sex", "F", "--weights", str(tiny_bundle), "--engine", engine]
    done = CliRunner().invoke(main, [*command, "--device", "cuda"])
    assert done.exit_code == 2
    fault = "cannot use cuda (CUDA Provider not available); give device cpu, or install what it lacks"
    assert fault in done.stderr
    assert not caplog.records
    assert chosen_backend("auto", engine) == Backend("onnx", "cpu")
    assert "nets run on the CPU: ONNX Runtime was built for GPUs and " + fault in caplog.text
    assert asked_for == [0, 0]


def test_a_net_runs_on_the_gpu_that_is_named(nets, monkeypatch):
    asked, sizes = [], []

    class OnGpu(onnxruntime.InferenceSession):
        """Says that it runs on a GPU."""

        def __init__(self, graph: bytes, options: object, providers: list, **rest: Any):
            asked.append((providers, rest))
            super().__init__(graph, options, providers=[CPU], **rest)

        def get_providers(self) -> list[str]:
            return [GPU, CPU]

        def run(self, output_names, input_feed, run_options=None):
            sizes.append(len(input_feed["crops"]))
            return super().run(output_names, input_feed, run_options)

    spec, arrays = spec_of("regressor", nets["regressor"]), inputs("regressor", 5)
    expected = ONNX.open(spec)(*arrays)[0]
    monkeypatch.setattr(onnxruntime, "InferenceSession", OnGpu)
    np.testing.assert_allclose(Backend("onnx", "cuda:1").open(spec)(*arrays)[0], expected, atol=1e-4)
    (((name, settings), last), rest), *others = asked
    assert (name, settings["device_id"], last, rest, others) == (GPU, 1, CPU, {"enable_fallback": 0}, [])
    assert sizes == [5]  # at once, for what a CPU does piece by piece a GPU does beside each other


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_net_that_would_leave_the_gpu_is_not_run(nets):
    run = Backend("onnx", "cuda").open(spec_of("regressor", nets["regressor"]))
    with pytest.raises(WeightsError, match=r"graph on cuda \(it would run by CPUExecutionProvider\).* or device cpu"):
        run(*inputs("regressor", 1))


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_agree_on_batches_of_any_size(kind, nets):
    spec = spec_of(kind, nets[kind])
    onnx, plain = ONNX.open(spec), Backend().open(spec)
    assert isinstance(onnx, OnnxEngine)
    assert isinstance(plain, TorchEngine)
    for number in (1, 2, 5):
        arrays = inputs(kind, number)
        for ours, theirs in zip(onnx(*arrays), plain(*arrays), strict=True):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_net_in_half_precision_is_one_copy_for_both_engines(dtype, nets, tmp_path, real_graphs):
    net = write_net("regressor", tmp_path / "net.safetensors", dtype)
    graph, tensors = parts_of(net.content())
    assert (
        1.8 < sum(map(len, parts_of(nets["regressor"].content())[1].values())) / sum(map(len, tensors.values())) < 2.1
    )
    assert len(graph) < 200_000  # it names the tensors and holds none
    spec, arrays = spec_of("regressor", net), inputs("regressor", 3)
    np.testing.assert_allclose(ONNX.open(spec)(*arrays)[0], Backend().open(spec)(*arrays)[0], atol=1e-4)


def test_a_second_net_of_a_file_is_run_by_both_engines(tmp_path, monkeypatch, real_graphs):
    monkeypatch.setattr(second_net, "ENCODER", "test_efficientnet")
    net = build_unet(**SEGMENTER, second=8).eval()
    path = tmp_path / "net.safetensors"
    save_segmenter(path, Header("segmenter", "smp.Unet", {**SEGMENTER, "second": 8}, 64, half=["second."]), net)
    (squares,) = inputs("segmenter", 2)
    rest = np.random.default_rng(0).random(squares.shape, np.float32), np.full((2, 3), 1 / 3, np.float32)
    one, other = (SecondLook.load(NetFile.of(path).held(), backend)(squares, *rest) for backend in (ONNX, Backend()))
    assert np.abs(one - 1 / 3).max() > 0.01
    np.testing.assert_allclose(one, other, atol=1e-4)
    graph, tensors = parts_of(path.read_bytes(), SECOND_GRAPH)
    assert len(graph) < 200_000
    assert tensors.keys() == net.state_dict().keys()


@pytest.mark.parametrize("backend", [ONNX, Backend()])
def test_a_file_that_is_replaced_as_films_are_read_changes_no_reading(tmp_path, monkeypatch, real_graphs, backend):
    monkeypatch.setattr(second_net, "ENCODER", "test_efficientnet")
    arguments = {**SEGMENTER, "content_hidden": 8, "second": 8}
    path = tmp_path / "net.safetensors"
    save_segmenter(path, Header("segmenter", "smp.Unet", arguments, 64), build_unet(**arguments).eval())
    films = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8))
    monkeypatch.setattr(second_look, "UNSURE", (-1, 2))
    before, after = (HandSegmenter.load(NetFile.of(path), backend) for _ in range(2))
    expected = [view.contents for view in before.predict(films)]
    path.write_bytes(b"another file")
    np.testing.assert_array_equal([view.contents for view in after.predict(films)], expected)


def test_the_graph_says_nothing_of_the_machine_that_made_it(nets):
    for net in nets.values():
        graph = parts_of(net.content())[0]
        assert b".py" not in graph
        assert str(Path(torch.__file__).parents[1]).encode() not in graph


def test_a_film_and_its_mirror_image_are_seen_alike():
    torch.manual_seed(1)
    predict = TorchEngine(MirroredUNet(build_unet("tu-test_efficientnet", (8, 8, 8, 8, 8), turn_grid=2)))
    (squares,) = inputs("segmenter", 2)
    probability, agreement, rotations = predict(squares)
    mirrored, same, other_rotations = predict(squares[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, :, ::-1], probability, atol=1e-5)
    np.testing.assert_allclose(same, agreement, atol=1e-5)
    np.testing.assert_allclose(other_rotations[:, [0, 3, 2, 1]], rotations, atol=1e-5)
    assert np.ptp(rotations) > 1e-3


def test_heat_maps_are_alike_whatever_reads(bundle, hand_films, finds_hands):
    one, other = (
        np.asarray(BoneAge.load(bundle, "cpu", engine).examine(hand_films[1], "F").evidence())
        for engine in ("onnx", "torch")
    )
    assert one.max() > 0
    np.testing.assert_allclose(one, other, atol=1e-2)  # a step of the colour scale; processors round differently


@pytest.mark.parametrize("backend", [ONNX, Backend()])
def test_a_file_that_is_not_the_one_named_is_not_opened(nets, tmp_path, backend):
    copy = Path(shutil.copy(nets["regressor"].path, tmp_path))
    spec = spec_of("regressor", replace(nets["regressor"], path=copy))
    copy.write_bytes(copy.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="the file is damaged or another one"):
        backend.open(spec)
    copy.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        backend.open(spec)


def test_a_graph_that_the_runtime_cannot_read_is_told(capsys):
    with pytest.raises(WeightsError, match=r"net\.safetensors: ONNX Runtime cannot read its graph"):
        OnnxEngine("net.safetensors", b"no graph", {})(np.zeros(1))
    assert not capsys.readouterr().out  # where results are written


def unsupported(*_):
    raise RuntimeError("this net cannot be expressed")


@pytest.mark.parametrize(
    ("name", "instead", "said"),
    [
        ("graph_of", unsupported, "this net cannot be expressed"),
        ("_difference", lambda *_: 0.5, "it is off by 0.5, expected at most 0.001"),
    ],
)
def test_a_net_without_a_sound_graph_is_stored_all_the_same_and_torch_runs_it(
    tmp_path, monkeypatch, caplog, name, instead, said
):
    monkeypatch.setattr(weights_file, "graph_of", lambda *_: b"a graph")
    monkeypatch.setattr(weights_file, name, instead)
    net = write_net("regressor", tmp_path / "net.safetensors")
    assert said in caplog.text
    assert parts_of(net.content())[0] == b""
    assert isinstance(ONNX.open(spec_of("regressor", net)), TorchEngine)
    assert "holds no ONNX graph, so torch runs it" in caplog.text


def test_without_torch_a_net_without_a_graph_names_the_extra(tiny_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "boneage.weights.torch_engine", None)
    with pytest.raises(
        ConfigError, match=r"torch, which is not installed; install it with: pip install 'boneage\[train\]'"
    ):
        BoneAge.load(tiny_bundle, engine="onnx")


def test_the_graph_is_no_part_of_the_net(nets):
    assert "graph.onnx" not in load_weights(nets["regressor"].path, "regressor")[1]


def test_an_exported_net_is_whole_in_itself(bundle, nets, tmp_path):
    done = CliRunner().invoke(main, ["export", "--weights", str(bundle), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    files = [tmp_path / "out" / name for name in ("segmenter.onnx", "regressor-1.onnx")]
    assert done.stdout.split() == [str(file) for file in files]
    crops, sexes = inputs("regressor", 2)
    alone = np.asarray(onnxruntime.InferenceSession(files[1]).run(None, {"crops": crops, "sexes": sexes})[0])
    np.testing.assert_allclose(alone, ONNX.open(spec_of("regressor", nets["regressor"]))(crops, sexes)[0], atol=1e-5)


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


def test_a_film_is_read_without_the_slow_libraries(tmp_path):
    write_hand(tmp_path / "hand.png", 120, "F", 3, (600, 480), label=True)
    code = """
        import json, sys
        from boneage.pipeline.cli import main
        main(["predict", "hand.png", "--sex", "F"], standalone_mode=False)
        print(json.dumps(sorted(sys.modules)))
    """
    environment = {"HOME": str(tmp_path), "PATH": ""}
    command = [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    *said, modules = done.stdout.splitlines()
    assert any("months" in line for line in said)
    loaded = {module.split(".")[0] for module in json.loads(modules)}
    assert "onnxruntime" in loaded
    assert not loaded & SLOW
    # nothing is cached, and ONNX Runtime, which would report the run to its makers, keeps no number of this machine
    assert [file.name for file in tmp_path.iterdir()] == ["hand.png"]


@pytest.mark.slow
def test_the_shipped_weights_read_alike_on_both_engines(tmp_path):
    with_onnx, with_torch = (BoneAge.load("default", "cpu", engine) for engine in ("onnx", "torch"))
    assert isinstance(with_onnx.finder.segmenter.engine, OnnxEngine)
    paths = []
    for seed in range(6):
        sex = sex_of(seed)
        paths.append(
            (write_hand(tmp_path / f"{seed}.png", 30 + 30 * seed, sex, 400 + seed, (500, 400), label=True), sex)
        )
    pairs = list(zip(with_onnx.predict_many(paths), with_torch.predict_many(paths), strict=True))
    assert sum(one.bone_age_months is not None for one, _ in pairs) >= 5
    for one, other in pairs:
        assert one.status == other.status
        assert one.hand_box == pytest.approx(other.hand_box, abs=1)
        assert one.bone_age_months == pytest.approx(other.bone_age_months, abs=0.05)
