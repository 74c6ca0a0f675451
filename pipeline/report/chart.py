"""Bone age against chronological age, as on a growth chart: the child's point in the band of two SDs.

Drawn by Pillow: importing matplotlib takes longer than reading a film.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from ...data.child import YEAR
from ...data.remark import Remark
from ...data.sex import CHILDREN
from ..clinical.reference import Reference
from ..reading import Reading
from .language import Language
from .letters import all_letters

# pixels, twice as many as are kept, so that edges are smooth
_SIZE, FRAME = (1980, 1740), (234, 50, 1922, 1510)  # of all; of the axes: left, top, right, bottom
_TYPE, _DOT = 58, 21  # height of the letters, 7 points; radius of the child's point
_HAIR, _STROKE, _TICK = 4, 8, 17
_AROUND = 2  # years on either side of the child
_FEWEST = 6  # years, so that the chart shows the band widen
_FINE = 10  # years that have a tick each
_INK, _GRID, _BAND, _LINE, _CHILD = "#2b2b2b", "#e3e3e3", "#cfe0ec", "#7a9bb5", "#b3261e"
_VEIL = "2e"  # of a colour that lets through what lies below


def growth_chart(reading: Reading, language: Language, reference: Reference) -> bytes:
    """Draw a reading that has a bone age as a PNG; without a chronological age as a stripe across the chart."""
    months, sex, age = reading.bone_age_months, reading.sex, reading.chronological_age_months
    assert months is not None
    assert sex is not None
    say, interval = language.say, reading.interval_90 or (months, months)
    axes = _Axes(*years_shown(months, interval, age))
    ages, centre, spread = reference.normal_band(sex)
    axes.draw_band(ages, centre, spread)
    axes.draw_child(months, interval, age)
    below = age is not None and months < age  # the words stand on the other side of the line
    axes.name_band(say(Remark("2 SD, {children}", children=CHILDREN[sex])), above=below)
    return axes.as_png(say(Remark("chronological age (years)")), say(Remark("bone age (years)")))


def years_shown(months: float, interval: tuple[float, float], age: float | None) -> tuple[int, int]:
    """First and last year of both axes: those around the child's age, bone age and its interval, all in months."""
    ages = (months, *interval, months if age is None else age)
    first = max(int(np.floor(min(ages) / YEAR - _AROUND)), 0)
    last = int(np.ceil(max(ages) / YEAR + _AROUND))
    return first, max(last, first + _FEWEST)


class _Axes:
    """The same years on both axes. What is drawn between them, at ages in months, ends at their frame."""

    def __init__(self, first: int, last: int) -> None:
        left, top, right, bottom = FRAME
        self._size, self._first, self._last = (right - left, bottom - top), first, last
        step = 1 if last - first <= _FINE else 2
        self._ticks = {year: self._at(year * YEAR, year * YEAR) for year in range(first + first % step, last + 1, step)}
        self._font = ImageFont.truetype(str(all_letters()), _TYPE)
        self._inner = Image.new("RGB", self._size, "white")
        self._draw = ImageDraw.Draw(self._inner, "RGBA")
        for x, y in self._ticks.values():
            self._draw.line([x, 0, x, self._size[1]], _GRID, _HAIR)
            self._draw.line([0, y, self._size[0], y], _GRID, _HAIR)

    def _at(self, x: ArrayLike, y: ArrayLike) -> list[float]:
        """Pixels from the upper left corner, as x, y, x, y, ..."""
        places = np.stack(np.broadcast_arrays(x, y), -1) / YEAR - (self._first, self._last)
        return (places * np.multiply(self._size, (1, -1)) / (self._last - self._first)).ravel().tolist()

    def draw_band(self, ages: NDArray[np.float64], centre: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
        """The line that an SDS is counted from and the band of two SDs on each side, at ages that have an SDS."""
        if len(ages):
            around = np.concatenate([centre - spread, (centre + spread)[::-1]])
            self._draw.polygon(self._at(np.concatenate([ages, ages[::-1]]), around), _BAND)
            self._draw.line(self._at(ages, centre), _LINE, _STROKE, "curve")

    def draw_child(self, months: float, interval: tuple[float, float], age: float | None) -> None:
        """A point with a bar, or a line with a stripe."""
        if age is None:
            across = (self._first * YEAR, self._last * YEAR)
            self._draw.rectangle(self._at(across, interval[::-1]), _CHILD + _VEIL)
            self._draw.line(self._at(across, months), _CHILD, _STROKE)
            return
        for x, y in (self._at(age, end) for end in interval):
            self._draw.line([x - _TICK, y, x + _TICK, y], _CHILD, _STROKE)
        self._draw.line(self._at(age, interval), _CHILD, _STROKE)
        x, y = self._at(age, months)
        self._draw.ellipse([x - _DOT, y - _DOT, x + _DOT, y + _DOT], _CHILD)

    def name_band(self, words: str, *, above: bool) -> None:
        """Name it in the upper left corner, or else in the lower right."""
        share, corner = (0.03, "la") if above else (0.97, "rd")
        self._draw.text((share * self._size[0], share * self._size[1]), words, _LINE, self._font, corner)

    def as_png(self, below: str, beside: str) -> bytes:
        """All of it, with the names of both axes."""
        left, top, right, bottom = FRAME
        whole, aside = Image.new("RGB", _SIZE, "white"), Image.new("RGB", (bottom - top, left), "white")
        ImageDraw.Draw(aside).text(((bottom - top) / 2, 0), beside, _INK, self._font, "ma")
        whole.paste(aside.rotate(90, expand=True), (0, top))
        whole.paste(self._inner, (left, top))
        draw = ImageDraw.Draw(whole)
        draw.rectangle(FRAME, outline=_INK, width=_HAIR)
        draw.text(((left + right) / 2, _SIZE[1] - 24), below, _INK, self._font, "md")
        for year, (x, y) in self._ticks.items():
            draw.line([left + x, bottom, left + x, bottom + _TICK], _INK, _HAIR)
            draw.line([left - _TICK, top + y, left, top + y], _INK, _HAIR)
            draw.text((left + x, bottom + 3 * _TICK), str(year), _INK, self._font, "mt")
            draw.text((left - 2 * _TICK, top + y), str(year), _INK, self._font, "rm")
        buffer = io.BytesIO()
        whole.reduce(2).save(buffer, "PNG")
        return buffer.getvalue()
