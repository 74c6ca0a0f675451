"""Send results until they are accepted; while a peer is away or refuses one, they wait in the spool."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from .destinations import Away, Destination
from .spool import Spool, short

log = logging.getLogger(__name__)

FIRST, LONGEST = 1.0, 60.0  # seconds until what was not taken is sent again; each pause is twice the one before
_HOUR = 3600.0


class Delivery(threading.Thread):
    """A thread that sends the results of a spool until the spool is closed."""

    def __init__(self, spool: Spool, destination: Destination, first: float = FIRST) -> None:
        super().__init__(name="results", daemon=True)
        self.spool, self.destination, self.first = spool, destination, first
        self._logged: set[str] = set()

    def run(self) -> None:
        """Send until the spool is closed."""
        pause = 0.0
        while not self.spool.closed.wait(pause):
            if not pause:
                self.spool.changed.wait(_HOUR)
            self.spool.changed.clear()
            self.spool.forget()
            pause = 0.0 if self._all_sent() else min(max(2 * pause, self.first), LONGEST)

    def _all_sent(self) -> bool:
        """Send what is there; whether nothing is left over."""
        left = False
        for key, files in self.spool.results():
            if self.spool.closed.is_set():
                return False
            try:
                refused = self._refused(key, files)
            except Away as error:
                self._tell(f"{self.destination}: nothing can be sent, {error}; results wait in the spool")
                return False
            except Exception as error:  # of a library, on one film's results: the others are sent
                self._tell(f"film {short(key)}: its results cannot be sent ({type(error).__name__}); tried again later")
                refused = True
            self._logged -= {line for line in self._logged if line.startswith(str(self.destination))}  # it is back
            left |= refused
            if not refused:
                self.spool.sent(key)
                log.info("film %s: sent to %s", short(key), self.destination)
        return not left

    def _refused(self, key: str, files: Sequence[Path]) -> bool:
        """Send the results of a film, and remove those that were taken; whether one was refused."""
        left = False
        for file, why in self.destination.send(key, files) if files else ():
            left |= bool(why)
            if why:
                self._tell(f"film {short(key)}: {file.stem} is refused by {self.destination} ({why}); sent again later")
            else:
                file.unlink()
        return left

    def _tell(self, line: str) -> None:
        """Warn once of what every try repeats."""
        if line not in self._logged:
            self._logged.add(line)
            log.warning("%s", line)
