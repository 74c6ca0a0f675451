"""The page on results names every field of a reading and every column of a table, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from boneage.pipeline.predict.rows import COLUMNS
from boneage.pipeline.reading import Reading

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "results.md"


def test_the_page_names_every_field_and_column_once():
    rows = [line.split("|")[1:3] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    cells = [(re.findall(r"`(\w+)`", name)[0], re.findall(r"`(\w+)`", columns)) for name, columns in rows]
    only_in_tables = {"patient", "exam_date", "fingerprint"}
    only_in_json = {"caveats"}  # the same for every film: a run says them once
    fields = [name for name, _ in cells if name not in only_in_tables]
    assert sorted(fields) == sorted(Reading("a.png", "ok").to_dict())
    columns = [
        column
        for name, columns in cells
        for column in ([name] if name in only_in_tables else columns or [name])
        if column not in only_in_json
    ]
    assert sorted(columns) == sorted(COLUMNS)
