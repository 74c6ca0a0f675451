"""Check crops independently: annotated keypoints must lie inside, and a crop be little larger than the hand.

    python tests/keypoints.py DATA

Prints what it finds on all annotated films of DATA, the folder that CONTRIBUTING.md describes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from boneage.data.errors import CohortError
from boneage.data.radiograph import Radiograph
from boneage.data.read import read_radiograph
from boneage.handseg.finder import HandFinder
from boneage.handseg.geometry import Box
from boneage.pipeline.predict.bone_age import BATCH, BoneAge

POINTS = 21  # the wrist and four on each finger
NEEDED = ("id", "width", "height", "box_x", "box_y", "box_w", "box_h", "wrist_x", "wrist_y")


@dataclass(frozen=True)
class KeypointCheck:
    """`inside`: share of the radiographs with every keypoint in the crop. `ratio`: crop area over the annotated hand
    box's, median. `missed`: ids with a keypoint outside or no crop. `n`: radiographs checked.
    """

    n: int
    inside: float
    ratio: float
    missed: tuple[str, ...]


def lie_in(box: Box, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of `points` (n x 2, x then y) lie inside a box."""
    x, y = points[:, 0] - box.x, points[:, 1] - box.y
    return (x >= -0.5) & (y >= -0.5) & (x <= box.width - 0.5) & (y <= box.height - 0.5)


def check_keypoints(table: str | Path, crop_box: Callable[[str], tuple[Box, tuple[int, int]] | None]) -> KeypointCheck:
    """Compare crops with a table of keypoints in pixels of the original.

    `table`: CSV with id, width, height, box_x, box_y, box_w, box_h and `<joint>_x`, `<joint>_y` for 21 joints.
    `crop_box(id)`: the crop's box and the (height, width) of the picture it was found on, which may be a smaller copy
    of the original; None where no crop was made. Raises CohortError when columns are missing.
    """
    frame = pd.read_csv(table, dtype={"id": str})
    lacking = [name for name in NEEDED if name not in frame.columns]
    joints = [name for name in frame.columns if name.endswith("_x") and name != "box_x"]
    if lacking or len(joints) != POINTS:
        raise CohortError(f"{table}: lacks {', '.join(lacking) or 'joints'}; expected a box and {POINTS} joints a row")
    missed, ratios = [], []
    for row in frame.to_dict("records"):
        found = crop_box(row["id"])
        if found is None:
            missed.append(row["id"])
            continue
        box, (height, width) = found
        across, down = width / row["width"], height / row["height"]
        points = np.array([(row[name] * across, row[f"{name[:-1]}y"] * down) for name in joints])
        if not lie_in(box, points).all():
            missed.append(row["id"])
        ratios.append(box.area / (row["box_w"] * across * row["box_h"] * down))
    n = len(frame)
    return KeypointCheck(n, 1 - len(missed) / n, float(np.median(ratios)) if ratios else float("nan"), tuple(missed))


def check_finder(finder: HandFinder, table: str | Path, folder: Path) -> KeypointCheck:
    """Compare the crops of a finder with a table of keypoints; `folder` holds the radiographs as `<id>.webp`."""
    ids = list(pd.read_csv(table, dtype={"id": str})["id"])
    crops: dict[str, tuple[Box, tuple[int, int]] | None] = {}
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        films: list[Radiograph] = [read_radiograph(folder / f"{id}.webp") for id in some]
        for id, film, hand in zip(some, films, finder.find(films), strict=True):
            crops[id] = (hand.crop.fit.box, film.pixels.shape) if hand.crop else None
    return check_keypoints(table, crops.get)


if __name__ == "__main__":
    data = Path(sys.argv[1])
    print(check_finder(BoneAge.load().finder, data / "hand-keypoints.csv", data / "rsna" / "boneage-training-dataset"))
