"""The ONNX engine: ONNX Runtime on the CPU, with the graph and the tensors that lie in a weights file.

The graph is an ONNX model whose initialisers are external data: each names the tensor of the file that it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it would report each run to its makers otherwise
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..data.errors import WeightsError, one_line
from .header import GRAPH


class OnnxEngine:
    """Runs the graph of a weights file."""

    def __init__(self, name: str, graph: bytes, tensors: Mapping[str, memoryview], together: int = 1) -> None:
        """`name`: of the file, for errors. `graph`, `tensors`: as `parts_of`. `together`: rows that are run at once."""
        self._name, self._together = name, together
        # beside the caller, who meanwhile opens the other net and decodes the first film
        opening = ThreadPoolExecutor(1)
        self._opened = opening.submit(_session, graph, tensors)
        opening.shutdown(wait=False)

    def __call__(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """See Engine. Raises WeightsError where ONNX Runtime cannot read the graph."""
        try:
            session = self._opened.result()
        except Exception as error:  # ONNX Runtime raises errors of every kind
            raise WeightsError(
                f"{self._name}: ONNX Runtime cannot read its graph ({one_line(error)}); give the engine torch"
            ) from error
        names, step = [tensor.name for tensor in session.get_inputs()], self._together
        parts = ([array[k : k + step] for array in arrays] for k in range(0, len(arrays[0]), step))
        results = [session.run(None, dict(zip(names, part, strict=True))) for part in parts]
        return tuple(np.concatenate(pieces) for pieces in zip(*results, strict=True))


def parts_of(content: bytes) -> tuple[bytes, dict[str, memoryview]]:
    """The graph in the bytes of a safetensors file, empty where there is none, and the bytes of each other tensor."""
    whole = memoryview(content)
    start = 8 + int.from_bytes(whole[:8], "little")  # a safetensors file: length of the header, header, tensors
    listed = json.loads(bytes(whole[8:start]))
    listed.pop("__metadata__", None)
    tensors = {
        name: whole[start + one["data_offsets"][0] : start + one["data_offsets"][1]] for name, one in listed.items()
    }
    return bytes(tensors.pop(GRAPH, b"")), tensors


def _session(graph: bytes, tensors: Mapping[str, memoryview]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what limits torch limits this engine too
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    # idle threads would otherwise take the processor from the decoding of the next film
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    held = {name: data for name, data in tensors.items() if data.nbytes}
    options.add_external_initializers_from_files_in_memory(
        list(held), list(held.values()), [data.nbytes for data in held.values()]
    )
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
