"""A second look at what a film shows, by another net, where the segmenter's own head is unsure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..weights.backend import Backend
from ..weights.bundle import HeldFile
from ..weights.engine import Engine, NetSpec
from .heads import SECOND_GRAPH

if TYPE_CHECKING:
    from .second_net import SecondNet

# Probabilities of a whole hand by the segmenter's own head, between which a second look is taken: at 4 % of the films
# of the part `choose`. A look at every film, and at each of 1,568 pictures that are no whole hand, changes no decision.
UNSURE = 0.02, 0.9


class SecondLook:
    """Corrects what the segmenter's own head says by a SecondNet."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        """`open_engine` opens an engine that runs a SecondNet; it is called once, at the first look."""
        self._engine, self._opening = cache(open_engine), Lock()

    @classmethod
    def load(cls, net: HeldFile, backend: Backend) -> SecondLook:
        """From a segmenter's weights file that has a SecondNet.

        ONNX Runtime opens it at the first look, which most runs never take; torch at once, since it reads the file.
        """
        spec = NetSpec(net, partial(_build, net.path), graph=SECOND_GRAPH)
        if backend.engine == "onnx":
            return cls(partial(backend.open, spec))
        engine = backend.open(spec)
        return cls(lambda: engine)

    def __call__(
        self, squares: NDArray[np.uint8], hands: NDArray[np.float32], contents: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities of what films show, n x 3: those in `contents`, but where they are unsure, those of both nets.

        `squares`: letterboxed films, n x s x s. `hands`: the probability of hand over each. Errors as Backend.open.
        """
        unsure = (contents[:, 0] > UNSURE[0]) & (contents[:, 0] < UNSURE[1])
        if not unsure.any():
            return contents
        with self._opening:  # `cache` alone calls the function in each thread that comes before the first result
            engine = self._engine()
        (second,) = engine(squares[unsure], hands[unsure])
        both = contents.copy()
        both[unsure] = together(contents[unsure], second)
        return both


def together(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities, n x 3, from the mean of the logits of two nets."""
    mean = np.sqrt(first * second)
    return mean / mean.sum(1, keepdims=True)


def _build(path: Path) -> SecondNet:
    from .network import build_second

    return build_second(path)
