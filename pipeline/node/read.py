"""Read each film of the spool, and write its results, which are to be sent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ...data.errors import FilmError, as_film_error, one_line
from ...data.remark import Remark, joined
from ...data.source import Source, open_source
from ..dicom.objects import Kind, as_dicom
from ..examination import Examination
from ..predict.bone_age import BoneAge
from ..predict.parallel import ahead, cores
from .spool import Spool, short

log = logging.getLogger(__name__)

RETRY = 10.0  # seconds after which a result that could not be written is tried again


class Work(threading.Thread):
    """A thread that has the films of a spool read by `workers` others until the spool is closed."""

    def __init__(self, spool: Spool, bone_age: BoneAge, kinds: Sequence[Kind], workers: int | None = None) -> None:
        """`kinds`: of the results. `workers`: films read at the same time, by default one for each core."""
        super().__init__(name="films", daemon=True)
        self.spool, self.bone_age, self.kinds, self.workers = spool, bone_age, kinds, workers or cores()

    def run(self) -> None:
        """Read until the spool is closed."""
        for _ in ahead(self._one, self.spool.coming(), self.workers):
            pass

    def _one(self, key: str) -> None:
        """Read a film, again and again where its results cannot be written: the disk may be full for a while."""
        while not self.spool.closed.is_set():
            try:
                if self.spool.film(key).exists():
                    self._read(key)
                else:
                    log.warning("film %s: is no longer in the spool", short(key))
                return
            except (OSError, MemoryError) as error:
                log.error("film %s: its results cannot be written (%s); tried again", short(key), one_line(error))
                self.spool.closed.wait(RETRY)

    def _read(self, key: str) -> None:
        began = time.monotonic()
        film = _opened(self.spool.film(key))
        if (
            isinstance(film, Source) and film.no_film
        ):  # also a result that a routing rule sent back, which must not loop
            log.info("film %s: is no film (%s), no result", short(key), film.no_film.outline)
            self.spool.drop(key)
            return
        made = self.spool.begin(key)
        (examination,) = self.bone_age.examine_batch([(film, None)])
        reading = examination.reading
        faults = [] if examination.error else self._write(examination, made)
        written = sorted(path.stem for path in made.iterdir())
        took = 1000 * (time.monotonic() - began)
        if written:
            self.spool.read(key, made)
        else:
            self.spool.fail(key, joined((*reading.reasons, *faults)))
        # causes without their values, which may be a patient's
        causes = "; ".join(dict.fromkeys(remark.outline for remark in (*reading.reasons, *faults)))
        about = f"; {causes}" if causes else ""
        what = ", ".join(written) if written else "no result, kept in failed/"
        log.info("film %s: %s, %s, %.0f ms%s", short(key), reading.status, what, took, about)

    def _write(self, examination: Examination, made: Path) -> list[Remark]:
        """Write each result; why, for those that cannot be made of this film."""
        faults = []
        for kind in self.kinds:
            try:
                content = as_dicom(examination, kind)
            except BaseException as error:  # panics of native code, too
                faults.append(_remark_of(error, examination.reading.file))
                continue
            self.spool.add(made, f"{kind}.dcm", content)
        return faults


def _opened(path: Path) -> Source | Path:
    """A film's file, opened; its path if it cannot be opened, since reading it will say why."""
    try:
        return open_source(path, found=True)
    except FilmError:
        return path


def _remark_of(error: BaseException, film: str) -> Remark:
    """Why a result cannot be made. Raises what is no fault of the film."""
    if isinstance(error, (OSError, MemoryError)) and not isinstance(error, FilmError):
        raise error
    return as_film_error(film, error).remark
