"""The report on one film, a page of A4 to look at and to print: what stands on it, in one language.

`html` and `pdf` lay the same page out. No name, number or date of birth of the patient is on it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..examination import Examination
from ..overlay import outlined
from ..reading import Reading
from .chart import growth_chart
from .heatmap import heat_picture
from .language import Language
from .sentences import mark

_LONG_SIDE = 1100  # pixels of a film in the report: sharp at the 90 mm it has there
_STATUS = {
    "ok": mark("film quality: ok"),
    "review": mark("film quality: to be reviewed"),
    "rejected": mark("rejected: not aged"),
}
_SEX = {"F": mark("girl"), "M": mark("boy")}
_ASSESSMENT = {
    "delayed": mark("delayed (more than 2 SD below)"),
    "normal": mark("normal (within 2 SD)"),
    "advanced": mark("advanced (more than 2 SD above)"),
}
RESEARCH = mark("Research use only; not a medical device.")


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
class Page:
    """What stands on the page, word for word.

    `status`: ok, review or rejected; `status_words` says it and `reasons` why. `facts`: rows of label and value.
    `chart`: None for a film that was not aged. `figures`: the film and, where it was aged, its heat map. `remarks`:
    headings with sentences.
    """

    language: str
    title: str
    file: str
    made: str
    research: str
    label: str
    headline: str
    exact: str
    interval: str
    interval_exact: str
    status: str
    status_words: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    chart: Figure | None
    figures: tuple[Figure, ...]
    remarks: tuple[tuple[str, tuple[str, ...]], ...]
    footer: str


def report_page(
    examination: Examination,
    evidence: NDArray[np.float32] | None,
    language: Language,
    now: datetime | None = None,
) -> Page:
    """What stands on the report; `evidence` is `Examination.evidence`'s, None where there is none to show."""
    reading, say = examination.reading, language.say
    made = language.moment(now or datetime.now())
    months, chart = reading.bone_age_months, None
    interval, interval_exact = _interval(reading, language)
    if months is not None:
        known = reading.chronological_age_months is not None
        where = say("Bar: 90 % interval.") if known else say("Stripe: 90 % interval; at what age is not known.")
        band = say("Band: 2 SD on each side of the chronological age (Brush Foundation).")
        chart = Figure(
            say("Bone age against chronological age"), f"{band} {where}", growth_chart(reading, language), "png"
        )
    return Page(
        language=language.code,
        title=say("Bone age report"),
        file=Path(reading.file).name,
        made=made,
        research=say(RESEARCH),
        label=say("Bone age"),
        headline=say("not read") if months is None else language.age(months),
        exact="" if months is None else say("{months} months", months=language.number(months)),
        interval=interval,
        interval_exact=interval_exact,
        status=reading.status,
        status_words=say(_STATUS[reading.status]),
        reasons=_sentences(reading.reasons, language),
        facts=tuple(_facts(examination, language)),
        chart=chart,
        figures=tuple(_figures(examination, evidence, language)),
        remarks=tuple(_remarks(reading, language)),
        footer=say(
            "Read by boneage {version}, model {model}, on {made}.",
            version=version("boneage"),
            model=reading.model,
            made=made,
        ),
    )


def _interval(reading: Reading, language: Language) -> tuple[str, str]:
    """In years and months, and in months."""
    if reading.bone_age_months is None:
        return "", ""
    if reading.interval_90 is None:
        return language.say("no 90 % interval: these weights are not calibrated"), ""
    low, high = map(language.age, reading.interval_90)
    words = language.say("90 % interval: between {low} and {high}", low=low, high=high)
    low, high = map(language.number, reading.interval_90)
    return words, language.say("{low} to {high} months", low=low, high=high)


def _facts(examination: Examination, language: Language) -> Iterator[tuple[str, str]]:
    reading, say = examination.reading, language.say
    yield say("Sex"), say(_SEX[reading.sex]) if reading.sex else say("not known")
    if exam_date := examination.radiograph_and_hand()[0].exam_date:
        yield say("Examination"), language.day(exam_date)
    age = reading.chronological_age_months
    source = language.sentence(reading.chronological_age_source or "")
    yield say("Chronological age"), say("not known") if age is None else f"{language.age(age)} ({source})"
    if reading.difference_months is not None:
        months = language.number(reading.difference_months, signed=True)
        yield say("Difference"), say("{months} months", months=months)
    if reading.sds is not None:
        sds = language.number(reading.sds, 2, signed=True)
        yield say("SDS"), _ranged(sds, reading.sds_interval_90, language, digits=2, signed=True)
    if reading.assessment is not None:
        yield say("Assessment"), say(_ASSESSMENT[reading.assessment])
    if reading.height_cm is not None:
        yield say("Height"), say("{height} cm", height=language.number(reading.height_cm))
    if reading.adult_height_cm is not None:
        height = say("{height} cm", height=language.number(reading.adult_height_cm))
        yield say("Predicted adult height"), _ranged(height, reading.adult_height_interval_90, language)


def _ranged(
    value: str, ends: tuple[float, float] | None, language: Language, digits: int = 1, signed: bool = False
) -> str:
    if ends is None:
        return value
    low, high = (language.number(end, digits, signed=signed) for end in ends)
    return language.say("{value} (90 %: {low} to {high})", value=value, low=low, high=high)


def _figures(examination: Examination, evidence: NDArray[np.float32] | None, language: Language) -> Iterator[Figure]:
    (radiograph, hand), say = examination.radiograph_and_hand(), language.say
    film = outlined(radiograph.pixels, hand.mask, hand.crop)
    caption = say("Outline of the hand (orange), what was read of the film (blue).") if hand.crop else ""
    yield Figure(say("Radiograph"), caption, _jpeg(film))
    if evidence is not None:
        caption = say("Grad-CAM: the brighter, the more this place moved the reading, up or down.")
        yield Figure(say("Where the reading comes from"), caption, _jpeg(heat_picture(examination, evidence)))


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    height, width = picture.shape[:2]
    scale = min(_LONG_SIDE / max(height, width), 1.0)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(small.astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _remarks(reading: Reading, language: Language) -> Iterator[tuple[str, tuple[str, ...]]]:
    references = (reading.sds_reference,) if reading.sds_reference else ()
    for heading, sentences in (
        (language.say("Notes"), reading.notes),
        (language.say("Reference"), (*references, *reading.caveats)),
    ):
        if sentences:
            yield heading, _sentences(sentences, language)


def _sentences(texts: Iterable[str], language: Language) -> tuple[str, ...]:
    """Translated, each with a capital at its beginning and a full stop at its end."""
    translated = map(language.sentence, texts)
    return tuple(text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") for text in translated)
