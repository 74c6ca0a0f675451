"""Find the exposed field inside a collimator's border on a letterboxed film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .geometry import Box
from .segmenter import HandMap

FLAT, STEP = 3, 6  # grey levels within a border, and between it and the field
EDGE = 3  # pixels that this step takes


def field_box(view: HandMap) -> Box:
    """The exposed field inside a collimator's flat border, in pixels of the letterboxed square."""
    square, frame = view.square.astype(np.int16), view.fit.inside()
    rows, columns = np.flatnonzero(frame.any(axis=1)), np.flatnonzero(frame.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    for _ in range(2):  # borders of different greys: one may look flat only when its neighbours are gone
        above, below = _borders(square[top:bottom, left:right])
        top, bottom = top + above, bottom - below
        before, after = _borders(np.ascontiguousarray(square[top:bottom, left:right].T))
        left, right = left + before, right - after
        if not before + after:
            break
    return Box(left, top, right - left, bottom - top)


def _borders(lines: NDArray[np.int16]) -> tuple[int, int]:
    """How many of the first and of the last lines are a border: flat lines up to a step along most of the next one.

    A film's clean background is flat as well, but ends at fingertips, not at a straight step.
    """
    near = np.abs(lines - _medians(lines)[:, None]) <= FLAT
    flat = np.count_nonzero(near, axis=1) > 0.9 * lines.shape[1]
    half = (len(lines) - 1) // 2
    return _border(lines[:half], flat[:half]), _border(lines[::-1][:half], flat[::-1][:half])


def _border(lines: NDArray[np.int16], flat: NDArray[np.bool_]) -> int:
    """How many of the first lines are a border; `flat`: which of the lines are flat."""
    run = len(lines) if flat.all() else int(flat.argmin())
    if not run:
        return 0
    near = lines[: run + EDGE]
    found = np.flatnonzero(_medians(np.abs(near[EDGE:] - near[:-EDGE])) > STEP)
    return int(found[-1]) + 1 if len(found) else 0


def _medians(lines: NDArray[np.int16]) -> NDArray[np.float64]:
    """The median of each line; for lines as short as these, sorting takes a third of np.median's time."""
    ordered, half = np.sort(lines, axis=1), lines.shape[1] // 2
    return ordered[:, half - 1 + lines.shape[1] % 2 : half + 1].mean(axis=1)
