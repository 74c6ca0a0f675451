"""The OpenAPI description: what FastAPI makes of the types, with problems, bodies and the token as they are."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from .answers import ProblemAnswer
from .asked import FACTS, FORM, RAW
from .problems import KINDS

PROBLEM = "application/problem+json"
_BINARY = {"type": "string", "format": "binary"}


def problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The responses of a path that may end in these kinds of problems, and in those of every path."""
    by_status: dict[int | str, list[str]] = {}
    for kind in (*kinds, "unauthorized", "internal"):
        by_status.setdefault(KINDS[kind][0], []).append(kind)
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    return {
        status: {"description": ", ".join(f"{kind}: {KINDS[kind][1]}" for kind in of_status), "content": content}
        for status, of_status in by_status.items()
    } | ({} if 422 in by_status else {422: {"description": "not used"}})


def film_request(raw: tuple[str, ...] = RAW, *, several: bool = False) -> dict[str, Any]:
    """A request with a film, or `several`, and what is given of the child in the form's fields or in the query."""
    fields: dict[str, Any] = {name: {"type": "string", "description": text} for name, (*_, text) in FACTS.items()}
    film = {"type": "array", "items": _BINARY} if several else _BINARY
    form = {"type": "object", "properties": {"film": film} | fields, "required": ["film"]}
    body = {"required": True, "content": {FORM: {"schema": form}} | {kind: {"schema": _BINARY} for kind in raw}}
    query = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": text}
        for name, (*_, text) in FACTS.items()
    ]
    return {"parameters": query, "requestBody": body}


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an application, made once."""
    if app.openapi_schema is None:
        made = FastAPI.openapi(app)
        for path in made["paths"].values():
            for operation in path.values():
                responses = operation["responses"].items()
                operation["responses"] = {status: of for status, of in responses if of["description"] != "not used"}
        parts = made.setdefault("components", {})
        for name in ("HTTPValidationError", "ValidationError"):
            parts.get("schemas", {}).pop(name, None)
        parts.setdefault("schemas", {})["ProblemAnswer"] = ProblemAnswer.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{}, {"token": []}]
        app.openapi_schema = made
    return app.openapi_schema
