"""Settings of the regressor's training, each with its unit or reason; free of torch, so that help can read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..data.errors import ConfigError
from ..data.policies import PolicyName
from ..data.ranges import DECAYS, EPOCHS, RATES, SEEDS, refuse_outside

Fusion = Literal["late", "early", "both", "none"]
Loss = Literal["l1", "mse", "smooth_l1"]
Optimiser = Literal["adam", "adamw"]
Schedule = Literal["plateau", "cosine"]
Pooling = Literal["average", "2x2"]
Keep = Literal["best", "last"]


@dataclass(frozen=True)
class NetConfig:
    """The architecture of the network, from which it is built again."""

    backbone: str = "tf_efficientnetv2_b0"
    """Name of a network of timm; ImageNet weights are there, offline, for tf_efficientnet_lite0 and lite2."""
    fusion: Fusion = "late"
    """Where sex joins: after pooling (late), as an input plane (early), both ways, or nowhere (none)."""
    pooling: Pooling = "average"
    """Of the feature map: over all of it, or by quadrants (2x2), which keeps where a feature came from."""
    sex_features: int = 16
    """Numbers that sex becomes where it joins late."""
    hidden: tuple[int, ...] = (512,)
    """Widths of the head's hidden layers."""

    def __post_init__(self) -> None:
        refuse_outside(self, sex_features=(1, 4096), hidden=(1, 16_384))

    def check_start(self, other: NetConfig) -> None:
        """Raise ConfigError unless `other`, of the net to start from, is the same but for fusion."""
        if replace(other, fusion=self.fusion) != self:
            raise ConfigError(
                f"the net to start from is {other}, the one asked for {self}; expected the same but for fusion"
            )


@dataclass(frozen=True)
class Stage:
    """Some epochs at one image size with one amount of regularisation; progressive learning lets all rise together."""

    epochs: int
    """How often each film is learned from."""
    size: int
    """Side of the square crop in pixels, a multiple of 32; the last stage's is that of the finished net."""
    strength: float = 1.0
    """Of the augmentation, 0 to 2."""
    dropout: float = 0.2
    """Share of features dropped before each layer of the head."""
    drop_path: float = 0.0
    """Stochastic depth of the backbone's deepest block, less for shallower ones."""
    mixup: float = 0.0
    """Alpha of the Beta distribution by which films of one sex are mixed; 0 mixes nothing."""

    def __post_init__(self) -> None:
        refuse_outside(
            self,
            epochs=EPOCHS,
            size=(32, 2048),
            strength=(0, 2),
            dropout=(0, 0.99),
            drop_path=(0, 0.99),
            mixup=(0, 100),
        )
        if self.size % 32:
            raise ValueError(f"size is {self.size} px, expected a multiple of 32")


@dataclass(frozen=True)
class Distillation:
    """A trained regressor as teacher: the student imitates its feature maps and predictions beside the label."""

    weights: str = ""
    """Weights file of the teacher; empty: the regressor before this one in the recipe."""
    features: float = 1.0
    """Weight of the normalised squared error of feature maps at strides 4, 8, 16 and 32."""
    output: float = 1.0
    """Weight of the L1 distance to the teacher's prediction."""
    until_epoch: int = 1_000_000
    """From this epoch on the label alone teaches."""

    def __post_init__(self) -> None:
        refuse_outside(self, features=(0, 1e6), output=(0, 1e6), until_epoch=(0, 1_000_000))


@dataclass(frozen=True)
class SoftLabels:
    """A trained bundle whose predictions are averaged with the labels, of which each is one reading and noisy.

    The bundle must not have learned the labels by heart: its MAE on the films it learned from should be about that on
    others. It predicts once, from the crops as they are, so that a step costs nothing more.
    """

    weights: str = "fast"
    """Bundle, run or weights file of a regressor, as for --weights."""
    share: float = 0.5
    """Of the prediction in the average, above 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"the share is {self.share}, expected above 0 to 1; leave soft_labels out for none")


@dataclass(frozen=True)
class RegressorConfig:
    """How a regressor is trained."""

    net: NetConfig = NetConfig()
    """The network."""
    imagenet: bool = False
    """Start from ImageNet weights, which needs far fewer films and epochs; only tf_efficientnet_lite0 and lite2."""
    start: str = ""
    """Weights file of the same network, or of one that differs in fusion, to start from; empty: random weights, or the
    regressor before this one."""
    freeze: int = 0
    """First blocks of the backbone that are not trained, stem included; 3 halve the cost of a step."""
    stages: tuple[Stage, ...] = (Stage(10, 96, 0.5, 0.1), Stage(10, 128, 0.75, 0.15), Stage(10, 160, 1.0, 0.2))
    """Trained one after the other, from small and mild to large and strong, which is quicker than large throughout."""
    augmentation: PolicyName = "light"
    """How films are changed: a little (light), also as JPEG, small, burnt out (clinic), in ways drawn by chance
    (randaugment, uniformaugment), or in both (uniformclinic)."""
    loss: Loss = "l1"
    """Distance to the label, which is z-scored; l1 is what the MAE measures."""
    optimiser: Optimiser = "adamw"
    """What takes the steps."""
    schedule: Schedule = "cosine"
    """Of the learning rate: falls to zero over the training, or by plateau_factor whenever the MAE stays (plateau)."""
    learning_rate: float = 1e-3
    """The largest, reached after the warm-up."""
    weight_decay: float = 0.05
    """How much of each weight is taken away, times the learning rate, a step."""
    warmup: int = 300
    """Steps over which the learning rate rises from zero; lower it where the whole training has few."""
    plateau_factor: float = 0.8
    """What the learning rate is multiplied with on a plateau."""
    plateau_patience: int = 10
    """Epochs without a better MAE that make a plateau."""
    plateau_floor: float = 1e-4
    """The least learning rate of the schedule plateau."""
    batch_size: int = 32
    """Films a step."""
    ema: float = 0.999
    """Decay of the averaged weights, which are the ones kept; 0 keeps the plain ones. Lower where steps are few."""
    clip: float = 5.0
    """Largest norm of the gradient; 0: any."""
    keep: Keep = "best"
    """Epoch whose weights are kept: the best by the MAE on the part choose, or the last, whatever that says."""
    patience: int = 30
    """Epochs without a better MAE before training stops, where the best is kept."""
    teacher: Distillation | None = None
    """A regressor to imitate."""
    soft_labels: SoftLabels | None = None
    """A bundle whose predictions are averaged with the labels of the films to learn from."""
    seed: int = 2017
    """Of weights, order and augmentation: the same seed on the same machine gives the same net."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("there are no stages; give at least one")
        refuse_outside(
            self,
            freeze=(0, 1000),
            learning_rate=RATES,
            weight_decay=DECAYS,
            warmup=(0, 10_000_000),
            plateau_factor=(0.001, 0.999),
            plateau_patience=(0, 1_000_000),
            plateau_floor=(0, 10),
            batch_size=(1, 4096),
            ema=(0, 0.999_999),
            clip=(0, 1e6),
            patience=(0, 1_000_000),
            seed=SEEDS,
        )

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
