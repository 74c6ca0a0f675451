"""How a run of the benchmark is made: how thoroughly, with which films, where it may write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .films import AGES, draw


@dataclass(frozen=True)
class Setting:
    """How thoroughly is measured, and with what.

    `folder`: for temporary files. `quick`: few films and rounds, to see that everything runs. `rsna`: RSNA's films.
    """

    folder: Path
    quick: bool = False
    rsna: Path | None = None

    def rounds(self, number: int) -> int:
        """How often to measure what a thorough run measures `number` times."""
        return 2 if self.quick else number

    @cached_property
    def films(self) -> tuple[Path, ...]:
        """Drawn radiographs, drawn when they are first asked for."""
        return draw(self.folder / "films", 1 if self.quick else len(AGES))
