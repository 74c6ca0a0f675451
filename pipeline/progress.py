"""A progress bar on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Show a bar with the number of items done, their rate and the time left; give the function that moves it on."""
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
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


class _Rate(ProgressColumn):
    """Items a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Nothing until there is a rate."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
