"""What a comparison of trainings measured, as a value and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...data.text import counted, for_markdown
from ...weights.torch_engine import device_name
from .markdown import markdown_table
from .metrics import FEW
from .plan import BASE, Plan

_HEAD = ("question", "arm", "seeds", "n", "MAE (95 % interval)", "difference to base (95 % interval)", "by seed")
_HEAD += ("images", "pixels", "minutes", "cost")
_TEXT = """Base: {base}.

{cohort}: every run learned from the same {trained_on:,} films of the part `train`, in the same order for a seed. \
Its weights after the last epoch, which was fixed beforehand, read {n:,.0f} films of the part `choose`, which measured \
and chose nothing; the part `report` was not touched. Errors are in months. A film's error is the mean of its absolute \
errors over the seeds. Difference: MAE less the base's on the same films and seeds, below 0 where the arm is better, \
with a paired bootstrap. The intervals show the chance of the films, not that of the seeds, which `by seed` shows. \
`images` went through the net in the training of one run; `pixels` are theirs and `cost` the minutes of one training, \
both over the base's; device: {device}.

"""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was measured.

    rows: one row an arm, the base first: `question`, `arm`, `is_base` (the base, or an arm with the same settings),
        `seeds` (those that finished), `n` films, `mae` with `mae_low` and `mae_high`, `difference` to the base with
        `difference_low` and `difference_high` and `by_seed` (a tuple), all in months; `images` taken through the net in
        the training of one run, `pixels` of them, `minutes` of training (mean over seeds). NaN where there is none.
    failures: a sentence for each run that failed. trained_on: films that every run learned from. files: what was
        written about it.
    """

    plan: Plan
    cohort: str
    trained_on: int
    rows: pd.DataFrame
    failures: tuple[str, ...]
    files: tuple[Path, ...] = ()

    def table(self) -> str:
        """All arms as Markdown, with what they were measured on."""
        base = self.plan.settings_of(BASE, self.plan.seeds[0])
        net = f"{base.net.backbone}{' from ImageNet' if base.imagenet else ''}"
        stages = ", then ".join(f"{counted(stage.epochs, 'epoch')} at {stage.size} px" for stage in base.stages)
        settings = (
            f"{net}, view {self.plan.view}, sex {base.net.fusion}, pooling {base.net.pooling}, loss {base.loss}, "
            f"augmentation {base.augmentation}, {stages}"
        )
        arms = self.rows.to_dict("records")
        n = max((row["n"] for row in arms if row["seeds"]), default=0)
        text = _TEXT.format(
            base=settings, cohort=for_markdown(self.cohort), trained_on=self.trained_on, n=n, device=device_name()
        ) + markdown_table(_HEAD, (_cells(row, arms[0]) for row in arms), words=2)
        if 0 < n < FEW:
            text += f"\n\nFewer than {FEW} films measured, so that figures and intervals are rough."
        if self.failures:
            text += "\n\nRuns that failed:\n\n" + "\n".join(f"- {failure}" for failure in self.failures)
        return f"{text}\n"


def _cells(row: Mapping[Any, Any], base: Mapping[Any, Any]) -> tuple[str, ...]:
    """One arm's row of the table; ratios to the base are blank where the base failed."""
    name = (row["question"], row["arm"], str(len(row["seeds"])))
    if not row["seeds"]:
        return *name, "0", "failed", *[""] * 6
    difference, by_seed = "the base" if row["is_base"] else "", ""
    if pd.notna(row["difference"]):
        difference = difference_words(row)
        by_seed = ", ".join(f"{months:+.2f}" for months in row["by_seed"])
    return (
        *name,
        f"{row['n']:,.0f}",
        "{mae:.2f}".format_map(row) + (" ({mae_low:.2f} to {mae_high:.2f})".format_map(row) if row["n"] > 1 else ""),
        difference,
        by_seed,
        f"{row['images']:,}",
        f"{row['pixels'] / base['pixels']:.2f}",
        f"{row['minutes']:.1f}",
        f"{row['minutes'] / base['minutes']:.2f}" if base["seeds"] else "",
    )


def difference_words(row: Mapping[Any, Any]) -> str:
    """An arm's difference to the base with its interval, which a single film does not have."""
    ends = " ({difference_low:+.2f} to {difference_high:+.2f})" if row["n"] > 1 else ""
    return f"{{difference:+.2f}}{ends}".format_map(row)
