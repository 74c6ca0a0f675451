"""The report on one film, one A4 page: its contents, in one language.

The modules `html` and `pdf` lay it out. It has no name, number or date of birth of the patient, but a pseudonym if one
was given.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data.remark import Remark, Verbatim
from ...data.text import for_line
from ..examination import Examination
from ..overlay import outlined, shrunk
from ..reading import DISCLAIMER
from .chart import growth_chart
from .heatmap import heat_picture, with_scale
from .language import Language
from .summary import Summary, summary_of

ABOUT_OUTLINE = Remark(
    "Outline of the hand (orange) and of the part that was read (blue), in the grey levels it was read in."
)
ABOUT_HEAT = Remark(
    "The brighter a place, the more the bone age changes when it is evened out; 1: the most on this film."
)
_LONG_SIDE = 1100  # pixels of a film beside its heat map: sharp at the 90 mm it has there
_ALONE = 1800  # of a film that has the page's width to itself


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its title and what it shows; `data` is a JPEG or PNG file, `kind` says which."""

    title: str
    caption: str
    data: bytes
    kind: str = "jpeg"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(io.BytesIO(self.data)) as picture:
            return picture.size


@dataclass(frozen=True, eq=False)
class Page(Summary):
    """The text and pictures of the page.

    `chart`: None without a bone age. `figures`: the film and, where there is a bone age, its heat map.
    """

    language: str
    title: str
    file: str
    made: str
    research: str
    chart: Figure | None
    figures: tuple[Figure, ...]
    footer: str

    @property
    def words(self) -> str:
        """All of its text, one after another, as it is shown."""
        return for_line("".join(_texts(vars(self).values())))


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from _texts(value)
        elif isinstance(value, Figure):
            yield from (value.title, value.caption)


def report_page(
    examination: Examination, evidence: NDArray[np.float32] | None, language: Language, now: datetime | None = None
) -> Page:
    """The page of a film; `evidence` is `Examination.evidence`'s, None where there is none to show."""
    reading, say = examination.reading, language.say
    now = now or datetime.now()
    chart = None
    if reading.assessed:
        title, reference = Remark("Bone age against chronological age"), examination.reference
        name = Verbatim(reference.name)
        band = (
            Remark("Band: 2 SD on each side of the mean ({name}).", name=name)
            if reference.centred_on_mean
            else Remark("Band: 2 SD on each side of the chronological age ({name}).", name=name)
        )
        known = reading.chronological_age_months is not None
        where = (
            Remark("Bar: 90 % interval.")
            if known
            else Remark("Stripe: 90 % interval; the chronological age is not known.")
        )
        chart = Figure(say(title), f"{say(band)} {say(where)}", growth_chart(reading, language, reference), "png")
    return Page(
        **vars(summary_of(examination, language)),
        language=language.code,
        title=say(Remark("Bone age report")),
        file=Path(reading.file).name,
        made=say(now),
        research=say(DISCLAIMER),
        chart=chart,
        figures=tuple(_figures(examination, evidence, language)),
        footer=say(read_by(reading.weights, now)),
    )


def read_by(model: str, now: datetime) -> Remark:
    """What read the films of a page, and when."""
    return Remark(
        "Read by boneage {version}, model {model}, on {made}.",
        version=Verbatim(version("boneage")),
        model=Verbatim(model),
        made=now,
    )


def _figures(examination: Examination, evidence: NDArray[np.float32] | None, language: Language) -> Iterator[Figure]:
    (radiograph, hand), say = examination.radiograph_and_hand(), language.say
    side = _ALONE if evidence is None else _LONG_SIDE
    film = shrunk(outlined(radiograph, hand), side)
    yield Figure(say(Remark("Radiograph")), say(ABOUT_OUTLINE) if hand.crop else "", _jpeg(film))
    if evidence is not None:
        heat = with_scale(shrunk(heat_picture(examination, evidence), side))
        yield Figure(say(Remark("Where the reading comes from")), say(ABOUT_HEAT), _jpeg(heat))


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
