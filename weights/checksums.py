"""Read what torch stored, once the checksums of its parts fit, which torch does not look at."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..data.errors import TrainingError, one_line


def load_whole(path: Path, what_to_do: str) -> Any:
    """What `torch.save` wrote; no code is run. TrainingError where it is damaged, no file, or could hold code."""
    if not path.is_file():  # a device could be read without end
        raise TrainingError(f"{path}: is not there, or no file, so the run cannot go on; {what_to_do}")
    try:
        with open(path, "rb") as file:
            if file.read(1) == pickle.PROTO:
                raise pickle.UnpicklingError("a bare pickle")
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"its part {damaged.rpartition('/')[2]} does not fit its checksum")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:  # where its checksums fit, it was written so
        raise TrainingError(
            f"{path}: holds something other than tensors and plain values, which could run code, and is not opened; "
            f"{what_to_do}"
        ) from error
    except Exception as error:  # of every kind, as the damage is
        raise TrainingError(f"{path}: is damaged ({one_line(error)}), so the run cannot go on; {what_to_do}") from error
