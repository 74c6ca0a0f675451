"""Map a function over items in threads: results in the order of the items, threads of OpenCV and torch divided."""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many processor cores this process may use: by its affinity and, in a container, by its share of time."""
    return int(min(affinity(), share_of_container()))


def affinity() -> int:
    """How many processor cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_of_container(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Whole cores that cpu.max of this process's control groups (version 2) allow; infinite where none limits it."""
    try:
        path = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return math.inf
    share = math.inf
    for group in (Path(path), *Path(path).parents):
        with suppress(OSError, ValueError):
            quota, period = (root / str(group).lstrip("/") / "cpu.max").read_text().split()
            if quota != "max":
                share = min(share, max(math.ceil(int(quota) / int(period)), 1))
    return share


def in_batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Lists of `size` items, the last perhaps shorter, each taken when it is asked for."""
    coming = iter(items)
    while batch := list(islice(coming, size)):
        yield batch


def ahead(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Results of `function` in the order of `items`, computed by `workers` threads that share the cores.

    At most `workers` + 1 results are pending: under way, or finished and not yet taken.
    """
    waiting: deque[Future[R]] = deque()
    with _cores_shared_among(workers), ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _cores_shared_among(workers: int) -> Iterator[None]:
    """Divide the threads of OpenCV and torch among the workers; the engine onnx does so by itself."""
    before = cv2.getNumThreads()
    torch = sys.modules.get("torch")  # not imported for this
    torch_before = torch.get_num_threads() if torch else 1
    cv2.setNumThreads(max(before // workers, 1))
    if torch:
        torch.set_num_threads(max(torch_before // workers, 1))
    try:
        yield
    finally:
        cv2.setNumThreads(before)
        if torch:
            torch.set_num_threads(torch_before)
