"""What a request is refused with: problem details (RFC 9457) of a stable type, with the sentence the command prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ...data.errors import ChildError, FilmError, FilmOutputError, SexError
from ...data.remark import Remark
from ..report.language import LANGUAGES, Language

TYPE = "urn:boneage:problem:"
KINDS: Mapping[str, tuple[int, str]] = {  # name, which a type ends in -> status and title; neither ever changes
    "request": (400, "The request cannot be used"),
    "unauthorized": (401, "A token is needed"),
    "origin": (403, "The request comes from another site"),
    "not-found": (404, "There is nothing here"),
    "no-such-result": (404, "There is no such result of this film"),
    "method": (405, "This method is not allowed here"),
    "upload-too-slow": (408, "The upload takes too long"),
    "too-large": (413, "The upload is too large"),
    "media-type": (415, "This kind of content is not read"),
    "host": (421, "The service is not called by this name"),
    "film": (422, "The film cannot be read"),
    "sex": (422, "The sex of the child is missing or contradicts the film"),
    "child": (422, "What is given of the child cannot be used"),
    "queue-full": (429, "Too many readings are waiting"),
    "internal": (500, "The service failed"),
    "not-ready": (503, "The service is not ready"),
    "deadline": (503, "The reading takes too long"),
}


class Problem(Exception):
    """A request that is refused: `kind` is one of KINDS, `remark` says why and what to do."""

    def __init__(
        self, kind: str, remark: Remark, headers: Mapping[str, str] | None = None, field: str | None = None
    ) -> None:
        """`headers`: of the answer, beside its own. `field`: of the request, with which `remark` begins."""
        super().__init__(kind)
        self.kind, self.remark, self.headers, self.field = kind, remark, dict(headers or {}), field

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]


class ClientGone(Exception):
    """The client went away before its answer."""


def as_problem(error: FilmError, field: str | None = None) -> Problem:
    """The problem that a film's error is; `field`: as Problem's."""
    kinds = ((SexError, "sex"), (ChildError, "child"), (FilmOutputError, "no-such-result"))
    return Problem(next((kind for type_, kind in kinds if isinstance(error, type_)), "film"), error.remark, field=field)


def answer(problem: Problem, request: Request) -> JSONResponse:
    """A problem as its response, its sentence in the language that the request asks for."""
    status, title = KINDS[problem.kind]
    code = wanted_language(request.headers.get("accept-language", ""))
    detail = str(problem.remark) if code == "en" else Language(code).say(problem.remark)
    content: dict[str, Any] = {"type": TYPE + problem.kind, "title": title, "status": status, "detail": detail}
    content |= {"field": problem.field, "request_id": request.scope["state"]["id"]}
    headers = problem.headers | {"Content-Language": code}
    return JSONResponse(content, status, headers, media_type="application/problem+json")


def wanted_language(accepted: str) -> str:
    """The first language of an Accept-Language header that there is, by its weights; English where there is none."""
    weighed = []
    for number, part in enumerate(accepted[:200].split(",")):
        code, _, weight = part.strip().lower().partition(";q=")
        share = float(weight) if re.fullmatch(r"[01](\.\d{1,3})?", weight) else 1.0
        weighed.append((-share, number, code.split("-")[0]))
    return next((code for share, _, code in sorted(weighed) if share and code in LANGUAGES), "en")
