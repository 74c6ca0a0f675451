"""Run the service until it is stopped."""

from __future__ import annotations

import json
import logging
import os
import socket
import warnings
from collections.abc import Callable

import uvicorn

from ...data.errors import WeightsError, unheard
from ..predict.bone_age import BoneAge
from ..predict.parallel import affinity, cores
from .app import application, endpoints
from .described import describe
from .service import Service
from .settings import Settings

log = logging.getLogger("boneage.serve")
_QUOTING = ("pydicom", "highdicom", "python_multipart", "PIL", "fontTools", "fpdf")


def serve(settings: Settings, load: Callable[[], BoneAge], said: Callable[[str], None]) -> None:
    """Serve until a signal comes. `said` is given the address once the service listens.

    Raises WeightsError where the model cannot be used, OutputError where the address cannot be had.
    """
    check_address(settings.host, settings.port)
    no_quotes()
    if cores() < affinity():  # the engine would count the processors, not the share of a container
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    service = Service(settings, load)
    config = uvicorn.Config(
        application(service),
        settings.host,
        settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=max(round(settings.keep_alive), 1),
        timeout_graceful_shutdown=max(round(settings.stop_timeout), 1),
    )
    server = Server(config, said)

    def failed() -> None:
        server.should_exit = True

    service.begin(failed)
    server.run()
    if service.failure:
        raise WeightsError(f"the model cannot be used: {service.failure}")


def check_address(host: str, port: int) -> None:
    """Raise OutputError for an address that cannot be had; uvicorn would end the program without a message."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise unheard(host, port, error) from error


def no_quotes() -> None:
    """Silence libraries whose warnings and logs quote what they read, at whatever level the rest is logged."""
    warnings.simplefilter("ignore")
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def description(load: Callable[[], BoneAge]) -> str:
    """The OpenAPI description as JSON."""
    return json.dumps(describe(endpoints(Service(Settings(), load))), indent=1)


class Server(uvicorn.Server):
    """A server that says where it listens."""

    def __init__(self, config: uvicorn.Config, said: Callable[[str], None]) -> None:
        super().__init__(config)
        self._said = said

    async def startup(self, sockets: list | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._said(f"http://{f'[{host}]' if ':' in host else host}:{port}{self.config.root_path}/")
