"""The clinical tables: known cells re-checked, and nothing read outside them."""

from __future__ import annotations

import numpy as np
import pytest

from boneage.pipeline.clinical.tables import CATEGORIES, bayley_pinneau, brush

SEXES = ("F", "M")


@pytest.mark.parametrize(
    ("sex", "months", "mean", "sd"),
    [
        ("M", 3, 3.01, 0.69),
        ("M", 24, 25.97, 3.92),
        ("M", 120, 125.68, 9.79),
        ("M", 192, 195.32, 12.86),
        ("M", 204, 206.21, 13.05),
        ("F", 3, 3.02, 0.72),
        ("F", 54, 60.06, 10.73),
        ("F", 120, 125.66, 11.73),
        ("F", 144, 149.62, 10.24),
        ("F", 192, 189.44, 7.31),
    ],
)
def test_brush_cells(sex, months, mean, sd):
    assert brush(sex).at(months) == (mean, sd)


@pytest.mark.parametrize(
    ("sex", "category", "months", "percent"),
    [
        # the two cells that wrong copies have as 75.0 and 80.4, in all categories
        ("M", "average", 96, 72.3),
        ("M", "accelerated", 96, 69.6),
        ("M", "delayed", 96, 75.6),
        ("F", "average", 120, 86.2),
        ("F", "accelerated", 120, 82.8),
        ("F", "delayed", 120, 87.4),
        # first, last and some in between
        ("M", "average", 84, 69.5),
        ("M", "average", 162, 90.2),
        ("M", "average", 222, 100.0),
        ("M", "accelerated", 84, 67.0),
        ("M", "accelerated", 204, 99.0),
        ("M", "delayed", 72, 68.0),
        ("M", "delayed", 156, 88.0),
        ("F", "average", 72, 72.0),
        ("F", "average", 82, 75.1),
        ("F", "average", 216, 100.0),
        ("F", "accelerated", 84, 71.2),
        ("F", "accelerated", 210, 99.95),
        ("F", "delayed", 72, 73.3),
        ("F", "delayed", 204, 100.0),
    ],
)
def test_bayley_pinneau_cells(sex, category, months, percent):
    assert bayley_pinneau(sex, category).at(months) == (percent,)


def test_every_cell_is_there():
    assert [len(brush(sex).ages) for sex in SEXES] == [23, 24]
    counts = {(sex, category): len(bayley_pinneau(sex, category).ages) for sex in SEXES for category in CATEGORIES}
    assert counts == {
        ("F", "accelerated"): 42,
        ("F", "average"): 47,
        ("F", "delayed"): 45,
        ("M", "accelerated"): 41,
        ("M", "average"): 47,
        ("M", "delayed"): 29,
    }


@pytest.mark.parametrize("sex", SEXES)
def test_tables_have_the_shape_of_growth(sex):
    assert (np.diff(brush(sex).values[:, 0]) > 0).all()
    for category in CATEGORIES:
        table = bayley_pinneau(sex, category)
        assert (np.diff(table.ages) > 0).all()
        assert (np.diff(table.values[:, 0]) >= 0).all()
    # at one skeletal age, who is late has less left to grow than who is early
    for months in range(84, 157):
        rows = [bayley_pinneau(sex, category).at(months) for category in CATEGORIES]
        early, usual, late = (row[0] for row in rows if row is not None)
        assert early < usual < late


def test_between_two_rows_it_is_linear_and_outside_there_is_nothing():
    assert brush("M").at(126) == pytest.approx(((125.68 + 137.32) / 2, (9.79 + 10.09) / 2))
    assert bayley_pinneau("M", "average").at(97) == pytest.approx((72.3 + 0.8 / 3,))
    assert [brush("F").at(months) for months in (2.99, 192.01)] == [None, None]
    assert [bayley_pinneau("M", "delayed").at(months) for months in (71.9, 156.1)] == [None, None]
