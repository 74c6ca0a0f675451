"""What people would use instead: the nets of other readers, with random weights, which take the same time.

Only their forward passes are timed, against our whole reading, which starts from the file.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import timm
import torch
from torch import nn

from boneage.weights.onnx_engine import onnxruntime  # silenced: it would report each run to its makers

from .clock import Sample, seconds, timed
from .films import SEX
from .report import Bar, Findings, Table, short
from .setting import Setting
from .subjects import subjects, usual

ROUNDS = 5
LEAST = {"fast": 8.0, "default": 2.0}  # times the throughput of the three EfficientNets

# each with its nets: timm's name, side of the input in pixels
RIVALS: dict[str, tuple[tuple[str, int], ...]] = {
    "three EfficientNets": (("efficientnet_b0", 512), ("efficientnet_b0", 1024), ("efficientnet_b4", 512)),
    "three ConvNeXtV2-Tiny": (("convnextv2_tiny", 512),) * 3,
    "Inception-V3": (("inception_v3", 500),),
}
FIRST = next(iter(RIVALS))
Net = tuple[str, int]


def measure(setting: Setting) -> Findings:
    """Seconds of one film: rivals' nets by torch and by ONNX Runtime, and our whole reading, in turns."""
    kinds = list(dict.fromkeys(net for nets in RIVALS.values() for net in nets))
    if setting.quick:
        kinds = list(RIVALS[FIRST])
    film = setting.films[0]
    passes: dict[str, Callable[[], object]] = {}
    for kind in kinds:
        net = random_net(kind[0])
        passes[_name(kind, "torch")] = _torch_pass(net, kind[1])
        passes[_name(kind, "onnx")] = _onnx_pass(net, kind[1], setting.folder / f"{kind[0]}-{kind[1]}.onnx")
    ours = {str(subject): functools.partial(subject.load().predict, film, SEX) for subject in subjects()}
    samples = timed(ours | passes, setting.rounds(ROUNDS))
    for rival, nets in RIVALS.items():
        for engine in ("torch", "onnx"):
            names = [_name(net, engine) for net in nets]
            if samples.keys() >= {*names}:
                rounds = zip(*(samples[name].values for name in names), strict=True)
                samples[f"{rival}, {engine}"] = Sample(tuple(map(sum, rounds)))
    theirs = {engine: samples[name] for engine in ("torch", "onnx") if (name := f"{FIRST}, {engine}") in samples}
    rows = [
        (name, sample, tuple(short(their.over(sample)) for their in theirs.values()))
        for name, sample in samples.items()
    ]
    columns = tuple(f"x {FIRST}, {engine}" for engine in theirs)
    note = (
        "Ours is the whole reading, warm, from the PNG on; theirs are forward passes alone, of one film, one channel."
    )
    bars = [bar for engine, their in theirs.items() for bar in _bars(engine, their, samples)]
    return Findings([Table("ours against the nets of others, one film", "s", rows, columns, note)], bars)


def random_net(name: str) -> nn.Module:
    """A net of timm for one grey channel and one number, with random weights."""
    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, in_chans=1, num_classes=1).eval()


def _torch_pass(net: nn.Module, side: int) -> Callable[[], object]:
    """A forward pass in whichever memory format is faster here."""
    best, fastest = None, float("inf")
    for layout in (torch.contiguous_format, torch.channels_last):
        laid_out: nn.Module = copy.deepcopy(net).to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        picture = torch.rand(1, 1, side, side).contiguous(memory_format=layout)
        task = functools.partial(_forward, laid_out, picture)
        task()
        taken = min(seconds(task) for _ in range(2))
        if taken < fastest:
            best, fastest = task, taken
    assert best is not None
    return best


@torch.inference_mode()
def _forward(net: nn.Module, picture: torch.Tensor) -> torch.Tensor:
    return net(picture)


def _onnx_pass(net: nn.Module, side: int, file: Path) -> Callable[[], object]:
    """A forward pass by ONNX Runtime as it comes, on all cores."""
    picture = torch.rand(1, 1, side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (picture,), file, input_names=["picture"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or its threads disturb who comes next
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, {"picture": picture.numpy()})


def _name(net: Net, engine: str) -> str:
    return f"{net[0]} at {net[1]:,}, {engine}"


def _bars(engine: str, their: Sample, samples: Mapping[str, Sample]) -> list[Bar]:
    bars = []
    for bundle, least in LEAST.items():
        asked = (
            f"bundle {bundle}: at least {least:g} x the throughput of the three EfficientNets' forward passes, {engine}"
        )
        times = their.over(samples[str(usual(bundle))])
        bars.append(Bar(asked, f"{short(times)} x", times >= least))
    return bars
