"""Where on a crop a reading comes from: Grad-CAM of the regressor, for one net or for several whose mean is read.

Of the Grad-CAM family this is HiResCAM (Draelos & Carin 2020): activation times gradient, cell by cell, summed over
channels. Behind average pooling that is what each place adds to the reading or takes from it; Grad-CAM proper averages
the gradient over places first, and on maps as coarse as a small net's it points nowhere. A low bone age is evidence as
much as a high one is, so both signs count: the map is the absolute value of what is left once nets and views, whose
readings are averaged as well, have been averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.resize import resize_square
from .network import FEATURE_STRIDES, BoneAgeNet, normalise

MIN_CELLS = 12  # cells a side below which a map is too coarse to separate the wrist from the palm


def evidence_map(
    nets: Sequence[BoneAgeNet], crop: NDArray[np.uint8], sex_code: float, sizes: Sequence[int]
) -> NDArray[np.float32]:
    """How much each place of a crop moved the reading, either way: float32 in [0, 1], of the crop's shape.

    `nets` are in evaluation mode and read squares of `sizes` pixels a side; their readings and those of the crop's
    mirror image are averaged, as the reader does; its zooms are left out, since they show the same. `crop` is uint8,
    s x s; `sex_code` the number that its sex becomes. The greatest evidence is 1; a map without any is 0 throughout.
    The maps are those of the deepest features that have at least MIN_CELLS cells a side (or else of the finest): stride
    8 at 128 pixels, stride 16 from 192 on.
    """
    maps = [_both_views(net, resize_square(crop, size), sex_code) for net, size in zip(nets, sizes, strict=True)]
    # evidence is a sum over cells, so that a finer map's cells hold less each
    dense = [resize_square(each * each.size, crop.shape[0]) for each in maps]
    evidence = np.abs(np.mean(dense, axis=0))
    return np.asarray(evidence / max(evidence.max(), np.finfo(np.float32).tiny), np.float32)


def _both_views(net: BoneAgeNet, crop: NDArray[np.uint8], sex_code: float) -> NDArray[np.float32]:
    """Signed evidence (cells, cells), averaged over a crop (s, s) of the net's input size and its mirror image."""
    device = next(net.parameters()).device
    square = torch.from_numpy(crop[None])
    views = normalise(torch.cat([square, square.flip(-1)]).to(device))
    with torch.inference_mode(False), torch.enable_grad():
        # gradients are asked for by the input, so that nets with frozen weights give them, too
        readings, features = net.with_features(views.requires_grad_(), torch.full((2,), sex_code, device=device))
        deep = features[_level(views.shape[-1])]
        (gradient,) = torch.autograd.grad(readings.sum(), deep)
    plain, mirrored = (deep * gradient).sum(1).detach().float()
    return ((plain + mirrored.flip(-1)) / 2).cpu().numpy()


def _level(size: int) -> int:
    fine_enough = [level for level, stride in enumerate(FEATURE_STRIDES) if size // stride >= MIN_CELLS]
    return max(fine_enough, default=0)
