"""The hand segmenter's network: a U-Net from grey levels to logits of hand, with heads for rotation and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from ..weights.header import Header
from ..weights.imagenet import imagenet_lite
from ..weights.weights_file import load_net, save_net
from .content_head import MAPS, ContentHead
from .heads import HEADS
from .missing_head import MAP, MissingHead

SECOND = "tu-tf_efficientnet_lite0"  # the second encoder, one whose ImageNet weights a package carries

ROTATIONS = 4  # upright, and rotated clockwise by 90, 180 and 270 degrees


class MirroredUNet(nn.Module):
    """U-Net with mirror averaging: the mean prediction over a film and its mirror image, and their agreement.

    `forward(squares)`: letterboxed films, uint8 (n, s, s). Returns the probability of hand, float32 (n, s, s); the
    intersection over union of the two masks that are averaged, float32 (n,), 0 where both are empty; and one output for
    each of the net's `heads`: the probability of each rotation, float32 (n, ROTATIONS), or of each content, float32
    (n, CONTENTS), or what is missing of the hand, float32 (n, SIDES).
    """

    def __init__(self, net: nn.Module) -> None:
        """`net`: as `build_unet` makes it; without `heads` it gives the mask alone."""
        super().__init__()
        self.net, self.heads = net, tuple(getattr(net, "heads", ()))

    def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        films = squares.shape[0]  # len() would fix the batch in an export
        upright = normalise(squares[:, None].float() / 255)
        twice = torch.cat([upright, upright.flip(-1)]).contiguous(memory_format=torch.channels_last)
        alone = [] if getattr(self.net, "second", None) is None else [twice[:films]]
        outputs = self.net(twice, *alone)
        logits, *heads = outputs if isinstance(outputs, tuple) else (outputs,)
        hand = torch.sigmoid(logits[:, 0])
        plain, mirrored = hand[:films], hand[films:].flip(-1)
        one, other = plain > 0.5, mirrored > 0.5
        agreement = (one & other).sum((1, 2)) / (one | other).sum((1, 2)).clamp(min=1)
        predictions = [(plain + mirrored) / 2, agreement]
        for name, output in zip(self.heads, heads, strict=True):
            output = output if name == "missing" else torch.softmax(output, 1)
            # the mirror turns clockwise into anticlockwise, and left into right
            mirrored = output[films:] if name == "contents" else output[films:, [0, 3, 2, 1]]
            predictions.append((output[:films] + mirrored) / 2)
        return tuple(predictions)


class HandUNet(smp.Unet):
    """A U-Net whose heads give their outputs beside the logits of the mask, in one pass through the encoder."""

    def __init__(self, encoder: str, decoder_channels: Sequence[int]) -> None:
        """`encoder`: any name that segmentation-models-pytorch knows."""
        super().__init__(encoder, encoder_weights=None, in_channels=1, decoder_channels=tuple(decoder_channels))
        self.second: nn.Module | None = None  # an encoder whose maps the content_head takes as well
        self.content_head: ContentHead | None = None
        self.missing_head: MissingHead | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the outputs beside the mask, of HEADS, in their order."""
        present = self.classification_head, self.content_head, self.missing_head
        return tuple(name for name, head in zip(HEADS, present, strict=True) if head is not None)

    def forward(self, x: torch.Tensor, films: torch.Tensor | None = None) -> Any:
        """Float32 (n, 1, h, w) to logits of the mask (n, 1, h, w), or a tuple of them and the outputs of the heads.

        `films`: see `content_maps`.
        """
        maps = self.encoder(x)
        mask = self.segmentation_head(self.decoder(maps))
        outputs = [mask]
        if self.classification_head is not None:
            outputs.append(self.classification_head(maps[-1]))
        hand = torch.sigmoid(mask)
        if self.content_head is not None:
            outputs.append(self.content_head(self.content_maps(x, maps, films), hand))
        if self.missing_head is not None:
            outputs.append(self.missing_head(maps, hand))
        return tuple(outputs) if len(outputs) > 1 else mask

    def content_maps(
        self, x: torch.Tensor, maps: Sequence[torch.Tensor], films: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """What a ContentHead takes: the last MAPS of `maps`, the encoder's of `x`, and the second encoder's deepest.

        `films`: where `x` are films and then their mirror images, the films alone. The second encoder sees only them,
        and its map is mirrored, which takes half of the time.
        """
        if self.second is None:
            return list(maps[-MAPS:])
        deepest = self.second(x if films is None else films)[-1]
        return [*maps[-MAPS:], deepest if films is None else torch.cat([deepest, deepest.flip(-1)])]

    @property
    def content_channels(self) -> list[list[int]]:
        """Channels of the maps that a ContentHead takes, a list for each encoder."""
        own, second = self.encoder.out_channels[-MAPS:], cast("Any", self.second)
        return [list(own)] if second is None else [list(own), list(second.out_channels[-1:])]


def build_unet(
    encoder: str,
    decoder_channels: Sequence[int],
    turn_grid: int = 0,
    content_hidden: int = 0,
    missing: tuple[int, int] = (0, 0),
    second: bool = False,
) -> HandUNet:
    """A U-Net of segmentation-models-pytorch: float32 (n, 1, h, w) in, logits (n, 1, h, w) out; h, w multiples of 32.

    `encoder` is any name segmentation-models-pytorch knows. SegmenterConfig's default has 3.8 million parameters with
    its decoder. With a `turn_grid` the net has a `rotation_head` too and returns masks and logits (n, ROTATIONS) in one
    pass through the encoder. With `content_hidden` units it has a ContentHead, with `missing` (side of its map, hidden
    units) a MissingHead, with `second` a second encoder for the ContentHead.
    """
    net: Any = HandUNet(encoder, decoder_channels)
    if turn_grid:
        net.classification_head = rotation_head(net.encoder.out_channels[-1], turn_grid)
    if second:
        net.second = second_encoder()
    if content_hidden:
        net.content_head = ContentHead(list(chain(*net.content_channels)), content_hidden)
    if all(missing):
        net.missing_head = MissingHead(net.encoder.out_channels[MAP], *missing)
    return net


def second_encoder() -> nn.Module:
    """The second encoder, EfficientNet-Lite0, with random weights."""
    return get_encoder(SECOND, in_channels=1, weights=None)


def rotation_head(channels: int, grid: int) -> nn.Sequential:
    """Logits of the quarter turns clockwise, from the encoder's deepest map, as means over `grid` x `grid` fields.

    The fields keep where on the film a feature lies: fingers above a wrist are not fingers below it.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(channels * grid * grid, ROTATIONS))


def build_from(arguments: Mapping[str, Any]) -> HandUNet:
    """Rebuild the network from the arguments in a weights header, without a head where its argument is missing."""
    return build_unet(
        arguments["encoder"],
        arguments["decoder_channels"],
        arguments.get("turn_grid", 0),
        arguments.get("content_hidden", 0),
        tuple(arguments.get("missing", (0, 0))),
        arguments.get("second", False),
    )


def build_mirrored(path: str | Path) -> MirroredUNet:
    """Load a segmenter's weights file. Raises WeightsError when it is damaged or its tensors do not fit."""
    return MirroredUNet(load_net(path, "segmenter", build_from)[1])


def save_segmenter(path: str | Path, header: Header, net: HandUNet) -> None:
    """Write a segmenter's weights file, with the ONNX graph of its MirroredUNet."""
    squares = np.random.default_rng(0).integers(0, 256, (2, header.input_size, header.input_size), np.uint8)
    save_net(path, header, net, MirroredUNet(net), {"squares": squares})


def start_from_imagenet(encoder: nn.Module) -> None:
    """Load ImageNet weights into an encoder that is an EfficientNet-Lite0, in place; needs the extra train."""
    model: Any = encoder.model
    model.load_state_dict(imagenet_lite("tf_efficientnet_lite0", model.state_dict()))


def normalise(squares: torch.Tensor) -> torch.Tensor:
    """Grey levels in [0, 1] to the network's [-1, 1]."""
    return squares * 2 - 1
