"""The trained U-Net: from a radiograph to the probability of hand at each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.greys import Greys
from ..weights.backend import Backend
from ..weights.bundle import NetFile
from ..weights.engine import Engine, NetSpec
from ..weights.header import read_header
from .geometry import Box, SquareFit
from .heads import SECOND, heads_of
from .letterbox import letterbox
from .second_look import SecondLook

if TYPE_CHECKING:
    from torch import nn

    from .network import MirroredUNet


@dataclass(frozen=True, eq=False)
class HandMap:
    """The segmenter's prediction for one view of a film: probability of hand over the letterboxed square.

    `square`: uint8, size x size, the network's input. `probability`: float32, size x size, in [0, 1], the mean over the
    film and its mirror image. `fit` maps between the square and the original. `agreement`: intersection over union of
    the two masks that were averaged, 0 to 1; low where the network is unsure. `rotations`: float32 (4,), probabilities
    that the hand is upright or rotated clockwise by 90, 180 or 270 degrees in the square. `contents`: float32 (3,),
    probabilities of a whole hand, part of one, and something else. `missing`: float32 (4,), what lies outside the film
    of an upright hand at the fingertips, left, at the wrist and right, in lengths of the hand, below 0 where it ends
    within. Each is None from a network without a head for it.
    """

    square: NDArray[np.uint8]
    probability: NDArray[np.float32]
    fit: SquareFit
    agreement: float = 1.0
    rotations: NDArray[np.float32] | None = None
    contents: NDArray[np.float32] | None = None
    missing: NDArray[np.float32] | None = None

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
        """Probability of the largest component over another square of the film, size x size, 0 to 1."""
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
        """The box of the interpolated mask, which moves smoothly, in original pixels; None where nothing was found."""
        around, inside = self.part
        x, y, width, height = cv2.boundingRect(inside.view(np.uint8)) if around.area else (0, 0, 0, 0)
        return Box(around.x + x, around.y + y, width, height) if width else None


class HandSegmenter:
    """The trained U-Net, on an engine."""

    def __init__(
        self, engine: Engine, input_size: int, heads: Sequence[str] = (), second: SecondLook | None = None
    ) -> None:
        """`engine`: runs a MirroredUNet on squares of `input_size`. `heads`: of HEADS. `second`: for a second look."""
        self.engine, self.input_size, self.heads, self.second = engine, input_size, tuple(heads), second

    @classmethod
    def load(cls, net: NetFile, backend: Backend = Backend()) -> HandSegmenter:
        """From a weights file. Raises WeightsError for one that is damaged or of another kind."""
        header = read_header(net.path, "segmenter")
        net = net.held()
        second = SecondLook.load(net, backend) if header.arguments.get(SECOND) else None
        engine = backend.open(NetSpec(net, partial(_build, net.path)))
        return cls(engine, header.input_size, heads_of(header.arguments), second)

    @classmethod
    def of(cls, net: nn.Module, input_size: int) -> HandSegmenter:
        """With a net as build_unet makes it, run by torch where it is."""
        from ..weights.torch_engine import TorchEngine
        from .network import MirroredUNet

        mirrored = MirroredUNet(net)
        return cls(TorchEngine(mirrored, next(net.parameters()).device), input_size, mirrored.heads)

    def predict(
        self, films: Sequence[Greys], rotations: Sequence[int] | None = None, boxes: Sequence[Box | None] | None = None
    ) -> list[HandMap]:
        """Hand maps of films (height x width each, uint8 or float32 in [0, 1]), computed as one batch.

        `rotations`: quarter turns anticlockwise that bring each hand upright, before it is segmented; None for films
        as they are. `boxes`: the part of each film that is segmented; None for all of it.
        """
        rotations, boxes = rotations or [0] * len(films), boxes or [None] * len(films)
        how = zip(films, rotations, boxes, strict=True)
        return self.predict_squares([letterbox(film, self.input_size, rotation, box) for film, rotation, box in how])

    def predict_squares(self, boxed: Sequence[tuple[NDArray[np.uint8], SquareFit]]) -> list[HandMap]:
        """Hand maps of letterboxed films; a film and its mirror image give mirrored maps."""
        squares = np.stack([square for square, _ in boxed])
        probability, agreement, *outputs = self.engine(squares)
        judged = dict(zip(self.heads, outputs, strict=True))
        if self.second and "contents" in judged:
            judged["contents"] = self.second(squares, probability, judged["contents"])
        return [
            HandMap(square, probability[k], fit, float(agreement[k]), **{name: judged[name][k] for name in judged})
            for k, (square, fit) in enumerate(boxed)
        ]


def _build(path: Path) -> MirroredUNet:
    from .network import build_mirrored

    return build_mirrored(path)
