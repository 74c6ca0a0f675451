"""The head that measures, on a feature map of the segmenter's encoder, how much of a hand lies outside the film."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .heads import SIDES

MAP = -2  # of the encoder's maps, the one at a stride of 16 pixels
_FAR = 6.0  # standard deviations from the mean, beyond which a feature counts no more
_WIDTH = 32  # channels of the convolutions
_UNIT = 0.2  # length of a hand that an output of 1 stands for, so that outputs are of the order of 1


class MissingHead(nn.Module):
    """How much of an upright hand is missing, float32 (n, SIDES), in lengths of the hand from fingertip to wrist.

    Below 0 it is how far the hand ends from where the film does, or -0.2 where that is further.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, channels: int, side: int, hidden: int, nets: int = 1) -> None:
        """`channels`, `side` (even): of MAP. `hidden`: units before the outputs. `nets`: averaged in one pass."""
        super().__init__()
        self.nets = nets
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("scale", torch.ones(channels, 1, 1))
        self.layers = nn.Sequential(  # a group of channels for each net
            nn.Conv2d(channels + 1, nets * _WIDTH, 1),
            nn.ReLU(),
            nn.Conv2d(nets * _WIDTH, nets * _WIDTH, 3, padding=1, groups=nets),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Dropout(0.3),
            nn.Conv2d(nets * _WIDTH, nets * hidden, side // 2, groups=nets),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(nets * hidden, nets * SIDES, 1, groups=nets),
        )

    def forward(self, maps: Sequence[torch.Tensor], hand: torch.Tensor) -> torch.Tensor:
        """See the class. `maps`: of the encoder, n x channels x h x w each; `hand`: probabilities, n x 1 x s x s."""
        return self.judge(*self.evidence(maps, hand))

    @staticmethod
    def evidence(maps: Sequence[torch.Tensor], hand: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the amounts are computed from: the map, and the probability of hand averaged to its size."""
        return maps[MAP], nn.functional.avg_pool2d(hand, hand.shape[-1] // maps[MAP].shape[-1])

    def judge(self, features: torch.Tensor, hand: torch.Tensor) -> torch.Tensor:
        """Amounts from evidence."""
        return self.each(features, hand).mean(1)

    def each(self, features: torch.Tensor, hand: torch.Tensor) -> torch.Tensor:
        """Amounts that each net finds, n x nets x SIDES."""
        features = ((features - self.mean) / self.scale).clamp(-_FAR, _FAR)
        return self.layers(torch.cat([features, 4 * hand], 1)).reshape(-1, self.nets, SIDES) * _UNIT
