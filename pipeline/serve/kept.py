"""Results in memory, for a short time, under names that cannot be guessed."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values for `seconds` each, the oldest given up first where all together have over `most` bytes."""

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is kept yet."""
        self._seconds, self._most, self._clock = seconds, most, clock
        self._values: OrderedDict[str, tuple[float, int, T]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def add(self, value: T, size: int) -> str:
        """Keep a value of so many bytes; returns its name, of 128 random bits."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._values[name] = (self._clock() + self._seconds, size, value)
            self._size += size
            self._forget()
        return name

    def get(self, name: str) -> T | None:
        """The value of a name; None where it is not kept, or no longer."""
        with self._lock:
            self._forget()
            return self._values[name][2] if name in self._values else None

    def renew(self, name: str) -> None:
        """Let a value's time begin again."""
        with self._lock:
            if name in self._values:
                _, size, value = self._values.pop(name)
                self._values[name] = (self._clock() + self._seconds, size, value)

    def drop(self, name: str) -> None:
        """Give a value up."""
        with self._lock:
            if name in self._values:
                self._size -= self._values.pop(name)[1]

    def forget(self) -> None:
        """Give up what is old."""
        with self._lock:
            self._forget()

    def __len__(self) -> int:
        return len(self._values)

    def _forget(self) -> None:
        now = self._clock()
        while self._values:
            until, size, _ = next(iter(self._values.values()))
            if until > now and (self._size <= self._most or len(self._values) == 1):
                return
            self._values.popitem(last=False)
            self._size -= size
