"""What can be fetched of a reading while it is kept: pictures, reports and DICOM results, made when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from numpy.typing import NDArray
from PIL import Image

from ...data.remark import Remark
from ..dicom.objects import Kind, as_dicom
from ..examination import Examination
from ..fhir.bundle import fhir_bundle
from ..overlay import as_png, outlined, shown, shrunk
from ..report.heatmap import heat_map
from ..report.write import as_report
from .answers import ReadingAnswer
from .described import problems
from .problems import Problem
from .service import Service, outcome

Code = Literal["en", "de", "ko"]
Name = Literal[
    "film.png", "overlay.png", "heatmap.png", "report.pdf", "report.html", "sr.dcm", "sc.dcm", "seg.dcm", "fhir.json"
]
Id = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True)
class Wish:
    """How a result is to be: the language and whether it has the heat map, or the longer side of a picture."""

    language: Code = "en"
    heat_map: bool = True
    size: int | None = None


Make = Callable[[Examination, Wish], bytes]


def _picture(draw: Callable[[Examination], NDArray[np.uint8]]) -> Make:
    def make(examination: Examination, wish: Wish) -> bytes:
        picture = draw(examination)
        picture = shrunk(picture, wish.size) if wish.size else picture
        return as_png(Image.fromarray(picture), compress_level=3)

    return make


def _report(suffix: str) -> Make:
    return lambda examination, wish: as_report(examination, suffix, wish.language, heat_map=wish.heat_map)


def _dicom(kind: Kind) -> Make:
    return lambda examination, wish: as_dicom(examination, kind, heat_map=wish.heat_map and kind == "sc")


def _fhir(examination: Examination, wish: Wish) -> bytes:
    pdf = as_report(examination, ".pdf", wish.language, heat_map=wish.heat_map)
    return json.dumps(fhir_bundle(examination, pdf)).encode()


MADE: dict[str, tuple[str, Make]] = {  # name -> media type, and what makes it
    "film.png": ("image/png", _picture(lambda examination: shown(*examination.radiograph_and_hand()))),
    "overlay.png": ("image/png", _picture(lambda examination: outlined(*examination.radiograph_and_hand()))),
    "heatmap.png": ("image/png", _picture(heat_map)),
    "report.pdf": ("application/pdf", _report(".pdf")),
    "report.html": ("text/html; charset=utf-8", _report(".html")),
    "sr.dcm": ("application/dicom", _dicom("sr")),
    "sc.dcm": ("application/dicom", _dicom("sc")),
    "seg.dcm": ("application/dicom", _dicom("seg")),
    "fhir.json": ("application/fhir+json", _fhir),
}


def available(examination: Examination) -> list[str]:
    """The names of the results that there are of a film."""
    radiograph, hand = examination.radiograph, examination.hand
    if radiograph is None or hand is None:
        return []
    lacking = set() if radiograph.tags is not None else {"sr.dcm", "sc.dcm", "seg.dcm"}
    lacking |= set() if examination.reading.assessed else {"heatmap.png"}
    lacking |= set() if hand.mask is not None else {"seg.dcm"}
    return [name for name in MADE if name not in lacking]


def as_answer(examination: Examination, id: str | None, prefix: str) -> dict[str, Any]:
    """A reading as it is answered, the fields of ReadingAnswer."""
    paths = {name: f"{prefix}/v1/readings/{id}/{name}" for name in available(examination)} if id else {}
    return {"id": id, "results": paths} | examination.reading.to_dict()


def kept(service: Service, id: str) -> Examination:
    """The examination of a name. Raises Problem where it is not kept, or no longer."""
    examination = service.kept.get(id)
    if examination is None:
        minutes = service.settings.keep / 60
        remark = Remark("there is no such reading; one is kept for {minutes:g} minutes at most", minutes=minutes)
        raise Problem("not-found", remark)
    return examination


def router(service: Service) -> APIRouter:
    """The paths of readings that are kept."""
    routes = APIRouter(tags=["readings"])

    @routes.get("/v1/readings/{id}", response_model=ReadingAnswer, responses=problems("not-found"))
    async def reading(id: Id) -> dict[str, Any]:
        """The reading again."""
        return as_answer(kept(service, id), id, service.settings.prefix)

    @routes.delete("/v1/readings/{id}", status_code=204, responses=problems("not-found"))
    async def forget(id: Id) -> None:
        """Forget a reading, and its film, now."""
        kept(service, id)
        service.kept.drop(id)

    @routes.get(
        "/v1/readings/{id}/{name}",
        response_class=Response,
        responses={200: {"description": "The result.", "content": {kind: {} for kind, _ in MADE.values()}}}
        | problems("request", "not-found", "no-such-result", "queue-full", "deadline", "not-ready"),
    )
    async def result(
        request: Request,
        id: Id,
        name: Name,
        language: Annotated[Code, Query(description="Of a report.")] = "en",
        heatmap: Annotated[bool, Query(description="Show the heat map in a report, or beside a picture.")] = True,
        size: Annotated[int | None, Query(ge=16, le=4096, description="Longer side of a picture at most.")] = None,
    ) -> Response:
        """What is made of a film: pictures, reports, and, of a DICOM, DICOM results."""
        examination, (kind, make) = kept(service, id), MADE[name]
        wish = Wish(language, heatmap, size)
        with service.place() as place, service.metrics.timed("render"):
            content = await outcome(place.put(lambda: make(examination, wish)), request, service.settings.deadline)
        way = "inline" if name.endswith((".png", ".pdf")) else "attachment"
        return Response(content, media_type=kind, headers={"Content-Disposition": f'{way}; filename="bone-age-{name}"'})

    return routes
