"""Fit a bundle's correction and intervals to the films of a site, and say what that is worth.

A net that is right on average elsewhere may read the films of a clinic too old or too young, and each clinic's readers
have a habit of their own. The correction is a line for each sex. It is worth what it does for films that it was not
fitted to: each fifth of the films is read with the line of the other four.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...data.cohort import Cohort, Film
from ...data.errors import OutputError, TrainingError
from ...data.files import whole_folder
from ...data.split import WHOLE, make_split
from ...data.text import counted, for_markdown
from ...regressor.calibration import Calibration, fit_site_calibration
from ...weights.bundle import Bundle, read_bundle, write_bundle
from ..predict.bone_age import BoneAge
from .card import line_words, write_card
from .evaluate import Evaluation, evaluate, from_films
from .evaluation_plots import before_and_after_plot
from .markdown import markdown_table, write_markdown
from .metrics import SEX_LABELS, Difference, coverage_by_group, groups_of, paired_difference
from .results_io import write_measured
from .unlike import unlike

log = logging.getLogger(__name__)

FEWEST_A_SEX = 30  # films; a line through fewer moves by over a quarter of the error's SD at the ends of its range
ENOUGH = 120  # films; Scientific Reports 2025, 10.1038/s41598-025-20148-w: 121 films, 6.57 to 5.69 months on 260 others
FOLDS = 5
_NONE = Calibration(1.0, 0.0, {}, 0)  # of a bundle that has none
_HEAD = ("films", "n", "MAE before (95 % interval)", "MAE after", "difference", "bias before", "after")


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A bundle that was fitted to a site.

    bundle: as it is stored. before, after: the films read as before, and with what was fitted without them. gain: MAE
    after less before, months, on the same films. unlike: how the films differ from the bundle's (`unlike.unlike`).
    """

    bundle: Bundle
    before: Evaluation
    after: Evaluation
    gain: Difference
    unlike: tuple[str, ...]

    def table(self) -> str:
        """Before and after as Markdown, overall and by sex, with the lines, the intervals and what to make of it."""
        rows, lines = [], Calibration.from_dict(self.bundle.calibration or {})
        both = self.before.films.assign(after=self.after.films["error_months"]).dropna(subset=["error_months"])
        for group, level, films in groups_of(both):
            if group != "age band":
                rows.append((level, f"{len(films):,}", *_cells(films)))
        before, after = (_covered(of) for of in (self.before, self.after))
        site = self.bundle.site
        text = [
            f"Calibrated on cohort {for_markdown(site['cohort'])}, {site['split']}: {counted(site['n'], 'film')}, from "
            f"the bundle {site['from']}. After: each film is read with what was fitted to the other {FOLDS - 1} of "
            f"{FOLDS} parts. Errors are in months, predicted minus labelled; intervals are 95 % bootstrap intervals "
            "over films, those of the difference paired.",
            markdown_table(_HEAD, rows),
            f"The 90 % interval held {before} of the labels before, {after} after.",
            *(f"{SEX_LABELS[sex].capitalize()}: {line_words(lines.line(sex))}." for sex in SEX_LABELS),
        ]
        text += [f"These films are unlike those that {site['from']} was measured on: {way}." for way in self.unlike]
        if self.gain.high >= 0:
            found = "its interval holds 0" if self.gain.low <= 0 else "films held back are read worse"
            text.append(f"A gain is not shown: of the difference of the MAE, {found}. Keep the bundle it came from.")
        return "\n\n".join(text) + "\n"


