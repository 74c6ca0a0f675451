"""The bone-age network: a timm backbone for one grey channel, the child's sex, and a head with one output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from ..data.config import make_config
from ..data.errors import ConfigError
from ..weights.backbones import known_backbone
from ..weights.header import GRAPH, Header
from ..weights.imagenet import PACKAGES, imagenet_lite
from ..weights.weights_file import Run, save_net
from .config import NetConfig

SEX_CODING = {"F": -1.0, "M": 1.0}
FEATURE_STRIDES = (4, 8, 16, 32)


class BoneAgeNet(nn.Module):
    """Crop and sex in, z-scored bone age out.

    `forward(crops, sexes)`: crops float32 (n, 1, s, s) with grey levels in [-1, 1]; sexes float32 (n,), coded as
    SEX_CODING; returns float32 (n,), bone age less the label mean, in label SDs.
    """

    def __init__(self, config: NetConfig) -> None:
        """Random weights. Raises ConfigError for a backbone timm does not know."""
        super().__init__()
        self.config = config
        channels = 2 if config.fusion in ("early", "both") else 1
        name = known_backbone(config.backbone)
        self.backbone: Any = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0)
        side = 2 if config.pooling == "2x2" else 1
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten())
        width = _feature_width(self.backbone, channels) * side * side
        self.sex: nn.Module | None = None
        if config.fusion in ("late", "both"):
            self.sex = nn.Sequential(nn.Linear(1, config.sex_features), nn.Mish())
            width += config.sex_features
        layers: list[nn.Module] = []
        for hidden in config.hidden:
            layers += [nn.Dropout(0.0), nn.Linear(width, hidden), nn.Mish()]
            width = hidden
        self.head = nn.Sequential(*layers, nn.Dropout(0.0), nn.Linear(width, 1))
        self._frozen: tuple[nn.Module, ...] = ()

    def forward(self, crops: torch.Tensor, sexes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self._read(self.backbone.forward_features(self._planes(crops, sexes)), sexes)

    def with_features(self, crops: torch.Tensor, sexes: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The reading, and the feature maps at FEATURE_STRIDES, each (n, c, s / stride, s / stride)."""
        planes = self._planes(crops, sexes)
        features, maps = self.backbone.forward_intermediates(planes)
        deepest = {round(planes.shape[-1] / feature.shape[-1]): feature for feature in maps}  # of each stride
        return self._read(features, sexes), [deepest[stride] for stride in FEATURE_STRIDES]

    def set_regularisation(self, dropout: float, drop_path: float) -> None:
        """Set the head's dropout and the backbone's stochastic depth, the latter rising linearly with depth."""
        for module in self.head:
            if isinstance(module, nn.Dropout):
                module.p = dropout
        blocks = [block for block in self.backbone.modules() if hasattr(block, "drop_path")]
        for depth, block in enumerate(blocks):
            rate = drop_path * depth / max(len(blocks), 1)
            block.drop_path = timm.layers.DropPath(rate) if rate else nn.Identity()  # pyright: ignore

    def freeze(self, blocks: int) -> None:
        """Keep the stem and the first `blocks` of the backbone as they are; ConfigError where it has fewer."""
        if not blocks:
            return
        backbone = self.backbone
        there = len(backbone.blocks) if hasattr(backbone, "blocks") and hasattr(backbone, "conv_stem") else 0
        if blocks > there:
            raise ConfigError(f"freeze is {blocks}, but {self.config.backbone} has {there} blocks that can be frozen")
        self._frozen = (backbone.conv_stem, backbone.bn1, *backbone.blocks[:blocks])
        for module in self._frozen:
            module.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> BoneAgeNet:
        """Like nn.Module.train, but frozen blocks stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def start_from_imagenet(self) -> None:
        """Load ImageNet weights, in place; only for the nets of `weights.imagenet` (extra train), else ConfigError.

        A plane of sex beside the picture starts at zero, so that every fusion starts from the same features.
        """
        if self.config.backbone not in PACKAGES:
            raise ConfigError(
                f"ImageNet weights can be had offline for {', '.join(PACKAGES)}, not for {self.config.backbone}; "
                "set imagenet: false"
            )
        self.backbone.load_state_dict(imagenet_lite(self.config.backbone, self.backbone.state_dict()))

    def start_from(self, other: BoneAgeNet) -> None:
        """Take the weights of a net that differs in nothing but `fusion`, in place; another net is a ConfigError.

        Sex that joins where `other` has none begins at zero: its plane of the stem, its columns of the head.
        """
        self.config.check_start(other.config)
        state = self.state_dict()
        for name, tensor in other.state_dict().items():
            if name in state and (shared := min(state[name].shape[1:2], tensor.shape[1:2])):
                state[name].zero_()[:, : shared[0]] = tensor[:, : shared[0]]
            elif name in state:  # biases, running statistics and numbers of batches have no input channels
                state[name].copy_(tensor)

    def _planes(self, crops: torch.Tensor, sexes: torch.Tensor) -> torch.Tensor:
        if self.config.fusion in ("early", "both"):
            plane = sexes.view(-1, 1, 1, 1).to(crops.dtype).expand(-1, 1, *crops.shape[-2:])
            crops = torch.cat([crops, plane], dim=1)
        return crops.contiguous(memory_format=torch.channels_last)

    def _read(self, features: torch.Tensor, sexes: torch.Tensor) -> torch.Tensor:
        pooled = self.pool(features)
        if self.sex is not None:
            pooled = torch.cat([pooled, self.sex(sexes.view(-1, 1).to(pooled.dtype))], dim=1)
        return self.head(pooled)[:, 0]


def build_from(arguments: Mapping[str, Any]) -> BoneAgeNet:
    """The network that the arguments of a weights header describe, with random weights."""
    return BoneAgeNet(make_config(NetConfig, arguments, "weights header"))


def save_regressor(path: str | Path, header: Header, net: BoneAgeNet) -> None:
    """Write a regressor's weights file, with its ONNX graph."""
    squares = np.random.default_rng(0).uniform(-1, 1, (2, 1, header.input_size, header.input_size)).astype(np.float32)
    save_net(path, header, net, {GRAPH: Run(net, {"crops": squares, "sexes": np.array([-1, 1], np.float32)})})


def normalise(crops: torch.Tensor) -> torch.Tensor:
    """Crops uint8 (n, s, s) as the network's input: float32 (n, 1, s, s) in [-1, 1]."""
    return crops[:, None].float() / 127.5 - 1


@torch.inference_mode()
def _feature_width(backbone: Any, channels: int) -> int:
    training = backbone.training
    width = backbone.eval().forward_features(torch.zeros(1, channels, 64, 64)).shape[1]
    backbone.train(training)
    return width
