"""Heat map: where a reading comes from, over the film, with outline of the hand and box of the crop."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...data.errors import FilmOutputError
from ...data.remark import Remark
from ..examination import Examination
from ..overlay import marked, shown, write_png

COLOURS = cv2.COLORMAP_INFERNO  # lightness rises evenly, so it looks the same in grey and to the colour-blind
_OPACITY = 0.75  # at an evidence of 1; it falls in proportion, so that the film shows through
_SCALE = 1 / 12  # width of the colour scale's strip, as a share of the film's longer side
_MIDDLE = 0.5  # grey of the film on which the scale shows the colours
_PAPER, _INK = (0, 0, 0), (255, 255, 255)


def heat_picture(examination: Examination, evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The film under its evidence (`Examination.evidence`), as RGB, height x width x 3, in the film's geometry."""
    radiograph, hand = examination.radiograph_and_hand()
    film = np.divide(shown(radiograph, hand), 255, dtype=np.float32)
    return marked(_blended(film, evidence), hand)


def with_scale(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A heat picture with a strip to its right: the colours of an evidence of 0, below, to 1, above, on a middle grey.

    The columns and rows of the film stay where they are.
    """
    height, width = picture.shape[:2]
    strip = max(round(max(height, width) * _SCALE), 40)
    bar, margin = strip // 4, strip // 2
    evidence = np.repeat(np.linspace(1, 0, height - 2 * margin, dtype=np.float32)[:, None], bar, 1)
    canvas = Image.new("RGB", (strip, height), _PAPER)
    canvas.paste(Image.fromarray(_blended(np.full(evidence.shape, _MIDDLE, np.float32), evidence)), (bar, margin))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(bar * 1.4)
    for evident, end in ((1, margin), (0, height - margin - 1)):
        draw.line((2 * bar, end, 2 * bar + bar // 3, end), _INK, max(bar // 12, 1))
        draw.text((2.5 * bar, end), str(evident), _INK, font, anchor="lm")
    return np.hstack([picture, np.asarray(canvas)])


def heat_map(examination: Examination) -> NDArray[np.uint8]:
    """`heat_picture` of a film by its own evidence. Raises OutputError for a film without a bone age."""
    evidence = examination.evidence()
    if evidence is None:
        raise FilmOutputError(examination.reading.file, Remark("has no bone age, so there is no heat map of it"))
    return heat_picture(examination, evidence)


def write_heatmap(examination: Examination, path: str | Path) -> None:
    """Write `heat_map` with its colour scale beside it as a PNG, whole or not at all."""
    write_png(Image.fromarray(with_scale(heat_map(examination))), path)


def _blended(film: NDArray[np.float32], evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Greys in [0, 1] under the colours of their evidence in [0, 1], both height x width, as RGB."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8), COLOURS)[:, 0, ::-1].astype(np.float32)
    share = _OPACITY * evidence[..., None]
    picture = 255 * film[..., None] * (1 - share) + table[np.rint(evidence * 255).astype(np.uint8)] * share
    return np.rint(picture).astype(np.uint8)
