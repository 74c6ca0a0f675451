"""Map a function over items in threads: results in the order of the items, OpenCV and torch threads shared out."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import cv2

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    """Let OpenCV and torch start as many threads for all workers together as they would for one.

    The engine onnx does so by itself.
    """
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
