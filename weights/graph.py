"""A torch module as an ONNX graph that names its tensors and holds none: one copy of them serves both engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from ..data.errors import OutputError, one_line

SMALL = 256  # numbers; what is computed from constants of up to so many is stored as its result


def graph_of(
    module: nn.Module, net: nn.Module, inputs: Mapping[str, NDArray[Any]], stored: Mapping[str, torch.dtype]
) -> bytes:
    """The ONNX model of `module`, for batches of any size, whose initialisers are the tensors of `net` by name.

    `net` is `module`, a part of it, or holds it. `inputs`: a batch of two for each of the module's inputs, by name.
    `stored`: as which type each tensor is stored; the model casts halves to float32, which a runtime does once.
    Raises OutputError for a module that cannot be expressed in ONNX.
    """
    import onnx_ir as ir
    from onnxscript import optimizer

    batch = torch.export.Dim("batch")
    try:
        program = torch.onnx.export(
            module.eval(),
            tuple(torch.from_numpy(array) for array in inputs.values()),
            input_names=list(inputs),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            optimize=False,  # it would merge tensors
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise OutputError(f"the net cannot be exported ({one_line(error)}); read with the engine torch") from error
    assert program is not None
    optimizer.fold_constants(program.model, input_size_limit=SMALL, output_size_limit=SMALL)
    optimizer.remove_unused_nodes(program.model)
    model = ir.to_proto(program.model)
    _leave_out(model, _names(module, net), stored)
    return model.SerializeToString()


def _names(module: nn.Module, net: nn.Module) -> dict[str, str]:
    """Names in `net` of its tensors, by their names in `module`, which holds the net or is a part of it."""
    for holder, part in ((module, net), (net, module)):
        for prefix, found in holder.named_modules():
            if found is part:
                start = f"{prefix}." if prefix else ""
                names = {f"{start}{name}": name for name in part.state_dict()}
                return names if holder is module else {name: full for full, name in names.items()}
    raise ValueError("the module that runs neither holds the net nor is a part of it")


def _leave_out(model: Any, own: Mapping[str, str], stored: Mapping[str, torch.dtype]) -> None:
    """Replace the initialisers in `own` by references to tensors of these names, and drop what only describes."""
    from onnx import TensorProto, helper

    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    halves = {torch.float16: TensorProto.FLOAT16, torch.bfloat16: TensorProto.BFLOAT16}
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in own:
            continue
        name = own[tensor.name]
        if tensor.data_type == TensorProto.FLOAT and stored[name] in halves:
            casts.append(helper.make_node("Cast", [f"{name}.stored"], [tensor.name], to=TensorProto.FLOAT))
            tensor.name, tensor.data_type = f"{name}.stored", halves[stored[name]]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=name)
    for node in reversed(casts):
        graph.node.insert(0, node)
