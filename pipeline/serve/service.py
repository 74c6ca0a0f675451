"""The service without its endpoints: the model, the threads that run it, and the results kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from starlette.requests import Request

from ... import data
from ...data.child import Child
from ...data.errors import FilmError, one_line
from ...data.remark import Remark
from ...data.sex import Sex
from ...data.source import Source, as_source
from ..examination import Examination
from ..predict.bone_age import BoneAge
from .kept import Kept
from .metrics import Metrics
from .pool import Full, Place, Pool
from .problems import ClientGone, Problem, as_problem
from .settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")
EXAMPLE = Path(data.__file__).parent / "example" / "synthetic-hand.png"  # a drawn hand
_EXAMPLES_SEX: Sex = "F"
_JOBS = 1000  # that are kept at most, each with its readings
_SOON = 2  # seconds after which to ask again whether the service is ready
_PER_PIXEL = 12  # bytes of a kept result for each pixel of its film: grey levels as bytes and floats, mask, heat map


class Service:
    """A reader of films for many clients."""

    def __init__(self, settings: Settings, load: Callable[[], BoneAge]) -> None:
        """`load`: loads the model; it is called once, by `begin`."""
        self.settings, self._load = settings, load
        self._bone_age: BoneAge | None = None
        self.failure = ""  # why the model cannot be used
        self.pool = Pool(settings.workers, settings.queue)
        self.kept: Kept[Examination] = Kept(settings.keep, settings.keep_bytes)
        self.jobs: Kept[Any] = Kept(settings.keep, _JOBS)
        self.metrics = Metrics(lambda: self.pool.depth, lambda: len(self.kept))
        self.pool.waited = lambda seconds: self.metrics.took("wait", seconds)
        self._salt = secrets.token_bytes(16)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and has read its first film."""
        return self._bone_age is not None

    def begin(self, failed: Callable[[], None] = lambda: None) -> None:
        """Load the model and read the drawn example, in a thread; `failed` is called where that fails."""
        Thread(target=self._warm_up, args=(failed,), name="boneage-warm-up", daemon=True).start()

    def _warm_up(self, failed: Callable[[], None]) -> None:
        try:
            bone_age = self._load()
            bone_age.predict(Source("example", EXAMPLE.read_bytes()), _EXAMPLES_SEX)
            self.metrics.built(version("boneage"), bone_age.model, bone_age.digest or "")
            self._bone_age = bone_age
        except BaseException as error:  # panics of native code, too
            self.failure = one_line(error)
            log.error("the model cannot be used: %s", self.failure)
            failed()

    @property
    def bone_age(self) -> BoneAge:
        """The model. Raises Problem before it has read its first film."""
        if self._bone_age is None:
            remark = Remark("the weights are being loaded; ask again in some seconds")
            raise Problem("not-ready", remark, {"Retry-After": str(_SOON)})
        return self._bone_age

    def place(self) -> Place:
        """A place in the queue. Raises Problem where none is free, or the model is not loaded."""
        _ = self.bone_age
        try:
            return self.pool.place()
        except Full as full:
            remark = Remark("all places in the queue are taken; send the film again in {s} seconds", s=full.seconds)
            raise Problem("queue-full", remark, {"Retry-After": str(full.seconds)}) from None

    def examine(self, film: bytes, child: Child, route: str, name: str = "film") -> Examination:
        """Examine a film, in this thread, and count it. Raises FilmError for one that cannot be read."""
        stream = io.BytesIO(film)
        stream.name = name  # pyright: ignore[reportAttributeAccessIssue]
        with self.metrics.timed("read"):
            try:
                examination = self.bone_age.examine(as_source(stream), child=child)
            except FilmError:
                self.metrics.failed(route)
                raise
        self.metrics.read(examination.reading, route)
        return examination

    def keep(self, examination: Examination) -> str:
        """Keep a result to be fetched; its name, under which it is found for a while."""
        pixels = 0 if examination.radiograph is None else examination.radiograph.greys.size
        return self.kept.add(examination, pixels * _PER_PIXEL)

    def film_hash(self, examination: Examination) -> str:
        """What stands for a film in the log: a salted hash of its SOP Instance UID; "-" where it has none."""
        tags = examination.radiograph.tags if examination.radiograph else None
        uid = str(tags.get("SOPInstanceUID", "")) if tags is not None else ""
        return hashlib.blake2s(uid.encode(), key=self._salt, digest_size=6).hexdigest() if uid else "-"

    def stop(self) -> None:
        """Cancel what waits."""
        self.pool.stop()


async def outcome(future: Future[T], request: Request, seconds: float) -> T:
    """What a call into the pool returns. It is cancelled where the client goes, and after `seconds`.

    A call that has begun cannot be stopped: its thread is free again when it ends, and its result is dropped. Raises
    the Problem that a FilmError is, ClientGone, and the call's own errors.
    """
    work, gone = asyncio.wrap_future(future), asyncio.ensure_future(_gone(request))
    try:
        done, _ = await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            return work.result()
        work.cancel()
        if gone in done:
            raise ClientGone
        remark = Remark("there was no result after {seconds:g} seconds; send the film again later", seconds=seconds)
        raise Problem("deadline", remark, {"Retry-After": str(_SOON)})
    except FilmError as error:
        raise as_problem(error) from error
    except asyncio.CancelledError:  # the service is stopping
        work.cancel()
        raise Problem("not-ready", Remark("the service is being stopped; send the film to another")) from None
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone


async def _gone(request: Request) -> None:
    """Ends when the client has gone; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
