"""Checkpoints of a regressor's training: written whole, bound to their run, and checked before it goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ...data.config import config_values
from ...data.errors import TrainingError, one_line
from ...data.files import MARK, whole_file
from ...weights.checksums import load_whole
from ..config import RegressorConfig
from .dataset import LabelledCrops
from .task import RegressorTask

_NEEDED = {"state_dict", "optimizer_states", "loops", "callbacks", "epoch", "global_step", "pytorch-lightning_version"}
_PATHS = ("best_model_path", "last_model_path", "kth_best_model_path")
OTHERWISE = "put back a copy of it, or begin again in another folder"


def run_of(training: LabelledCrops, validation: LabelledCrops, config: RegressorConfig) -> dict[str, Any]:
    """What a checkpoint is bound to: the settings, and the films in the order in which they are drawn."""
    films = "\0".join(("\n".join(training.ids), "\n".join(validation.ids)))
    digest = hashlib.sha256(films.encode("utf-8", "surrogateescape")).hexdigest()
    return {"films": digest, "settings": config_values(config)}


class Checkpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, and reads them wherever their folder has been moved to."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        """`run`: as of `run_of`."""
        super().__init__()
        self._run = run

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write beside, then move into place."""
        with whole_file(path) as temporary:
            torch.save({"made_by": MARK, "run": dict(self._run), **checkpoint}, temporary)

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """Read one. The best epoch so far, which Lightning forgets where a folder has another name, is kept."""
        checkpoint, folder = super().load_checkpoint(path, *args, **options), os.path.realpath(Path(path).parent)
        for state in checkpoint["callbacks"].values():
            if "dirpath" in state:
                state["dirpath"] = folder
                state.update({name: str(Path(folder, Path(state[name]).name)) for name in _PATHS if state.get(name)})
                state["best_k_models"] = {
                    str(Path(folder, Path(file).name)): score for file, score in state.get("best_k_models", {}).items()
                }
        return checkpoint


def check_checkpoint(path: Path, task: RegressorTask, run: Mapping[str, Any]) -> None:
    """Give `task` the weights in a checkpoint. Raises TrainingError for one that is damaged, or of another run."""
    stored = load_whole(path, OTHERWISE)
    if not isinstance(stored, dict) or not stored.keys() >= _NEEDED:
        raise TrainingError(f"{path}: is no checkpoint of a training of this version; {OTHERWISE}")
    of: dict[str, Any] = {**run, **stored.get("run", {})}
    if of["settings"] != run["settings"]:
        raise TrainingError(f"{path}: the run was made with another configuration; resume with that one")
    if of["films"] != run["films"]:
        raise TrainingError(
            f"{path}: the run learned from other films, or in another order; resume with the same table, split and "
            "segmenter, or begin again in another folder"
        )
    try:
        task.load_state_dict(stored["state_dict"])
    except (RuntimeError, TypeError, AttributeError) as error:  # as torch says that nets differ
        raise TrainingError(
            f"{path}: holds another net than the one to train ({one_line(error)}); {OTHERWISE}"
        ) from error
    best = path.with_name("best.ckpt")
    if any(Path(state.get("best_model_path", "")).name == best.name for state in stored["callbacks"].values()):
        load_whole(best, OTHERWISE)
