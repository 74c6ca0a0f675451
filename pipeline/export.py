"""The ONNX files of a bundle, made ahead of their first use."""

from __future__ import annotations

from pathlib import Path

from ..handseg.segmenter import SEGMENTER
from ..regressor.reader import REGRESSOR
from ..weights.bundle import resolve_bundle
from ..weights.onnx_engine import cache_folder, export_weights


def export_bundle(weights: str | Path = "default", out: str | Path | None = None) -> list[Path]:
    """Write the ONNX files of a bundle to `out`, or else where they are looked for, and return their paths.

    Raises WeightsError for weights that are not a bundle or are damaged, and OSError for a folder not to be written,
    OutputError for nets that cannot be exported.
    """
    folder = resolve_bundle(weights)
    return [
        export_weights(folder / f"{model.kind}.safetensors", model, out or cache_folder())
        for model in (SEGMENTER, REGRESSOR)
    ]
