"""The ONNX engine: ONNX Runtime on the CPU, with a file that torch exports once for each weights file.

The file lies beside the weights or in the user's cache. Its name says which weights it was made of, their header
included, and by which code, so that it can stand for no others; and its own CRC, so that one that is damaged is not
read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it would report each run to its makers otherwise
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..data.errors import OutputError, one_line
from .bundle import Header, read_record
from .engine import Engine, Model

if TYPE_CHECKING:
    from torch import nn

AGREE = 0.02  # months, or probability, by which an export may differ from its module

log = logging.getLogger(__name__)


class OnnxEngine:
    """Runs an exported file; the module that it was made of is loaded only when asked for."""

    def __init__(self, exported: bytes, path: str | Path, model: Model) -> None:
        """`exported`: an ONNX file's contents. `path`: of the weights that it was made of."""
        self._path, self._model = path, model
        self._module: nn.Module | None = None
        # beside the caller, who meanwhile opens the other net and decodes the first film
        opening = ThreadPoolExecutor(1)
        self._session = opening.submit(_session, exported)
        opening.shutdown(wait=False)

    def __call__(self, *arrays: NDArray) -> tuple[NDArray, ...]:
        """See Engine."""
        session = self._session.result()
        names = [tensor.name for tensor in session.get_inputs()]
        # one by one: together they would take longer, and more memory, and each result depend on its neighbours
        single = ([array[k : k + 1] for array in arrays] for k in range(len(arrays[0])))
        results = [session.run(None, dict(zip(names, one, strict=True))) for one in single]
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))

    @property
    def module(self) -> nn.Module:
        """See Engine."""
        if self._module is None:
            from .torch_engine import open_torch

            self._module = open_torch(self._path, self._model)[1].module
        return self._module


def open_onnx(path: str | Path, model: Model) -> tuple[Header, Engine]:
    """The header of a weights file, and what runs its exported file, which is made where there is none yet.

    The tensors are read, and checked, only to be exported. Where no file can be written, torch runs the module instead,
    and the log says so. Raises WeightsError as `load_weights`.
    """
    header, record = read_record(path, model.kind)
    name = _name(record, model)
    for folder in (Path(path).parent, cache_folder()):
        for exported in _stored(folder, name):
            return header, OnnxEngine(exported, path, model)
    log.warning("%s: is prepared for the engine onnx, once, which takes a while", path)
    try:
        return header, OnnxEngine(export_weights(path, model, cache_folder()).read_bytes(), path, model)
    except (OSError, OutputError) as error:
        log.warning("%s: read with the engine torch, which starts slower, for want of that: %s", path, error)
    from .torch_engine import open_torch

    return open_torch(path, model)


def export_weights(path: str | Path, model: Model, folder: str | Path) -> Path:
    """Export a weights file to `folder`, whole or not at all, and return the ONNX file.

    Raises WeightsError as `load_weights`, OSError where nothing can be written, and OutputError for nets that cannot be
    exported or that ONNX Runtime reads otherwise than torch does.
    """
    import tempfile  # used here alone, and a reading starts the sooner without it

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".exporting-") as making:  # fails here, before the work
        from .export import export
        from .torch_engine import open_torch

        _, record = read_record(path, model.kind)
        header, engine = open_torch(path, model)
        inputs, temporary = model.inputs(header), Path(making, "net.onnx")
        export(engine.module, inputs, temporary)
        exported = temporary.read_bytes()
        three = [np.concatenate([batch, batch[:1]]) for batch in inputs.values()]
        try:
            here, there = engine(*three)[0], OnnxEngine(exported, path, model)(*three)[0]
        except Exception as error:  # ONNX Runtime raises errors of every kind
            raise OutputError(f"{path}: the export cannot be run ({one_line(error)}); use the engine torch") from error
        if not np.allclose(here, there, rtol=0, atol=AGREE):
            off = np.abs(here - there).max()
            raise OutputError(f"{path}: the export is off by {off:.3g}, expected at most {AGREE}; use the engine torch")
        return temporary.replace(folder / f"{_name(record, model)}-{zlib.crc32(exported):08x}.onnx")


def cache_folder() -> Path:
    """Where exported files are kept: below $XDG_CACHE_HOME, or else where the system keeps a user's caches."""
    usual = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    folder = os.environ.get("XDG_CACHE_HOME") or usual.get(sys.platform, "~/.cache")
    return Path(folder).expanduser() / "boneage"


def _name(record: dict[str, Any], model: Model) -> str:
    """What the exported file of a weights file is called, up to its CRC: after all that it is made of.

    The record has the SHA-256 of the tensors.
    """
    made_of = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for code in (*model.code, Path(__file__).with_name("export.py")):
        made_of.update(code.read_bytes())
    return f"{model.kind}-{made_of.hexdigest()[:16]}"


def _stored(folder: Path, name: str) -> Iterator[bytes]:
    """The contents of exported files of a name, as far as they can be read and are whole."""
    for path in folder.glob(f"{name}-*.onnx"):
        try:
            exported = path.read_bytes()
        except OSError as error:
            log.warning("%s: cannot be read (%s)", path, error)
            continue
        if path.stem.endswith(f"-{zlib.crc32(exported):08x}"):
            yield exported
        else:
            log.warning("%s: is damaged, so it is made again", path)


def _session(exported: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what limits torch limits this engine too
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    # idle threads would otherwise take the processor from the decoding of the next film
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
