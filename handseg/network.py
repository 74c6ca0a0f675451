"""The hand segmenter's network: a U-Net with one grey channel in and one hand logit out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from ..weights.lite0 import imagenet_lite0


def build_unet(encoder: str, decoder_channels: Sequence[int]) -> nn.Module:
    """A U-Net of segmentation-models-pytorch: float32 (n, 1, h, w) in, logits (n, 1, h, w) out; h, w multiples of 32.

    `encoder` is any name segmentation-models-pytorch knows. SegmenterConfig's default has 3.8 million parameters with
    its decoder.
    """
    return smp.Unet(encoder, encoder_weights=None, in_channels=1, decoder_channels=tuple(decoder_channels))


def build_from(arguments: Mapping[str, Any]) -> nn.Module:
    """Rebuild the network from the arguments in a weights header."""
    return build_unet(arguments["encoder"], arguments["decoder_channels"])


def start_from_imagenet(net: nn.Module) -> None:
    """Load ImageNet weights into an EfficientNet-Lite0 encoder, in place; needs the training extra."""
    encoder: Any = net.encoder
    state = imagenet_lite0(encoder.model.state_dict())
    encoder.model.load_state_dict(state)


def normalise(squares: torch.Tensor) -> torch.Tensor:
    """Grey levels in [0, 1] to the network's [-1, 1]."""
    return squares * 2 - 1
