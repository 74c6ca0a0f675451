"""The settings of a whole training, from segmenter to bundles; no torch here, so that help reads the defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..data.ranges import refuse_outside
from ..data.text import for_file_name, shortened
from ..handseg.config import SegmenterConfig
from ..regressor.config import RegressorConfig

_STEP = re.compile(r"crops|segmenter|regressor-\d+|bundles|recipe\.yaml|split\.csv")  # in OUT already


@dataclass(frozen=True)
class BundleConfig:
    """One bundle of a training: the mean over some of its regressors, each over some zooms and mirror images."""

    name: str = "own"
    """What readings carry as model, and the folder in OUT."""
    regressors: tuple[int, ...] = ()
    """By number in the recipe, from 1; none: the last."""
    zooms: tuple[float, ...] = (1.0,)
    """How much larger than in the crop each view shows the hand, 0.5 to 2; each zoom costs a reading."""

    def __post_init__(self) -> None:
        """Refuse a bundle that could not read."""
        if not self.name or not self.zooms:
            raise ValueError(f"bundle {self.name!r} has zooms {self.zooms}, expected a name, and zooms from 0.5 to 2")
        if self.name != for_file_name(self.name) or _STEP.fullmatch(self.name.casefold()):
            raise ValueError(
                f"the name {shortened(self.name, 60)!r} is no name for a new folder in OUT, expected letters, digits, "
                "dots, dashes or underscores, and not the name of a step of the training, such as crops"
            )
        refuse_outside(self, zooms=(0.5, 2), regressors=(1, 1000))


@dataclass(frozen=True)
class Recipe:
    """What `boneage train` does, in order."""

    segmenter: SegmenterConfig = SegmenterConfig()
    """The hand segmenter; not trained where --segmenter names one."""
    regressors: tuple[RegressorConfig, ...] = (RegressorConfig(),)
    """Trained one after the other; each starts from the one before, or imitates it (teacher), unless from ImageNet."""
    bundles: tuple[BundleConfig, ...] = (BundleConfig(),)
    """What is made of the regressors, each with a calibration, figures and a model card of its own."""
    data: str = ""
    """What the films are and where they come from, with the citation; stands on the model card."""
    licence: str = ""
    """Terms of the weights, which follow the films' terms."""

    def __post_init__(self) -> None:
        """Refuse a recipe without a regressor, and bundles that cannot be made or have one name."""
        if not self.regressors:
            raise ValueError("there are no regressors; give at least one")
        names = [bundle.name for bundle in self.bundles]
        if not names or len({name.casefold() for name in names}) < len(names):  # case is none to some systems
            called = shortened(str(names))
            raise ValueError(f"the bundles are called {called}, expected at least one, each with a name of its own")
        for bundle in self.bundles:
            if any(not 1 <= number <= len(self.regressors) for number in bundle.regressors):
                those = shortened(str(bundle.regressors))
                raise ValueError(
                    f"bundle {bundle.name!r} is of the regressors {those}, expected numbers from 1 to "
                    f"{len(self.regressors)}"
                )

    @property
    def crop_size(self) -> int:
        """Side in pixels of the crops to cut: the largest that a regressor ends at."""
        return max(config.input_size for config in self.regressors)
