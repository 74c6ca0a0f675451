from __future__ import annotations

import io
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from PIL import Image

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


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff is part of Pillow's own library there")
def test_libtiff_prints_nothing_within_and_all_it_did_before_afterwards(capfd):
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    predictor = b"\x3d\x01\x03\x00\x01\x00\x00\x00"  # the tag 317, a short number, one value
    content = file.getvalue().replace(predictor + b"\x02", predictor + b"\x09")

    def decode() -> str:
        with Image.open(io.BytesIO(content)) as picture, pytest.raises(OSError, match="decoder error"):
            picture.load()
        return capfd.readouterr().err

    loud = decode()
    with no_warnings():
        assert decode() == ""
    assert loud
    assert decode() == loud
