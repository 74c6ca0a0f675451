"""An engine runs a net, from arrays to arrays; a NetSpec describes the net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .header import GRAPH

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

    `net`: the weights file. `build` makes the module that torch runs; it imports torch, and raises WeightsError for
    weights that are damaged or do not fit. `together`: rows of a batch that a CPU runs at once; more would take longer
    and more memory, and each result depend on its neighbours. `graph`: name in the file of the graph that ONNX Runtime
    runs.
    """

    net: NetFile
    build: Callable[[], torch.nn.Module]
    together: int = 1
    graph: str = GRAPH
