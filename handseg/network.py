"""The hand segmenter's network: a U-Net from grey levels to logits of hand, with heads for rotation and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import nn

from ..weights.header import Header
from ..weights.imagenet import imagenet_lite
from ..weights.weights_file import load_net, save_net
from .content_head import MAPS, ContentHead

ROTATIONS = 4  # upright, and rotated clockwise by 90, 180 and 270 degrees


class MirroredUNet(nn.Module):
    """U-Net with mirror averaging: the mean prediction over a film and its mirror image, and their agreement.

    `forward(squares)`: letterboxed films, uint8 (n, s, s). Returns the probability of hand, float32 (n, s, s); the
    intersection over union of the two masks that are averaged, float32 (n,), 0 where both are empty; from a net with a
    head for it, the probability of each rotation, float32 (n, ROTATIONS); and, from one with a head for it, the
    probability of each content, float32 (n, CONTENTS).
    """

    def __init__(self, net: nn.Module) -> None:
        """`net`: as `build_unet` makes it."""
        super().__init__()
        self.net = net

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        upright = normalise(squares[:, None].float() / 255)
        outputs = self.net(torch.cat([upright, upright.flip(-1)]).contiguous(memory_format=torch.channels_last))
        logits, *heads = outputs if isinstance(outputs, tuple) else (outputs,)
        hand, films = torch.sigmoid(logits[:, 0]), squares.shape[0]  # len() would fix the batch in an export
        plain, mirrored = hand[:films], hand[films:].flip(-1)
        one, other = plain > 0.5, mirrored > 0.5
        agreement = (one & other).sum((1, 2)) / (one | other).sum((1, 2)).clamp(min=1)
        predictions = ((plain + mirrored) / 2, agreement)
        if not heads:
            return predictions
        rotations, *contents = (torch.softmax(head, 1) for head in heads)
        # a hand rotated clockwise is rotated anticlockwise in the mirror
        predictions = (*predictions, (rotations[:films] + rotations[films:, [0, 3, 2, 1]]) / 2)
        return (*predictions, *((content[:films] + content[films:]) / 2 for content in contents))


class HandUNet(smp.Unet):
    """A U-Net that, with a `content_head` and a `rotation_head`, gives their logits beside those of the mask."""

    def __init__(self, encoder: str, decoder_channels: Sequence[int]) -> None:
        """`encoder`: any name that segmentation-models-pytorch knows."""
        super().__init__(encoder, encoder_weights=None, in_channels=1, decoder_channels=tuple(decoder_channels))
        self.content_head: ContentHead | None = None

    def forward(self, x: torch.Tensor) -> Any:
        """Float32 (n, 1, h, w) to logits of the mask (n, 1, h, w), or a tuple of them and those of the heads."""
        if self.content_head is None or self.classification_head is None:
            return super().forward(x)
        maps = self.encoder(x)
        mask = self.segmentation_head(self.decoder(maps))
        return mask, self.classification_head(maps[-1]), self.content_head(maps, torch.sigmoid(mask))


def build_unet(encoder: str, decoder_channels: Sequence[int], turn_grid: int = 0, content_hidden: int = 0) -> nn.Module:
    """A U-Net of segmentation-models-pytorch: float32 (n, 1, h, w) in, logits (n, 1, h, w) out; h, w multiples of 32.

    `encoder` is any name segmentation-models-pytorch knows. SegmenterConfig's default has 3.8 million parameters with
    its decoder. With a `turn_grid` the net has a `rotation_head` too and returns masks and logits (n, ROTATIONS) in one
    pass through the encoder. With `content_hidden` units it has a ContentHead.
    """
    net: Any = HandUNet(encoder, decoder_channels)
    if turn_grid:
        net.classification_head = rotation_head(net.encoder.out_channels[-1], turn_grid)
    if content_hidden:
        net.content_head = ContentHead(net.encoder.out_channels[-MAPS:], content_hidden)
    return net


def rotation_head(channels: int, grid: int) -> nn.Sequential:
    """Logits of the quarter turns clockwise, from the encoder's deepest map, as means over `grid` x `grid` fields.

    The fields keep where on the film a feature lies: fingers above a wrist are not fingers below it.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(channels * grid * grid, ROTATIONS))


def build_from(arguments: Mapping[str, Any]) -> nn.Module:
    """Rebuild the network from the arguments in a weights header, without a head where its argument is missing."""
    return build_unet(
        arguments["encoder"],
        arguments["decoder_channels"],
        arguments.get("turn_grid", 0),
        arguments.get("content_hidden", 0),
    )


def build_mirrored(path: str | Path) -> MirroredUNet:
    """Load a segmenter's weights file. Raises WeightsError when it is damaged or its tensors do not fit."""
    return MirroredUNet(load_net(path, "segmenter", build_from)[1])


def save_segmenter(path: str | Path, header: Header, net: nn.Module) -> None:
    """Write a segmenter's weights file, with the ONNX graph of its MirroredUNet."""
    squares = np.random.default_rng(0).integers(0, 256, (2, header.input_size, header.input_size), np.uint8)
    save_net(path, header, net, MirroredUNet(net), {"squares": squares})


def start_from_imagenet(net: nn.Module) -> None:
    """Load ImageNet weights into an EfficientNet-Lite0 encoder, in place; needs the extra train."""
    encoder: Any = net.encoder
    state = imagenet_lite("tf_efficientnet_lite0", encoder.model.state_dict())
    encoder.model.load_state_dict(state)


def normalise(squares: torch.Tensor) -> torch.Tensor:
    """Grey levels in [0, 1] to the network's [-1, 1]."""
    return squares * 2 - 1
