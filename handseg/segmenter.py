"""Find the hand: from a radiograph to its mask and box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys
from ..weights.bundle import Header
from ..weights.engine import Backend, Engine, Model, open_engine
from .geometry import Box, SquareFit
from .letterbox import letterbox

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, eq=False)
class HandMap:
    """What the segmenter saw: probability of hand over the letterboxed square, and the way back.

    `square`: uint8, size x size, the film as the network saw it. `probability`: float32, size x size, in [0, 1], the
    mean over the film and its mirror image. `fit` maps between the square and the original. `agreement`: intersection
    over union of the two masks that were averaged, 0 to 1; low where the network does not know what it sees. `turns`:
    float32 (4,), how likely the hand lies upright, or turned clockwise by 90, 180 or 270 degrees, in the square; None
    from a network without a head for it.
    """

    square: NDArray[np.uint8]
    probability: NDArray[np.float32]
    fit: SquareFit
    agreement: float = 1.0
    turns: NDArray[np.float32] | None = None

    @cached_property
    def components(self) -> list[NDArray[np.bool_]]:
        """Connected parts of the mask in the square, largest first, specks under 0.2 % of the frame left out."""
        inside = self.fit.inside()
        binary = ((self.probability > 0.5) & inside).view(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=4)
        least = 0.002 * np.count_nonzero(inside)
        order = sorted(range(1, count), key=lambda k: -int(stats[k, cv2.CC_STAT_AREA]))
        return [labels == k for k in order if stats[k, cv2.CC_STAT_AREA] >= least]

    @cached_property
    def _near(self) -> NDArray[np.uint8]:
        """1 in and next to the largest component, 0 elsewhere."""
        return cv2.dilate(self.components[0].view(np.uint8), np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)

    def over(self, fit: SquareFit) -> NDArray[np.float32]:
        """How likely each pixel of another square of the film is the largest component, size x size, 0 to 1."""
        if not self.components:
            return np.zeros((fit.size, fit.size), np.float32)
        return self.fit.over(fit, self.probability * self._near)

    @cached_property
    def part(self) -> tuple[Box, NDArray[np.bool_]]:
        """The largest component in original geometry: a box around it, and the mask in this box.

        Its outline is interpolated between pixels. The box is without area where nothing was found.
        """
        if not self.components:
            return Box(0, 0, 0, 0), np.zeros((0, 0), bool)
        around = self.fit.reached_from(Box(*cv2.boundingRect(self._near)))
        return around, self.fit.back_in(around, self.probability * self._near) > 0.5

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The largest component in original geometry, height x width."""
        around, inside = self.part
        mask = np.zeros(self.fit.frame, bool)
        mask[around.slices] = inside
        return mask

    @cached_property
    def box(self) -> Box | None:
        """The mask's box in original pixels, None where nothing was found.

        It is taken from the interpolated mask, so that it moves smoothly with what the network sees.
        """
        around, inside = self.part
        x, y, width, height = cv2.boundingRect(inside.view(np.uint8)) if around.area else (0, 0, 0, 0)
        return Box(around.x + x, around.y + y, width, height) if width else None


class HandSegmenter:
    """The trained U-Net, on an engine."""

    def __init__(self, engine: Engine, input_size: int, header: Header | None = None) -> None:
        """`engine`: runs a `network.HandLook`; `input_size`: side of its square input."""
        self.engine, self.input_size, self.header = engine, input_size, header

    @classmethod
    def load(cls, path: str | Path, backend: Backend = Backend()) -> HandSegmenter:
        """From a weights file; raises WeightsError."""
        header, engine = open_engine(path, SEGMENTER, backend)
        return cls(engine, header.input_size, header)

    @classmethod
    def of(cls, net: nn.Module, input_size: int) -> HandSegmenter:
        """With a net as build_unet makes it, run by torch where it is."""
        from ..weights.torch_engine import TorchEngine
        from .network import HandLook

        return cls(TorchEngine(HandLook(net), next(net.parameters()).device), input_size)

    def look(self, films: Sequence[Greys], turns: Sequence[int] | None = None) -> list[HandMap]:
        """Hand maps of films (height x width each, uint8 or float32 in [0, 1]), computed as one batch.

        `turns`: quarter turns anticlockwise that bring each hand upright, before it is looked at; None for films as
        they are.
        """
        turns = turns or [0] * len(films)
        return self.look_at([letterbox(p, self.input_size, turn) for p, turn in zip(films, turns, strict=True)])

    def look_at(self, boxed: Sequence[tuple[NDArray[np.uint8], SquareFit]]) -> list[HandMap]:
        """Hand maps of letterboxed films; a film and its mirror image give mirrored maps."""
        squares = np.stack([square for square, _ in boxed])
        probability, agreement, *turns = self.engine(squares)
        return [
            HandMap(square, probability[k], fit, float(agreement[k]), turns[0][k] if turns else None)
            for k, (square, fit) in enumerate(boxed)
        ]


def _build(header: Header, state: Mapping[str, torch.Tensor]) -> nn.Module:
    from .network import build_look

    return build_look(header, state)


def _inputs(header: Header) -> dict[str, NDArray[np.uint8]]:
    size = (2, header.input_size, header.input_size)
    return {"squares": np.random.default_rng(0).integers(0, 256, size, np.uint8)}


SEGMENTER = Model("segmenter", _build, _inputs, (Path(__file__).with_name("network.py"),))
