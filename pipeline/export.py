"""The ONNX files of a bundle, made ahead of their first use."""

from __future__ import annotations

from pathlib import Path

from ..handseg.segmenter import segmenter_spec
from ..regressor.common import common_header
from ..regressor.reader import regressor_spec
from ..weights.bundle import read_bundle
from ..weights.onnx_engine import cache_folder, export_net


def export_bundle(weights: str | Path = "default", out: str | Path | None = None) -> list[Path]:
    """Write the ONNX files of a bundle to `out`, by default the user's cache folder, and return their paths.

    Raises WeightsError for weights that are not a bundle or are damaged, and OSError for a folder not to be written,
    OutputError for nets that cannot be exported.
    """
    bundle = read_bundle(weights)
    nets = segmenter_spec(bundle.segmenter), regressor_spec(bundle.regressors, common_header(bundle.regressors))
    return [export_net(spec, out or cache_folder()) for spec in nets]
