"""Endpoints for monitoring: alive, ready, version, figures."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from .answers import VersionAnswer
from .described import problems
from .metrics import KIND
from .service import Service


def router(service: Service) -> APIRouter:
    """The paths."""
    routes = APIRouter(tags=["service"])

    @routes.get("/healthz", responses=problems())
    async def alive() -> dict[str, str]:
        """Whether the process answers; no film is read for it."""
        return {"status": "ok"}

    @routes.get("/readyz", responses=problems("not-ready"))
    async def ready() -> dict[str, str]:
        """Whether films are read: the weights are loaded and have read one."""
        _ = service.bone_age
        return {"status": "ready"}

    @routes.get("/version", response_model=VersionAnswer, responses=problems())
    async def versions() -> dict[str, Any]:
        """Version of the program and its weights."""
        model, digest = (service.bone_age.model, service.bone_age.digest) if service.ready else (None, None)
        return {"boneage": version("boneage"), "model": model, "model_sha256": digest}

    @routes.get("/metrics", response_class=Response, responses=problems())
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), headers={"Content-Type": KIND})

    return routes
