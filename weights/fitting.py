"""Report what ends a training from outside: a SIGTERM, or too little shared memory."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ..data.errors import TrainingError, causes_of
from ..data.processes import end_with_this

_ENDED = "DataLoader worker ("  # begins what torch says of a process of its own that ended, not of what it raised


class OwnStops(Callback):
    """Puts back the SIGTERM handler from before the fit, which is to end the other processes of the run, too.

    Lightning's own handler stops them in the middle of a batch, while they exchange data.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Note the handler and the processes, before Lightning sets its own."""
        self._before = signal.getsignal(signal.SIGTERM)
        end_with_this(getattr(trainer.strategy.launcher, "procs", ()))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the handler back, if there was one."""
        if callable(self._before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


@contextmanager
def stops_told() -> Iterator[None]:
    """Within the block, which fits a net by Lightning, a SIGTERM ends the process with the code 143, not with 0.

    After the block Ctrl-C works as it did before; Lightning leaves it ignored once it has ended a fit. Raises
    TrainingError where a process that prepares batches was ended, or has no room in shared memory.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException as error:
        raise SystemExit(128 + signal.SIGTERM) from error
    except (RuntimeError, OSError) as error:
        # Lightning's clean-up may fail, too, and hide what was wrong
        cause = next(filter(_is_of_shared_memory, causes_of(error)), None)
        if cause is None:
            raise
        raise TrainingError(
            f"the processes that prepare batches cannot go on ({_last_line(cause)}); give --workers 0, or more memory "
            "in /dev/shm"
        ) from error
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _is_of_shared_memory(error: BaseException) -> bool:
    """Whether an error is of a worker that ended, or of a full disk that names no file, as that of a semaphore."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC and error.filename is None
    return _ENDED in str(error) or "shared memory" in str(error)


def _last_line(error: BaseException) -> str:
    """The last line of a message; before it stands the traceback, where another process raised the error."""
    return str(error).strip().rpartition("\n")[2][:200]
