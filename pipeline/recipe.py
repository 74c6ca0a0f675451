"""The settings of a whole training, from segmenter to bundle; no torch here, so that help reads the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..handseg.config import SegmenterConfig
from ..regressor.config import RegressorConfig


@dataclass(frozen=True)
class Recipe:
    """What `boneage train` does, in order.

    `teacher`: a regressor trained first, whose features the final one imitates; None trains the final one alone. The
    teacher's weights path in `regressor.teacher` is filled in when it is trained.
    """

    name: str = "own"
    segmenter: SegmenterConfig = SegmenterConfig()
    teacher: RegressorConfig | None = None
    regressor: RegressorConfig = RegressorConfig()
    data: str = ""  # what the films are and where they come from, for header and model card
    licence: str = ""  # terms of the weights, which follow the films' terms
