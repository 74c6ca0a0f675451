"""The ONNX engine: ONNX Runtime on the CPU, with a file that torch exports once for each net.

The file lies beside the weights or in the user's cache. Its name holds the version of this package and the digest of
the weights, so that it stands for no others. It is used only where nobody but its owner (the user, or root) can write,
and only if its SHA-256 is the one that was stored beside it when it was made.
"""

from __future__ import annotations

import hashlib
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
from ..data.files import sha256_of
from .engine import NetSpec

AGREE = 0.02  # months, or probability, by which an export may differ from its module

log = logging.getLogger(__name__)


class OnnxEngine:
    """Runs an exported file."""

    def __init__(self, path: str | Path, content: bytes | None = None) -> None:
        """`path`: of an ONNX file. `content`: its bytes, where they were read already."""
        self._path = Path(path)
        # beside the caller, who meanwhile opens the other net and decodes the first film
        opening = ThreadPoolExecutor(1)
        self._opened = opening.submit(_session, str(self._path) if content is None else content)
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
    for place in (lambda: spec.folder, cache_folder):
        if (exported := place() / export_name(spec)).is_file() and (content := _verified(exported)):
            return OnnxEngine(exported, content)
    log.warning("%s: is prepared for the engine onnx, once, which takes a while", spec)
    folder = _private(cache_folder())
    return OnnxEngine(export_net(spec, folder))


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
        exported = folder / export_name(spec)
        note = Path(making, "net.sha256")
        note.write_text(sha256_of(temporary))
        note.replace(_digest_file(exported))
        return temporary.replace(exported)


def export_name(spec: NetSpec) -> str:
    """What the exported file of a net is called."""
    from importlib.metadata import version

    return f"{spec.kind}-{version('boneage')}-{spec.digest[:16]}.onnx"


def cache_folder() -> Path:
    """Where exported files are kept: below $XDG_CACHE_HOME, or else where the system keeps a user's caches.

    A relative $XDG_CACHE_HOME counts as none. Raises OutputError where the user has no home folder.
    """
    usual = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = folder if folder.is_absolute() else Path(usual.get(sys.platform, "~/.cache")).expanduser()
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():
        raise OutputError("there is no home folder to keep exported nets in; set XDG_CACHE_HOME to a folder of yours")
    return folder / "boneage"


def _private(folder: Path) -> Path:
    """The cache as a folder that nobody else can read or write. Raises OutputError where it is another user's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if hasattr(os, "getuid"):
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise OutputError(f"{folder}: is not a folder of your own; set XDG_CACHE_HOME to one")
        folder.chmod(0o700)
    return folder


def _verified(exported: Path) -> bytes | None:
    """The bytes of an exported file, if only its owner could write it and they are those that were exported."""
    try:
        if not all(map(_only_owner_writes, (exported.parent, exported, _digest_file(exported)))):
            log.warning("%s: is not used, since others than you may write it", exported)
            return None
        content = exported.read_bytes()
        if hashlib.sha256(content).hexdigest() == _digest_file(exported).read_text().strip():
            return content
        log.warning("%s: is not what was exported, so it is not used", exported)
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be verified (%s), so it is not used", exported, one_line(error))
    return None


def _only_owner_writes(path: Path) -> bool:
    """Whether a path is the user's or root's, and nobody else may write it; systems without owners are trusted."""
    if not hasattr(os, "getuid"):
        return True
    stat = path.stat()
    return not path.is_symlink() and stat.st_uid in (os.getuid(), 0) and not stat.st_mode & 0o022


def _digest_file(exported: Path) -> Path:
    return exported.with_name(f"{exported.name}.sha256")


def _session(model: str | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")  # what limits torch limits this engine too
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    # idle threads would otherwise take the processor from the decoding of the next film
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
