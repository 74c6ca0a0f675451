"""What this machine could do at best: the nets alone, the decoder alone, and arithmetic at matrix-product speed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from .clock import timed
from .films import decode
from .report import Findings, Table, short
from .setting import Setting
from .subjects import Call, Subject, make, net_calls, subjects

ROUNDS = 15
SIDE = 2048  # of the matrices whose product gives the machine's rate


def measure(setting: Setting) -> Findings:
    """Milliseconds of the nets' calls that reading one film makes, of its decoder, and of a product of matrices."""
    film = setting.films[0]
    calls = {str(subject): net_calls(subject.load(), [film]) for subject in subjects()}
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    gemm = f"matrix product, {SIDE} x {SIDE}, float32"
    tasks: dict[str, Callable[[], object]] = {"PNG decoder": lambda: decode(film), gemm: lambda: left @ right}
    for subject, nets in calls.items():
        tasks |= {f"{subject}: {net}": functools.partial(make, made) for net, made in nets.items()}
    samples = timed(tasks, setting.rounds(ROUNDS), warm_ups=2)
    rate = SIDE**3 / samples[gemm].median  # multiply-accumulates a second
    work = {gemm: SIDE**3} | _work(calls)
    rows = []
    for name, sample in samples.items():
        cells = ("", "", "")
        if name in work:
            least = work[name] / rate
            cells = (short(work[name] / 1e9), short(1000 * least), f"{least / sample.median:.0%}")
        rows.append((name, sample.scaled(1000), cells))
    note = (
        "Each net sees the film and its mirror image, as in a reading. GMAC: thousand million multiply-accumulates, "
        f"and how long they take at the rate of the matrix product, {short(rate / 1e9)} GMAC a second."
    )
    columns = ("GMAC", "as a product, ms", "of its rate")
    return Findings([Table("nets and decoder alone, one film", "ms", rows, columns, note)])


def multiply_accumulates(call: Call) -> int:
    """Multiply-accumulates of all convolutions and matrix products of a call with torch."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return counter.get_total_flops() // 2


def _work(calls: dict[str, dict[str, list[Call]]]) -> dict[str, int]:
    """Multiply-accumulates of every subject's nets, which torch counts for whatever engine runs them."""
    return {
        f"{subject}: {net}": sum(map(multiply_accumulates, made))
        for subject in subjects()
        for net, made in calls[str(Subject(subject.bundle, "torch"))].items()
    }
