"""The service as one ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from ...data.remark import Remark, Verbatim
from . import health, jobs, page, readings, results, stow
from .described import describe
from .guard import Guard
from .problems import ClientGone, Problem, answer
from .service import Service

_GONE = 499  # what others, too, log for a client that went away; nobody receives it
_FORGET = 10.0  # seconds between looks at what is kept too long


def application(service: Service) -> ASGIApp:
    """The application of a service, whose model `Service.begin` loads."""
    return Guard(endpoints(service), service.settings, service.metrics)


def endpoints(service: Service) -> FastAPI:
    """The paths, without what `Guard` does for each."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(_forget(service))
        yield
        forgetting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await forgetting
        service.stop()

    app = FastAPI(
        title="boneage",
        version=version("boneage"),
        summary="Bone age from radiographs of children's hands. For research; not a medical device.",
        docs_url=None,  # it fetches scripts from elsewhere
        redoc_url=None,
        lifespan=running,
        redirect_slashes=False,
    )
    app.openapi = lambda: describe(app)
    for module in (readings, results, jobs, stow, health, *((page,) if service.settings.page else ())):
        app.include_router(module.router(service))
    _answer_errors(app, service)
    return app


async def _forget(service: Service) -> None:
    while True:
        await asyncio.sleep(_FORGET)
        service.kept.forget()
        service.jobs.forget()


def _answer_errors(app: FastAPI, service: Service) -> None:
    """Answer every error as a problem."""

    async def answered(request: Request, problem: Any) -> Response:
        service.metrics.refused(problem.kind)
        request.state.outcome = problem.kind
        return answer(problem, request)

    async def unknown(request: Request, error: Any) -> Response:
        problem = Problem("not-found", Remark("there is nothing at this path"))
        if error.status_code == 405:
            problem = Problem("method", Remark("this path knows other methods alone"), error.headers)
        return await answered(request, problem)

    async def invalid(request: Request, error: Any) -> Response:
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return await answered(request, Problem("not-found", Remark("there is nothing at this path")))
        name, fault = Verbatim(str(first["loc"][-1])), Verbatim(first["msg"])
        remark = Remark("the parameter {name}: {fault}", name=name, fault=fault)
        return await answered(request, Problem("request", remark))

    async def gone(_: Request, __: Any) -> Response:
        return Response(status_code=_GONE)

    async def failed(request: Request, _: Any) -> Response:
        remark = Remark("the service failed at this request; tell whoever runs it the request id")
        return await answered(request, Problem("internal", remark))

    app.add_exception_handler(Problem, answered)
    app.add_exception_handler(ClientGone, gone)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, failed)
