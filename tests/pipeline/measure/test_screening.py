from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from boneage.data.errors import CohortError
from boneage.handseg.content import NO_HAND
from boneage.handseg.finder import Hand
from boneage.handseg.quality import Verdict
from boneage.pipeline.measure.screening import screen, write_screened


class ByBrightness:
    """A finder that takes what is bright for a hand."""

    def find(self, radiographs):
        found = [radiograph.greys.mean() > 128 for radiograph in radiographs]
        return [Hand(Verdict() if bright else Verdict("rejected", (NO_HAND,))) for bright in found]


def test_pictures_are_counted_by_kind_and_what_cannot_be_read_is_failed(tmp_path):
    rows = [
        ("a.png", "hand", "x", 200),
        ("b.png", "foot", "x", 20),
        ("c.png", "foot", "y", 220),
        ("d.png", "foot", "y", 0),
    ]
    with open(tmp_path / "pictures.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "kind", "repo"])
        table.writerows(row[:3] for row in rows)
    for name, _, _, level in rows[:3]:
        # bright all over, with dark corners, so that it is not taken for an inverted film
        picture = np.full((120, 100), level, np.uint8)
        picture[:8, :8] = 255 - level
        cv2.imwrite(str(tmp_path / name), picture)
    screened = list(screen(tmp_path, ByBrightness()))  # pyright: ignore
    assert [picture.status for picture in screened].count("failed") == 1
    text = write_screened(tmp_path / "out", screened)
    foot = next(line for line in text.splitlines() if line.startswith("| foot"))
    assert [cell.strip() for cell in foot.split("|")[2:4]] == ["2", "3"]
    assert (tmp_path / "out" / "screening.md").read_text() == f"{text}\n\n<!-- made by boneage -->\n"
    assert len((tmp_path / "out" / "screening.csv").read_text().splitlines()) == 5


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "pictures.csv").write_text("file,kind\na.png,foot\n")
    with pytest.raises(CohortError, match="expected the columns file, kind, repo"):
        list(screen(tmp_path, ByBrightness()))  # pyright: ignore
