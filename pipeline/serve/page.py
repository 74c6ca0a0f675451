"""The page: a form for one film, and the card of its reading, in the language of the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from ...data.remark import Remark
from ..report.html import templates_in
from ..report.language import LANGUAGES, Language
from ..report.summary import summary_of
from .problems import Problem, wanted_language
from .results import available, kept
from .scale import scale_of
from .service import EXAMPLE, Service
from .words import card_words, page_words

HERE = Path(__file__).parent / "page"
STATIC = {  # name -> media type, file
    "page.css": ("text/css; charset=utf-8", HERE / "page.css"),
    "page.js": ("text/javascript; charset=utf-8", HERE / "page.js"),
    "icon.svg": ("image/svg+xml", HERE / "icon.svg"),
    "example.png": ("image/png", EXAMPLE),
}
TAKEN = (  # result, the word before its name, and its name
    ("report.pdf", "report", "PDF"),
    ("report.html", "report", "HTML"),
    ("", "", "JSON"),
    ("fhir.json", "", "FHIR"),
    ("sr.dcm", "", "DICOM SR"),
    ("sc.dcm", "", "DICOM SC"),
    ("seg.dcm", "", "DICOM SEG"),
)


def router(service: Service) -> APIRouter:
    """The paths of the page."""
    routes, templates = APIRouter(include_in_schema=False), templates_in(HERE)
    files = {name: (kind, file.read_bytes()) for name, (kind, file) in STATIC.items()}

    @routes.get("/")
    async def page(request: Request, language: str = "") -> HTMLResponse:
        code = _code(request, language)
        words = page_words(service.settings, Language(code))
        text = templates.get_template("page.html").render(w=words, code=code, languages=LANGUAGES)
        return HTMLResponse(text, headers={"Content-Language": code, "Vary": "Accept-Language"})

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in files:
            raise Problem("not-found", Remark("there is nothing at this path"))
        kind, content = files[name]
        return Response(content, headers={"Content-Type": kind})

    @routes.get("/page/card/{id}")
    async def card(request: Request, id: str, language: str = "") -> HTMLResponse:
        code = _code(request, language)
        return HTMLResponse(templates.get_template("card.html").render(_card(service, id, Language(code))))

    return routes


def _card(service: Service, id: str, language: Language) -> dict[str, Any]:
    """What the template of a card is filled with."""
    examination = kept(service, id)
    there, words = available(examination), card_words(language)
    taken = [
        (f"v1/readings/{id}/{name}".rstrip("/"), f"{words[word]} {kind}" if word else kind, name or "reading.json")
        for name, word, kind in TAKEN
        if not name or name in there
    ]
    pictures = [name for name in ("film", "outline", "heat") if name != "heat" or "heatmap.png" in there]
    return {
        "w": words,
        "summary": summary_of(examination, language),
        "scale": scale_of(examination.reading, examination.reference),
        "taken": taken,
        "pictures": pictures,
        "usual": words["usual_mean" if examination.reference.centred_on_mean else "usual"],
        "weights": examination.reading.weights,
        "version": examination.reading.boneage_version,
        "language": language.code,
        "id": id,
    }


def _code(request: Request, language: str) -> str:
    return language if language in LANGUAGES else wanted_language(request.headers.get("accept-language", ""))
