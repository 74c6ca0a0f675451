"""An engine runs a net, from arrays to arrays; a NetSpec describes the net."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from .bundle import NetFile


class Engine(Protocol):
    """Runs one module; the first axis of every array is the batch."""

    def __call__(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The module's outputs for these inputs."""
        ...


@dataclass(frozen=True)
class NetSpec:
    """What an engine is to run, before anything of it is loaded.

    `kind`: "segmenter" or "regressor". `nets`: the weights files that the module is made of. `digest`: SHA-256 of them
    and of how they are put together. `build` makes the module, which
    takes uint8 pixels; it imports torch, and raises WeightsError for weights that are damaged or do not fit. `inputs`
    gives, by name, a batch of two for each of the module's inputs.
    """

    kind: str
    nets: Sequence[NetFile]
    digest: str
    build: Callable[[], torch.nn.Module]
    inputs: Callable[[], Mapping[str, NDArray[Any]]]

    @property
    def folder(self) -> Path:
        """Of the weights; an exported file in it is used."""
        return self.nets[0].home

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(net.path.name for net in self.nets)}"
