"""Settings of the regressor's training, each with its unit or reason; free of torch, so that help can read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..data.policies import PolicyName
from ..data.text import counted

Fusion = Literal["late", "early", "both", "none"]
Loss = Literal["l1", "mse", "smooth_l1"]
Optimiser = Literal["adam", "adamw"]
Schedule = Literal["plateau", "cosine"]
Pooling = Literal["average", "2x2"]
Keep = Literal["best", "last"]


@dataclass(frozen=True)
class NetConfig:
    """The architecture of the network, from which it is built again.

    `fusion`: where sex joins: `late` after pooling, `early` as an input plane, `both`, or `none`. `pooling`: `average`
    over the whole map, or `2x2`, which keeps the quadrant that a feature came from.
    """

    backbone: str = "tf_efficientnetv2_b0"  # any timm backbone
    fusion: Fusion = "late"
    pooling: Pooling = "average"
    sex_features: int = 16
    hidden: tuple[int, ...] = (512,)  # widths of the head's hidden layers


@dataclass(frozen=True)
class Stage:
    """Some epochs at one image size with one amount of regularisation; progressive learning lets all rise together."""

    epochs: int
    size: int  # side of the square input in pixels
    strength: float = 1.0  # of the augmentation, 0 to 2
    dropout: float = 0.2  # before the head's layers
    drop_path: float = 0.0  # stochastic depth of the backbone's deepest block, less for shallower ones
    mixup: float = 0.0  # alpha of the Beta distribution; 0 mixes nothing

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.epochs < 1 or self.size < 32 or self.size % 32:
            raise ValueError(
                f"a stage has {counted(self.epochs, 'epoch')} of {self.size} px, expected 1 or more of a multiple of 32"
            )


@dataclass(frozen=True)
class Distillation:
    """A trained regressor as teacher: the student imitates its feature maps and predictions beside the label."""

    weights: str = ""  # path of the teacher's weights file
    features: float = 1.0  # weight of the normalised squared error of feature maps at strides 4, 8, 16 and 32
    output: float = 1.0  # weight of the L1 distance to the teacher's prediction
    until_epoch: int = 1_000_000  # from this epoch on the label alone teaches


@dataclass(frozen=True)
class RegressorConfig:
    """How a regressor is trained.

    `loss` is on z-scored labels. `schedule`: `cosine` falls to zero over the training, `plateau` by `plateau_factor`
    whenever the validation MAE has not improved for `plateau_patience` epochs; both warm up over `warmup` steps.
    `ema`: decay of the averaged weights, warmed up; 0 averages none.
    """

    net: NetConfig = NetConfig()
    imagenet: bool = False  # start from ImageNet weights; tf_efficientnet_lite0 or lite2 only (extra train)
    start: str = ""  # weights file of the same network to start from
    freeze: int = 0  # first blocks of the backbone that are not trained, stem included; 3 halve the cost of a step
    stages: tuple[Stage, ...] = (
        Stage(10, 96, 0.5, 0.1),
        Stage(10, 128, 0.75, 0.15),
        Stage(10, 160, 1.0, 0.2),
    )
    augmentation: PolicyName = "light"
    loss: Loss = "l1"
    optimiser: Optimiser = "adamw"
    schedule: Schedule = "cosine"
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 300
    plateau_factor: float = 0.8
    plateau_patience: int = 10
    plateau_floor: float = 1e-4
    batch_size: int = 32
    ema: float = 0.999
    clip: float = 5.0  # largest norm of the gradient
    keep: Keep = "best"  # epoch whose weights are kept: "best" by validation MAE, or the "last"
    patience: int = 30  # epochs without a better validation MAE before training stops, where the best is kept
    teacher: Distillation | None = None
    seed: int = 2017

    def __post_init__(self) -> None:
        """Refuse a training without a stage."""
        if not self.stages:
            raise ValueError("there are no stages; give at least one")

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def input_size(self) -> int:
        """Side of the last stage's input, which is the net's at inference."""
        return self.stages[-1].size

    def stage_at(self, epoch: int) -> Stage:
        """The stage an epoch (from 0) belongs to; the last one goes on for ever."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage
            epoch -= stage.epochs
        return self.stages[-1]
