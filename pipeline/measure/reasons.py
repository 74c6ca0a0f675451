"""Which reasons for `review` and `rejected` go with larger errors: what a reason is worth."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ...data.remark import Remark
from .markdown import markdown_table
from .metrics import agreement

BETWEEN = " | "  # causes in one cell
_HEAD = ("reason", "n", "with a bone age", "MAE with it (95 % interval)", "MAE without it (95 % interval)")


def causes_of(reasons: Iterable[Remark]) -> str:
    """Reasons without what differs from film to film, as one cell."""
    return BETWEEN.join(reason.outline for reason in reasons)


def reasons_table(films: pd.DataFrame) -> str:
    """A row for each reason in Markdown, commonest first; "" where there is none.

    films: one row a film with the columns causes (`causes_of`), labelled_months and bone_age_months, NaN where there
        is none. Copies of a film are rows of their own, so that their intervals are a little too narrow.
    """
    causes = films["causes"].str.split(BETWEEN, regex=False)
    counts = causes.explode().value_counts()
    rows = []
    for cause, number in counts[counts.index != ""].items():
        there = causes.map(lambda found, cause=cause: cause in found)
        with_it, without = (films.loc[chosen & films["bone_age_months"].notna()] for chosen in (there, ~there))
        rows.append((str(cause), f"{number:,}", f"{len(with_it):,}", _mae(with_it), _mae(without)))
    return markdown_table(_HEAD, rows) if rows else ""


def _mae(films: pd.DataFrame) -> str:
    if films.empty:
        return ""
    found = agreement(films["bone_age_months"], films["labelled_months"])
    return f"{found.mae:.2f}" + (f" ({found.mae_low:.2f} to {found.mae_high:.2f})" if len(films) > 1 else "")
