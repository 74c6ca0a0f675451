"""What is installed, and what the files of the weights state."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..data.text import counted
from ..weights.backend import Backend, chosen_backend
from ..weights.bundle import NetFile, read_bundle
from ..weights.header import read_header
from .extras import installed

PACKAGES = ("boneage", "torch", "torchvision", "timm", "segmentation-models-pytorch", "lightning", "albumentations")
PACKAGES += ("onnxruntime", "onnxruntime-gpu", "opencv-python-headless", "pydicom", "numpy")  # the installed are listed


def information(weights: str | Path = "default") -> dict[str, Any]:
    """Versions, extras, device, engine, and what a bundle and its nets state, as plain values.

    Raises WeightsError for weights that are not there or damaged. No net is run: what a bundle was trained on and how
    it was measured is as its files state.
    """
    bundle, backend = read_bundle(weights), chosen_backend()
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "extras": installed(),
        "device": _device(backend),
        "engine": backend.engine,
        "weights": {
            "name": bundle.name,
            "file": str(bundle.file),
            "digest": bundle.digest,
            "calibrated": bundle.calibration is not None,
            "metrics": dict(bundle.metrics),
            "site": dict(bundle.site),
            "licence": bundle.licence,
            "segmenter": _described(bundle.segmenter),
            "regressors": [_described(net) | {"zooms": list(net.zooms)} for net in bundle.regressors],
        },
    }


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """The main facts of `information`, a line for each."""
    weights, versions = found["weights"], found["versions"]
    report = weights["metrics"].get("report", {})
    lines = {
        "boneage": versions["boneage"],
        "python": versions["python"],
        "device": found["device"],
        "engine": found["engine"],
        "weights": f"{weights['name']}, {weights['file']}",
        "sha256": weights["digest"],
        "crop version": weights["regressors"][0]["crop_version"],
    }
    if "mae" in report:
        lines["MAE"] = f"{report['mae']:.2f} months on {counted(report['n'], 'film')}"
    if site := weights["site"]:
        lines["calibrated on"] = (
            f"{counted(site['n'], 'film')} of {site['cohort']} ({site['girls']} girls, {site['boys']} boys), from "
            f"{site['from']}: MAE {site['mae_before'][0]:.2f} before, {site['mae_after'][0]:.2f} on films held back"
        )
    return lines | {"licence": weights["licence"]}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _device(backend: Backend) -> str:
    if backend.device == "cpu":
        return f"cpu, {os.cpu_count()} cores"
    if backend.engine == "onnx":
        return backend.device
    from ..weights.torch_engine import device_name

    return device_name()


def _described(net: NetFile) -> dict[str, Any]:
    header = read_header(net.path)
    size = round(net.path.stat().st_size / 1e6, 1)
    stated = ("architecture", "arguments", "dtype", "input_size", "crop_version", "data", "metrics", "licence")
    file = {"file": net.path.name, "sha256": net.sha256, "megabytes": size}
    return file | {name: getattr(header, name) for name in stated}
