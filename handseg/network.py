"""The hand segmenter's network: a U-Net from grey levels to logits of hand, with heads for rotation and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from torch import nn

from ..weights.backbones import known_backbone
from ..weights.header import GRAPH, Header
from ..weights.imagenet import imagenet_lite
from ..weights.weights_file import Run, load_net, save_net
from .content_head import MAPS, ContentHead
from .heads import HEADS, SECOND, SECOND_GRAPH
from .missing_head import MAP, MissingHead
from .second_net import SecondNet

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
        outputs = self.net(twice)
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
        self.content_head: ContentHead | None = None
        self.missing_head: MissingHead | None = None
        self.second: SecondNet | None = None  # not part of forward

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the outputs beside the mask, of HEADS, in their order."""
        present = self.classification_head, self.content_head, self.missing_head
        return tuple(name for name, head in zip(HEADS, present, strict=True) if head is not None)

    def forward(self, x: torch.Tensor) -> Any:
        """Float32 (n, 1, h, w) to logits of the mask (n, 1, h, w), or a tuple of them and the outputs of the heads."""
        maps = self.encoder(x)
        mask = self.segmentation_head(self.decoder(maps))
        outputs = [mask]
        if self.classification_head is not None:
            outputs.append(self.classification_head(maps[-1]))
        hand = torch.sigmoid(mask)
        if self.content_head is not None:
            outputs.append(self.content_head(maps[-MAPS:], hand))
        if self.missing_head is not None:
            outputs.append(self.missing_head(maps, hand))
        return tuple(outputs) if len(outputs) > 1 else mask


def build_unet(
    encoder: str,
    decoder_channels: Sequence[int],
    turn_grid: int = 0,
    content_hidden: int = 0,
    missing: Sequence[int] = (),
    second: int = 0,
) -> HandUNet:
    """A U-Net of segmentation-models-pytorch: float32 (n, 1, h, w) in, logits (n, 1, h, w) out; h, w multiples of 32.

    `encoder` is any name segmentation-models-pytorch knows; ConfigError for a tu-... of which timm lacks the rest.
    SegmenterConfig's default has 3.8 million parameters with its decoder. With a `turn_grid` the net has a
    `rotation_head` too and returns masks and logits (n, ROTATIONS) in one pass through the encoder. With
    `content_hidden` units it has a ContentHead, with `missing` (side of its map, hidden units, nets) a MissingHead, and
    with `second` hidden units a SecondNet beside it.
    """
    if encoder.startswith("tu-"):
        known_backbone(encoder.removeprefix("tu-"))
    net: Any = HandUNet(encoder, decoder_channels)
    if turn_grid:
        net.classification_head = rotation_head(net.encoder.out_channels[-1], turn_grid)
    if content_hidden:
        net.content_head = ContentHead(net.encoder.out_channels[-MAPS:], content_hidden)
    if missing:
        net.missing_head = MissingHead(net.encoder.out_channels[MAP], *missing)
    if second:
        net.second = SecondNet(second)
    return net


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
        arguments.get("missing", ()),
        arguments.get(SECOND, 0),
    )


def build_mirrored(path: str | Path) -> MirroredUNet:
    """Load a segmenter's weights file. Raises WeightsError when it is damaged or its tensors do not fit."""
    return MirroredUNet(load_net(path, "segmenter", build_from)[1])


def build_second(path: str | Path) -> SecondNet:
    """Load the second net of a segmenter's weights file that has one; raises WeightsError as `build_mirrored`."""
    second = load_net(path, "segmenter", build_from)[1].second
    assert second is not None
    return second


def save_segmenter(path: str | Path, header: Header, net: HandUNet) -> None:
    """Write a segmenter's weights file, with the ONNX graphs of its MirroredUNet and of its second net."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (2, header.input_size, header.input_size), np.uint8)
    runs = {GRAPH: Run(MirroredUNet(net), {"squares": squares})}
    if net.second is not None:
        hands = rng.random(squares.shape, np.float32)
        runs[SECOND_GRAPH] = Run(net.second, {"squares": squares, "hands": hands})
    save_net(path, header, net, runs)


def start_from_imagenet(encoder: nn.Module) -> None:
    """Load ImageNet weights into an encoder that is an EfficientNet-Lite0, in place; needs the extra train."""
    model: Any = encoder.model
    model.load_state_dict(imagenet_lite("tf_efficientnet_lite0", model.state_dict()))


def normalise(squares: torch.Tensor) -> torch.Tensor:
    """Grey levels in [0, 1] to the network's [-1, 1]."""
    return squares * 2 - 1


def inputs_of(squares: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Letterboxed films as the network takes them, float32 (n, 1, size, size)."""
    inputs = torch.from_numpy(np.stack(squares))[:, None].float() / 255
    return normalise(inputs).contiguous(memory_format=torch.channels_last)
