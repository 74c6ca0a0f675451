"""Dates as people write them, year first or in German order; one that could mean two days is refused."""

from __future__ import annotations

import re
from datetime import date

from .errors import ChildError
from .remark import Remark, Verbatim

# Year first: 2015-03-27, 2015/3/27, 2015. 3. 27., 2015년 3월 27일
_YEAR_FIRST = re.compile(r"(\d{4})\s*(?:([-./])\s*(\d{1,2})\s*\2\s*(\d{1,2})\s*\.?|년\s*(\d{1,2})월\s*(\d{1,2})일)")
_DAY_FIRST = re.compile(r"(\d{1,2})\.\s*(\d{1,2})\.\s*(\d{4})")  # as in German; dots never follow a month
_YEAR_LAST = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})")  # day first or month first, by country


def parse_date(text: str, where: str) -> date:
    """Read a date: 2015-03-27 or any other with the year first, 27.03.2015, or 27/03/2015 where no other day fits.

    `where` names the option or column in the message. Raises ChildError for other forms, and for 03/04/2015.
    """
    given, quoted = text.strip(), Verbatim(repr(text))
    if found := _YEAR_FIRST.fullmatch(given):
        year, _, *parts = found.groups()
        days = [_date(year, *filter(None, parts))]
    elif found := _DAY_FIRST.fullmatch(given):
        days = [_date(found[3], found[2], found[1])]
    elif found := _YEAR_LAST.fullmatch(given):
        days = [_date(found[4], found[3], found[1]), _date(found[4], found[1], found[3])]
    else:
        days = []
    possible = list(dict.fromkeys(day for day in days if day))
    if len(possible) == 1:
        return possible[0]
    if possible:
        one, other = possible
        remark = Remark(
            "{text} can be {one} or {other}; write it with the year first, as in {written}",
            text=quoted,
            one=one,
            other=other,
            written=Verbatim(one.isoformat()),
        )
        raise ChildError(where, remark)
    remark = Remark("{text} is not a date, expected year-month-day such as 2015-03-27, or 27.03.2015", text=quoted)
    raise ChildError(where, remark)


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