def calibrate(bone_age: BoneAge, bundle: Bundle, cohort: Cohort, out: str | Path, *, split: str = WHOLE) -> Calibrated:
    """Fit `bundle`, which `bone_age` reads with, to a cohort, and store it in the new folder `out` with its model card.

    The name of the new bundle is the folder's. `split`: in words, which films of the data these are. The folder also
    gets `calibration/` with each film before and after, and the table. Raises TrainingError for fewer than FEWEST_A_SEX
    films of a sex, before any film is read, and after that for too few that have a bone age; the log warns of fewer
    than ENOUGH films, and of films unlike those that the bundle was measured on.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise OutputError(f"{out}: is there already; give a new folder for the calibrated bundle")
    _check(cohort.name, cohort, "are in the table")
    before = evaluate(bone_age, cohort, split=split)
    read = before.films["bone_age_months"].notna().to_numpy()
    _check(cohort.name, compress(cohort, read), "have a bone age")
    if read.sum() < ENOUGH:
        log.warning(
            "%s to calibrate on: a line through fewer than %d is uncertain", counted(read.sum(), "film"), ENOUGH
        )
    base = Calibration.from_dict(bundle.calibration) if bundle.calibration else _NONE
    ways = tuple(unlike(before.films, bundle.metrics.get("report", {}), base.n))
    for way in ways:
        log.warning("these films are unlike those that %s was measured on: %s", bundle.name, way)
    films, folds = before.films.loc[read], _folds(cohort)[read]
    fitted = _fitted(base, films, folds)
    frame = before.films.copy()
    for fold in range(FOLDS):
        mine = np.flatnonzero(read)[folds == fold]
        without = _fitted(base, films.loc[folds != fold], folds[folds != fold])
        frame = _read_again(frame, mine, base, without)
    name = out.resolve().name
    held_back = f"{split}, each held back from what it is read with"
    after = from_films(frame, {"cohort": cohort.name, "split": held_back, "model": name})
    gain = paired_difference(after.films["error_months"][read], before.films["error_months"][read])
    site: dict[str, Any] = {
        "cohort": cohort.name,
        "split": split,
        "n": int(read.sum()),
        "girls": films["sex"].tolist().count("F"),
        "boys": films["sex"].tolist().count("M"),
        "from": f"{bundle.name} ({bundle.digest[:12]})",
        "program": f"boneage {version('boneage')}",
        "mae_before": _mae(before),
        "mae_after": _mae(after),
        "difference": [round(value, 4) for value in (gain.mae, gain.low, gain.high)],
        "unlike": list(ways),
    }
    made = replace(bundle, name=name, calibration=fitted.to_dict(), metrics={"report": after.to_dict()}, site=site)
    with whole_folder(out) as making:
        stored = write_bundle(made, making)
        result = Calibrated(stored, before, after, gain, ways)
        write_card(stored, after)
        _write_steps(result, making / "calibration")
    return replace(result, bundle=read_bundle(out))


def _fitted(base: Calibration, films: pd.DataFrame, folds: NDArray[np.intp]) -> Calibration:
    return fit_site_calibration(
        base, films["bone_age_months"].to_numpy(), films["labelled_months"].to_numpy(), films["sex"].tolist(), folds
    )


def _read_again(frame: pd.DataFrame, rows: NDArray[np.intp], base: Calibration, new: Calibration) -> pd.DataFrame:
    """The frame with readings and intervals of some rows by another calibration."""
    for row in rows:
        sex, months = frame["sex"].iloc[row], float(frame["bone_age_months"].iloc[row])
        slope, intercept = base.line(sex)
        months = max(float(new.corrected([(months - intercept) / slope], [sex])[0]), 0.0)
        low, high = new.interval(months, sex)
        values = {"bone_age_months": months, "interval_90_low": low, "interval_90_high": high}
        values["error_months"] = months - frame["labelled_months"].iloc[row]
        for column, value in values.items():
            frame.iloc[row, frame.columns.get_loc(column)] = round(value, 2)  # pyright: ignore[reportArgumentType]
    return frame


def _folds(cohort: Cohort) -> NDArray[np.intp]:
    """The fold of each film, all films of a child in one, each alike in sex and bone age."""
    parts = make_split(cohort, {str(fold): 1 / FOLDS for fold in range(FOLDS)}).parts
    return np.array([int(parts[film.id]) for film in cohort])


def _check(name: str, films: Iterable[Film], where: str) -> None:
    films = [*films]
    sexes = Counter(film.sex for film in films)
    children = Counter(sex for sex, _ in {(film.sex, film.patient) for film in films})
    few = [
        f"{counted(sexes.get(sex, 0), 'film')} of {words}"
        for sex, words in SEX_LABELS.items()
        if sexes.get(sex, 0) < FEWEST_A_SEX
    ]
    if few:
        raise TrainingError(
            f"{name}: {' and '.join(few)} {where}, expected at least {FEWEST_A_SEX} films of each sex, and better "
            f"{ENOUGH} in all; a correction from fewer would be chance. Add films with readings"
        )
    if min(children.values()) < FOLDS:
        raise TrainingError(
            f"{name}: the films of one sex are of {counted(min(children.values()), 'child', 'children')}, expected at "
            f"least {FOLDS}, since films of one child are held back together"
        )


def _covered(evaluation: Evaluation) -> str:
    coverage = coverage_by_group(evaluation.films)
    return "none" if coverage.empty else "{covered:.1%} ({low:.1%} to {high:.1%})".format(**coverage.iloc[0])


def _mae(evaluation: Evaluation) -> list[float]:
    of = evaluation.overall
    return [round(value, 3) for value in (of.mae, of.mae_low, of.mae_high)]


def _cells(films: pd.DataFrame) -> tuple[str, ...]:
    first, second = films["error_months"], films["after"]
    maes = [paired_difference(errors, errors * 0) for errors in (first, second)]
    gain = paired_difference(second, first)
    return (
        *(f"{of.mae:.2f} ({of.low:.2f} to {of.high:.2f})" for of in maes),
        f"{gain.mae:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})",
        f"{first.mean():+.2f}",
        f"{second.mean():+.2f}",
    )


def _write_steps(result: Calibrated, folder: Path) -> None:
    for name, of in (("before", result.before), ("after", result.after)):
        about = {"cohort": of.cohort, "split": of.split, "model": of.model}
        write_measured(folder, name, of.films, about)
    before_and_after_plot(result.before.films, result.after.films, folder / "before-after.png", result.bundle.name)
    write_markdown(folder / "table.md", result.table())
