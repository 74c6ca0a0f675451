from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from boneage.data.quiet import no_warnings


def test_the_callers_filters_are_back_whatever_order_threads_end_in():
    before, together = list(warnings.filters), Barrier(2)

    def silent(first_to_end: bool) -> None:
        with no_warnings():
            together.wait()
            if not first_to_end:
                together.wait()
            warnings.warn("quotes a name", stacklevel=1)
        if first_to_end:
            together.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(silent, (True, False)))
    assert list(warnings.filters) == before


def test_an_error_within_leaves_the_filters_as_they_were():
    before = list(warnings.filters)
    try:
        with no_warnings(), no_warnings():
            raise ValueError
    except ValueError:
        pass
    assert list(warnings.filters) == before
