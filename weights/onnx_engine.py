"""The ONNX engine: ONNX Runtime on the CPU, with a file that torch exports once for each net.

The file lies beside the weights or in the user's cache. Its name holds the version of this package and the digest of
the weights, so that it stands for no others.
"""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it would report each run to its makers otherwise
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..data.errors import OutputError, WeightsError, one_line
from .engine import NetSpec

AGREE = 0.02  # months, or probability, by which an export may differ from its module

log = logging.getLogger(__name__)


class OnnxEngine:
    """Runs an exported file."""

    def __init__(self, path: str | Path) -> None:
        """`path`: of an ONNX file."""
        self._path = Path(path)
        # beside the caller, who meanwhile opens the other net and decodes the first film
        opening = ThreadPoolExecutor(1)
        self._opened = opening.submit(_session, self._path)
        opening.shutdown(wait=False)

    def __call__(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """See Engine. Raises WeightsError where ONNX Runtime cannot read the file."""
        try:
            session = self._opened.result()
        except Exception as error:  # ONNX Runtime raises errors of every kind
            raise WeightsError(
                f"{self._path}: ONNX Runtime cannot read this exported net ({one_line(error)}); delete the file, and "
                "it is made anew"
            ) from error
        names = [tensor.name for tensor in session.get_inputs()]
        # one by one: together they would take longer, and more memory, and each result depend on its neighbours
        single = ([array[k : k + 1] for array in arrays] for k in range(len(arrays[0])))
        results = [session.run(None, dict(zip(names, one, strict=True))) for one in single]
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


def open_onnx(spec: NetSpec) -> OnnxEngine:
    """Open the exported file of a net, which is made where there is none yet. Raises as `export_net`."""
    for folder in (spec.folder, cache_folder()):
        if (exported := folder / export_name(spec)).is_file():
            return OnnxEngine(exported)
    log.warning("%s: is prepared for the engine onnx, once, which takes a while", spec)
    return OnnxEngine(export_net(spec, cache_folder()))


def export_net(spec: NetSpec, folder: str | Path) -> Path:
    """Export a net to `folder`, whole or not at all, and return the ONNX file.

    Raises WeightsError for weights that are damaged or do not fit, OSError where nothing can be written, and
    OutputError for nets that cannot be exported or that ONNX Runtime reads otherwise than torch does.
    """
    import tempfile  # used here alone, and a reading starts the sooner without it

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".exporting-") as making:  # fails here, before the work
        from .export import export
        from .torch_engine import TorchEngine

        engine, inputs, temporary = TorchEngine(spec.build()), spec.inputs(), Path(making, "net.onnx")
        export(engine.module, inputs, temporary)
        three = [np.concatenate([batch, batch[:1]]) for batch in inputs.values()]
        try:
            here, there = engine(*three)[0], OnnxEngine(temporary)(*three)[0]
        except Exception as error:  # ONNX Runtime raises errors of every kind
            raise OutputError(f"{spec}: the export cannot be run ({one_line(error)}); use the engine torch") from error
        if not np.allclose(here, there, rtol=0, atol=AGREE):
            off = np.abs(here - there).max()
            raise OutputError(f"{spec}: the export is off by {off:.3g}, expected at most {AGREE}; use the engine torch")
        return temporary.replace(folder / export_name(spec))


def export_name(spec: NetSpec) -> str:
    """What the exported file of a net is called."""
    from importlib.metadata import version

    return f"{spec.kind}-{version('boneage')}-{spec.digest[:16]}.onnx"


def cache_folder() -> Path:
    """Where exported files are kept: below $XDG_CACHE_HOME, or else where the system keeps a user's caches."""
    usual = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    folder = os.environ.get("XDG_CACHE_HOME") or usual.get(sys.platform, "~/.cache")
    return Path(folder).expanduser() / "boneage"


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what limits torch limits this engine too
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    # idle threads would otherwise take the processor from the decoding of the next film
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
