"""Names of the augmentations; apart from augment.py, so that settings and help need no albumentations."""

from __future__ import annotations

from typing import Literal

PolicyName = Literal["none", "light", "clinic", "randaugment", "uniformaugment", "uniformclinic"]
