"""The clinical reference tables, from their data files: linear between two rows, never extrapolated.

`brush.csv`: mean and SD of skeletal age by chronological age, Brush Foundation, from Greulich and Pyle 1959.
`bayley-pinneau.csv`: percent of mature height by skeletal age, sex and category, Bayley and Pinneau 1952.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ...data.sex import Sex
from ..reading import Category

CATEGORIES: tuple[Category, ...] = get_args(Category)

_FOLDER = Path(__file__).parent
_BRUSH_COLUMNS: Mapping[Sex, str] = {"F": "girls", "M": "boys"}


@dataclass(frozen=True)
class Curve:
    """Some quantities at rising ages: `ages` in months (n,), `values` (n, quantities)."""

    ages: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def first(self) -> float:
        """The youngest age of the table, in months."""
        return float(self.ages[0])

    @property
    def last(self) -> float:
        """The oldest age of the table, in months."""
        return float(self.ages[-1])

    def at(self, months: float) -> tuple[float, ...] | None:
        """The quantities at an age, linear between two rows; None before the first and after the last."""
        if not self.first <= months <= self.last:
            return None
        return tuple(float(np.interp(months, self.ages, column)) for column in self.values.T)


@cache
def brush(sex: Sex) -> Curve:
    """Mean and SD of skeletal age in months, by chronological age: 3 to 204 months for boys, to 192 for girls."""
    who = _BRUSH_COLUMNS[sex]
    rows = [row for row in _rows("brush.csv") if row[f"{who}_mean"]]
    return _curve(rows, "chronological_age_months", (f"{who}_mean", f"{who}_sd"))


@cache
def bayley_pinneau(sex: Sex, category: Category) -> Curve:
    """Percent of mature height by skeletal age, for accelerated, average or delayed maturation."""
    rows = [row for row in _rows("bayley-pinneau.csv") if (row["sex"], row["category"]) == (sex, category)]
    return _curve(rows, "bone_age_months", ("percent",))


def _rows(name: str) -> Iterable[Mapping[str, str]]:
    with open(_FOLDER / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def _curve(rows: Sequence[Mapping[str, str]], age: str, columns: Sequence[str]) -> Curve:
    ages = np.array([float(row[age]) for row in rows])
    return Curve(ages, np.array([[float(row[column]) for column in columns] for row in rows]))
