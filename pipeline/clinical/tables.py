"""The clinical reference tables, from their data files: linear between two rows, never extrapolated.

`brush.csv`: mean and SD of skeletal age by chronological age, Brush Foundation, from Greulich and Pyle 1959.
`bayley-pinneau.csv`: percent of mature height by skeletal age, sex and category, Bayley and Pinneau 1952.
`rwt-1975.csv`, `khamis-roche-1995.csv`: coefficients of predicted adult heights by chronological age and sex.
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

from ...data.child import YEAR, in_years
from ...data.remark import Remark
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

    def outside(self, months: float) -> Remark:
        """An age that the table does not cover, in words that differ from those of its ends."""
        if round(months) not in (round(self.first), round(self.last)):
            return in_years(months)
        return Remark("{age} ({months:.1f} months)", age=in_years(months), months=months)

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


@cache
def rwt(sex: Sex) -> Curve:
    """Coefficients of RWT 1975 by chronological age: 12 to 189 months for boys, to 168 for girls.

    They are of recumbent length (cm), weight (kg), mid-parental height (cm) and skeletal age (years); the last is the
    intercept (cm). Rows with a doubtful cell, as the file says, are left out: boys end before 192 months, and girls are
    read between 162 and 168.
    """
    rows = [row for row in _rows("rwt-1975.csv") if row["sex"] == sex and not row["doubtful"]]
    names = ("recumbent_length_cm", "weight_kg", "midparent_stature_cm", "skeletal_age_gp_years", "intercept_cm")
    return _curve(rows, "age_months", names)


@cache
def khamis_roche(sex: Sex) -> Curve:
    """Coefficients of Khamis and Roche by chronological age, 48 to 210 months.

    They are of height (inches), weight (pounds) and mid-parental height (inches); the last is the intercept (inches).
    """
    rows = [row for row in _rows("khamis-roche-1995.csv") if row["sex"] == sex]
    table = _curve(rows, "age_years", ("stature_per_in", "weight_per_lb", "midparent_per_in", "intercept_in"))
    return Curve(table.ages * YEAR, table.values)


def _rows(name: str) -> Iterable[Mapping[str, str]]:
    with open(_FOLDER / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def _curve(rows: Sequence[Mapping[str, str]], age: str, columns: Sequence[str]) -> Curve:
    ages = np.array([float(row[age]) for row in rows])
    return Curve(ages, np.array([[float(row[column]) for column in columns] for row in rows]))
