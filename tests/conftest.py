"""What several tests need: tiny weights, and the real radiographs where they are."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker has one core, before torch is imported
os.environ["BONEAGE_ENGINE"] = "torch"  # most nets of the tests have no graph; test_engine.py asks for it

pytest_plugins = ("serving",)  # the fixtures of the service's tests
ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("BONEAGE_DATA", ROOT.parent / "shared" / "data"))  # CONTRIBUTING.md: what is in it

# that end a command; one that is ignored, as under nohup, stays so in what the tests start
STOPS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
STOPS = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]

SLOW_FIXTURES = {"real_graphs", "distributions"}  # each takes longer than the tests that use it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that wait for a slow fixture, and let each worker begin with slow tests, so that none comes last."""
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests as xdist hands them out at first, an equal run to each worker: slow modules in turn, then the others.

    Worked out from the times of all tests, this takes a fifth off the whole on 4 workers and on 8, and little on 2.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    modules = list(dict.fromkeys(item.path for item in slow))
    in_turn = []
    for number in range(workers):
        own = [item for item in slow if modules.index(item.path) % workers == number]
        room = max(len(items) // workers - len(own), 0)
        in_turn += own + others[:room]
        del others[:room]
    return in_turn + others


def over(mask: np.ndarray):
    """A mask of a whole film as `cut_crop` asks for it: over the crop's square."""
    return lambda fit: fit.apply(mask.astype(np.float32))


@pytest.fixture(scope="session", autouse=True)
def _no_graphs():
    """Nets are stored without ONNX graphs, each of which takes seconds to make; `real_graphs` allows them."""
    from boneage.data.errors import OutputError
    from boneage.weights import weights_file

    def refuse(*_):
        raise OutputError("no graph in this test")

    made, weights_file.graph_of = weights_file.graph_of, refuse
    yield made
    weights_file.graph_of = made


@pytest.fixture(scope="session", autouse=True)
def _coarse_maps():
    """Heat maps are made of few discs, each of which is a reading; `fine_maps` gives them back their number."""
    from boneage.regressor import evidence

    fine, evidence.CELLS = evidence.CELLS, 4
    yield fine
    evidence.CELLS = fine


@pytest.fixture(scope="module")
def fine_maps(_coarse_maps):
    """Heat maps are those of the program, in this module."""
    from boneage.regressor import evidence

    coarse, evidence.CELLS = evidence.CELLS, _coarse_maps
    yield
    evidence.CELLS = coarse


@pytest.fixture(scope="module")
def real_graphs(_no_graphs):
    """Nets are stored with their graphs, in this module."""
    from boneage.weights import weights_file

    refuse, weights_file.graph_of = weights_file.graph_of, _no_graphs
    yield
    weights_file.graph_of = refuse


@pytest.fixture
def blank_plots(monkeypatch) -> None:
    """Plots are stored as one pixel, since drawing takes a quarter of such a test; others draw the same plots."""
    from matplotlib.figure import Figure
    from PIL import Image

    monkeypatch.setattr(Figure, "savefig", lambda _, target, **__: Image.new("L", (1, 1)).save(target, "PNG"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"the real radiographs are not there ({REAL}); BONEAGE_DATA names their folder")
    return REAL


@pytest.fixture(scope="session")
def real_films(shared_data) -> list[Path]:
    films = sorted((shared_data / "rsna-original").rglob("*.png"))
    if not films:
        pytest.skip("the original RSNA films are not there")
    return films


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """The folder of a bundle with the smallest nets there are, with random weights."""
    import torch

    from boneage.data.config import config_values
    from boneage.handseg.crop import CROP_VERSION
    from boneage.handseg.network import build_unet
    from boneage.regressor.config import NetConfig
    from boneage.regressor.network import SEX_CODING, BoneAgeNet
    from boneage.weights.bundle import Bundle, NetFile, RegressorFile, write_bundle
    from boneage.weights.header import Header
    from boneage.weights.weights_file import save_weights

    making = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    decoder = (8, 8, 8, 8, 8)
    encoder = "tu-test_efficientnet"
    save_weights(
        making / "segmenter.safetensors",
        Header(
            kind="segmenter",
            architecture="smp.Unet",
            arguments={"encoder": encoder, "decoder_channels": decoder},
            input_size=64,
        ),
        build_unet(encoder, decoder).state_dict(),
    )
    config = NetConfig(backbone="test_efficientnet", hidden=(8,))
    save_weights(
        making / "regressor.safetensors",
        Header(
            kind="regressor",
            architecture="boneage.regressor.BoneAgeNet",
            arguments=config_values(config),
            input_size=64,
            crop_version=CROP_VERSION,
            label_mean=120.0,
            label_sd=40.0,
            sex_coding=SEX_CODING,
            data={"description": "random weights, trained on nothing"},
        ),
        BoneAgeNet(config).state_dict(),
    )
    bundle = Bundle(
        "tiny",
        NetFile.of(making / "segmenter.safetensors"),
        (RegressorFile.of(making / "regressor.safetensors"),),
        metrics={"report": {"mae": 30.5, "n": 12, "split": "made up"}},
        licence="Apache-2.0",
    )
    write_bundle(bundle, making / "tiny")
    return making / "tiny"


@pytest.fixture(scope="session")
def hand_films(tmp_path_factory) -> list[Path]:
    """Three synthetic radiographs of girls as 8-bit PNGs: 60.png, 120.png and 180.png, named by bone age in months."""
    return _girls(tmp_path_factory.mktemp("hands"), (400, 320))


@pytest.fixture(scope="session")
def small_films(tmp_path_factory) -> list[Path]:
    """The same as small as hands are drawn, which takes a twelfth of the time where no net looks at them."""
    return _girls(tmp_path_factory.mktemp("small"), (112, 96))


def _girls(folder: Path, size: tuple[int, int]) -> list[Path]:
    from hands import write_hand

    return [
        write_hand(folder / f"{months}.png", months, "F", seed, size, label=True)
        for seed, months in enumerate((60, 120, 180))
    ]


@pytest.fixture(scope="session")
def drawn_cohort(tmp_path_factory):
    """72 drawn hands of both sexes as PNGs beside films.csv, from young to old."""
    from hands import sex_of, write_hand

    from boneage.data.cohort import read_cohort

    folder = tmp_path_factory.mktemp("cohort")
    rows = ["path,sex,bone_age_months"]
    for k, months in enumerate(np.linspace(12, 210, 72).round(1)):
        write_hand(folder / f"{k}.png", float(months), sex_of(k), 300 + k, (160, 128))
        rows.append(f"{k}.png,{sex_of(k)},{months}")
    (folder / "films.csv").write_text("\n".join(rows))
    return read_cohort(folder / "films.csv")


@pytest.fixture
def finds_hands(monkeypatch) -> None:
    """Let every segmenter loaded be a threshold, which finds synthetic hands; the random net of tiny_bundle cannot."""
    from boneage.handseg.segmenter import HandSegmenter

    # the threshold blurs fingertips onto the edge of a film, where they would count as cut off
    monkeypatch.setattr("boneage.handseg.quality.cut_off", lambda *_, **__: iter(()))
    monkeypatch.setattr(HandSegmenter, "load", lambda net, backend=None: threshold_segmenter())


def threshold_segmenter():
    """A segmenter that calls hand whatever is brighter than the film's background."""
    import torch

    from boneage.handseg.segmenter import HandSegmenter

    class Threshold(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.level = torch.nn.Parameter(torch.tensor(-0.7))  # between film background and soft tissue in [-1, 1]

        def forward(self, squares: torch.Tensor) -> torch.Tensor:
            return 60 * (torch.nn.functional.avg_pool2d(squares, 5, 1, 2) - self.level)

    return HandSegmenter.of(Threshold(), 128)
