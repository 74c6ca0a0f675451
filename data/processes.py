"""The processes that this one started, which a stop has to end with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from subprocess import Popen

_others: list[Popen[bytes]] = []  # of a distributed run


def is_first() -> bool:
    """Whether this process speaks for a distributed run: the first of its machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def end_with_this(processes: Iterable[Popen[bytes]]) -> None:
    """Have a stop end `processes`, too."""
    _others.extend(processes)


def end_children() -> None:
    """End what prepares batches for this process, and ask the others of a distributed run to stop, as it does."""
    for process in _others:
        process.terminate()  # nothing where it has ended
    if multiprocessing := sys.modules.get("multiprocessing"):  # without it no process was started
        for child in multiprocessing.active_children():
            child.kill()
