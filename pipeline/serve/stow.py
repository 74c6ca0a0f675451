"""Endpoints for archives: STOW-RS (DICOM PS3.18, 10.5), whose instances are read and not stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ...data.child import Child
from ...data.errors import ChildError, FilmError, SexError
from ...data.remark import Remark, Verbatim
from ...data.source import Source, why_no_film
from .bodies import parts_of, received
from .described import problems
from .problems import Problem
from .readings import REFUSALS
from .service import Service, outcome

RELATED, DICOM, ANSWER = "multipart/related", "application/dicom", "application/dicom+json"
# Failure Reason (0008,1197), PS3.18 table I.2-2
NOT_UNDERSTOOD, NOT_SUPPORTED, NOT_PROCESSED, OTHER_STUDY = 0xC000, 0x0122, 0x0110, 0xA900
_OF_ALL = {
    "required": True,
    "content": {f'{RELATED}; type="{DICOM}"': {"schema": {"type": "string", "format": "binary"}}},
}


def router(service: Service) -> APIRouter:
    """The paths that take instances."""
    routes = APIRouter(tags=["DICOMweb"])
    answers: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {ANSWER: {"schema": {"type": "object"}}}}
        for status, text in ((200, "Every instance was read."), (202, "Some were read."), (409, "None was read."))
    }
    described = {
        "response_class": JSONResponse,
        "responses": answers | problems(*(kind for kind in REFUSALS if kind not in ("film", "sex", "child"))),
        "openapi_extra": {"requestBody": _OF_ALL},
    }

    @routes.post("/dicomweb/studies", **described)
    async def store(request: Request) -> JSONResponse:
        """Read films that an archive sends.

        The sex is what each states. An instance that was read is in ReferencedSOPSequence, with the place of its
        structured report as RetrieveURL; another in FailedSOPSequence with FailureReason, and with the reason in words
        as TextValue.
        """
        return await _stored(service, request, None)

    @routes.post("/dicomweb/studies/{study}", **described)
    async def store_in_study(request: Request, study: str) -> JSONResponse:
        """Read films of one study; those of another fail."""
        return await _stored(service, request, study)

    return routes


async def _stored(service: Service, request: Request, study: str | None) -> JSONResponse:
    settings, read, failed = service.settings, list[dict[str, Any]](), list[dict[str, Any]]()
    base = f"{str(request.base_url).rstrip('/')}{settings.prefix}"
    with service.place() as place:
        async with received(request, settings) as body:
            if (body.kind, body.options.get("type", DICOM).lower()) != (RELATED, DICOM):
                expected = Verbatim(f'{RELATED}; type="{DICOM}"')
                raise Problem("media-type", Remark("the body is no {expected}", expected=expected))
            parts = parts_of(body.content(), body.options.get("boundary", ""))
        if not 0 < len(parts) <= settings.max_films:
            n, most = len(parts), settings.max_films
            remark = Remark("the request has {n:,} instances, expected 1 to {most:,}; send it in parts", n=n, most=most)
            raise Problem("request", remark)
        place.hold()
        try:
            for part in parts:
                call = service.pool.put(lambda part=part: _read(service, part.content, study, base))
                reason, item = await outcome(call, request, settings.deadline)
                (failed if reason else read).append(item)
        finally:
            place.give_back()
    sequences = {"00081199": read, "00081198": failed}
    content = {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
    status = 200 if not failed else 202 if read else 409
    request.state.outcome = f"{len(read)} of {len(parts)} instances"
    return JSONResponse(content, status, media_type=ANSWER)


def _read(service: Service, content: bytes, study: str | None, base: str) -> tuple[int, dict[str, Any]]:
    """Read one instance: why it failed (0 if it did not), and its item of a sequence."""
    tags = _tags(content)
    item = {
        tag: {"vr": "UI", "Value": [str(tags.get(name))]}
        for tag, name in (("00081150", "SOPClassUID"), ("00081155", "SOPInstanceUID"))
        if tags is not None and tags.get(name)
    }

    def failed(reason: int, why: Remark) -> tuple[int, dict[str, Any]]:
        text = {"vr": "UT", "Value": [str(why)]}
        return reason, item | {"00081197": {"vr": "US", "Value": [reason]}, "0040A160": text}

    if tags is None:
        return failed(NOT_UNDERSTOOD, Remark("this is no DICOM that can be read"))
    if study is not None and tags.get("StudyInstanceUID") != study:
        return failed(OTHER_STUDY, Remark("the instance is of another study"))
    if no_film := why_no_film(Path("film"), io.BytesIO(content)):
        return failed(NOT_SUPPORTED, no_film)
    try:
        examination = service.examine(content, Child(), "stow")
    except (SexError, ChildError) as error:
        return failed(NOT_PROCESSED, error.remark)
    except FilmError as error:
        return failed(NOT_UNDERSTOOD, error.remark)
    url = f"{base}/v1/readings/{service.keep(examination)}/sr.dcm"
    return 0, item | {"00081190": {"vr": "UR", "Value": [url]}}


def _tags(content: bytes) -> Any:
    try:
        return Source("film", content).tags
    except FilmError:
        return None
