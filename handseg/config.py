"""Settings of the segmenter's training, each with its reason; no torch here, so that help can read the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.ranges import BATCHES, DECAYS, EPOCHS, FILMS, RATES, SEEDS, refuse_outside


@dataclass(frozen=True)
class Shares:
    """What a training batch is made of; the shares need not add up to one."""

    cutouts: float = 0.25
    """Real hands without background (--cutouts), on invented backgrounds."""
    synthetic: float = 0.10
    """Drawn hands, whose mask is exact."""
    films: float = 0.50
    """Real radiographs with the masks of the round before."""
    empty: float = 0.15
    """Pictures without a hand."""

    def __post_init__(self) -> None:
        refuse_outside(self, cutouts=(0, 1e6), synthetic=(0, 1e6), films=(0, 1e6), empty=(0, 1e6))
        if not any((self.cutouts, self.synthetic, self.films, self.empty)):
            raise ValueError("all shares are 0, expected at least one above 0")


@dataclass(frozen=True)
class RotationConfig:
    """How the head that predicts the rotation of a hand is fitted; its encoder is finished and frozen."""

    films: int = 1000
    """Radiographs drawn, each used upright and rotated by 90, 180 and 270 degrees; they should lie upright."""
    grid: int = 3
    """Fields a side over which the deepest features are averaged; 1 errs on 3.7 % of views, 3 on 1.6 %."""
    epochs: int = 20
    """How often each view is learned from."""
    batch_size: int = 256
    """Views a step."""
    learning_rate: float = 1e-3
    """Of the head."""
    weight_decay: float = 1e-2
    """Of the head."""

    def __post_init__(self) -> None:
        refuse_outside(
            self, films=FILMS, grid=(1, 16), epochs=EPOCHS, batch_size=BATCHES, learning_rate=RATES, weight_decay=DECAYS
        )


@dataclass(frozen=True)
class ContentConfig:
    """How the head that classifies what a film shows is fitted; its encoder is finished and frozen."""

    films: int = 1600
    """Radiographs drawn."""
    copies: int = 3
    """Changed copies of each radiograph."""
    kind: int = 240
    """Examples of each kind of picture that is no whole hand (--negatives)."""
    picture_copies: int = 6
    """How often each such picture is used in training at most; twice at least."""
    made: int = 800
    """Pictures without a hand that are drawn."""
    folds: int = 4
    """Of sources, each held out once to measure."""
    heads: int = 3
    """Fitted apart to the features of each encoder, then averaged."""
    second: bool = True
    """Whether a second net, with ImageNet's weights, judges where the first is unsure; they err on other pictures."""
    hidden: int = 64
    """Width of the hidden layer of each."""
    epochs: int = 12
    """How often each example is learned from."""
    batch_size: int = 256
    """Examples a step."""

    def __post_init__(self) -> None:
        refuse_outside(
            self,
            films=FILMS,
            copies=(1, 1000),
            kind=FILMS,
            picture_copies=(2, 1000),
            made=(0, 1_000_000),
            folds=(2, 100),
            heads=(1, 100),
            hidden=(1, 16_384),
            epochs=EPOCHS,
            batch_size=BATCHES,
        )


@dataclass(frozen=True)
class MissingConfig:
    """How the head for what is missing of a hand is fitted; the encoder under it is finished and stays frozen."""

    films: int = 1500
    """Radiographs drawn, with --wrists of those that it lists."""
    copies: int = 4
    """Of each radiograph, whole and cut off."""
    hidden: int = 64
    """Units before the output of each net."""
    nets: int = 3
    """Fitted apart, then averaged."""
    epochs: int = 40
    """Passes over all copies."""
    batch_size: int = 128
    """Copies a step."""

    def __post_init__(self) -> None:
        refuse_outside(
            self, films=FILMS, copies=(1, 1000), hidden=(1, 16_384), nets=(1, 100), epochs=EPOCHS, batch_size=BATCHES
        )


@dataclass(frozen=True)
class SegmenterConfig:
    """How the segmenter is trained."""

    encoder: str = "tu-tf_efficientnet_lite0"
    """Of the U-Net: a name of segmentation-models-pytorch; tu- and a name of timm."""
    decoder_channels: tuple[int, ...] = (128, 64, 32, 16, 16)
    """Of the U-Net, from deep to shallow."""
    imagenet: bool = True
    """Start the encoder from ImageNet weights."""
    input_size: int = 192
    """Side in pixels of the square that a film is fitted into; a multiple of 32."""
    rounds: int = 2
    """The first learns from classical masks, each later one from the network's own masks that passed the filter."""
    steps: int = 150
    """Optimiser steps a round."""
    batch_size: int = 16
    """Pictures a step."""
    films: int = 2500
    """Radiographs with masks used a round."""
    learning_rate: float = 1e-3
    """The largest of a round."""
    weight_decay: float = 1e-4
    """How much of each weight is taken away, times the learning rate, a step."""
    shares: Shares = Shares()
    """What a batch is made of."""
    turn: RotationConfig = RotationConfig()  # its key in recipes and weights of earlier versions
    """The head that predicts the rotation of a hand, fitted after the last round."""
    content: ContentConfig = ContentConfig()
    """The head that classifies what a film shows, fitted then where there are --negatives."""
    missing: MissingConfig = MissingConfig()
    """The head that measures what is missing of a hand, fitted then."""
    seed: int = 2017
    """Of weights, order and what is invented."""

    def __post_init__(self) -> None:
        refuse_outside(
            self,
            decoder_channels=(1, 4096),
            input_size=(64, 2048),
            rounds=(1, 100),
            steps=(1, 10_000_000),
            batch_size=(1, 4096),
            films=FILMS,
            learning_rate=RATES,
            weight_decay=DECAYS,
            seed=SEEDS,
        )
        if self.input_size % 32:
            raise ValueError(f"input_size is {self.input_size}, expected a multiple of 32")
