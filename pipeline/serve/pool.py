"""Threads that read, and a bounded queue before them: a request that finds no place in it is refused at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, RLock, Thread
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
_WEIGHT = 0.1  # of the newest call in the mean time of calls


class Full(Exception):
    """Every place is taken. `seconds`: after which one is likely to be free."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Pool:
    """`workers` threads, and places for as many calls and `queue` more."""

    def __init__(self, workers: int, queue: int) -> None:
        """Start the threads."""
        self._room, self._workers, self._taken, self._stopped = workers + queue, workers, 0, False
        self._waiting: deque[tuple[Future[Any], Callable[[], Any], float]] = deque()
        self._changed = Condition(RLock())
        self._mean = 1.0  # seconds of a call
        self.waited: Callable[[float], None] = lambda seconds: None  # called with the seconds that a call waited
        for number in range(workers):
            Thread(target=self._work, name=f"boneage-worker-{number}", daemon=True).start()

    @property
    def depth(self) -> int:
        """Calls that wait for a thread."""
        return len(self._waiting)

    def place(self) -> Place:
        """Take a place, before an upload is read. Raises Full."""
        with self._changed:
            if self._taken >= self._room:
                raise Full(max(round(self._mean * self._taken / self._workers), 1))
            self._taken += 1
        return Place(self)

    def stop(self) -> None:
        """Cancel what waits; threads end after the call they are in."""
        with self._changed:
            self._stopped = True
            waiting = [future for future, *_ in self._waiting]
            self._changed.notify_all()
        for future in waiting:
            future.cancel()

    def put(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call a function, in its turn; for whoever holds a place. A cancelled call leaves the queue."""
        future: Future[T] = Future()
        with self._changed:
            if self._stopped:
                future.cancel()
                return future
            self._waiting.append((future, call, time.monotonic()))
            self._changed.notify()
        future.add_done_callback(self._forget)
        return future

    def give_back(self) -> None:
        """Free one place."""
        with self._changed:
            self._taken -= 1

    def _forget(self, future: Future[Any]) -> None:
        """Take a cancelled call out of the queue, so that its film is not held until its turn."""
        if future.cancelled():
            with self._changed:
                self._waiting = deque(item for item in self._waiting if item[0] is not future)

    def _next(self) -> tuple[Future[Any], Callable[[], Any], float] | None:
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            return None if self._stopped else self._waiting.popleft()

    def _work(self) -> None:
        while item := self._next():
            future, call, since = item
            if future.set_running_or_notify_cancel():
                began = time.monotonic()
                self.waited(began - since)
                _settle(future, call)
                self._mean += _WEIGHT * (time.monotonic() - began - self._mean)
            del item, future, call  # a film is not held until the next one comes


class Place:
    """A place in the queue, given back at the block's end, or once the call put into it is done or cancelled."""

    def __init__(self, pool: Pool) -> None:
        """Made by `Pool.place`."""
        self._pool, self._used = pool, False

    def put(self, call: Callable[[], T]) -> Future[T]:
        """Let a thread call a function in this place; once."""
        self.hold()
        future = self._pool.put(call)
        future.add_done_callback(lambda _: self.give_back())
        return future

    def hold(self) -> None:
        """Keep the place beyond the block, until `give_back`."""
        self._used = True

    def give_back(self) -> None:
        """Free the place that was held."""
        self._pool.give_back()

    def __enter__(self) -> Place:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if not self._used:
            self._pool.give_back()


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    try:
        result = call()
    except BaseException as error:  # whatever it is, it is the caller's
        future.set_exception(error)
    else:
        future.set_result(result)
