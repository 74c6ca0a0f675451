"""A torch module as an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ..data.errors import OutputError, one_line


def export(module: nn.Module, inputs: Mapping[str, NDArray[Any]], target: str | Path) -> None:
    """Write `module` to `target`, for batches of any size. `inputs`: a batch of two for each of its inputs, by name.

    Raises OutputError for a module that cannot be expressed in ONNX.
    """
    batch = torch.export.Dim("batch")
    try:
        torch.onnx.export(
            module.eval(),
            tuple(torch.from_numpy(array) for array in inputs.values()),
            str(target),
            input_names=list(inputs),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise OutputError(f"the net cannot be exported ({one_line(error)}); read with the engine torch") from error
