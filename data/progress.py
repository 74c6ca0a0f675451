"""Progress of long tasks: the library reports it, and a program may show it (`shown_by`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")
Advance = Callable[..., None]  # says that one more step is done, or so many
Show = Callable[[str, int], AbstractContextManager[Advance]]

_shows: list[Show] = []


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Within the block, `show` is asked to show each task: its name in words, and its number of steps."""
    _shows.append(show)
    try:
        yield
    finally:
        _shows.pop()


def progress(task: str, steps: int) -> AbstractContextManager[Advance]:
    """Report a task while the block runs, which calls what it is given for each step, or with a number of them."""
    return _shows[-1](task, steps) if _shows else nullcontext(lambda _=1: None)


def tracked(task: str, items: Iterable[T], steps: int) -> Iterator[T]:
    """Pass `items` on, and report a task of which each is a step."""
    with progress(task, steps) as advance:
        for item in items:
            yield item
            advance()
