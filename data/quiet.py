"""Silence for warnings of other libraries, in several threads at once; then the caller's filters are back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_inside = 0  # threads that are in a silent block
_saved: warnings.catch_warnings | None = None


@contextmanager
def no_warnings() -> Iterator[None]:
    """Ignore warnings within the block: those of decoders quote the file, a patient's name included.

    `warnings.catch_warnings` alone is not for threads: one that ends between another's begin and end leaves the other's
    filters behind. Here the first thread to begin saves the filters, and the last to end puts them back.
    """
    global _inside, _saved
    with _lock:
        if not _inside:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None
