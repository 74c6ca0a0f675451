"""Figures on the service for a monitor (Prometheus): counts and times, and nothing about a child."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from ..reading import Reading

KIND = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_MONTHS = (10, 15, 20, 25, 30, 35, 40, 50, 60)


class Metrics:
    """The figures of one service, in a registry of its own."""

    def __init__(self, depth: Callable[[], float], kept: Callable[[], float]) -> None:
        """`depth`: how many calls wait. `kept`: how many results are kept."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        names = {"registry": self.registry, "namespace": "boneage"}
        self._readings = Counter("readings", "Films by status and route.", ("status", "route"), **names)
        self._refused = Counter("problems", "Requests refused, by type of problem.", ("type",), **names)
        self._seconds = Histogram("stage_seconds", "Seconds by stage.", ("stage",), buckets=_SECONDS, **names)
        self._width = Histogram("interval_months", "Width of 90 % intervals.", buckets=_MONTHS, **names)
        self._about = Info("build", "Version and weights.", **names)
        Gauge("queue_depth", "Calls that wait for a worker.", **names).set_function(depth)
        Gauge("kept_results", "Results in memory.", **names).set_function(kept)

    def built(self, version: str, weights: str, digest: str) -> None:
        """State version and weights."""
        self._about.info({"version": version, "weights": weights, "sha256": digest})

    def read(self, reading: Reading, route: str) -> None:
        """Count a film that was examined."""
        self._readings.labels(reading.status, route).inc()
        if reading.interval_90:
            self._width.observe(reading.interval_90[1] - reading.interval_90[0])

    def failed(self, route: str) -> None:
        """Count a film that could not be read."""
        self._readings.labels("failed", route).inc()

    def refused(self, kind: str) -> None:
        """Count a request that was refused."""
        self._refused.labels(kind).inc()

    def took(self, stage: str, seconds: float) -> None:
        """Add the time of a stage: wait, read, or render."""
        self._seconds.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self.registry)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.took(stage, time.monotonic() - began)
