"""Split a cohort by patient into parts stratified by sex and bone age, and keep RSNA's test films out of training."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .cohort import Cohort, Film
from .errors import CohortError
from .table import list_ids, read_table, write_table
from .text import counted

TRAIN, CHOOSE, REPORT = "train", "choose", "report"
WHOLE = "every film of it"  # films that are measured on, where no part of a split is named
SPLIT_FILE = "split.csv"  # in the folder of a training
_SHARES = re.compile(r"\d{1,9}:\d{1,9}:\d{1,9}")
DEFAULT_PARTS: Mapping[str, float | int] = {TRAIN: 0.8, CHOOSE: 0.1, REPORT: 0.1}

# Ids of the 200 test radiographs in RSNA's test table (Case ID 4360 to 4559); Halabi et al., Radiology 2018;290:498-503
# describes the three sets.
RSNA_TEST_IDS = frozenset(str(number) for number in range(4360, 4560))

RSNA_PARTS: Mapping[str, float | int] = {TRAIN: 1.0, CHOOSE: 600, REPORT: 600}
RSNA_SEED = 2017
RSNA = "rsna"  # what users call `rsna_split`
_RSNA_FILE = Path(__file__).parent / "splits" / "rsna-2017.csv"

_BAND_MONTHS = 12
_SMALLEST_STRATUM = 30  # patients; a smaller band is merged with the next older


@dataclass(frozen=True)
class Split:
    """Which part each film belongs to: id -> part.

    TRAIN is learned from, CHOOSE stops training and chooses between runs, REPORT is only ever measured on.
    """

    parts: Mapping[str, str]

    def ids(self, part: str) -> tuple[str, ...]:
        """Ids of a part, in the split's order; CohortError if there is no such part."""
        ids = tuple(id for id, its_part in self.parts.items() if its_part == part)
        if not ids:
            known = ", ".join(sorted(set(self.parts.values())))
            raise CohortError(f"split: no part called {part!r}; it has {known}")
        return ids

    def take(self, cohort: Cohort, part: str) -> Cohort:
        """Return the films of a cohort that belong to a part.

        The cohort may lack films of the split, but every one of its own must be in the split: CohortError names those
        that are not, since a film of unknown part could be both trained on and reported on.
        """
        if unknown := [film.id for film in cohort if film.id not in self.parts]:
            raise CohortError(f"{cohort.name}: {list_ids(unknown)} not in the split; make a new split of this cohort")
        wanted = set(self.ids(part))
        films = tuple(film for film in cohort if film.id in wanted)
        if not films:
            raise CohortError(f"{cohort.name}: none of its {len(cohort)} radiographs belongs to the part {part!r}")
        return Cohort(f"{cohort.name} {part}", films)


def make_split(cohort: Cohort, parts: Mapping[str, float | int] = DEFAULT_PARTS, seed: int = 0) -> Split:
    """Split a cohort into parts, all films of a patient in one, each part alike in sex and bone age.

    parts: name -> number of films (int), or share of the films that the numbers leave over (float; shares sum to 1).
    Numbers are met exactly when every patient has one film, else to within the films of one patient.
    seed: of the order of the patients. The same cohort, parts and seed give the same split on every
        machine and release, whatever the order of the table, because patients are ordered by a hash.

    Strata are sex x 12 months of mean bone age, a band of fewer than 30 patients merged with the next older.
    Raises CohortError: parts that do not add up, or one that would stay empty.
    """
    sizes = _sizes(parts, len(cohort))
    given = dict.fromkeys(sizes, 0)
    part_of_patient: dict[str, str] = {}
    dealt = 0
    for films in _dealing_order(cohort, seed):
        dealt += len(films)
        open_parts = [part for part in sizes if given[part] < sizes[part]]
        # the part furthest behind its share of the films dealt so far, in whole numbers, so without rounding
        part = max(open_parts, key=lambda part: sizes[part] * dealt - given[part] * len(cohort))
        given[part] += len(films)
        part_of_patient[films[0].patient] = part
    if empty := [part for part, number in given.items() if not number]:
        raise CohortError(
            f"{cohort.name}: too few patients ({len(part_of_patient)}) for {len(sizes)} parts; {', '.join(empty)} "
            "would be empty"
        )
    return Split({film.id: part_of_patient[film.patient] for film in cohort})


def write_split(split: Split, path: str | Path) -> None:
    """Store a split as a CSV with the columns id and part, whole or not at all."""
    write_table(path, ("id", "part"), ({"id": id, "part": part} for id, part in split.parts.items()))


