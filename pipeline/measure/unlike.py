"""Whether the errors on some films are like those on the films that a bundle was measured on.

A bundle's figures and intervals hold for films that could as well have been among those it was measured on, labelled
by the same kind of reader. Two things tell that these are not: another mean error of a sex, and more labels outside the
90 % intervals than there should be. The tests share LEVEL among them, so that films like the bundle's are called unlike
them at most that often.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...regressor.calibration import LEVEL as COVERED
from .metrics import SEX_LABELS

LEVEL = 0.01  # how often films that are like the bundle's are called unlike them


def unlike(films: pd.DataFrame, report: Mapping[str, Any], calibrated_on: int | None) -> Iterator[str]:
    """Sentences on how the errors of films differ from those of a bundle; none where they are alike.

    films: `Evaluation.films`, of films the bundle has never seen. report: what `Evaluation.to_dict` says of the
    bundle's own films; without `by_sex`, as of earlier versions, the sexes are compared together. calibrated_on: number
    of films that the bundle's intervals were fitted on, None without any.
    """
    read, known = films.dropna(subset=["error_months"]), report.get("by_sex") or {}
    groups = [(words, read.loc[read["sex"] == sex], known[sex]) for sex, words in SEX_LABELS.items() if sex in known]
    groups = groups or [("all", read, report)]
    level = LEVEL / (len(groups) + 1)
    for words, of, own in groups:
        errors = of["error_months"].to_numpy(np.float64)
        if len(errors) > 1 and own.get("n", 0) > 1:
            p = p_of_means(errors, own["bias"], own["sd"], own["n"])
            if p < level:
                yield (
                    f"{words} are read {errors.mean():+.1f} months from the labels on average, and "
                    f"{own['bias']:+.1f} on the bundle's own films ({_short(p)})"
                )
    held = read.dropna(subset=["interval_90_low"])
    if calibrated_on and len(held):
        inside = held["labelled_months"].between(held["interval_90_low"], held["interval_90_high"])
        outside = int((~inside).sum())
        p = p_of_misses(outside, len(held), calibrated_on)
        if p < level:
            yield (
                f"{outside} of {len(held)} labels lie outside the 90 % interval, where about {len(held) / 10:.0f} "
                f"should ({_short(p)})"
            )


def p_of_means(errors: np.ndarray, mean: float, sd: float, n: int) -> float:
    """How often means differ this much by chance: Welch's test (Biometrika 1947;34:28-35), two-sided.

    errors: months; mean, sd, n: of the other films. Student's t is turned into a normal deviate by Wallace's formula
    (Annals of Mathematical Statistics 1959;30:1121-1130), which from 10 degrees of freedom on is as good as exact.
    """
    own, other = errors.var(ddof=1) / len(errors), sd**2 / n
    t_squared = (errors.mean() - mean) ** 2 / max(own + other, 1e-9)
    freedom = (own + other) ** 2 / max(own**2 / (len(errors) - 1) + other**2 / (n - 1), 1e-12)
    deviate = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t_squared / freedom))
    return math.erfc(deviate / math.sqrt(2))


def p_of_misses(outside: int, of: int, calibrated_on: int) -> float:
    """How often at least so many labels lie outside of split-conformal intervals by chance.

    Exact for one conformal quantile of `calibrated_on` exchangeable scores: the share outside is then beta, and the
    number outside of `of` films beta-binomial (Vovk, Machine Learning 2013;92:349-376). It counts how many more films
    miss than the calibration's own chance explains.
    """
    n = calibrated_on
    a = max(n + 1 - math.ceil((n + 1) * COVERED), 1)
    b = n + 1 - a

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    def share(k: int) -> float:
        choices = -math.log(of + 1) - log_beta(k + 1, of - k + 1)
        return math.exp(choices + log_beta(k + a, of - k + b) - log_beta(a, b))

    return min(math.fsum(share(k) for k in range(outside, of + 1)), 1.0)


def _short(p: float) -> str:
    return "p under 0.0001" if p < 1e-4 else f"p = {p:.4f}"
