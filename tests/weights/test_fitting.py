"""What ends a training from outside is one error, whatever hides it; errors of the program itself stay as they are."""

from __future__ import annotations

import errno

import pytest

from boneage.data.errors import TrainingError
from boneage.weights.fitting import stops_told

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
