"""What holds for every request: who may ask, headers of every answer, errors as problems, one line in the log."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...data.remark import Remark, Verbatim
from .metrics import Metrics
from .problems import Problem, answer
from .settings import LOOPBACK, Settings

log = logging.getLogger("boneage.serve")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OPEN = ("/", "/healthz", "/readyz")  # paths that need no token: they say nothing about anyone
STATIC = "/static/"
_METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")


class Guard:
    """An ASGI application around that of the service."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._names = {*LOOPBACK, settings.host, *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["id"] = secrets.token_hex(6)
        began, status = time.monotonic(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS | {"X-Request-ID": scope["state"]["id"]})
            await send(message)

        try:
            self._admit(scope)
            await self._app(scope, receive, sent)
        except Problem as problem:
            self._metrics.refused(problem.kind)
            await answer(problem, Request(scope))(scope, receive, sent)
        except Exception as error:  # answered already, by `app.failed`
            log.error("%s %s at %s", scope["state"]["id"], type(error).__name__, " < ".join(_places(error)))
        finally:
            _log(scope, status, time.monotonic() - began)

    def _admit(self, scope: Scope) -> None:
        """Raise Problem for a request that may not be made."""
        headers, token = Headers(scope=scope), self._settings.token
        if token is None and not self._settings.open_to_all and _name(headers.get("host", "")) not in self._names:
            remark = Remark(  # a page from elsewhere could have its own name lead here
                "the service is called by a name that is not its own; call it as {names}, or give --allow-host",
                names=Verbatim(", ".join(sorted(self._names))),
            )
            raise Problem("host", remark)
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin and _host_of(origin) != headers.get("host", ""):
            remark = Remark("the request comes from a page of another site; open the service's own page")
            raise Problem("origin", remark)
        path = scope["path"]
        if token is None or path in OPEN or path.startswith(STATIC):
            return
        given = headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not secrets.compare_digest(given, f"Bearer {token}".encode()):
            remark = Remark("a token is needed; send the header {header}", header=Verbatim("Authorization: Bearer"))
            raise Problem("unauthorized", remark, {"WWW-Authenticate": "Bearer"})


def _host_of(origin: str) -> str | None:
    """Host and port of an Origin; None for what is no URL."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0].lower()


def _places(error: BaseException) -> Iterator[str]:
    """Where an error was raised, the innermost first; without its message, which may quote a film."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)[-4:]):
        yield f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"


def _log(scope: Scope, status: int, seconds: float) -> None:
    """One line: no path as it was asked for, no query, no name."""
    state, route = scope["state"], scope.get("route")
    method = scope["method"] if scope["method"] in _METHODS else "?"
    path = getattr(route, "path", "-")
    line = "%s %s %s %d %s film %s %.0f ms"
    log.info(line, state["id"], method, path, status, state.get("outcome", "-"), state.get("film", "-"), seconds * 1000)
