"""The service under load, on this machine's loopback: readings a second and what each waits, memory, a full queue.

The service is a process of its own, `boneage serve`; the clients are threads here, each with one connection.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from boneage.pipeline.predict.parallel import cores

from .clock import Sample
from .films import SEX, folder_of
from .folder import rate_of
from .report import Bar, Findings, Table, short
from .setting import Setting

CLIENTS = (1, 4, 16)
ROUNDS, READINGS = 3, 64
WARM, MANY = 200, 2000  # requests before memory is looked at, and at which it is looked at again
KEPT = "32MiB"  # of results: used up by the warm-up already

OF_LIBRARY = 0.9  # of the films a second that the library reads on all cores
FLAT = 1.05  # of the memory at WARM that MANY may take
PATH = f"/v1/readings?sex={SEX}"


@dataclass(frozen=True)
class Load:
    """What some clients got: each answer's status and seconds, and the seconds of all together."""

    answers: Sequence[tuple[int, float]]
    taken: float

    @property
    def rate(self) -> float:
        """Readings a second."""
        return sum(status == 200 for status, _ in self.answers) / self.taken

    def waited(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        times = sorted(seconds for _, seconds in self.answers)
        return 1000 * times[min(int(share * len(times)), len(times) - 1)]


def measure(setting: Setting) -> Findings:
    """Every bundle under growing load beside the library; the bundle fast over many requests and with a full queue."""
    from boneage.weights.bundle import shipped_bundles

    films = [path.read_bytes() for path in setting.films]
    rows, bars = [], []
    for bundle in shipped_bundles():
        more, bar = _loads(setting, bundle, films)
        rows += more
        bars.append(bar)
    note = "Clients send their next film when the last is answered; the library reads a folder of the same films."
    table = Table("the service under load", "readings/s", rows, ("median wait, ms", "95 % within, ms"), note)
    return Findings([table], [*bars, _memory(setting, "fast", films), _full("fast", films)])


def _loads(
    setting: Setting, bundle: str, films: Sequence[bytes]
) -> tuple[list[tuple[str, Sample, tuple[str, ...]]], Bar]:
    """The rows of a bundle, and what it is held to. Service and library take turns."""
    number = 8 if setting.quick else READINGS
    folder = folder_of(setting.films, number, setting.folder / f"served-{bundle}")
    got: dict[int, list[Load]] = {clients: [] for clients in CLIENTS}
    library: list[float] = []
    for _ in range(setting.rounds(ROUNDS)):
        with serving(bundle) as (address, _pid):
            for clients in CLIENTS:
                got[clients].append(load(address, films, clients, number))
        library.append(rate_of(folder, bundle, cores()))
    rows = []
    for clients, loads in got.items():
        waits = tuple(short(statistics.median(one.waited(share) for one in loads)) for share in (0.5, 0.95))
        rows.append((f"{bundle}, {clients} clients", Sample(tuple(one.rate for one in loads)), waits))
    rows.append((f"{bundle}, library", Sample(tuple(library)), ("", "")))
    share = rows[-2][1].over(rows[-1][1])
    asked = f"service, {bundle}: at least {OF_LIBRARY:.0%} of the library's films a second, {CLIENTS[-1]} clients"
    return rows, Bar(asked, f"{share:.0%}", share >= OF_LIBRARY)


def _memory(setting: Setting, bundle: str, films: Sequence[bytes]) -> Bar:
    warm, many = (10, 40) if setting.quick else (WARM, MANY)
    with serving(bundle, "--keep-bytes", KEPT) as (address, pid):
        load(address, films, 4, warm)
        before = memory_of(pid)
        load(address, films, 4, many - warm)
        grown = memory_of(pid) / before
    asked = f"service, {bundle}: memory flat from {warm:,} to {many:,} requests (at most {FLAT})"
    return Bar(asked, f"{grown:.2f} x of {before:,.0f} MB", grown <= FLAT)


def _full(bundle: str, films: Sequence[bytes]) -> Bar:
    with serving(bundle, "--queue", "2") as (address, _):
        statuses = [status for status, _ in load(address, films, 16, 32).answers]
        after = load(address, films, 1, 2)
    refused, read = statuses.count(429), statuses.count(200)
    right = refused > 0 and refused + read == len(statuses) and [status for status, _ in after.answers] == [200, 200]
    asked = f"service, {bundle}: with 2 places in the queue and 16 clients, 200 or 429 alone, and 200 afterwards"
    return Bar(asked, f"{read} x 200, {refused} x 429", right)


@contextmanager
def serving(bundle: str, *options: str) -> Iterator[tuple[str, int]]:
    """A service on a free port that has read its first film: its address without the scheme, and its process."""
    command = [sys.executable, "-m", "boneage", "serve", "--port", "0", "--weights", bundle, "--no-page", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stderr is not None
    try:
        lines = islice(process.stderr, 20)
        address = next(line for line in lines if "http://" in line).split("http://")[1].strip().rstrip("/")
        with ThreadPoolExecutor(1) as drain:  # a pipe that is full would stop the service
            drain.submit(process.stderr.read)
            _until_ready(address)
            yield address, process.pid
            process.terminate()
    finally:
        process.kill()
        process.wait()


def _until_ready(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/readyz")
        if connection.getresponse().status == 200:
            return
        time.sleep(0.1)
    raise RuntimeError("the service did not become ready")


def load(address: str, films: Sequence[bytes], clients: int, number: int) -> Load:
    """Let `clients` send `number` films together, each the next when its last is answered."""
    shares = [range(client, number, clients) for client in range(clients)]

    def one(share: range) -> list[tuple[int, float]]:
        connection = http.client.HTTPConnection(address, timeout=120)
        answers = []
        for turn in share:
            start = time.perf_counter()
            connection.request("POST", PATH, films[turn % len(films)], {"Content-Type": "image/png"})
            answer = connection.getresponse()
            status, content = answer.status, json.loads(answer.read())
            answers.append((status, time.perf_counter() - start))
            assert status != 200 or content["bone_age_months"]
        return answers

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = [answer for of_client in pool.map(one, shares) for answer in of_client]
    return Load(answers, time.perf_counter() - start)


def memory_of(pid: int) -> float:
    """What a process holds now, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6
