"""The page on clusters computes what a million films cost from what the page on speed says was measured."""

from __future__ import annotations

import re

import pytest
from pages import ROOT

CORES = (2, 16, 64, 256)
FILMS = 1_000_000


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def measured(bundle: str) -> float:
    """Films a second on all of two cores."""
    found = re.search(rf"^\| {bundle}, all cores \| \d+ \| ([\d.]+) \|", page("performance.md"), re.MULTILINE)
    assert found, f"docs/performance.md has no row '{bundle}, all cores'"
    return float(found[1])


def in_words(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


@pytest.mark.parametrize("bundle", ["default", "fast"])
def test_what_a_million_films_cost_follows_from_what_was_measured(bundle):
    rate = measured(bundle) / 2
    hours = FILMS / rate / 3600
    times = " | ".join(in_words(hours / cores) for cores in CORES)
    assert f"| `{bundle}` | {rate:.1f} | {hours:.1f} | {times} |" in page("how-to/cluster.md")
    assert f"{measured(bundle):g}" in page("how-to/cluster.md")
