"""Repeated measurements taken in turns, so that other work on the machine disturbs all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One quantity, measured `n` times: at least once."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How often it was measured."""
        return len(self.values)

    @property
    def median(self) -> float:
        """The value to quote."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The least of the values."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest of the values."""
        return max(self.values)

    def over(self, other: Sample) -> float:
        """The ratio of the medians, this one's to the other's."""
        return self.median / other.median

    def scaled(self, factor: float) -> Sample:
        """The same in another unit."""
        return Sample(tuple(factor * value for value in self.values))


def seconds(task: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long a task takes."""
    start = clock()
    task()
    return clock() - start


def in_turns(measures: Mapping[str, Callable[[], T]], rounds: int, warm_ups: int = 1) -> dict[str, list[T]]:
    """The values of each measure over some rounds, A B A B; the warm-up rounds before them do not count."""
    given: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(warm_ups + rounds):
        for name, measure in measures.items():
            value = measure()
            if number >= warm_ups:
                given[name].append(value)
    return given


def timed(tasks: Mapping[str, Callable[[], object]], rounds: int, warm_ups: int = 1) -> dict[str, Sample]:
    """Seconds that each task takes, in turns."""
    measures = {name: lambda task=task: seconds(task) for name, task in tasks.items()}
    return {name: Sample(tuple(values)) for name, values in in_turns(measures, rounds, warm_ups).items()}
