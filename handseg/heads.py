"""The outputs of a segmenter beside its mask, one for each head on its encoder, and how its file states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SIDES = 4  # where a hand may be cut off: at the fingertips, left, at the wrist, right
# Name of each output as HandMap calls it, in their order, and the argument of a weights header that a net with it has
HEADS = {"rotations": "turn_grid", "contents": "content_hidden", "missing": "missing"}
# The argument of a segmenter with a SecondNet, and the name of its graph
SECOND, SECOND_GRAPH = "second", "second.onnx"


def heads_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Outputs beside the mask of a segmenter whose weights header states these arguments."""
    return tuple(name for name, argument in HEADS.items() if arguments.get(argument))
