"""The command in a process of its own that has already imported what a training needs: seconds for each process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TextIO


@contextmanager
def command_in_fork(*arguments: object) -> Iterator[tuple[BaseProcess, int, TextIO]]:
    """`boneage` with `arguments`, its id, which is that of its process group, too, and its stderr; POSIX only.

    After the block the process has ended and has its exit code.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["boneage.regressor.training.train", "boneage.pipeline.train"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=([str(argument) for argument in arguments], theirs))
    process.start()
    theirs.close()
    assert process.pid
    with ours, os.fdopen(os.dup(ours.fileno()), encoding="utf-8") as stderr:
        try:
            yield process, process.pid, stderr
        except BaseException:
            process.kill()
            raise
        finally:
            process.join()


def _run(arguments: Sequence[str], stderr: Connection) -> None:
    from boneage.__main__ import main

    set_start_method(None, force=True)  # as in a process that was not forked from a server
    os.setsid()
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    sys.argv = ["boneage", *arguments]
    main()
