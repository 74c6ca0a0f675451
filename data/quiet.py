"""Silence for warnings of other libraries, in several threads at once; then the caller's filters are back."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from PIL import Image

_lock = Lock()
_inside = 0  # threads that are in a silent block
_saved: warnings.catch_warnings | None = None
_printers: list[int | None] = []  # what libtiff called with warnings and errors before


@contextmanager
def no_warnings() -> Iterator[None]:
    """Ignore warnings within the block: those of decoders quote the file, a patient's name included.

    libtiff, which prints lines of its own, prints none; Pillow raises its errors all the same.

    `warnings.catch_warnings` alone is not for threads: one that ends between another's begin and end leaves the other's
    filters behind. Here the first thread to begin saves the filters, and the last to end puts them back.
    """
    global _inside, _saved
    with _lock:
        if not _inside:
            _printers[:] = [setter(None) for setter in _libtiff_setters()]
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
                for setter, printer in zip(_libtiff_setters(), _printers, strict=True):
                    setter(printer)


@cache
def _libtiff_setters() -> tuple[Any, ...]:
    """The functions that set the message handlers of Pillow's libtiff; none where they are out of reach (Windows)."""
    try:
        library = ctypes.CDLL(Image.core.__file__)
        setters = library.TIFFSetWarningHandler, library.TIFFSetErrorHandler
    except (AttributeError, OSError):
        return ()
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setters
