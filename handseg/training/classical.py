"""A hand mask by thresholds alone, kept only where it looks like a hand: the first pseudo-labels of the bootstrap.

Thresholds fail on about a third of real films, so most of this module is rules that reject their masks. Nothing here
is used at inference.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..quality import AREA_RANGE, solidity

SOLIDITY_RANGE = (0.45, 0.90)  # area over convex hull: fingers leave gaps, a box or a blob does not
MIN_EDGE_AGREEMENT = 0.60  # share of the outline that lies on a visible edge


def classical_mask(square: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The hand in a letterboxed film (uint8, n x n, bone bright), as a 0/1 uint8 mask, or None when in doubt.

    Otsu's threshold on the film less its background, the largest component, holes filled; then the rules: plausible
    area, fingers (solidity), one component that dominates, reaching at most two sides of the frame, an outline that
    lies on edges of the picture.
    """
    smooth = np.asarray(cv2.GaussianBlur(square, (0, 0), 1.5), np.uint8)
    frame = smooth > 0
    background = _background(smooth)
    lifted = cv2.subtract(smooth, background)
    level, binary = cv2.threshold(lifted, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    # soft tissue is darker than the bone that dominates Otsu's choice
    binary = ((lifted > 0.45 * level) & frame).astype(np.uint8)
    binary = cv2.morphologyEx(binary, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=4)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax()) + 1
    if np.sort(areas)[-2:-1].sum() > 0.25 * areas.max():
        return None
    mask = _filled((labels == largest).astype(np.uint8))
    return mask if _believable(mask, smooth, frame) else None


def _background(smooth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey level behind the hand: the commonest dark one inside the exposed field."""
    exposed = smooth[smooth > 0]
    if exposed.size == 0:
        return np.zeros_like(smooth)
    histogram = np.bincount(exposed, minlength=256).astype(float)
    histogram = np.convolve(histogram, np.ones(7) / 7, mode="same")
    return np.full_like(smooth, int(histogram[:128].argmax()))


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros_like(mask)
    cv2.drawContours(whole, contours, -1, 1, cv2.FILLED)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, disc), np.uint8)


def _believable(mask: NDArray[np.uint8], smooth: NDArray[np.uint8], frame: NDArray[np.bool_]) -> bool:
    share = mask.sum() / max(frame.sum(), 1)
    if not AREA_RANGE[0] <= share <= AREA_RANGE[1]:
        return False
    if not SOLIDITY_RANGE[0] <= solidity(mask) <= SOLIDITY_RANGE[1]:
        return False
    rows, columns = np.where(frame.any(axis=1))[0], np.where(frame.any(axis=0))[0]
    field = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    covered = [float(side.mean()) for side in (field[0], field[-1], field[:, 0], field[:, -1])]
    if sum(share > 0.04 for share in covered) > 2 or max(covered) > 0.7:
        return False
    return _edge_agreement(mask, smooth) >= MIN_EDGE_AGREEMENT


def _edge_agreement(mask: NDArray[np.uint8], smooth: NDArray[np.uint8]) -> float:
    """Share of the outline where the picture is clearly brighter just inside than just outside."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    inner, outer = (
        cv2.blur((smooth * part).astype(np.float32), (7, 7))
        / np.maximum(cv2.blur(part.astype(np.float32), (7, 7)), 1e-3)
        for part in (mask, 1 - mask)
    )
    rim = (cv2.dilate(mask, disc) - cv2.erode(mask, disc)).astype(bool)
    return float((inner - outer > 6)[rim].mean()) if rim.any() else 0.0
