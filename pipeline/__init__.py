"""Both stages chained, for training and inference, and the command line.

`BoneAge` and `Reading` are imported when first asked for, so that the command line answers without loading torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .predict.bone_age import BoneAge
    from .reading import Reading

__all__ = ["BoneAge", "Reading"]


def __getattr__(name: str) -> Any:
    if name == "BoneAge":
        from .predict.bone_age import BoneAge

        return BoneAge
    if name == "Reading":
        from .reading import Reading

        return Reading
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
