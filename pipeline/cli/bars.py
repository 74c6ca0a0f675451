"""The progress of tasks as bars on a terminal, below all that is printed meanwhile."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...data.processes import is_first
from ...data.progress import Advance

if TYPE_CHECKING:
    from rich.progress import Progress


class Bars:
    """Shows tasks (`data.progress.shown_by`) on stderr if that is a terminal: steps done, their rate, the time left.

    One display serves all tasks under way. While it is there, what is printed to the terminal appears above it.
    """

    def __init__(self) -> None:
        self._display: Progress | None = None
        self._on = sys.stderr.isatty() and is_first()

    @contextmanager
    def __call__(self, task: str, steps: int) -> Iterator[Advance]:
        """Show a task while the block runs; nothing for one of a single step."""
        if not self._on or steps < 2:
            yield lambda _=1: None
            return
        if (display := self._display) is None:
            display = self._display = _display()
            display.start()
        number = display.add_task(task, total=steps)
        try:
            yield functools.partial(display.advance, number)
        finally:
            if len(display.tasks) > 1:
                display.remove_task(number)
            else:
                display.stop()
                self._display = None


def _display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class Rate(ProgressColumn):
        """Steps a second, over the last half minute."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        Rate(),
        TimeLeft(compact=True),
        TextColumn("left"),
    )
    terminal = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False, markup=False)
    return Progress(*columns, console=terminal, transient=True, redirect_stdout=sys.stdout.isatty())
