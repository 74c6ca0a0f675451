"""Heat map: where a reading comes from, over the film, with outline of the hand and box of the crop."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...data.errors import FilmOutputError
from ...data.remark import Remark
from ..examination import Examination
from ..overlay import marked, write_png

COLOURS = cv2.COLORMAP_INFERNO  # lightness rises evenly, so it looks the same in grey and to the colour-blind
_OPACITY = 0.75  # at an evidence of 1; it falls in proportion, so that the film shows through


def heat_picture(examination: Examination, evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The film under its evidence (`Examination.evidence`), as RGB, height x width x 3, in the film's geometry."""
    radiograph, hand = examination.radiograph_and_hand()
    film = radiograph.pixels[..., None] * np.ones(3, np.float32)
    share = _OPACITY * evidence[..., None]
    picture = film * (1 - share) + colours_of(evidence) / np.float32(255) * share
    return marked(np.rint(picture * 255).astype(np.uint8), hand)


def colours_of(evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Evidence in [0, 1], height x width, as RGB."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8), COLOURS)[:, 0, ::-1]
    return np.asarray(table[np.rint(evidence * 255).astype(np.uint8)], np.uint8)


def heat_map(examination: Examination) -> NDArray[np.uint8]:
    """`heat_picture` of a film by its own evidence. Raises OutputError for a film without a bone age."""
    evidence = examination.evidence()
    if evidence is None:
        raise FilmOutputError(examination.reading.file, Remark("has no bone age, so there is no heat map of it"))
    return heat_picture(examination, evidence)


def write_heatmap(examination: Examination, path: str | Path) -> None:
    """Write `heat_map` as a PNG, whole or not at all."""
    write_png(Image.fromarray(heat_map(examination)), path)
