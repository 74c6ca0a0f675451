"""The nets of a bundle as ONNX files that are whole in themselves, for programs that run them without this one."""

from __future__ import annotations

from pathlib import Path

from ..data.errors import OutputError
from ..data.files import MARK, refuse_foreign, whole_file
from ..weights.bundle import read_bundle
from ..weights.onnx_engine import parts_of


def export_bundle(weights: str | Path, out: str | Path) -> list[Path]:
    """Write `NAME.onnx` to the folder `out` for each net `NAME.safetensors` of a bundle, and return the paths.

    A segmenter takes `squares`, uint8 (n, s, s), letterboxed; a regressor takes `crops`, float32 (n, 1, s, s) from -1
    to 1, and `sexes`, float32 (n,), as the header codes them, and gives z-scores of the label. A segmenter's second net
    is left out. Needs the extra train.
    Raises WeightsError for weights that are not a bundle or are damaged, OutputError for a net without a graph, and for
    a file that may not be replaced.
    """
    import onnx

    bundle = read_bundle(weights)
    nets = (bundle.segmenter, *bundle.regressors)
    paths = [Path(out, f"{net.path.stem}.onnx") for net in nets]
    for path in paths:
        refuse_foreign(path)
    for net, path in zip(nets, paths, strict=True):
        graph, tensors = parts_of(net.content())
        if not graph:
            raise OutputError(f"{net.path}: holds no ONNX graph; train it again with this version")
        model = onnx.load_model_from_string(graph)
        model.producer_name = MARK
        for stored in model.graph.initializer:
            if stored.data_location == onnx.TensorProto.EXTERNAL:
                stored.raw_data = bytes(tensors[stored.external_data[0].value])
                stored.ClearField("data_location")
                stored.ClearField("external_data")
        with whole_file(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
    return paths
