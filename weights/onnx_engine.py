"""The ONNX engine: ONNX Runtime on the CPU or a GPU, with the graph and the tensors that lie in a weights file.

The graph is an ONNX model whose initialisers are external data: each names the tensor of the file that it is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it would report each run to its makers otherwise
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..data.errors import WeightsError, one_line
from .header import GRAPH, GRAPHS

BUILT_FOR_CPU = "ONNX Runtime was built for the CPU; install onnxruntime-gpu in place of onnxruntime"
_LACKING = (
    "give device cpu, or install what it lacks: pip install 'onnxruntime-gpu[cuda,cudnn]', and a driver that fits"
)
_MOST_THREADS = 512  # of a session, whatever the environment says; each takes memory
_CPU, _GPU = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxEngine:
    """Runs the graph of a weights file."""

    def __init__(
        self, name: str, graph: bytes, tensors: Mapping[str, memoryview], together: int = 1, device: str = "cpu"
    ) -> None:
        """`name`: of the file, for errors. `graph`, `tensors`: as `parts_of`. `together`: rows a CPU runs at once."""
        self._name, self._device = name, device
        self._together = together if device == "cpu" else None
        # beside the caller, who meanwhile opens the other net and decodes the first film
        opening = ThreadPoolExecutor(1)
        self._opened = opening.submit(_session, graph, tensors, device)
        opening.shutdown(wait=False)

    def __call__(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """See Engine. Raises WeightsError where ONNX Runtime cannot read the graph, or not on its device."""
        try:
            session = self._opened.result()
        except Exception as error:  # ONNX Runtime raises errors of every kind
            where, instead = ("", "") if self._device == "cpu" else (f" on {self._device}", ", or device cpu")
            raise WeightsError(
                f"{self._name}: ONNX Runtime cannot read its graph{where} ({one_line(error)}); "
                f"give the engine torch{instead}"
            ) from error
        names, step = [tensor.name for tensor in session.get_inputs()], self._together or len(arrays[0])
        parts = ([array[k : k + step] for array in arrays] for k in range(0, len(arrays[0]), step))
        results = [session.run(None, dict(zip(names, part, strict=True))) for part in parts]
        return tuple(np.concatenate(pieces) for pieces in zip(*results, strict=True))


def parts_of(content: bytes, graph: str = GRAPH) -> tuple[bytes, dict[str, memoryview]]:
    """A graph in the bytes of a safetensors file, empty where there is none, and the bytes of the net's tensors."""
    whole = memoryview(content)
    start = 8 + int.from_bytes(whole[:8], "little")  # a safetensors file: length of the header, header, tensors
    listed = json.loads(bytes(whole[8:start]))
    listed.pop("__metadata__", None)
    tensors = {
        name: whole[start + one["data_offsets"][0] : start + one["data_offsets"][1]] for name, one in listed.items()
    }
    return bytes(tensors.get(graph, b"")), {name: data for name, data in tensors.items() if not name.endswith(GRAPHS)}


def gpu_fault(device: str) -> str:
    """Why nets cannot run on the GPU `device`, cuda or cuda:N, and what to do; empty where they can."""
    with redirect_stdout(sys.stderr):  # for what it prints of libraries that it misses; results go to stdout
        onnxruntime.preload_dlls()  # those that pip installed
    if _GPU not in onnxruntime.get_available_providers():
        return BUILT_FOR_CPU
    try:  # it is listed whether or not there are a GPU and CUDA
        onnxruntime.OrtValue.ortvalue_from_shape_and_type([1], np.float32, "cuda", _number(device))
    except RuntimeError as error:
        return f"ONNX Runtime was built for GPUs and cannot use {device} ({one_line(error)}); {_LACKING}"
    return ""


def _session(graph: bytes, tensors: Mapping[str, memoryview], device: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what limits torch limits this engine too
    options.intra_op_num_threads = min(int(threads[:9]), _MOST_THREADS) if threads.isdecimal() else 0
    # idle threads would otherwise take the processor from the decoding of the next film
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    held = {name: data for name, data in tensors.items() if data.nbytes}
    options.add_external_initializers_from_files_in_memory(
        list(held), list(held.values()), [data.nbytes for data in held.values()]
    )
    providers: list[Any] = [_CPU]
    if device != "cpu":
        # full precision, and ways to convolve that a rule chooses, not the clock: a film is read the same each time
        on_gpu = {"device_id": _number(device), "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
        providers.insert(0, (_GPU, on_gpu))
    # it would otherwise print to stdout, and go on, on the CPU
    session = onnxruntime.InferenceSession(graph, options, providers=providers, enable_fallback=0)
    if device != "cpu" and _GPU not in session.get_providers():  # it goes on all the same where a library is missing
        raise RuntimeError(f"it would run by {', '.join(session.get_providers())}")
    return session


def _number(device: str) -> int:
    """N of cuda:N, 0 of cuda."""
    return int(device.partition(":")[2] or 0)
