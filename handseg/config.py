"""Settings of the segmenter's training, each with its reason; no torch here, so that help can read the defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shares:
    """What a training batch is made of; the shares need not add up to one."""

    cutouts: float = 0.25  # real hands without background, on invented backgrounds
    synthetic: float = 0.10  # drawn hands, whose mask is exact
    films: float = 0.50  # real radiographs with the masks of the round before
    empty: float = 0.15  # pictures without a hand

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from."""
        shares = (self.cutouts, self.synthetic, self.films, self.empty)
        if min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(f"shares are {shares}, expected none below 0 and not all 0")


@dataclass(frozen=True)
class RotationConfig:
    """How the head that predicts the rotation of a hand is fitted; the encoder under it is finished and stays frozen.

    `films`: radiographs drawn, each used upright and rotated by 90, 180 and 270 degrees; RSNA's are nearly all upright.
    """

    films: int = 1000
    grid: int = 3  # fields a side over which the deepest features are averaged; 1 errs on 3.7 % of views, 3 on 1.6 %
    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if min(self.films, self.grid, self.epochs, self.batch_size) < 1:
            raise ValueError("films, grid, epochs and batch_size must be at least 1")


@dataclass(frozen=True)
class ContentConfig:
    """How the head that classifies what a film shows is fitted; the encoder under it is finished and stays frozen.

    `films`: number of radiographs drawn, with `copies` examples of each. `kind`: examples of each kind of picture that
    shows no whole hand; a picture gives one example as it is and others as copies, 2 to `picture_copies` in all.
    `made`: number of drawn pictures without a hand. `folds`: groups of sources, each held out once to measure. `heads`:
    number of heads that are fitted separately and averaged.
    """

    films: int = 1600
    copies: int = 3
    kind: int = 240
    picture_copies: int = 6
    made: int = 800
    folds: int = 4
    heads: int = 3
    hidden: int = 64
    epochs: int = 12
    batch_size: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if min(self.films, self.copies, self.kind, self.heads, self.hidden, self.epochs, self.batch_size) < 1:
            raise ValueError("films, copies, kind, heads, hidden, epochs and batch_size must be at least 1")
        if self.made < 0 or min(self.folds, self.picture_copies) < 2:
            raise ValueError("made must not be below 0, and folds and picture_copies be at least 2")


@dataclass(frozen=True)
class SegmenterConfig:
    """How the segmenter is trained.

    `rounds`: the first learns from classical masks, each later one from the network's own masks that passed the
    filter. `steps`: optimiser steps a round. `films`: radiographs with masks used a round. `turn` and `content`: the
    heads for rotation and content, which are fitted after the last round.
    """

    encoder: str = "tu-tf_efficientnet_lite0"
    decoder_channels: tuple[int, ...] = (128, 64, 32, 16, 16)
    imagenet: bool = True  # start the encoder from ImageNet weights (extra train)
    input_size: int = 192  # side of the letterboxed square; a multiple of 32
    rounds: int = 2
    steps: int = 150
    batch_size: int = 16
    films: int = 2500
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    shares: Shares = Shares()
    turn: RotationConfig = RotationConfig()  # its key in recipes and weights of earlier versions
    content: ContentConfig = ContentConfig()
    seed: int = 2017

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.input_size % 32 or self.input_size < 64:
            raise ValueError(f"input_size is {self.input_size}, expected a multiple of 32 from 64 on")
        if min(self.rounds, self.steps, self.batch_size) < 1:
            raise ValueError("rounds, steps and batch_size must be at least 1")
