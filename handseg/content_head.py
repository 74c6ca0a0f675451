"""The head that classifies what a film shows.

It takes feature maps that an encoder, the U-Net's or a SecondNet's, computes anyway, and changes none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

CONTENTS = 3  # a whole hand, part of a hand, something else
MAPS = 4  # the deepest maps of the segmenter's encoder, at strides of 4, 8, 16 and 32 pixels
_FAR = 6.0  # standard deviations from the mean, beyond which evidence counts no more
_EPSILON = 1e-3


class ContentHead(nn.Module):
    """Logits of what a film shows, float32 (n, CONTENTS): whole hand, part of a hand, something else.

    The evidence is the mean and the standard deviation of every channel of the maps inside the outline of the hand, and
    their means over the whole square.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, channels: Sequence[int], hidden: int) -> None:
        """`channels`: of the maps. `hidden`: units between the evidence and the logits."""
        super().__init__()
        size = evidence_of(channels)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.hidden = hidden
        self.layers = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, CONTENTS))

    def forward(self, maps: Sequence[torch.Tensor], hand: torch.Tensor) -> torch.Tensor:
        """See the class. `maps`: n x channels x h x w each; `hand`: probabilities, n x 1 x s x s."""
        return self.judge(self.evidence(maps, hand))

    def judge(self, evidence: torch.Tensor) -> torch.Tensor:
        """Logits from evidence, n x (3 times the channels)."""
        return self.layers(((evidence - self.mean) / self.scale).clamp(-_FAR, _FAR))

    @staticmethod
    def evidence(maps: Sequence[torch.Tensor], hand: torch.Tensor) -> torch.Tensor:
        """What the logits are made of, n x (3 times the channels)."""
        parts = []
        for values in maps:
            weights = nn.functional.avg_pool2d(hand, hand.shape[-1] // values.shape[-1])
            weights = weights / (weights.sum((2, 3), keepdim=True) + _EPSILON)
            mean = (values * weights).sum((2, 3))
            variance = (values * values * weights).sum((2, 3)) - mean * mean
            parts += [mean, variance.clamp(min=0).sqrt(), values.mean((2, 3))]
        return torch.cat(parts, 1)


def evidence_of(channels: Sequence[int]) -> int:
    """How many numbers the evidence from maps of so many channels is."""
    return 3 * sum(channels)
