"""The page on what is refused has the figures of the shipped weights."""

from __future__ import annotations

from conftest import ROOT

from boneage.pipeline.measure.screening import kinds_table
from boneage.weights.bundle import segmenter_of
from boneage.weights.header import read_header


def test_the_table_by_kind_is_that_of_the_shipped_segmenter():
    kinds = read_header(segmenter_of("default").path).metrics["kinds"]
    assert kinds_table(kinds) in (ROOT / "docs/explanation/refused.md").read_text()
