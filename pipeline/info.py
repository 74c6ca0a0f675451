"""What is installed and what the weights say of themselves."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..weights.bundle import Header, read_header, resolve_bundle
from ..weights.engine import chosen_backend
from ..weights.torch_engine import device_name

PACKAGES = ("boneage", "torch", "torchvision", "timm", "segmentation-models-pytorch", "lightning", "albumentations")
PACKAGES += ("onnxruntime", "opencv-python-headless", "pydicom", "numpy")


def information(weights: str | Path = "default") -> dict[str, Any]:
    """Versions, device, engine and the headers of a bundle, as plain values. Raises WeightsError for other folders.

    The tensors are not read; what a bundle was trained on and how it was measured is as its header states.
    """
    folder = resolve_bundle(weights)
    segmenter, regressor = (read_header(folder / f"{kind}.safetensors") for kind in ("segmenter", "regressor"))
    return {
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "device": device_name(),
        "engine": chosen_backend().engine,
        "weights": {
            "name": regressor.name or folder.name,
            "folder": str(folder),
            "segmenter": _of(segmenter, folder / "segmenter.safetensors"),
            "regressor": _of(regressor, folder / "regressor.safetensors"),
        },
    }


def _of(header: Header, path: Path) -> dict[str, Any]:
    return {
        "architecture": header.architecture,
        "arguments": dict(header.arguments),
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "input_size": header.input_size,
        "crop_version": header.crop_version,
        "calibrated": header.calibration is not None,
        "data": dict(header.data),
        "metrics": dict(header.metrics),
        "licence": header.licence,
    }
