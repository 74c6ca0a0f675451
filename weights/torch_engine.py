"""The torch engine: a module on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class TorchEngine:
    """Runs a module as it is."""

    def __init__(self, module: nn.Module, device: str | torch.device = "cpu") -> None:
        """`module`: of tensors to a tensor or a tuple of them; it is moved and set to evaluation."""
        module = module.eval().to(device)
        self.module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """See Engine."""
        results = self.module(*(torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in arrays))
        results = results if isinstance(results, tuple) else (results,)
        return tuple(result.cpu().numpy() for result in results)


def device_name() -> str:
    """What nets are trained on here, in words: the GPUs, or the processor with the number of threads."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ", ".join(gpus) or f"cpu, {torch.get_num_threads()} threads"
