"""The precision that a net is trained in, by what the device is fastest at."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import torch
from torch import nn

GAIN = 1.1  # times as fast as in float32, from which on bfloat16 is worth its rounding
ROUNDS = 5


def fastest_precision() -> Any:
    """Lightning's name of the precision: half on GPUs; on CPUs bfloat16 where it pays, else float32.

    A CPU without instructions for bfloat16 is ten times slower in it. One with them may still be: of the processors of
    one instruction set, AVX512-bf16, some train a third faster and others a quarter slower. So it is measured, once.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # from torch 2.10 on
    return "bf16-mixed" if (able.get("avx512_bf16") or able.get("amx_bf16")) and bfloat16_pays() else "32-true"


@cache
def bfloat16_pays() -> bool:
    """Whether this CPU takes convolutions forward and back at least GAIN times as fast in bfloat16; takes 0.2 s."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):  # a training must not depend on whether this was asked
        net = nn.Sequential(nn.Conv2d(48, 192, 1), nn.SiLU(), nn.Conv2d(192, 48, 1))
        films = torch.rand(8, 48, 32, 32).contiguous(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    torch.set_num_threads(1)  # whose processor time does not depend on what else runs
    try:
        took = {half: min(_seconds(net, films, half) for _ in range(ROUNDS)) for half in (False, True)}
    finally:
        torch.set_num_threads(threads)
    return took[False] > GAIN * took[True]


def _seconds(net: nn.Module, films: torch.Tensor, half: bool) -> float:
    """Processor time of this thread for one step, forward and back."""
    start = time.thread_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = net(films).float().mean()
    loss.backward()
    return time.thread_time() - start
