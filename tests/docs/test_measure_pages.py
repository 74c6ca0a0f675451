"""The pages on calibration and robustness state the numbers that the program goes by."""

from __future__ import annotations

from collections import Counter

from pages import ROOT

from boneage.pipeline.measure import calibrate, protocol, unlike
from boneage.pipeline.measure.copies import COPIES


def words(page: str) -> str:
    return " ".join((ROOT / "docs" / "how-to" / page).read_text("utf-8").split())


def test_the_page_on_calibration_states_how_many_films_it_takes_and_the_level_of_its_tests():
    page = words("calibrate.md")
    assert f"Fewer than {calibrate.FEWEST_A_SEX} of a sex, or of {calibrate.FOLDS} children of a sex" in page
    assert f"fewer than {calibrate.ENOUGH} in all are warned of" in page
    assert f"share a level of {unlike.LEVEL:.0%}".replace("%", " %") in page
    assert "Each fifth" in page
    assert calibrate.FOLDS == 5


def test_the_page_on_robustness_has_the_transformations_of_the_protocol():
    page = words("robustness.md")
    (published,) = protocol.PROTOCOLS.values()
    for kind, number in Counter(published.kinds.values()).items():
        row = next(line for line in page.split("| |") if line.strip(" |").startswith(kind))
        assert row.rstrip(" |").endswith(f"| {number}") or f"| {number} |" in row
    assert ", ".join(f"{factor:g}" for factor in protocol.FACTORS) in page
    first, *_, last = protocol.ANGLES
    assert f"by {first} to {last} degrees, each {protocol.ANGLES.step}" in page
    assert f"{len(published.copies) - 1} transformations of seven kinds" in page
    assert f"{len(COPIES)} ways" in page
