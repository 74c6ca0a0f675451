"""The optional parts of the installation: each extra with the packages that it brings."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = {
    "report": ("babel", "fontTools", "fpdf", "highdicom", "jinja2", "matplotlib"),
    "train": (
        *("albumentations", "lightning", "onnx", "onnx_ir", "onnxscript", "segmentation_models_pytorch"),
        *("tensorboard", "timm", "torch", "torchvision"),
    ),
    "parquet": ("pyarrow",),
    "ray": ("fsspec", "pyarrow", "ray"),
    "excel": ("openpyxl",),
    "serve": ("fastapi", "prometheus_client", "pynetdicom", "python_multipart", "starlette", "uvicorn"),
}


def extra_of(module: str) -> str | None:
    """The extra that brings a module, given by its dotted name; None where none does."""
    package = module.split(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def installed() -> list[str]:
    """The extras of which every package is there."""
    return [extra for extra, packages in EXTRAS.items() if all(find_spec(package) for package in packages)]
