"""The report on a child's growth: the page of a film's report, with a rate in place of a bone age."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ...data.child import YEAR, in_years
from ...data.remark import Remark, Value
from ...data.text import shortened
from ..clinical.heights import HEIGHT_CAVEATS
from ..clinical.reference import Reference
from ..reading import DISCLAIMER
from ..report.language import Language
from ..report.page import Figure, Page, read_by
from ..report.summary import SEXES, adult_height_words, as_sentences, rows
from ..report.write import layout, write_as
from .films import HEIGHTS, Film
from .growth import Growth, Rate
from .plot import draw_bone_age, draw_heights, draw_velocity, has_heights, has_velocity, part_of

_MOST_FILMS = 10  # of a child's, the last ones, that have a row each
_LONGEST = 60  # characters of a model's name
_CHART, _PART, _ALONE = (3.3, 3.3), (3.4, 2.7), (7.0, 2.9)  # inches


def write_growth_report(growth: Growth, path: str | Path, language: str, reference: Reference) -> None:
    """Write the report on a child's growth to `path`, whole or not at all. Raises OutputError if not .html or .pdf."""
    write_as(path, lambda suffix: layout(suffix)(growth_page(growth, Language(language), reference)))


def growth_page(growth: Growth, language: Language, reference: Reference) -> Page:
    """The page on a child with films that count; with its patient id, and without any other name."""
    say, rate, now = language.say, growth.rate, datetime.now()
    status, words = _status(growth)
    model = next((film.model for film in growth.films if film.model), "")
    over = Remark("Bone age over time") if growth.by_date else Remark("Bone age against chronological age")
    chart = part_of(draw_bone_age, growth, language, reference, _CHART)
    return Page(
        label=say(Remark("Bone age grows by")),
        headline=language.number(rate.months_a_year, ".1f") if rate else say(Remark("not determined")),
        exact="" if rate is None else say(Remark("months a year")),
        interval=_interval(rate, language),
        interval_exact=say(Remark("12 where bone age keeps pace with age")) if rate else "",
        status=status,
        status_words=say(words),
        reasons=as_sentences(growth.contradictions, language),
        facts=rows(_facts(growth), language),
        measured=(),
        predicted=rows(_predicted(growth), language),
        remarks=tuple(_remarks(growth, language, reference)),
        language=language.code,
        title=say(Remark("Report on growth")),
        file=growth.patient,
        made=say(now),
        research=say(DISCLAIMER),
        chart=Figure(say(over), "", chart, "png"),
        figures=tuple(_figures(growth, language, reference)),
        footer=say(read_by(shortened(model, _LONGEST) or "?", now)),
    )


def _status(growth: Growth) -> tuple[str, Remark]:
    if growth.contradictions:
        return "rejected", Remark("contradictions: no rate")
    if growth.notes:
        return "review", Remark("to be read with care: see Notes")
    return "ok", Remark("no contradictions")


def _interval(rate: Rate | None, language: Language) -> str:
    if rate is None or rate.interval_90 is None:
        return ""
    low, high = rate.interval_90
    within = Remark("{low:.1f} to {high:.1f} months a year", low=low, high=high)
    return language.say(Remark("90 % interval: {interval}", interval=within))


def _facts(growth: Growth) -> Iterator[tuple[Value, Value]]:
    """Labels and values: the child, and the last films, each under its age or time."""
    yield Remark("Sex"), SEXES[growth.sex] if growth.sex else Remark("not known")
    yield Remark("Films"), len(growth.films)
    for film, time in list(zip(growth.films, growth.times, strict=True))[-_MOST_FILMS:]:
        yield _when(film, time, growth), _bone_age(film)


def _predicted(growth: Growth) -> Iterator[tuple[Value, Value]]:
    """The adult heights of the last film."""
    if not growth.films:
        return
    last = growth.films[-1]
    for height in last.adult_heights:
        yield Remark("Adult height ({method}), last film", method=height.method), adult_height_words(height.cm, None)
    if last.target_height is not None:
        target, low, high = last.target_height
        words = Remark("{height:.1f} cm ({low:.1f} to {high:.1f})", height=target, low=low, high=high)
        yield Remark("Target height"), words


def _when(film: Film, time: float, growth: Growth) -> Value:
    if not growth.by_date:
        return Remark("At {age}", age=in_years(time))
    return film.exam_date or Remark("{years:.1f} years", years=time / YEAR)


def _bone_age(film: Film) -> Remark:
    months = in_years(film.bone_age or 0.0)
    if film.interval_90 is None:
        return months
    low, high = film.interval_90
    return Remark("{age} ({low:.0f} to {high:.0f} months)", age=months, low=low, high=high)


def _remarks(growth: Growth, language: Language, reference: Reference) -> Iterator[tuple[str, tuple[str, ...]]]:
    if growth.notes:
        yield language.say(Remark("Notes")), as_sentences(growth.notes, language)
    about = [
        Remark("the rate is the slope of the line through all films, each weighted by its interval"),
        Remark("its interval takes the errors of the films as independent, and is rather too wide than too narrow"),
    ]
    if growth.sex and not growth.by_date:
        about += [reference.about, *reference.caveats(growth.sex)]
    about += _limits_of_heights(growth)
    yield language.say(Remark("Reference")), as_sentences(about, language)


def _limits_of_heights(growth: Growth) -> list[Remark]:
    """What limits the adult heights that the page shows, of any film."""
    shown = {height.method for film in growth.films for height in film.adult_heights}
    values = [f"{column}_cm" for method, column in HEIGHTS.items() if method in shown]
    values += ["target_height_cm"] if any(film.target_height for film in growth.films) else []
    return [HEIGHT_CAVEATS[value] for value in values]


def _figures(growth: Growth, language: Language, reference: Reference) -> Iterator[Figure]:
    say = language.say
    size = _PART if has_velocity(growth) and has_heights(growth) else _ALONE
    if has_velocity(growth):
        data = part_of(draw_velocity, growth, language, reference, size)
        caption = Remark("From each film to the next; the closer two films are in time, the less is known.")
        yield Figure(say(Remark("How fast bone age grows")), say(caption), data, "png")
    if has_heights(growth):
        data = part_of(draw_heights, growth, language, reference, size)
        caption = Remark("By each method at each film; bars: by the interval of the bone age. None is averaged.")
        yield Figure(say(Remark("Predicted adult height")), say(caption), data, "png")
