"""The torch engine: a module on a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .bundle import Header
from .engine import Model
from .weights_file import load_weights


class TorchEngine:
    """Runs a module as it is."""

    def __init__(self, module: nn.Module, device: str | torch.device = "cpu") -> None:
        """`module`: of tensors to a tensor or a tuple of them; it is moved and set to evaluation."""
        module = module.eval().to(device)
        self.module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, *arrays: NDArray) -> tuple[NDArray, ...]:
        """See Engine."""
        results = self.module(*(torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in arrays))
        results = results if isinstance(results, tuple) else (results,)
        return tuple(result.cpu().numpy() for result in results)


def open_torch(path: str | Path, model: Model, device: str = "cpu") -> tuple[Header, TorchEngine]:
    """The header of a weights file and its module on a device; WeightsError as `load_weights`."""
    header, state = load_weights(path, model.kind)
    return header, TorchEngine(model.build(header, state), device)


def device_name() -> str:
    """What nets are trained on here, in words: the GPUs, or the processor with the number of threads."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ", ".join(gpus) or f"cpu, {torch.get_num_threads()} threads"
