"""Dates in the orders of several countries; what could be two days is refused."""

from __future__ import annotations

from datetime import date

import pytest

from boneage.data.dates import parse_date
from boneage.data.errors import ChildError


@pytest.mark.parametrize(
    "text",
    [
        *("2015-03-07", " 2015-3-7 ", "2015/03/07", "2015.03.07", "2015. 3. 7.", "2015년 3월 7일"),
        *("07.03.2015", "7.3.2015", "7. 3. 2015"),
    ],
)
def test_the_year_first_and_the_german_order_are_read(text):
    assert parse_date(text, "--birth-date") == date(2015, 3, 7)


@pytest.mark.parametrize("text", ["27/03/2015", "03/27/2015", "27-3-2015"])
def test_slashes_are_read_where_one_order_alone_makes_a_day(text):
    assert parse_date(text, "--birth-date") == date(2015, 3, 27)
    assert parse_date("3/3/2015", "--birth-date") == date(2015, 3, 3)


@pytest.mark.parametrize("text", ["03/04/2015", "3-4-2015"])
def test_a_date_that_can_be_two_days_is_refused_with_both(text):
    with pytest.raises(ChildError) as refused:
        parse_date(text, "--exam-date")
    said = "can be 2015-04-03 or 2015-03-04; write it with the year first, as in 2015-04-03"
    assert str(refused.value) == f"--exam-date: '{text}' {said}"


@pytest.mark.parametrize(
    "text", ["2015-02-30", "30.02.2015", "20150327", "27.03.15", "2015-03/27", "13/13/2015", "", "März"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ChildError, match=r"--exam-date: .* is not a date, expected year-month-day"):
        parse_date(text, "--exam-date")
