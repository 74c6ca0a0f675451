"""The settings of a whole training, from segmenter to bundle; no torch here, so that help reads the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..handseg.config import SegmenterConfig
from ..regressor.config import RegressorConfig


@dataclass(frozen=True)
class Recipe:
    """What `boneage train` does, in order.

    `regressors`: trained one after the other; the last is the bundle's. Each imitates the one before where its
    `teacher` says how, and else starts from its weights; the paths are filled in when it is trained.
    """

    name: str = "own"
    segmenter: SegmenterConfig = SegmenterConfig()
    regressors: tuple[RegressorConfig, ...] = (RegressorConfig(),)
    data: str = ""  # what the films are and where they come from, for header and model card
    licence: str = ""  # terms of the weights, which follow the films' terms

    def __post_init__(self) -> None:
        """Refuse a recipe without a regressor."""
        if not self.regressors:
            raise ValueError("there are no regressors; give at least one")

    @property
    def crop_size(self) -> int:
        """Side in pixels of the crops to cut: the largest that a regressor ends at."""
        return max(config.input_size for config in self.regressors)
