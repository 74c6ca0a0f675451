"""What runs a net: torch on a device, or ONNX Runtime on the CPU. Either way it is one module, from arrays to arrays.

No engine is imported before it is asked for: torch alone takes longer to start than a film takes to be read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..data.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from .bundle import Header

ENGINES = ("auto", "torch", "onnx")
VARIABLE = "BONEAGE_ENGINE"  # of the environment: what auto means
_DRIVER = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of Windows' Linux, of AMD


class Engine(Protocol):
    """Runs one module; the first axis of every array is the batch."""

    @property
    def module(self) -> torch.nn.Module:
        """The module that is run, for those who need its gradients; loaded when it is first asked for."""
        ...

    def __call__(self, *arrays: NDArray) -> tuple[NDArray, ...]:
        """What the module makes of its inputs."""
        ...


@dataclass(frozen=True)
class Model:
    """What becomes of a weights file of one kind.

    `build` makes the module, which takes uint8 pixels and gives the result, of a header and its tensors, and raises
    WeightsError when they do not fit. `inputs` gives, by name, a batch of two for each of the module's inputs. `code`:
    the Python files that say what the module computes.
    """

    kind: str
    build: Callable[[Header, Mapping[str, torch.Tensor]], torch.nn.Module]
    inputs: Callable[[Header], Mapping[str, NDArray[Any]]]
    code: tuple[Path, ...]


@dataclass(frozen=True)
class Backend:
    """An engine, `torch` or `onnx`, and the device that it runs on: `cpu`, `cuda` or `cuda:N`."""

    engine: str = "torch"
    device: str = "cpu"


def open_engine(path: str | Path, model: Model, backend: Backend) -> tuple[Header, Engine]:
    """The header of a weights file and what runs it. Raises WeightsError for a file that is damaged or does not fit."""
    if backend.engine == "onnx":
        from .onnx_engine import open_onnx

        return open_onnx(path, model)
    from .torch_engine import open_torch

    return open_torch(path, model, backend.device)


def chosen_backend(device: str = "auto", engine: str = "auto") -> Backend:
    """The engine and device meant. Raises ConfigError for what this machine lacks, and for onnx on a GPU.

    `device`: auto (a GPU where there is one), cpu, cuda or cuda:N. `engine`: auto (torch on a GPU, else onnx, unless
    the environment variable BONEAGE_ENGINE says which), torch or onnx.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine not in ENGINES:
        raise ConfigError(f"engine is {engine!r}, expected one of {', '.join(ENGINES)}")
    if engine == "onnx" and device in ("auto", "cpu"):
        return Backend("onnx")
    gpus = _gpus() if device != "cpu" else 0
    there = {"cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))}
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    if device not in there:
        raise ConfigError(f"device is {device!r}, expected auto or one this machine has: {', '.join(sorted(there))}")
    if engine == "onnx":
        raise ConfigError(f"the engine onnx runs on the CPU, not on {device}; give engine torch, or device cpu")
    return Backend("onnx" if engine == "auto" and device == "cpu" else "torch", device)


def _gpus() -> int:
    """How many GPUs torch can use. It is asked only where there is a driver, since it is slow to import."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    # on Windows the driver has no place that can be looked at as quickly
    driver = sys.platform == "win32" or any(Path(path).exists() for path in _DRIVER)
    if hidden or not driver:
        return 0
    import torch

    return torch.cuda.device_count()
