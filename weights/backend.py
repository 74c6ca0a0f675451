"""Choose engine and device: ONNX Runtime or torch, which is imported only when used, on the CPU or a GPU."""

from __future__ import annotations

import logging
import os
import re
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

            graph, tensors = parts_of(content, spec.graph)
            if graph:
                return OnnxEngine(str(spec.net.path), graph, tensors, spec.together, self.device)
            log.warning("%s: holds no ONNX graph, so torch runs it, which starts slower", spec.net.path)
        try:
            from .torch_engine import TorchEngine
        except ModuleNotFoundError as error:
            raise ConfigError(f"{spec.net.path}: is run by torch, which is not installed; {EXTRA}") from error
        return TorchEngine(spec.build(), self.device)


def chosen_backend(device: str = "auto", engine: str = "auto") -> Backend:
    """The engine and device meant. Raises ConfigError for what this machine lacks.

    `device`: auto (a GPU where there is one), cpu, cuda or cuda:N. `engine`: auto (torch where it can use a GPU, else
    onnx, unless the environment variable BONEAGE_ENGINE says which), torch or onnx.
    """
    backend = _chosen(device, os.environ.get(VARIABLE) or "auto" if engine == "auto" else engine)
    log.debug("nets are run by the engine %s on the device %s", backend.engine, backend.device)
    return backend


def _chosen(device: str, engine: str) -> Backend:
    if engine not in ENGINES:
        raise ConfigError(f"engine is {engine!r}, expected one of {', '.join(ENGINES)}")
    on_cpu = Backend("torch" if engine == "torch" else "onnx")
    if device == "cpu":
        return on_cpu
    gpus, wanted = _gpus() if engine != "onnx" else 0, "cuda" if device == "auto" else device
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    if wanted in there:
        return Backend("torch", wanted)
    fault = ""
    if not gpus and engine != "torch" and _driver() and re.fullmatch(r"cuda(:\d+)?", wanted):
        from .onnx_engine import BUILT_FOR_CPU, gpu_fault

        fault = gpu_fault(wanted)
        if not fault:
            return Backend("onnx", wanted)
        if device == "auto" and fault != BUILT_FOR_CPU:
            log.warning("nets run on the CPU: %s", fault)
    if device == "auto":
        return on_cpu
    why = f"; {fault}" if fault else ""
    raise ConfigError(f"device is {device!r}, expected auto or one this machine has: {', '.join(there)}{why}")


def _gpus() -> int:
    """How many GPUs torch can use. torch, which is slow to import, is asked only where there is a driver."""
    if not _driver():
        return 0
    try:
        import torch
    except ModuleNotFoundError:
        return 0
    return torch.cuda.device_count()


def _driver() -> bool:
    """Whether a GPU may be there that is not hidden; on Windows the driver has no file whose path is known."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return not hidden and (sys.platform == "win32" or any(Path(path).exists() for path in _DRIVER))
