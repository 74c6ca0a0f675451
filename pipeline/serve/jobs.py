"""Endpoints for several films: a job, whose films are read one by one, and which a client polls."""

from __future__ import annotations

import functools
import io
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from ...data.child import Child
from ...data.errors import as_film_error
from ...data.remark import Remark
from ...data.source import why_no_film
from ..examination import Examination
from ..reading import Reading
from .answers import JobAnswer
from .asked import RAW, asked_for
from .bodies import Body, received
from .described import film_request, problems
from .packed import Later, unpacked
from .pool import Place
from .problems import Problem
from .readings import REFUSALS
from .results import Id, as_answer
from .service import Service, outcome

_BODIES = (*RAW, "application/zip", "application/x-zip-compressed")
State = Literal["running", "done", "expired", "cancelled"]


class Job:
    """Films that are read one after the other, in one place of the queue."""

    def __init__(self, service: Service, films: Sequence[Later], child: Child) -> None:
        """Nothing is read before `begin`."""
        self._service, self._films, self._child = service, list(films), child
        self.names = [film.name for film in films]
        self.state: State = "running"
        self.readings: list[dict[str, Any]] = []
        self.left_out: Counter[str] = Counter()
        self.id = ""
        self._until = time.monotonic() + service.settings.deadline * len(films)

    def begin(self, place: Place) -> None:
        """Begin to read; the place is held until all films are read."""
        place.hold()
        self._go_on(place)

    def cancel(self) -> None:
        """Read no further film."""
        if self.state == "running":
            self.state = "cancelled"

    @property
    def done(self) -> int:
        """How many films have been read, or left out."""
        return len(self.readings) + self.left_out.total()

    def _go_on(self, place: Place) -> None:
        if self.state == "running" and not self._films:
            self.state = "done"
        if self.state == "running" and time.monotonic() > self._until:
            self.state = "expired"
        if self.state != "running":
            self._films.clear()
            place.give_back()
            return
        future = self._service.pool.put(functools.partial(self._read, self._films.pop(0), self.done + 1))
        future.add_done_callback(lambda done: place.give_back() if done.cancelled() else self._go_on(place))

    def _read(self, film: Later, number: int) -> None:
        """Read a film; one that cannot be read has its reading of status `failed`."""
        name, settings = f"film {number}", self._service.settings
        self._service.jobs.renew(self.id)
        try:
            content = film.content()
            no_film = why_no_film(Path(film.name), io.BytesIO(content)) if content else None
            if no_film:
                self.left_out[str(no_film)] += 1
                return
            examination = self._service.examine(content, self._child, "job", name)
            self.readings.append(as_answer(examination, self._service.keep(examination), settings.prefix))
        except Exception as error:  # the other films go on, whatever it is
            failure = as_film_error(name, error)
            failed = Reading(name, "failed", (failure.remark,), sex=self._child.sex)
            self.readings.append(as_answer(Examination(failed, error=failure), None, settings.prefix))


def router(service: Service) -> APIRouter:
    """The paths of jobs."""
    routes = APIRouter(tags=["jobs"])
    refusals = tuple(kind for kind in REFUSALS if kind != "film")

    @routes.post(
        "/v1/jobs",
        status_code=202,
        response_model=JobAnswer,
        responses=problems(*refusals),
        openapi_extra=film_request(_BODIES, several=True),
    )
    async def start(request: Request, response: Response) -> dict[str, Any]:
        """Read several films of one child, or a zipped study; what is given of the child holds for all of them.

        Location says where to ask after the job. What is no film (reports, other modalities) is left out and counted.
        """
        query = request.query_params.multi_items()
        with service.place() as place:
            async with received(request, service.settings) as body:
                opening = service.pool.put(lambda: _opened(service, body, query))
                job = await outcome(opening, request, service.settings.deadline)
            job.id = service.jobs.add(job, 1)
            job.begin(place)
        response.headers["Location"] = f"{service.settings.prefix}/v1/jobs/{job.id}"
        return _as_answer(job)

    @routes.get("/v1/jobs/{id}", response_model=JobAnswer, responses=problems("not-found"))
    async def progress(id: Id) -> dict[str, Any]:
        """State and progress of a job, and the readings that there are."""
        return _as_answer(_kept(service, id))

    @routes.delete("/v1/jobs/{id}", status_code=204, responses=problems("not-found"))
    async def cancel(id: Id) -> None:
        """Read no further film of a job, and forget it with its readings."""
        job = _kept(service, id)
        job.cancel()
        service.jobs.drop(id)
        for reading in job.readings:
            service.kept.drop(reading["id"] or "")

    return routes


def _opened(service: Service, body: Body, query: Sequence[tuple[str, str]]) -> Job:
    most = service.settings.max_films
    sent, child = asked_for(body, query, _BODIES)
    films = [film for each in sent for film in unpacked(each, most)]
    if not films or len(films) > most:
        remark = Remark("the job has {n:,} files, expected 1 to {most:,}; send it in parts", n=len(films), most=most)
        raise Problem("request", remark)
    return Job(service, films, child)


def _kept(service: Service, id: str) -> Job:
    job = service.jobs.get(id)
    if job is None:
        minutes = service.settings.keep / 60
        remark = Remark("there is no such job; one is kept for {minutes:g} minutes after its end", minutes=minutes)
        raise Problem("not-found", remark)
    return job


def _as_answer(job: Job) -> dict[str, Any]:
    names = {"id": job.id, "state": job.state, "films": len(job.names), "done": job.done, "sent": job.names}
    return names | {"left_out": dict(job.left_out), "readings": list(job.readings)}
