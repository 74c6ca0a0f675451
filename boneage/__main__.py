"""The command `boneage`, and `python -m boneage`: as long as it starts, a signal ends it at once and silently."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command. What stops it before it has begun, as what is slow is imported, is no error of an import.

    Exit codes are those of a command that was under way: 130 (SIGINT), 143 (SIGTERM) and 129 (SIGHUP).
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as of nohup
            signal.signal(number, lambda number, _: os._exit(128 + number))
    from .pipeline.cli import main

    main(prog_name="boneage")


if __name__ == "__main__":
    sys.exit(main())
