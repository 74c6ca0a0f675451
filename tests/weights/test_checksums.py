"""What torch stored: opened only where it is whole and plain."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from boneage.data.errors import TrainingError
from boneage.weights.checksums import load_whole


class Code:
    """Makes a file where it is loaded as pickles usually are."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self):
        return Path.touch, (self.made,)


@pytest.mark.parametrize("write", [torch.save, lambda stored, path: path.write_bytes(pickle.dumps(stored))])
def test_a_checkpoint_that_holds_code_is_not_opened_and_told_as_that(tmp_path, write):
    path = tmp_path / "last.ckpt"
    write({"state_dict": {"weight": [1.0]}, "epoch": Code(tmp_path / "made")}, path)
    with pytest.raises(TrainingError, match=r"ckpt: holds something other than tensors .* is not opened; mend it"):
        load_whole(path, "mend it")
    assert not (tmp_path / "made").exists()


def test_a_checkpoint_of_tensors_and_plain_values_is_read(tmp_path):
    torch.save({"state_dict": {"weight": torch.ones(2)}, "epoch": 3}, tmp_path / "last.ckpt")
    assert load_whole(tmp_path / "last.ckpt", "mend it")["state_dict"]["weight"].tolist() == [1.0, 1.0]
