"""The endpoint for one film: it is read at once, and the answer has the fields of `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from ...data.remark import Remark, Verbatim
from ..examination import Examination
from .answers import ReadingAnswer
from .asked import asked_for
from .bodies import Body, received
from .described import film_request, problems
from .problems import Problem
from .results import as_answer
from .service import Service, outcome

_JOBS = Verbatim("/v1/jobs")
REFUSALS = (
    *("request", "upload-too-slow", "too-large", "media-type", "film", "sex", "child"),
    *("queue-full", "not-ready", "deadline"),
)


def router(service: Service) -> APIRouter:
    """The path that reads a film."""
    routes = APIRouter(tags=["readings"])

    @routes.post(
        "/v1/readings", response_model=ReadingAnswer, responses=problems(*REFUSALS), openapi_extra=film_request()
    )
    async def read_film(request: Request) -> dict[str, Any]:
        """Read bone age from one film.

        A picture that is no whole hand is an answer too, of status `rejected`. The fields of a form go in the query
        where the body is the film itself.
        """
        query = request.query_params.multi_items()
        with service.place() as place:
            async with received(request, service.settings) as body:
                future = place.put(lambda: _examined(service, body, query))
                examination = await outcome(future, request, service.settings.deadline)
        request.state.outcome = examination.reading.status
        request.state.film = service.film_hash(examination)
        return as_answer(examination, service.keep(examination), service.settings.prefix)

    return routes


def _examined(service: Service, body: Body, query: Sequence[tuple[str, str]]) -> Examination:
    sent, child = asked_for(body, query)
    if len(sent) != 1:
        remark = Remark("the form has {n} films, expected one; send several to {jobs}", n=len(sent), jobs=_JOBS)
        raise Problem("request", remark)
    return service.examine(sent[0].content, child, "rest")
