"""What a request asks for: a film and what is given of its child, from a form, or a raw body with query parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...data.child import Child, parse_age, parse_height, parse_parent, parse_pseudonym, parse_weight
from ...data.errors import FilmError
from ...data.remark import Remark, Verbatim
from ...data.sex import parse_sex
from ...data.side import parse_side
from .bodies import Body, parts_of
from .problems import Problem, as_problem

FORM = "multipart/form-data"
RAW = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/tiff",
    "image/bmp",
    "application/dicom",
    "application/octet-stream",
)
FACTS = {  # field of a request -> field of the Child, parser, and what the OpenAPI description says of it
    "sex": ("sex", parse_sex, "F or M, of every film; without it each DICOM has to state it."),
    "age": ("age", parse_age, "At the examination: 10y3m, 10.25y or 123mo."),
    "height": ("height_cm", parse_height, "At the examination: 140.5cm or 1.405m."),
    "weight": ("weight_kg", parse_weight, "At the examination: 32.5kg."),
    "mother": ("mother_cm", parse_parent, "Height of the mother: 165cm or 1.65m."),
    "father": ("father_cm", parse_parent, "Height of the father: 180cm or 1.80m."),
    "side": ("side", parse_side, "The hand that is shown: left or right."),
    "name": ("pseudonym", parse_pseudonym, "What reports call the child, such as a pseudonym."),
}
_LONGEST = 100  # characters of a field


@dataclass(frozen=True, eq=False)
class Sent:
    """One file that came, with the name that the client gives it, which is handed back to it and used for nothing."""

    content: bytes
    name: str = ""


def asked_for(body: Body, query: Iterable[tuple[str, str]], raw: tuple[str, ...] = RAW) -> tuple[list[Sent], Child]:
    """The files in a body, and the child that its fields and the query describe.

    raw: the kinds of bodies that are a file themselves. Raises Problem for other kinds, for fields that are not known
    or contradict each other, and for values that cannot be.
    """
    facts: dict[str, str] = {}
    for name, text in query:
        _add(facts, name, text)
    if body.kind == FORM:
        sent = []
        for part in parts_of(body.content(), body.options.get("boundary", "")):
            if (name := part.stated("name")) == "film":
                sent.append(Sent(part.content, part.stated("filename")))
            else:
                _add(facts, name, part.content[:_LONGEST].decode("utf-8", "replace"))
    elif body.kind in raw:
        sent = [Sent(body.content())]
    else:
        remark = Remark(
            "the body is {kind}, expected {form} with the field film, or a film itself: {kinds}",
            kind=Verbatim(repr(body.kind[:_LONGEST])),
            form=Verbatim(FORM),
            kinds=Verbatim(", ".join(raw)),
        )
        raise Problem("media-type", remark)
    if not sent:
        raise Problem("request", Remark("there is no film in the form; send it as the field film"))
    return sent, child_of(facts)


def child_of(facts: Mapping[str, str]) -> Child:
    """The child of some texts, by FACTS. Raises Problem with its field for what cannot be."""
    parsed: dict[str, Any] = {}
    for name, text in facts.items():
        fact, parse, _ = FACTS[name]
        try:
            parsed[fact] = parse(text, name)
        except FilmError as error:
            raise as_problem(error, name) from error
    return Child(**parsed)


def _add(facts: dict[str, str], name: str, text: str) -> None:
    """Add a field that is not empty. Raises Problem for a name that is none, and for another text than before."""
    if name not in FACTS:
        remark = Remark(
            "the field {name} is not known, expected film, {known}",
            name=Verbatim(repr(name[:_LONGEST])),
            known=Verbatim(", ".join(FACTS)),
        )
        raise Problem("request", remark)
    if text.strip() and facts.setdefault(name, text) != text:
        raise Problem("request", Remark("the field {name} is given twice, differently", name=Verbatim(name)))
