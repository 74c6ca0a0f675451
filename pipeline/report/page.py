"""The report on one film, one A4 page: its contents, in one language.

The modules `html` and `pdf` lay it out. No name, number or date of birth of the patient is on it.
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

from ...data.child import in_years
from ...data.remark import Remark, Value, Verbatim
from ..examination import Examination
from ..overlay import outlined
from ..reading import DISCLAIMER, Reading
from .chart import growth_chart
from .heatmap import heat_picture
from .language import Language

_LONG_SIDE = 1100  # pixels of a film in the report: sharp at the 90 mm it has there
_STATUS = {
    "ok": Remark("film quality: ok"),
    "review": Remark("film quality: to be reviewed"),
    "rejected": Remark("rejected: no bone age"),
}
_SEX = {"F": Remark("girl"), "M": Remark("boy")}
_ASSESSMENT = {
    "delayed": Remark("delayed (more than 2 SD below)"),
    "normal": Remark("normal (within 2 SD)"),
    "advanced": Remark("advanced (more than 2 SD above)"),
}


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
    """The text and pictures of the page.

    `status`: ok, review or rejected; `status_words` says it and `reasons` why. `facts`: rows of label and value.
    `chart`: None without a bone age. `figures`: the film and, where there is a bone age, its heat map. `remarks`:
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
    """The page of a film; `evidence` is `Examination.evidence`'s, None where there is none to show."""
    reading, say = examination.reading, language.say
    now = now or datetime.now()
    months, chart = reading.bone_age_months, None
    interval, interval_exact = _interval(reading, language)
    if months is not None:
        title, band = (
            Remark("Bone age against chronological age"),
            Remark("Band: 2 SD on each side of the chronological age (Brush Foundation)."),
        )
        known = reading.chronological_age_months is not None
        where = (
            Remark("Bar: 90 % interval.")
            if known
            else Remark("Stripe: 90 % interval; the chronological age is not known.")
        )
        chart = Figure(say(title), f"{say(band)} {say(where)}", growth_chart(reading, language), "png")
    footer = Remark(
        "Read by boneage {version}, model {model}, on {made}.",
        version=Verbatim(version("boneage")),
        model=Verbatim(reading.weights),
        made=now,
    )
    return Page(
        language=language.code,
        title=say(Remark("Bone age report")),
        file=Path(reading.file).name,
        made=say(now),
        research=say(DISCLAIMER),
        label=say(Remark("Bone age")),
        headline=say(Remark("not determined") if months is None else in_years(months)),
        exact="" if months is None else say(Remark("{months:.1f} months", months=months)),
        interval=interval,
        interval_exact=interval_exact,
        status=reading.status,
        status_words=say(_STATUS[reading.status]),
        reasons=_sentences(reading.reasons, language),
        facts=tuple((say(label), say(value)) for label, value in _facts(examination)),
        chart=chart,
        figures=tuple(_figures(examination, evidence, language)),
        remarks=tuple(_remarks(reading, language)),
        footer=say(footer),
    )


def _interval(reading: Reading, language: Language) -> tuple[str, str]:
    """In years and months, and in months."""
    if reading.bone_age_months is None:
        return "", ""
    if reading.interval_90 is None or reading.interval_words is None:
        return language.say(Remark("no 90 % interval: these weights are not calibrated")), ""
    low, high = reading.interval_90
    words = Remark("90 % interval: {interval}", interval=reading.interval_words)
    return language.say(words), language.say(Remark("{low:.1f} to {high:.1f} months", low=low, high=high))


def _facts(examination: Examination) -> Iterator[tuple[Remark, Value]]:
    """Labels and values."""
    reading = examination.reading
    yield Remark("Sex"), _SEX[reading.sex] if reading.sex else Remark("not known")
    if exam_date := examination.radiograph_and_hand()[0].exam_date:
        yield Remark("Examination"), exam_date
    age, source = reading.chronological_age_months, reading.chronological_age_source
    if age is None or source is None:
        yield Remark("Chronological age"), Remark("not known")
    else:
        yield Remark("Chronological age"), Remark("{age} ({source})", age=in_years(age), source=source)
    if reading.difference_months is not None:
        yield Remark("Difference"), Remark("{months:+.1f} months", months=reading.difference_months)
    if reading.sds is not None:
        yield Remark("SDS"), _sds(reading.sds, reading.sds_interval_90)
    if reading.assessment is not None:
        yield Remark("Assessment"), _ASSESSMENT[reading.assessment]
    if reading.height_cm is not None:
        yield Remark("Height"), Remark("{height:.1f} cm", height=reading.height_cm)
    if reading.adult_height_cm is not None:
        height = _adult_height(reading.adult_height_cm, reading.adult_height_interval_90)
        yield Remark("Predicted adult height"), height


def _sds(sds: float, ends: tuple[float, float] | None) -> Remark:
    if ends is None:
        return Remark("{sds:+.2f}", sds=sds)
    return Remark("{sds:+.2f} (90 %: {low:+.2f} to {high:+.2f})", sds=sds, low=ends[0], high=ends[1])


def _adult_height(height: float, ends: tuple[float, float] | None) -> Remark:
    if ends is None:
        return Remark("{height:.1f} cm", height=height)
    return Remark("{height:.1f} cm (90 %: {low:.1f} to {high:.1f})", height=height, low=ends[0], high=ends[1])


def _figures(examination: Examination, evidence: NDArray[np.float32] | None, language: Language) -> Iterator[Figure]:
    (radiograph, hand), say = examination.radiograph_and_hand(), language.say
    film = outlined(radiograph.pixels, hand)
    caption = say(Remark("Outline of the hand (orange) and of the part that was read (blue).")) if hand.crop else ""
    yield Figure(say(Remark("Radiograph")), caption, _jpeg(film))
    if evidence is not None:
        caption = say(Remark("The brighter a place, the more the bone age changes when it is evened out."))
        yield Figure(say(Remark("Where the reading comes from")), caption, _jpeg(heat_picture(examination, evidence)))


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
        (language.say(Remark("Notes")), reading.notes),
        (language.say(Remark("Reference")), (*references, *reading.caveats)),
    ):
        if sentences:
            yield heading, _sentences(sentences, language)


def _sentences(remarks: Iterable[Remark], language: Language) -> tuple[str, ...]:
    """Translated, each with a capital at its beginning and a full stop at its end."""
    translated = map(language.say, remarks)
    return tuple(text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") for text in translated)
