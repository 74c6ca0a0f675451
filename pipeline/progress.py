"""A progress bar on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")


def under_a_bar(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass `items` on under a bar with their number, their rate and the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    terminal = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)
    with Progress(*columns, console=terminal, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        yield from progress.track(items, total, description=what)


class _Rate(ProgressColumn):
    """Items a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Nothing until there is a rate."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
