"""What a comparison trains: a base, named arms that differ from it, seeds and films. It needs no torch, for help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ...data.config import config_values, load_config, make_config
from ...data.ranges import SEEDS, refuse_outside
from ...data.split import RSNA
from ...regressor.config import RegressorConfig

View = Literal["hand", "frame", "stretched"]


@dataclass(frozen=True)
class Arm:
    """One way to train, given as changes of the base's settings."""

    name: str
    question: str = ""  # what the arm answers; arms of one question stand together in table and plot
    changes: dict[str, Any] = field(default_factory=dict)  # of the base's settings, nested as they are; lists replace
    view: View | None = None  # crops it is trained and measured on; None: the plan's

    @property
    def title(self) -> str:
        """Question and name."""
        return f"{self.question}: {self.name}" if self.question else self.name

    @property
    def folder(self) -> str:
        """The title as a name of a folder."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


BASE = Arm("base")


@dataclass(frozen=True)
class Plan:
    """What `boneage compare` does: the base and every arm, each trained with every seed on the same films.

    `view`: `hand` is the crop that the segmenter finds, `frame` the whole film padded square, `stretched` the whole
    film squeezed into the square. `films`: how many of the part `train` are learned from, stratified by sex and bone
    age and drawn by `films_seed`; 0 takes all. The weights after the last epoch are measured, so that the films
    that measure choose nothing.
    """

    arms: tuple[Arm, ...]
    base: RegressorConfig = RegressorConfig()
    view: View = "hand"
    seeds: tuple[int, ...] = (1, 2)
    films: int = 0
    films_seed: int = 2017
    data: str = ""  # cohort, from the plan's own folder; where the command line names none
    split: str = ""  # stored split, from the plan's own folder, or rsna; where the command line names none

    def __post_init__(self) -> None:
        folders = [arm.folder for arm in self.all_arms]
        doubled = sorted({name for name in folders if folders.count(name) > 1})
        if not self.arms or doubled or not all(folders):
            raise ValueError(
                f"arms are {', '.join(arm.title for arm in self.arms) or 'none'}; expected at least one, each with its "
                f"own name in Latin letters or digits, none called {BASE.name}"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds are {self.seeds}, expected at least one and no two alike")
        refuse_outside(self, films=(0, 10_000_000), films_seed=SEEDS, seeds=SEEDS)
        for arm in self.all_arms:
            if "seed" in arm.changes:
                raise ValueError(f"arm {arm.title} changes the seed; give seeds to the whole plan")
            if self.settings_of(arm, self.seeds[0]).schedule == "plateau":
                raise ValueError(
                    f"arm {arm.title}: the plateau schedule follows the films that measure; use the cosine schedule"
                )

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The base, then the arms."""
        return (BASE, *self.arms)

    def view_of(self, arm: Arm) -> View:
        """The crops of an arm, one of View."""
        return self.view if arm.view is None else arm.view

    def settings_of(self, arm: Arm, seed: int) -> RegressorConfig:
        """What one run is trained with; ConfigError names the arm whose changes are not settings."""
        values = _merged(config_values(self.base), arm.changes)
        return make_config(RegressorConfig, {**values, "seed": seed, "keep": "last"}, f"arm {arm.title}")

    def is_base(self, arm: Arm) -> bool:
        """Whether an arm is trained just as the base is."""
        seed = self.seeds[0]
        return self.view_of(arm) == self.view and self.settings_of(arm, seed) == self.settings_of(BASE, seed)


def read_plan(path: str | Path) -> Plan:
    """A plan as its YAML file states it, the places of data and split as seen from here. Raises ConfigError."""
    plan, folder = load_config(Plan, path), Path(path).parent
    data, split = (str(folder / place) if place not in ("", RSNA) else place for place in (plan.data, plan.split))
    return replace(plan, data=data, split=split)


def images_and_pixels(settings: RegressorConfig, films: int) -> tuple[int, int]:
    """How many images, and how many pixels of them, go through the net in a run with these settings."""
    batch = min(settings.batch_size, films)
    full = films // batch * batch  # films that do not fill a batch wait for the next epoch
    images = sum(stage.epochs * full for stage in settings.stages)
    return images, sum(stage.epochs * full * stage.size**2 for stage in settings.stages)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes` put in, key by key at every depth."""
    merged = dict(values)
    for name, change in changes.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(change, Mapping):
            change = _merged(before, change)
        merged[name] = change
    return merged
