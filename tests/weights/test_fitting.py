"""What ends a training from outside is one error, whatever hides it; errors of the program itself stay as they are."""

from __future__ import annotations

import errno
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from boneage.data import processes
from boneage.data.errors import TrainingError
from boneage.weights.fitting import OwnStops, stops_told

KILLED = RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error.")
NO_ROOM = RuntimeError(
    "Caught RuntimeError in DataLoader worker process 0.\nTraceback\n"
    "RuntimeError: unable to allocate shared memory(shm)"
)
NO_SEMAPHORE = OSError(errno.ENOSPC, "No space left on device")


def fail(error: Exception, hidden: bool) -> None:
    try:
        raise error
    finally:
        if hidden:
            raise RuntimeError("clean-up failed too")


@pytest.mark.parametrize("error", [KILLED, NO_ROOM, NO_SEMAPHORE])
@pytest.mark.parametrize("hidden", [False, True])
def test_too_little_shared_memory_is_one_line_with_what_to_do(error, hidden):
    message = r"cannot go on \(.*\); give --workers 0, or more memory in /dev/shm"
    with pytest.raises(TrainingError, match=message) as caught, stops_told():
        fail(error, hidden)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: shapes differ"),
        OSError(errno.ENOSPC, "No space left on device", "run/last.ckpt"),
        OSError(errno.EACCES, "Permission denied"),
    ],
)
def test_other_errors_are_not_laid_to_it(error):
    with pytest.raises(type(error)) as caught, stops_told():
        raise error
    assert caught.value is error


def test_a_sigterm_stays_with_who_handled_it_and_ends_the_other_processes(monkeypatch):
    ended, stops = [], OwnStops()
    monkeypatch.setattr(processes, "_others", [])
    other = SimpleNamespace(terminate=lambda: ended.append("other"))
    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(launcher=SimpleNamespace(procs=[other])))
    module: Any = None
    before = signal.signal(signal.SIGTERM, own := lambda *_: None)
    try:
        stops.setup(trainer, module, "fit")
        signal.signal(signal.SIGTERM, lambda *_: ended.append("Lightning's"))
        stops.on_train_start(trainer, module)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    processes.end_children()
    assert ended == ["other"]


def interrupted() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as Lightning does
    raise SystemExit(1)


def test_ctrl_c_does_after_a_fit_what_it_did_before():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit), stops_told():
        interrupted()
    assert signal.getsignal(signal.SIGINT) is before
