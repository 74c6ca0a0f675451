"""The children that a bone age is compared with: mean and SD of skeletal age by age and sex; Brush's, or one's own.

Brush's SDS is centred on the chronological age, as is usual. A reference of one's own is made for children whose mean
differs from the atlas, so its SDS is centred on that mean.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.child import OLDEST_MONTHS, YEAR
from ...data.columns import sex_of
from ...data.errors import CohortError
from ...data.remark import Remark, Verbatim
from ...data.sex import Sex
from ...data.table import Row, Table, read_table
from ...data.text import for_line, shortened
from .tables import Curve, brush

NORMAL_SDS = 2.0  # SDs from the centre within which bone age is normal, both ends included
YOUNGEST_FOR_SDS = 24.0  # months; below, Brush's SD is under 4 months for boys and 5 for girls
FARTHEST_MEAN = 48.0  # months from the age; a mean farther off is in another unit, or of another age
LARGEST_SD = 36.0  # months; likewise
_LONGEST_NAME = 60  # characters, so that it fits a caption

SDS_REFERENCE = Remark("Greulich-Pyle 1959, Brush Foundation SD; centre: chronological age")
POPULATION = Remark(
    "the SDs are those of the Brush Foundation's children, who were white and lived in Ohio in the mid-20th century: "
    "others mature at other ages, in the United States Hispanic and Asian children sooner, most of all girls of 10 to "
    "13 and boys from 11 years on (Zhang 2009)"
)
COMPARED: Mapping[Sex, Remark] = {  # nothing is corrected by it
    "F": Remark(
        "in a meta-analysis of 35 studies (Alshamrani 2019) African girls were 0.37 years ahead of the atlas on "
        "average, and others did not differ significantly; nothing is corrected for it"
    ),
    "M": Remark(
        "in a meta-analysis of 35 studies (Alshamrani 2019) Asian boys were 0.8 to 1.4 years behind the atlas at 6 to "
        "9 years and 0.5 years ahead of it at 17, and others did not differ significantly; nothing is corrected for it"
    ),
}
_COLUMNS = {
    "sex": {"sex": ("sex",)},
    "age": {"age_months": ("age_months",), "age_years": ("age_years",)},
    "mean": {"mean_months": ("mean_months",), "mean_years": ("mean_years",)},
    "SD": {"sd_months": ("sd_months",), "sd_years": ("sd_years",)},
    "name": {"name": ("name", "reference")},
}


@dataclass(frozen=True, eq=False)
class Reference:
    """Bone ages of healthy children.

    name: as captions have it. curves: mean and SD in months by chronological age in months, for one sex or both.
    centred_on_mean: an SDS is counted from the mean at an age, else from the age. about: the sentence on table and
    centre. general: caveat on the children. by_sex: caveats on those of one sex. key: identifies what is not Brush's.
    authority: what reports cite.
    """

    name: str
    curves: Mapping[Sex, Curve]
    centred_on_mean: bool
    about: Remark
    general: Remark
    by_sex: Mapping[Sex, Remark]
    authority: str
    key: str = ""

    def at(self, sex: Sex, months: float) -> tuple[float, float] | None:
        """Mean and SD of bone age at a chronological age, in months; None outside the table, or without this sex."""
        norm = self.curves[sex].at(months) if sex in self.curves else None
        return (norm[0], norm[1]) if norm else None

    def centre(self, mean: float, months: float) -> float:
        """What an SDS is counted from, in months, at a chronological age where the table's `mean` is this."""
        return mean if self.centred_on_mean else months

    def caveats(self, sex: Sex) -> tuple[Remark, ...]:
        """What limits every SDS of this sex."""
        return (self.general, self.by_sex[sex]) if sex in self.by_sex else (self.general,)

    def normal_band(
        self, sex: Sex, youngest: float = 0.0, oldest: float = np.inf
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Chronological ages in months, rising; the centre at each; and the distance from it that is normal (all (n,)).

        The band is linear between these ages. It reaches from `youngest` to `oldest` as far as an SDS is given; the
        arrays are empty where none is.
        """
        if sex not in self.curves:
            return np.array([]), np.array([]), np.array([])
        table = self.curves[sex]
        first, last = max(youngest, YOUNGEST_FOR_SDS, table.first), min(oldest, table.last)
        between = table.ages[(table.ages > first) & (table.ages < last)]
        ages = np.array([first, *between, last] if first < last else [])
        mean, sd = (np.interp(ages, table.ages, column) for column in table.values.T)
        return ages, mean if self.centred_on_mean else ages, NORMAL_SDS * sd


@cache
def brush_reference() -> Reference:
    """The Brush Foundation's children, as Greulich and Pyle printed them."""
    authority = "Greulich and Pyle, Radiographic Atlas of Skeletal Development of the Hand and Wrist, 2nd ed. 1959"
    curves: dict[Sex, Curve] = {"F": brush("F"), "M": brush("M")}
    return Reference("Brush Foundation", curves, False, SDS_REFERENCE, POPULATION, COMPARED, authority)


def read_reference(path: str | Path) -> Reference:
    """Read a reference of one's own from a CSV or workbook: a row for each sex and age.

    Columns: `sex` (F, M or a word); `age_months` or `age_years`; `mean_months` or `mean_years` and `sd_months` or
    `sd_years` of bone age at that age; `name`, the same in every row, by which every result names the reference. There
    may be one sex alone. Raises CohortError, with all faults: a column that is missing; a cell that is no number; ages
    that do not rise from row to row of a sex, over 25 years, or fewer than two; a mean that falls, or is over 4 years
    from the age; an SD that is not above 0 and below 3 years.
    """
    sheet = read_table(Path(path), _COLUMNS)
    if lacking := [field for field in _COLUMNS if field not in sheet.roles]:
        forms = {field: " or ".join(roles) for field, roles in _COLUMNS.items()}
        wanted = ", ".join(forms[field] for field in lacking)
        raise CohortError(
            f"{path}: no column for {', '.join(lacking)} among {shortened(', '.join(sheet.header))}; a reference has "
            f"{wanted} (a column's name says its unit)"
        )
    by_sex: dict[Sex, list[tuple[int, list[float]]]] = {}
    for row in sheet.rows:
        sex, numbers = sex_of(row, sheet), [_months(row, sheet, field) for field in ("age", "mean", "SD")]
        if not row.cells["sex"]:
            sheet.faults.add(row.line, "blank cell", "no sex")
        if sex and None not in numbers:
            by_sex.setdefault(sex, []).append((row.line, [number for number in numbers if number is not None]))
    for rows in by_sex.values():
        _check(rows, sheet)
    name = _name(sheet)
    sheet.faults.raise_any()
    curves: dict[Sex, Curve] = {}
    for sex, rows in by_sex.items():
        if len(rows) < 2:
            raise CohortError(
                f"{path}: {len(rows)} row for {sex}, expected two ages or more; add rows, or leave {sex} out"
            )
        values = np.array([numbers for _, numbers in rows])
        curves[sex] = Curve(values[:, 0], values[:, 1:])
    if not curves:
        raise CohortError(f"{path}: no rows under the header; expected one row for each sex and age")
    named = Verbatim(name)
    return Reference(
        name=name,
        curves=curves,
        centred_on_mean=True,
        about=Remark("{name}; centre: its mean at the chronological age", name=named),
        general=Remark(
            "means and SDs are those of {name}, a table that was given ({file}); this program has not checked it",
            name=named,
            file=Verbatim(Path(path).name),
        ),
        by_sex={},
        authority=name,
        key=hashlib.sha256(repr((name, sorted(by_sex.items()))).encode()).hexdigest(),
    )


def _months(row: Row, sheet: Table, field: str) -> float | None:
    """A cell as months; None, and a fault, where it is no number."""
    text = row.cells[field]
    try:
        number = float(sheet.number(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        sheet.faults.add(row.line, field, f"{text!r} is not a number")
        return None
    return number * YEAR if sheet.roles[field].endswith("years") else number


def _check(rows: list[tuple[int, list[float]]], sheet: Table) -> None:
    """Note what cannot be in the rows of one sex: line, and age, mean and SD in months."""
    before: list[float] | None = None
    for line, (age, mean, sd) in rows:
        if not 0 <= age <= OLDEST_MONTHS:
            sheet.faults.add(line, "age", f"{age:g} months, expected 0 to {OLDEST_MONTHS:g}; check the unit")
        if abs(mean - age) > FARTHEST_MEAN:
            detail = f"{mean:g} months at an age of {age:g}, expected within {FARTHEST_MEAN:g} of it; check the unit"
            sheet.faults.add(line, "mean", detail)
        if not 0 < sd < LARGEST_SD:
            sheet.faults.add(line, "SD", f"{sd:g} months, expected above 0 and below {LARGEST_SD:g}; check the unit")
        if before and age <= before[0]:
            sheet.faults.add(line, "age", f"{age:g} months after {before[0]:g}; ages of a sex rise from row to row")
        elif before and mean < before[1]:
            sheet.faults.add(line, "mean", f"{mean:g} months after {before[1]:g}; bones do not become younger")
        before = [age, mean]


def _name(sheet: Table) -> str:
    """The one name of the reference; "", and a fault, where there is none or several."""
    names = {for_line(row.cells["name"].strip()): row.line for row in reversed(sheet.rows)}
    if len(names) > 1:
        first, second = sorted(names, key=lambda name: names[name])[:2]
        detail = f"{second!r}, and {first!r} above; expected the same in every row"
        sheet.faults.add(names[second], "name", detail)
    name = next(iter(names), "")
    if sheet.rows and not name:
        sheet.faults.add(sheet.rows[0].line, "name", "blank; results name the reference by it")
    if len(name) > _LONGEST_NAME:
        sheet.faults.add(names[name], "name", f"has {len(name)} characters, expected at most {_LONGEST_NAME}")
    return name
