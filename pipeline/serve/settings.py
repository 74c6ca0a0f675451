"""Settings of the service, and how they are read from options."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...data.errors import ConfigError

LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
LEAST_TOKEN = 16  # characters: what cannot be tried out
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Settings:
    """Settings of a service; times in seconds, sizes in bytes.

    host, port: where it listens; port 0 is one that is free. prefix: the path below which a proxy shows the service.
    hosts: names under which it may be called without a token, beside its own.
    token: what every request must carry; None asks for none. open_to_all: no token, and not on this machine alone.
    workers: threads that read. queue: requests that wait, beside those that are read.
    max_upload: of one request's body. max_films: of one job. spool: a folder that holds bodies while they wait, as
        files without a name; None holds them in memory.
    deadline: of a reading, from its upload's end. upload_timeout: of an upload. keep_alive: of an idle connection.
    stop_timeout: for what is under way when the service is stopped.
    keep, keep_bytes: how long, and how much of, results are kept in memory to be fetched.
    page: whether the page is served. hand: what is read of a film of two hands.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    prefix: str = ""
    hosts: tuple[str, ...] = ()
    token: str | None = None
    open_to_all: bool = False
    workers: int = 1
    queue: int = 32
    max_upload: int = 64 * 2**20
    max_films: int = 200
    spool: Path | None = None
    deadline: float = 60.0
    upload_timeout: float = 60.0
    keep_alive: float = 5.0
    stop_timeout: float = 10.0
    keep: float = 900.0
    keep_bytes: int = 512 * 2**20
    page: bool = True
    hand: Literal["left", "right"] = "left"

    def __post_init__(self) -> None:
        """Raise ConfigError for a service that would be open to others without a token, or could hold no upload."""
        if self.host not in LOOPBACK and self.token is None and not self.open_to_all:
            raise ConfigError(
                f"--host is {self.host}, which others can reach, and there is no token; give --token-file FILE, or "
                "--no-auth where a proxy in front admits who may come"
            )
        if self.spool is not None and not self.spool.is_dir():
            raise ConfigError(f"--spool: {self.spool} is no folder; make it, or give another")
        if self.spool is not None and not os.access(self.spool, os.W_OK | os.X_OK):
            raise ConfigError(f"--spool: {self.spool} may not be written; check its permissions, or give another")
        if self.prefix and not re.fullmatch(r"(/[\w.-]+)+", self.prefix):
            raise ConfigError(f"--prefix is {self.prefix!r}, expected a path such as /boneage")


def read_token(file: Path) -> str:
    """The token in the first line of a file. Raises ConfigError where there is none, or a short one."""
    try:
        token = next(iter(file.read_text("utf-8").splitlines()), "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: no token can be read ({error}); check the path") from error
    if len(token) < LEAST_TOKEN or not token.isascii() or " " in token:
        raise ConfigError(
            f"{file}: its first line is no token, expected at least {LEAST_TOKEN} letters and digits; make one with: "
            "openssl rand -hex 32"
        )
    return token


def parse_bytes(text: str, where: str) -> int:
    """A size such as 64MiB, 100MB or 5000000 in bytes; `where` names the option. Raises ConfigError for others."""
    match = re.fullmatch(r"(\d{1,15})\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in _UNITS or not int(match[1]):
        raise ConfigError(f"{where} is {text!r}, expected a size such as 64MiB or 100MB")
    return int(match[1]) * _UNITS[match[2]]
