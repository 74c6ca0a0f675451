"""Working ahead in threads: in order, bounded, on shared cores."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import pytest
import torch

from boneage.pipeline.predict.parallel import ahead, in_batches


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    first = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0 and workers > 1:
            assert first.wait(60)  # until another has overtaken it
        first.set()
        return item * 10

    assert list(ahead(slow_first, range(20), workers)) == [10 * item for item in range(20)]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_is_taken_than_the_workers_need(workers):
    taken = []
    items = (taken.append(number) or number for number in range(100))
    results = ahead(lambda item: item, items, workers)
    for given in range(1, 6):
        next(results)
        assert len(taken) == given + workers


def test_as_many_are_worked_on_at_a_time_as_there_are_workers():
    together = threading.Barrier(3, timeout=60)  # which only three threads at a time can pass
    assert list(ahead(lambda item: together.wait() < 3, range(6), 3)) == [True] * 6


def test_threads_of_the_libraries_are_shared_out_and_given_back():
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        cv2.setNumThreads(4)
        torch.set_num_threads(4)
        threads = list(ahead(lambda _: (cv2.getNumThreads(), torch.get_num_threads()), range(2), 2))
        assert threads == [(2, 2), (2, 2)]
        stopped: Any = ahead(lambda item: item, range(9), 8)
        next(stopped)
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (1, 1)
        stopped.close()
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (4, 4)
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def test_an_error_comes_when_its_turn_does_and_ends_the_work():
    results = ahead(lambda item: 1 / (2 - item), range(9), 2)
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_batches_are_taken_only_when_they_are_asked_for():
    coming = iter(range(7))
    batches = in_batches(coming, 3)
    assert next(batches) == [0, 1, 2]
    assert next(coming) == 3
    assert list(batches) == [[4, 5, 6]]