def read_split(path: str | Path) -> Split:
    """Read a stored split; CohortError lists missing columns, blank cells and doubled ids with their line numbers."""
    sheet = read_table(Path(path), {"id": {"id": ("id",)}, "part": {"part": ("part",)}})
    if len(sheet.roles) < 2 or not sheet.rows:
        raise CohortError(f"{path}: not a split; expected the columns id and part and one row a radiograph")
    faults = sheet.faults
    parts: dict[str, str] = {}
    for row in sheet.rows:
        id, part = row.cells["id"], row.cells["part"]
        if not id or not part:
            faults.add(row.line, "blank cell", f"id {id!r}, part {part!r}")
        elif id in parts:
            faults.add(row.line, "doubled id", id)
        parts[id] = part
    faults.raise_any()
    return Split(parts)


def named_split(name: str | Path) -> Split:
    """The split that a user names: `rsna` for `rsna_split`, else a stored split's CSV."""
    return rsna_split() if name == RSNA else read_split(name)


def part_of(cohort: Cohort, split: str | Path | None, part: str | None) -> tuple[Cohort, str]:
    """The films to measure on, and in words which they are: a part (default REPORT) of a `named_split`, else all.

    Raises CohortError for a part without a split, and as `Split.take`.
    """
    if split is None:
        if part:
            raise CohortError("--part names a part of a split; give --split too")
        return cohort, WHOLE
    part = part or REPORT
    return named_split(split).take(cohort, part), f"part {part} of the split {Path(split).name}"


def training_split(cohort: Cohort, name: str | Path | None, folder: str | Path) -> Split:
    """The split to train with: the one named, else the one stored in `folder` (SPLIT_FILE), else a new one.

    name: as for `named_split`, or percent of the films to train, choose and report, as 50:35:15.
    Raises CohortError for a film of RSNA's test set outside the part REPORT.
    """
    stored = Path(folder) / SPLIT_FILE
    if name and _SHARES.fullmatch(str(name)):
        shares = [int(share) for share in str(name).split(":")]
        whole = max(sum(shares), 1)
        split = make_split(cohort, dict(zip(DEFAULT_PARTS, (share / whole for share in shares), strict=True)))
    else:
        split = named_split(name) if name else read_split(stored) if stored.exists() else make_split(cohort)
    refuse_test_ids(film.id for film in cohort if split.parts.get(film.id) != REPORT)
    return split


def rsna_split() -> Split:
    """Return the project's split of RSNA's 12,611 training films: 600 to choose by, 600 to report on, the rest train.

    Made by `make_split` with RSNA_PARTS and RSNA_SEED; RSNA publishes no patient ids, so each film counts as a patient.
    """
    return read_split(_RSNA_FILE)


def refuse_test_ids(ids: Iterable[str]) -> None:
    """Raise CohortError if any id (or file name) is one of RSNA's test set, which no training may see."""
    found = {Path(id).stem for id in ids} & RSNA_TEST_IDS
    if found:
        raise CohortError(
            f"{list_ids(found)} of RSNA's test set (4360 to 4559) among the films to train on; take them out, or if "
            "they are not RSNA's films, give them other ids"
        )


def _sizes(parts: Mapping[str, float | int], n: int) -> dict[str, int]:
    """Turn numbers and shares into numbers of films that sum to n, the largest remainders rounded up."""
    numbers = {part: size for part, size in parts.items() if isinstance(size, int)}
    shares = {part: Fraction(str(size)) for part, size in parts.items() if isinstance(size, float)}
    left = n - sum(numbers.values())
    whole = sum(shares.values())
    if not parts or min(parts.values()) <= 0 or left < 0 or (left and abs(whole - 1) > 1e-6):
        asked = ", ".join(f"{part}: {size}" for part, size in parts.items())
        raise CohortError(
            f"split: parts ({asked}) do not add up for {counted(n, 'film')}; expected numbers of films, and shares of "
            "the rest that sum to 1"
        )
    due = {part: left * share / whole for part, share in shares.items()}
    sizes = {part: int(films) for part, films in due.items()}
    by_remainder = sorted(due, key=lambda part: due[part] - sizes[part], reverse=True)
    for part in by_remainder[: left - sum(sizes.values())]:
        sizes[part] += 1
    return {part: numbers.get(part, sizes.get(part, 0)) for part in parts}


def _dealing_order(cohort: Cohort, seed: int) -> list[list[Film]]:
    """Order the patients, each with its films: stratum after stratum, by a seeded hash within each."""
    patients: dict[str, list[Film]] = defaultdict(list)
    for film in cohort:
        patients[film.patient].append(film)

    def band(films: list[Film]) -> tuple[str, int]:
        return films[0].sex, int(sum(film.bone_age_months for film in films) / len(films) // _BAND_MONTHS)

    def chance(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    counts = Counter(band(films) for films in patients.values())
    stratum_of: dict[tuple[str, int], int] = {}
    stratum, filled, last_sex = 0, 0, ""
    for sex, months in sorted(counts):
        if filled >= _SMALLEST_STRATUM or sex != last_sex:
            stratum, filled = stratum + 1, 0
        stratum_of[sex, months] = stratum
        filled += counts[sex, months]
        last_sex = sex
    return sorted(patients.values(), key=lambda films: (stratum_of[band(films)], chance(films[0].patient)))
