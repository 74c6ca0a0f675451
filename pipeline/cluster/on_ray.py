"""A cluster of Ray as the engine of a cohort: Ray Data's actors, a warm reader each, that are sent names of films."""

from __future__ import annotations

import logging
import os
import pickle
import re
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, cast

from ...data.errors import BoneAgeError, ClusterError, ConfigError, one_line
from ...data.text import counted
from ..predict.bone_age import BATCH
from .run import Engine, Part, Piece
from .worker import Settings, Worker

log = logging.getLogger(__name__)
ADDRESS = "ray://"
_CLIENT_PORT = 10001  # of a Ray client's server, where the address has none
_PORT = re.compile(r":(\d+)$")
_PATIENCE = 10  # seconds until a machine must have answered
_TRIES = 3  # that a worker is started again, and that films are read again whose worker died
_PER_WORKER = 16  # chunks that each worker gets at least, so that none waits long for the last
_MOST = 128  # films of a chunk for each core: some seconds, in which a message is nothing


def on_ray(address: str = "ray", cores: int = 1) -> Engine:
    """A cluster of Ray: one by its address, or a new one of this machine alone, which ends with the run.

    address: `ray` for the cluster that the environment variable RAY_ADDRESS names, or else a new one; ray://HOST:PORT
        for the one whose client server is there. cores: of each worker, which has as many threads.
    Raises ConfigError where Ray is not installed, and while it runs ClusterError where the cluster cannot be reached,
    or gives up.
    """
    if find_spec("ray") is None:
        raise ConfigError("--on needs ray, which is not installed; install it with: pip install 'boneage[ray]'")
    if address == "ray":
        address = os.environ.get("RAY_ADDRESS") or "local"

    @contextmanager
    def engine(settings: Settings) -> Iterator[Callable[[Sequence[Part]], Iterator[Piece]]]:
        with _joined(address):
            read = _pieces_by_client if address.startswith(ADDRESS) else _pieces
            yield lambda parts: _with_plain_errors(read(parts, settings, cores))

    return engine


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """Join the cluster, and leave it at the end; one that was started for this ends with it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import: nothing is sent
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        yield
        return
    if address.startswith(ADDRESS) and not _PORT.search(address):
        address += f":{_CLIENT_PORT}"
    try:
        _knock(address)
        own: Any = {"include_dashboard": False} if address == "local" else {}
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # of a connection: of every kind
        if address == "local":
            raise ClusterError(
                f"Ray cannot be started on this machine ({one_line(error)}); try again when it is less busy, or read "
                "without --on"
            ) from error
        raise ClusterError(
            f"{address}: the cluster cannot be reached ({one_line(error)}); check the address, that it runs, that it "
            "has the same versions of Python and Ray, and the token (RAY_AUTH_TOKEN)"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nothing answers: Ray would try for minutes."""
    if port := _PORT.search(address):
        host = address[: port.start()].removeprefix(ADDRESS).strip("[]")
        socket.create_connection((host, int(port[1])), timeout=_PATIENCE).close()


def _pieces(parts: Sequence[Part], settings: Settings, cores: int) -> Iterator[Piece]:
    """Read parts by actors of the cluster: pieces of them, as they are done."""
    import ray
    import ray.data

    workers = _room(cores)
    films = sum(len(part.films) for part in parts)
    size = min(max(-(-films // (workers * _PER_WORKER)), 1), _MOST * cores)
    size = -(-size // (BATCH * cores)) * BATCH * cores  # whole batches, as many for each thread
    films_of = list(_chunks(parts, size))
    workers = min(workers, len(films_of))
    log.debug("%d workers of %d cores read %d films in chunks of %d", workers, cores, films, size)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are told in one line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from 2.64 on the tries have another place
        # a block each, since Ray sends an actor a block at a time, and gives nothing back before its end; `from_items`
        # starts no process of its own, where `from_arrow` has the blocks looked at by one on each core
        blocks = ray.data.from_items(films_of, override_num_blocks=len(films_of))
        chunks = blocks.map_batches(
            _Actor,
            fn_constructor_args=(settings, cores),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
            num_cpus=cores,
            max_restarts=_TRIES,
            max_task_retries=_TRIES,
        )
    for block in chunks.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from _received(cast(Any, block).to_pylist())


def _pieces_by_client(parts: Sequence[Part], settings: Settings, cores: int) -> Iterator[Piece]:
    """The same for a client of the cluster, from where Ray Data cannot run: an actor there runs it."""
    import ray

    there: Any = ray.remote(num_cpus=0)(_There).remote(parts, settings, cores)
    while piece := cast("Piece | None", ray.get(there.next.remote())):
        yield piece


class _There:
    """The pieces that a client is given, one by one."""

    def __init__(self, parts: Sequence[Part], settings: Settings, cores: int) -> None:
        self._pieces = _pieces(parts, settings, cores)

    def next(self) -> Piece | None:
        return next(self._pieces, None)


def _with_plain_errors(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Pass pieces on, and tell in one line why the cluster gave up."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield from pieces
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        if isinstance(cause, BoneAgeError):
            raise cause from error
        raise ClusterError(
            f"the cluster gave up ({one_line(cause)}); see the logs of Ray, and go on with --resume"
        ) from error


def _room(cores: int) -> int:
    """How many workers of so many cores the cluster has room for."""
    import ray

    free = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if workers := sum(cpus // cores for cpus in free):
        return workers
    raise ClusterError(
        f"each worker is to have {counted(cores, 'core')}, but the machines of the cluster have at most "
        f"{max(free, default=0)}; give fewer --workers"
    )


def _chunks(parts: Iterable[Part], size: int) -> Iterator[dict[str, Any]]:
    """What is sent to actors: names of films, and what was given of them; pixels would fill the store of objects."""
    for part in parts:
        for start in range(0, len(part.films), size):
            films = pickle.dumps(part.films[start : start + size])
            yield {"part": part.number, "start": start, "films": films}


def _received(rows: Iterable[dict[str, Any]]) -> Iterator[Piece]:
    """Pieces from what actors sent back. Raises the error of one that refused."""
    for row in rows:
        read = pickle.loads(row["read"])
        if isinstance(read, BoneAgeError):
            raise read
        yield Piece(row["part"], row["start"], read)


class _Actor:
    """A worker in a process of Ray. What it refuses it sends back, since Ray would start it again for an error."""

    def __init__(self, settings: Settings, cores: int) -> None:
        try:
            self._read: Callable[[Any], Any] = Worker(settings, cores)
        except BoneAgeError as error:
            refusal = error
            self._read = lambda _: refusal

    def __call__(self, block: Any) -> Any:
        import pyarrow

        rows = block.to_pylist()
        read = [pickle.dumps(self._read(pickle.loads(row["films"]))) for row in rows]
        return pyarrow.table({"part": block["part"], "start": block["start"], "read": read})
