"""The pages on calibration and robustness state what is measured again here, on the same films."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from pages import ROOT

from boneage.data.cohort import Cohort, read_cohort
from boneage.data.split import CHOOSE, rsna_split
from boneage.pipeline.measure.calibrate import calibrate
from boneage.pipeline.measure.copies import PLAIN
from boneage.pipeline.measure.protocol import PROTOCOLS, measure_protocol
from boneage.pipeline.measure.robustness import sample
from boneage.pipeline.measure.unlike import LEVEL, p_of_means, p_of_misses
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.weights.bundle import read_bundle

SITES, KNOWN, SD, FREEDOM = 4_000, 600, 7.7, 5


class ReadOnce:
    """A BoneAge that reads no film twice."""

    def __init__(self, weights: str) -> None:
        self._bone_age = BoneAge.load(weights, engine="onnx")
        self.model, self._known = self._bone_age.model, {}

    def predict_many(self, films: Iterable[tuple]) -> list:
        films = list(films)
        new = [film for film in films if film not in self._known]
        self._known.update(zip(new, self._bone_age.predict_many(new), strict=True))
        return [self._known[film] for film in films]


def words(page: str) -> str:
    return " ".join((ROOT / "docs" / "how-to" / page).read_text("utf-8").split())


@pytest.fixture(scope="module")
def fast() -> ReadOnce:
    return ReadOnce("fast")


@pytest.fixture(scope="module")
def choose(shared_data) -> Cohort:
    return rsna_split().take(read_cohort(shared_data / "rsna"), CHOOSE)


def calibrated(fast: ReadOnce, films: Cohort, shift: dict[str, float], out):
    read_otherwise = [replace(film, bone_age_months=film.bone_age_months + shift[film.sex]) for film in films]
    return calibrate(fast, read_bundle("fast"), Cohort("site", tuple(read_otherwise)), out)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_site_gains_from_calibration_what_the_page_says(fast, choose, tmp_path):
    page, films = words("calibrate.md"), sample(choose, 120)
    assert f"{len(films)} films of RSNA's challenge" in page
    otherwise = calibrated(fast, films, {"F": 6, "M": -4}, tmp_path / "otherwise")
    alike = calibrated(fast, films, {"F": 0, "M": 0}, tmp_path / "alike")
    stated = re.search(
        r"from an MAE of ([\d.]+) months to ([\d.]+) \(difference (\S+), 95 % interval (\S+) to (\S+)\).*"
        r"the same films went from ([\d.]+) to ([\d.]+)",
        page,
    )
    assert stated
    found = (
        *(of.overall.mae for of in (otherwise.before, otherwise.after)),
        *(otherwise.gain.mae, otherwise.gain.low, otherwise.gain.high),
        *(of.overall.mae for of in (alike.before, alike.after)),
    )
    assert [float(number) for number in stated.groups()] == pytest.approx(found, abs=0.05)
    assert otherwise.unlike
    assert not alike.unlike


@pytest.mark.slow
def test_altered_copies_change_readings_as_the_page_says(fast, choose):
    page, (published,) = words("robustness.md"), PROTOCOLS.values()
    stated = {
        name: row
        for name in published.copies
        if (row := re.search(rf"\| {re.escape(published.copies[name].title)} \|([^|]+)\|([^|]+)\|([^|]+)\|", page))
    }
    assert {published.kinds[name] for name in stated} == set(published.kinds.values())
    copies = {name: published.copies[name] for name in (PLAIN, *stated)}
    films = sample(choose, 40)
    assert f"On {len(films)} films" in page
    measured = measure_protocol(fast, films, replace(published, copies=copies)).summary().set_index("copy")  # type: ignore
    assert f"(as it is: {measured.loc[PLAIN, 'mae']:.2f})" in page
    for name, row in stated.items():
        assessed, change, mae = (cell.strip() for cell in row.groups())
        found = measured.loc[name]
        if not found["compared"]:
            assert (assessed, change, mae) == ("none was assessed", "", ""), name
            continue
        changed = f"{found['changed'] * found['compared']:.0f} of {found['compared']}"
        if found["changed"]:
            low, high = found["changed_low"], found["changed_high"]
            changed += f" ({100 * found['changed']:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        assert assessed == changed, name
        assert (float(change), float(mae)) == pytest.approx((found["change"], found["mae"]), abs=0.15), name


def test_sites_are_warned_of_as_often_as_the_page_says():
    """Errors of a bundle's own films, of those it was calibrated on, and of each site's, all drawn alike."""
    random, page = np.random.default_rng(2017), words("calibrate.md")
    scale = SD / np.sqrt(FREEDOM / (FREEDOM - 2))

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_t(FREEDOM, shape) * scale

    own, calibrating = drawn(SITES, 2, KNOWN // 2), np.abs(drawn(SITES, KNOWN))
    reach = np.sort(calibrating, axis=1)[:, int(np.ceil((KNOWN + 1) * 0.9)) - 1]
    false, true = [], []
    for films in (60, 120, 400):
        errors, rare = drawn(SITES, 2, films // 2), {}
        for shift, rates in ((0.0, false), (3.0, true)):
            warned = 0
            for site, half_width, known in zip(errors + shift, reach, own, strict=True):
                outside = int((np.abs(site) > half_width).sum())
                if outside not in rare:
                    rare[outside] = p_of_misses(outside, films, KNOWN)
                means = (p_of_means(of, k.mean(), k.std(ddof=1), k.size) for of, k in zip(site, known, strict=True))
                warned += min(rare[outside], *means) < LEVEL / 3
            rates.append(warned / SITES)
    assert (
        f"{false[0]:.1%} of sites with 60 films, {false[1]:.1%} with 120 and {false[2]:.1%} with 400".replace("%", " %")
        in page
    ), false
    assert f"noticed at {true[0]:.0%}, {true[1]:.0%} and {true[2]:.0%}".replace("%", " %") in page, true
