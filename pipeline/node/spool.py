"""The spool: where films wait to be read and results to be sent, so that a node that is killed loses nothing.

The folders are the state. A film goes from `waiting/` to `results/` or `failed/`, and from `results/` to `done/`. Each
time the next state is made before the last one is removed. So a film is always in one of these folders, and one that is
sent again is recognised.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...data.errors import OutputError
from ...data.files import lock_beside, locked

log = logging.getLogger(__name__)

KEPT_FREE = 256_000_000  # bytes of the disk that are left for results: some ten films' pictures and masks
REMEMBERED = 24 * 3600  # seconds for which a film that was done is known; a sender repeats within minutes
TRIES = 5  # of reading a film that ends the program, as damage to native memory may
_FOLDERS = ("incoming", "waiting", "tries", "made", "results", "failed", "done")
_SHOWN = 12  # digits of a key in the log


class Spool:
    """The films and results under way in one folder, for this process alone. A film's key is its data's SHA-256."""

    def __init__(self, folder: str | Path) -> None:
        """Take up what an earlier run left. Raises OutputError where another node has the folder."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.folder / "lock"
        held, file = lock_beside(lock), lock.open("a+b")
        if held is None or not locked(file.fileno()):
            file.close()
            raise OutputError(f"{self.folder}: another node is using this spool; stop it, or give another folder")
        self._held = held
        held.callback(file.close)
        for name in _FOLDERS:
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        self._lock, self._coming = threading.Lock(), queue.SimpleQueue[str | None]()
        self.changed = threading.Event()  # there are results to send, or the spool is closed
        self.closed = threading.Event()
        self._recover()

    def close(self) -> None:
        """End `coming` and the wait for results; what the spool holds stays for the next run."""
        self.closed.set()
        self._coming.put(None)
        self.changed.set()

    def release(self) -> None:
        """Give the folder up, when nothing uses it any more."""
        self._held.close()

    def receive(self, data: bytes, header: bytes) -> tuple[str, bool]:
        """Store a film's encoded `data` behind the `header` of a DICOM file; its key, and whether it is new.

        When this returns, the film is on disk. One that waits, failed, or was read within a day is not stored again.
        Raises OSError where it cannot be stored, ENOSPC also where too little space would be left.
        """
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            if self._known(key):
                return key, False
            if shutil.disk_usage(self.folder).free - len(data) < KEPT_FREE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
            _write(self.folder / "incoming" / key, header + data)
            self._move(self.folder / "incoming" / key, self.film(key))
        self._coming.put(key)
        return key, True

    def coming(self) -> Iterator[str]:
        """The keys of films to be read, in the order in which they came; waits for more until the spool is closed."""
        while (key := self._coming.get()) is not None and not self.closed.is_set():
            yield key

    def film(self, key: str) -> Path:
        """Where a film waits."""
        return self.folder / "waiting" / f"{key}.dcm"

    def begin(self, key: str) -> Path:
        """Count a try to read a film; an empty folder for its results."""
        with open(self._tries(key), "ab") as tries:
            tries.write(b".")
        made = self.folder / "made" / key
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        return made

    def add(self, made: Path, name: str, content: bytes) -> None:
        """Write one result of a film into the folder that `begin` gave."""
        _write(made / name, content)

    def read(self, key: str, made: Path) -> None:
        """A film was read: its results, all in `made`, are to be sent, and the film is deleted."""
        self._move(made, self.folder / "results" / key)
        self._forget_film(key)
        self.changed.set()

    def fail(self, key: str, reason: str) -> None:
        """No result can be made of a film: it is kept with the reason, for a person to see to."""
        _write(self.folder / "failed" / f"{key}.txt", f"{reason}\n".encode())
        self._move(self.film(key), self.folder / "failed" / f"{key}.dcm")
        shutil.rmtree(self.folder / "made" / key, ignore_errors=True)
        self._forget_film(key)

    def drop(self, key: str) -> None:
        """Nothing is to be made of a film: only its key is kept, for a day."""
        (self.folder / "done" / key).touch()
        self._forget_film(key)

    def results(self) -> list[tuple[str, list[Path]]]:
        """Films by key with their results that are still to be sent, the oldest first."""
        folders = sorted((self.folder / "results").iterdir(), key=_time_of)
        return [(folder.name, sorted(folder.iterdir())) for folder in folders]

    def sent(self, key: str) -> None:
        """All results of a film were sent: only its key is kept, for a day."""
        (self.folder / "done" / key).touch()
        shutil.rmtree(self.folder / "results" / key)

    def forget(self) -> None:
        """Delete the keys of films that were done a day ago."""
        oldest = time.time() - REMEMBERED
        for mark in (self.folder / "done").iterdir():
            if _time_of(mark) < oldest:
                mark.unlink(missing_ok=True)

    def _known(self, key: str) -> bool:
        places = (f"waiting/{key}.dcm", f"results/{key}", f"failed/{key}.dcm", f"done/{key}")
        return any((self.folder / place).exists() for place in places)

    def _recover(self) -> None:
        """Drop what was half made, and queue the films that were not read."""
        for name in ("incoming", "made"):
            for half in (self.folder / name).iterdir():
                shutil.rmtree(half) if half.is_dir() else half.unlink()
        for film in sorted((self.folder / "waiting").iterdir(), key=_time_of):
            key = film.stem
            if (self.folder / "results" / key).exists() or (self.folder / "done" / key).exists():
                self._forget_film(key)
            elif self._tries(key).exists() and self._tries(key).stat().st_size >= TRIES:
                log.error(
                    "film %s: the program ended %d times while it was read; it is kept in failed/", short(key), TRIES
                )
                self.fail(key, f"the program ended {TRIES} times while this film was read")
            else:
                self._coming.put(key)
        self.forget()
        self.changed.set()

    def _tries(self, key: str) -> Path:
        return self.folder / "tries" / key

    def _forget_film(self, key: str) -> None:
        self.film(key).unlink(missing_ok=True)
        self._tries(key).unlink(missing_ok=True)

    def _move(self, before: Path, after: Path) -> None:
        before.replace(after)
        if os.name != "nt":  # where a folder cannot be opened
            _sync(after.parent)


def short(key: str) -> str:
    """A film's key as the log shows it: nothing about the child can be found from it without the film."""
    return key[:_SHOWN]


def _write(path: Path, content: bytes) -> None:
    """Write a file to the disk itself; none is left where that fails."""
    try:
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
