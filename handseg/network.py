"""The hand segmenter's network: a U-Net from one grey channel to one hand logit, and a head for the hand's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from ..weights.lite0 import imagenet_lite0

TURNS = 4  # upright, and turned clockwise by 90, 180 and 270 degrees


def build_unet(encoder: str, decoder_channels: Sequence[int], turn_grid: int = 0) -> nn.Module:
    """A U-Net of segmentation-models-pytorch: float32 (n, 1, h, w) in, logits (n, 1, h, w) out; h, w multiples of 32.

    `encoder` is any name segmentation-models-pytorch knows. SegmenterConfig's default has 3.8 million parameters with
    its decoder. With a `turn_grid` the net has `turn_head` too and returns masks and logits (n, TURNS), at no second
    pass through the encoder.
    """
    net: Any = smp.Unet(encoder, encoder_weights=None, in_channels=1, decoder_channels=tuple(decoder_channels))
    if turn_grid:
        net.classification_head = turn_head(net.encoder.out_channels[-1], turn_grid)
    return net


def turn_head(channels: int, grid: int) -> nn.Sequential:
    """Logits of the hand's quarter turns clockwise from the encoder's deepest map, as its means over a `grid` a side.

    The fields keep where in the film a feature lies: fingers above a wrist are not fingers below it.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(channels * grid * grid, TURNS))


def build_from(arguments: Mapping[str, Any]) -> nn.Module:
    """Rebuild the network from the arguments in a weights header; one without `turn_grid` has no head for the turn."""
    return build_unet(arguments["encoder"], arguments["decoder_channels"], arguments.get("turn_grid", 0))


def start_from_imagenet(net: nn.Module) -> None:
    """Load ImageNet weights into an EfficientNet-Lite0 encoder, in place; needs the training extra."""
    encoder: Any = net.encoder
    state = imagenet_lite0(encoder.model.state_dict())
    encoder.model.load_state_dict(state)


def normalise(squares: torch.Tensor) -> torch.Tensor:
    """Grey levels in [0, 1] to the network's [-1, 1]."""
    return squares * 2 - 1
