"""Choose engine and device: torch on a device, or ONNX Runtime on the CPU.

An engine is imported when it is used: torch takes longer to start than the reading of a film.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..data.errors import ConfigError
from .engine import Engine, NetSpec

EXTRA = "install it with: pip install 'boneage[train]'"
ENGINES = ("auto", "torch", "onnx")
VARIABLE = "BONEAGE_ENGINE"  # of the environment: what auto means
_DRIVER = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # of NVIDIA, of Windows' Linux, of AMD

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """An engine, `torch` or `onnx`, and the device that it runs on: `cpu`, `cuda` or `cuda:N`."""

    engine: str = "torch"
    device: str = "cpu"

    def open(self, spec: NetSpec) -> Engine:
        """Open the engine on a net.

        Raises WeightsError for weights that are damaged, not those that their bundle names, or do not fit, and
        ConfigError where torch is needed and not installed.
        """
        content = spec.net.content()
        if self.engine == "onnx":
            from .onnx_engine import OnnxEngine, parts_of

            graph, tensors = parts_of(content)
            if graph:
                return OnnxEngine(str(spec.net.path), graph, tensors, spec.together)
            log.warning("%s: holds no ONNX graph, so torch runs it, which starts slower", spec.net.path)
        try:
            from .torch_engine import TorchEngine
        except ModuleNotFoundError as error:
            raise ConfigError(f"{spec.net.path}: is run by torch, which is not installed; {EXTRA}") from error
        return TorchEngine(spec.build(), self.device)


def chosen_backend(device: str = "auto", engine: str = "auto") -> Backend:
    """The engine and device meant. Raises ConfigError for what this machine lacks, and for onnx on a GPU.

    `device`: auto (a GPU where there is one), cpu, cuda or cuda:N. `engine`: auto (torch on a GPU, else onnx, unless
    the environment variable BONEAGE_ENGINE says which), torch or onnx.
    """
    backend = _chosen(device, os.environ.get(VARIABLE) or "auto" if engine == "auto" else engine)
    log.debug("nets are run by the engine %s on the device %s", backend.engine, backend.device)
    return backend


def _chosen(device: str, engine: str) -> Backend:
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
    """How many GPUs torch can use. torch, which is slow to import, is asked only where there is a driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    # on Windows the driver has no file whose path is known
    driver = sys.platform == "win32" or any(Path(path).exists() for path in _DRIVER)
    if hidden or not driver:
        return 0
    try:
        import torch
    except ModuleNotFoundError:
        return 0
    return torch.cuda.device_count()
