"""What is found out from an error."""

from __future__ import annotations

from itertools import islice

from boneage.data.errors import causes_of


def test_an_error_that_is_raised_again_stands_behind_its_own_cause_and_is_named_once():
    first, second = ValueError("first"), KeyError("second")
    second.__cause__, first.__context__ = first, second  # as where who handles `second` raises `first` again
    assert list(islice(causes_of(first), 9)) == [first, second]
