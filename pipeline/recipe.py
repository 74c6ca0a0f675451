"""The settings of a whole training, from segmenter to bundle; no torch here, so that help reads the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..handseg.config import SegmenterConfig
from ..regressor.config import RegressorConfig


@dataclass(frozen=True)
class Recipe:
    """What `boneage train` does, in order.

    `first`: a regressor trained before the final one, or None. The final one imitates it where `regressor.teacher` says
    how, and else starts from its weights; their paths in `regressor` are filled in when it is trained.
    """

    name: str = "own"
    segmenter: SegmenterConfig = SegmenterConfig()
    first: RegressorConfig | None = None
    regressor: RegressorConfig = RegressorConfig()
    data: str = ""  # what the films are and where they come from, for header and model card
    licence: str = ""  # terms of the weights, which follow the films' terms
