"""What a command does with streams that are closed, full, or of an encoding that lacks characters."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc from Python 3.12 on


def have_streams() -> None:
    """Open the null device for each standard stream that was closed before the program began."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends


def print_anything() -> None:
    """Let characters that a stream's encoding does not have be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a stream of another kind, or none
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]


def drop_output() -> None:
    """Discard what could not be written to stdout; else Python tries again at its end, and fails."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def say_amid(line: str) -> None:
    """Print a line to stderr, even if a signal interrupted the printing of another line."""
    try:
        # the stream that stands for stderr while a bar is shown, so that the line is above it
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # no terminal any more
        return
    except RuntimeError:  # Python's buffers take no line within a line; the stream of the start, as 2 may be a file now
        if sys.__stderr__ is not None:
            with suppress(OSError, ValueError):
                os.write(sys.__stderr__.fileno(), f"{line}\n".encode())


@contextmanager
def lasting_stderr() -> Iterator[None]:
    """Within the block, drop what cannot be written to stderr (a full disk, a closed pipe), and raise no error."""
    before: Any = sys.stderr
    buffer = getattr(before, "buffer", None)
    if type(getattr(buffer, "raw", buffer)) is not io.FileIO:  # none, a console of Windows, or another program's
        yield
        return
    raw = _Lossy(before.fileno(), "w", closefd=False)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), before.encoding, before.errors, line_buffering=True)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


class _Lossy(io.FileIO):
    def write(self, data: Buffer, /) -> int:
        """Write what can be written, and report all of it as written."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes
