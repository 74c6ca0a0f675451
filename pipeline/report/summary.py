"""What a report and the service's page say of a reading, in one language; no patient's name, number or birth date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...data.child import in_years
from ...data.remark import Remark, Value, Verbatim
from ...data.side import SIDES
from ..examination import Examination
from ..reading import Reading
from .language import Language

_STATUS = {
    "ok": Remark("film quality: ok"),
    "review": Remark("film quality: to be reviewed"),
    "rejected": Remark("rejected: no bone age"),
}
SEXES = {"F": Remark("girl"), "M": Remark("boy")}
_ASSESSMENT = {
    "delayed": Remark("delayed (more than 2 SD below)"),
    "normal": Remark("normal (within 2 SD)"),
    "advanced": Remark("advanced (more than 2 SD above)"),
}


@dataclass(frozen=True, eq=False)
class Summary:
    """The text on a reading.

    `headline`: the bone age in years and months, `exact` in months; so are `interval` and `interval_exact`. `status`:
    ok, review or rejected; `status_words` says it and `reasons` why. `facts`, `measured` (heights and weight) and
    `predicted` (adult heights): rows of label and value. `remarks`: headings with sentences.
    """

    label: str
    headline: str
    exact: str
    interval: str
    interval_exact: str
    status: str
    status_words: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    measured: tuple[tuple[str, str], ...]
    predicted: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, tuple[str, ...]], ...]


def summary_of(examination: Examination, language: Language) -> Summary:
    """The text on a film that was read."""
    reading, say = examination.reading, language.say
    months = reading.bone_age_months
    interval, interval_exact = _interval(reading, language)
    return Summary(
        label=say(Remark("Bone age")),
        headline=say(Remark("not determined") if months is None else in_years(months)),
        exact="" if months is None else say(Remark("{months:.1f} months", months=months)),
        interval=interval,
        interval_exact=interval_exact,
        status=reading.status,
        status_words=say(_STATUS[reading.status]),
        reasons=as_sentences(reading.reasons, language),
        facts=rows(_facts(examination), language),
        measured=rows(_measured(reading), language),
        predicted=rows(_predicted(reading), language),
        remarks=tuple(_remarks(reading, language)),
    )


def rows(facts: Iterable[tuple[Value, Value]], language: Language) -> tuple[tuple[str, str], ...]:
    """Labels and values, in words."""
    return tuple((language.say(label), language.say(value)) for label, value in facts)


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
    if examination.pseudonym:
        yield Remark("Name"), Verbatim(examination.pseudonym)
    yield Remark("Sex"), SEXES[reading.sex] if reading.sex else Remark("not known")
    yield Remark("Hand"), SIDES[reading.side] if reading.side else Remark("not known")
    if exam_date := examination.radiograph_and_hand()[0].exam_date:
        yield Remark("Examination"), exam_date
    age, source = reading.chronological_age_months, reading.chronological_age_source
    if age is not None and source is not None:
        yield Remark("Chronological age"), Remark("{age} ({source})", age=in_years(age), source=source)
    elif reading.assessed:  # else no age is kept, and it may well be known
        yield Remark("Chronological age"), Remark("not known")
    if reading.difference_months is not None:
        yield Remark("Difference"), Remark("{months:+.1f} months", months=reading.difference_months)
    if reading.sds is not None:
        yield Remark("SDS"), _sds(reading.sds, reading.sds_interval_90)
    elif reading.assessed:
        ageless = reading.chronological_age_months is None
        why = Remark("none: the chronological age is not known") if ageless else Remark("none: see Notes")
        yield Remark("SDS"), why
    if reading.assessment is not None:
        yield Remark("Assessment"), _ASSESSMENT[reading.assessment]


def _sds(sds: float, ends: tuple[float, float] | None) -> Remark:
    if ends is None:
        return Remark("{sds:+.2f}", sds=sds)
    return Remark("{sds:+.2f} (90 %: {low:+.2f} to {high:+.2f})", sds=sds, low=ends[0], high=ends[1])


def _measured(reading: Reading) -> Iterator[tuple[Remark, Value]]:
    measured = (
        (Remark("Height"), reading.height_cm),
        (Remark("Mother's height"), reading.mother_cm),
        (Remark("Father's height"), reading.father_cm),
    )
    yield from ((label, Remark("{height:.1f} cm", height=cm)) for label, cm in measured if cm is not None)
    if reading.weight_kg is not None:
        yield Remark("Weight"), Remark("{weight:.1f} kg", weight=reading.weight_kg)


def _predicted(reading: Reading) -> Iterator[tuple[Remark, Value]]:
    for height in reading.adult_heights:
        yield Remark("Adult height ({method})", method=height.method), adult_height_words(height.cm, height.ends)
    if (target := reading.target_height_cm) is not None and reading.target_height_range is not None:
        low, high = reading.target_height_range
        within = Remark("{height:.1f} cm ({low:.1f} to {high:.1f})", height=target, low=low, high=high)
        yield Remark("Target height"), within


def adult_height_words(height: float, ends: tuple[float, float] | None) -> Remark:
    """An adult height in cm, with its ends over the bone age's interval where they are known."""
    if ends is None:
        return Remark("{height:.1f} cm", height=height)
    return Remark(
        "{height:.1f} cm ({low:.1f} to {high:.1f} by the interval of the bone age)",
        height=height,
        low=ends[0],
        high=ends[1],
    )


def _remarks(reading: Reading, language: Language) -> Iterator[tuple[str, tuple[str, ...]]]:
    references = (reading.sds_reference,) if reading.sds_reference else ()
    for heading, sentences in (
        (language.say(Remark("Notes")), reading.notes),
        (language.say(Remark("Reference")), (*references, *reading.caveats)),
    ):
        if sentences:
            yield heading, as_sentences(sentences, language)


def as_sentences(remarks: Iterable[Remark], language: Language) -> tuple[str, ...]:
    """Translated, each with a capital at its beginning and a full stop at its end."""
    translated = map(language.say, remarks)
    return tuple(text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") for text in translated)
