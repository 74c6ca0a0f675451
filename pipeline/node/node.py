"""The node: it receives films, reads them and sends the results, with one spool between these."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import _config

from ..dicom.objects import KINDS, Kind
from ..predict.bone_age import BoneAge
from .deliver import Delivery
from .destinations import Destination
from .peers import Sender
from .read import Work
from .receive import listen
from .spool import Spool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a node is reached and what it does.

    title, host, port: where it listens. senders: who may send. spool: its folder. kinds: of results. workers: films
    read at the same time, None for one a core. timeout: seconds that a silent peer is waited for.
    """

    title: str = "BONEAGE"
    host: str = "127.0.0.1"
    port: int = 11112
    senders: Sequence[Sender] = ()
    spool: Path = Path("boneage-spool")
    kinds: Sequence[Kind] = KINDS
    workers: int | None = None
    timeout: float = 60.0


@contextmanager
def node(settings: Settings, load: Callable[[], BoneAge], destination: Destination) -> Iterator[int]:
    """Run a node within the block, which is given the port that it listens at.

    load: gives the reader, before the node listens. At the end no more films are taken, those being read are finished,
    and all else waits in the spool for the next run. Raises what `load`, `Spool` and `listen` raise.
    """
    with warnings.catch_warnings():  # the caller's filters come back
        say_no_names()
        spool = Spool(settings.spool)
        try:
            work = Work(spool, load(), settings.kinds, settings.workers)
            server = listen(spool, settings.title, settings.host, settings.port, settings.senders, settings.timeout)
            delivery = Delivery(spool, destination)
            threads: tuple[threading.Thread, ...] = (work, delivery)
            try:
                for thread in threads:
                    thread.start()
                port = server.server_address[1]
                log.info("%s listens at %s:%d; results go to %s", settings.title, settings.host, port, destination)
                yield port
            finally:
                server.shutdown()
                spool.close()
                for thread in threads:
                    thread.join()
        finally:
            spool.release()


def say_no_names() -> None:
    """Keep what peers send out of every log, and files as they are on disk when they are sent.

    pynetdicom logs the identifiers of requests, and pydicom's warnings quote values, a patient's name included.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_SEND_CHUNKED_DATASET = True
    warnings.simplefilter("ignore")
