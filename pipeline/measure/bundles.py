"""Compare bundles on the same films: the difference of their errors, film by film."""

from __future__ import annotations

from collections.abc import Sequence

from .evaluate import Evaluation, few_films, group_label
from .markdown import markdown_table
from .metrics import FEW, groups_of, paired_difference

PAGE = "comparison.md"
_HEAD = ("bundle", "films", "n", "MAE", "MAE of the first", "difference (95 % interval)")
_HEAD += ("by it alone", "by the first alone")
_TEXT = """Compared with {first}, on cohort {cohort}, {split}. Errors are in months, on the n films that both \
assessed, beside which films that one of them alone assessed are counted. Difference: MAE less that of \
the first on the same films, below 0 where the bundle is better, with the 95 % interval of a paired \
bootstrap over films. An interval that holds 0 decides nothing; among several groups one may miss 0 by \
chance."""


def compare_bundles(evaluations: Sequence[Evaluation], names: Sequence[str]) -> str:
    """Evaluations of several bundles on the same films, each less the first, as Markdown; `names` of the bundles."""
    first = evaluations[0]
    rows = [row for other, name in zip(evaluations[1:], names[1:], strict=True) for row in _rows(first, other, name)]
    text = _TEXT.format(first=names[0], cohort=first.cohort, split=first.split)
    few = dict.fromkeys(row[1] for row in rows if 0 < int(row[2].replace(",", "")) < FEW)
    return "\n\n".join((text, markdown_table(_HEAD, rows, words=2), *([few_films(few)] if few else ()))) + "\n"


def _rows(first: Evaluation, other: Evaluation, name: str) -> list[tuple[str, ...]]:
    both = other.films.assign(
        base=(first.films["bone_age_months"] - first.films["labelled_months"]).to_numpy(),
        own=other.films["bone_age_months"] - other.films["labelled_months"],
    )
    rows = []
    for group, level, films in groups_of(both, by=other.by):
        read = films.dropna(subset=["base", "own"])
        alone = [f"{films[column].notna().sum() - len(read):,}" for column in ("own", "base")]
        cells = ("", "", "")
        if len(read):
            gap = paired_difference(read["own"], read["base"])
            ends = f" ({gap.low:+.2f} to {gap.high:+.2f})" if gap.n > 1 else ""
            cells = (f"{read['own'].abs().mean():.2f}", f"{read['base'].abs().mean():.2f}", f"{gap.mae:+.2f}{ends}")
        label = group_label({"group": group, "level": level})
        rows.append((name, label, f"{len(read):,}", *cells, *alone))
    return rows
