"""Write the tensors of a weights file with their header, and read them back if they match its SHA-256."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ..data.errors import WeightsError, one_line
from ..data.files import whole_file
from .graph import graph_of
from .header import FORMAT, GRAPHS, Header, read_record
from .onnx_engine import OnnxEngine
from .torch_engine import TorchEngine

AGREE = 1e-3  # probability, or SDs of the label, by which ONNX Runtime may differ from torch

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
Net = TypeVar("Net", bound=nn.Module)

log = logging.getLogger(__name__)


def save_weights(path: str | Path, header: Header, state: Mapping[str, torch.Tensor]) -> None:
    """Write tensors and header to `path` (.safetensors), whole or not at all.

    Floating-point tensors are stored as the header's `dtype` and `half` say; WeightsError for one not among DTYPES.
    """
    if header.dtype not in DTYPES:
        raise WeightsError(f"{path}: dtype is {header.dtype!r}, expected one of {', '.join(DTYPES)}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _stored(header, state).items()}
    record = json.loads(json.dumps({"format": FORMAT, **asdict(header)}))
    record["sha256"] = _digest(record, tensors)
    with whole_file(path) as temporary:
        save_file(tensors, str(temporary), metadata={"boneage": json.dumps(record, sort_keys=True)})


@dataclass(frozen=True)
class Run:
    """What engines run of a net: a module, the net itself or one that holds it, and inputs as `graph_of` takes them."""

    module: nn.Module
    inputs: Mapping[str, NDArray[Any]]


def save_net(path: str | Path, header: Header, net: nn.Module, runs: Mapping[str, Run]) -> None:
    """Write a net with its header, and with the ONNX graph of each of the `runs`, by the graph's name in the file.

    A graph that cannot be made, or does not give what torch gives, is left out, and the log says so.
    """
    stored = {name: tensor.contiguous() for name, tensor in _stored(header, net.state_dict()).items()}
    net.load_state_dict(stored)  # so that torch is compared with what the file holds
    state = dict(stored)
    for name, run in runs.items():
        try:
            graph = graph_of(run.module, net, run.inputs, {key: tensor.dtype for key, tensor in stored.items()})
            off = _difference(run, graph, stored)
        except Exception as error:  # exporter and runtime raise errors of every kind, and a training must not be lost
            log.warning("%s: gets no ONNX graph, so torch alone can run it (%s)", path, one_line(error))
            continue
        if off <= AGREE:
            state[name] = torch.frombuffer(bytearray(graph), dtype=torch.uint8)
        else:
            log.warning("%s: gets no ONNX graph, since it is off by %.3g, expected at most %s", path, off, AGREE)
    save_weights(path, header, state)


def load_weights(path: str | Path, kind: str) -> tuple[Header, dict[str, torch.Tensor]]:
    """Read header and tensors, floating-point ones as float32. WeightsError for another kind, format or SHA-256."""
    header, record = read_record(path, kind)
    with safe_open(str(path), framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    sha256 = record.pop("sha256", "")
    if _digest(record, state) != sha256:
        raise WeightsError(f"{path}: the contents do not match their SHA-256; the file is damaged, fetch it again")
    return header, {name: _as(tensor, torch.float32) for name, tensor in state.items() if not name.endswith(GRAPHS)}


def load_net(path: str | Path, kind: str, build: Callable[[Mapping[str, Any]], Net]) -> tuple[Header, Net]:
    """Load tensors into the net that `build` makes of the header's arguments. WeightsError, also if they do not fit."""
    header, state = load_weights(path, kind)
    try:
        net = build(header.arguments)
        net.load_state_dict(state)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: the tensors do not fit the net that its header describes ({error})") from error
    return header, net


def _difference(run: Run, graph: bytes, state: Mapping[str, torch.Tensor]) -> float:
    """By how much the first output of a graph with the tensors in `state` differs from torch's, at most."""
    stored = {name: tensor.reshape(-1).view(torch.uint8).numpy() for name, tensor in state.items()}
    tensors = {name: memoryview(array.tobytes()) for name, array in stored.items()}
    three = [np.concatenate([batch, batch[:1]]) for batch in run.inputs.values()]
    here, there = TorchEngine(run.module)(*three)[0], OnnxEngine("the graph", graph, tensors, 2)(*three)[0]
    return float(np.abs(here - there).max())


def _stored(header: Header, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as the file holds them."""
    dtype, half = DTYPES[header.dtype], tuple(header.half)
    return {name: _as(tensor, torch.float16 if name.startswith(half) else dtype) for name, tensor in state.items()}


def _as(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A floating-point tensor as `dtype`; counts and other whole numbers as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _digest(record: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
