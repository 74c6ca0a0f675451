"""Find the hand: from a radiograph to its mask and box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..weights.bundle import Header, load_net
from .geometry import Box, SquareFit
from .letterbox import letterbox
from .network import build_from, normalise


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
        binary = ((self.probability > 0.5) & self.fit.inside()).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=4)
        least = 0.002 * self.fit.inside().sum()
        order = sorted(range(1, count), key=lambda k: -int(stats[k, cv2.CC_STAT_AREA]))
        return [labels == k for k in order if stats[k, cv2.CC_STAT_AREA] >= least]

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The largest component in original geometry, height x width, its outline interpolated between pixels."""
        if not self.components:
            return np.zeros(self.fit.frame, bool)
        near = cv2.dilate(self.components[0].astype(np.uint8), np.ones((3, 3), np.uint8))
        return self.fit.back(self.probability * near) > 0.5

    @cached_property
    def box(self) -> Box | None:
        """The mask's box in original pixels, None where nothing was found.

        It is taken from the interpolated mask, so that it moves smoothly with what the network sees.
        """
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        if not len(rows):
            return None
        left, top = int(columns[0]), int(rows[0])
        return Box(left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


class HandSegmenter:
    """The trained U-Net with what it needs to be used."""

    def __init__(self, net: nn.Module, input_size: int, header: Header | None = None) -> None:
        """`net`: as build_unet makes it; `input_size`: side of its square input."""
        self.net = net.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.input_size = input_size
        self.header = header

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> HandSegmenter:
        """From a weights file; raises WeightsError."""
        header, net = load_net(path, "segmenter", build_from)
        return cls(net.to(device), header.input_size, header)

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return next(self.net.parameters()).device

    def look(self, films: Sequence[NDArray[np.float32]], turns: Sequence[int] | None = None) -> list[HandMap]:
        """Hand maps of films (float32 in [0, 1], height x width each), computed as one batch.

        `turns`: quarter turns anticlockwise that bring each hand upright, before it is looked at; None for films as
        they are.
        """
        turns = turns or [0] * len(films)
        return self.look_at([letterbox(p, self.input_size, turn) for p, turn in zip(films, turns, strict=True)])

    def look_at(self, boxed: Sequence[tuple[NDArray[np.uint8], SquareFit]]) -> list[HandMap]:
        """Hand maps of letterboxed films; a film and its mirror image give mirrored maps."""
        squares = np.stack([square for square, _ in boxed])
        plain, turns = self._outputs(squares)
        mirrored, mirrored_turns = self._outputs(np.ascontiguousarray(squares[:, :, ::-1]))
        mirrored = mirrored[:, :, ::-1]
        if turns is not None and mirrored_turns is not None:
            # what lies turned clockwise lies turned anticlockwise in the mirror
            turns = (turns + mirrored_turns[:, [0, 3, 2, 1]]) / 2
        return [
            HandMap(
                square,
                (plain[k] + mirrored[k]) / 2,
                fit,
                _overlap(plain[k] > 0.5, mirrored[k] > 0.5),
                None if turns is None else turns[k],
            )
            for k, (square, fit) in enumerate(boxed)
        ]

    @torch.inference_mode()
    def _outputs(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Probability of hand (n x size x size) and of each turn (n x 4, or None) for uint8 n x size x size."""
        batch = torch.from_numpy(squares)[:, None].to(self.device).float() / 255
        outputs = self.net(normalise(batch).contiguous(memory_format=torch.channels_last))
        logits, turns = outputs if isinstance(outputs, tuple) else (outputs, None)
        hand = torch.sigmoid(logits[:, 0]).float().cpu().numpy()
        return hand, None if turns is None else torch.softmax(turns, 1).float().cpu().numpy()


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union; 0 where both are empty."""
    return float((one & other).sum() / max((one | other).sum(), 1))
