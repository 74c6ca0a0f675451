"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...data.files import MARK, is_marked, whole_file
from ...data.text import for_markdown


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table without a final line end; the first `words` columns hold words and are set left, the others right."""
    rule = ["---" if place < words else "--:" for place in range(len(head))]
    lines = ["|" + "|".join(rule) + "|"]
    lines += ["|" + "|".join(f" {for_markdown(cell)} " if cell else " " for cell in row) + "|" for row in rows]
    return "\n".join([f"| {' | '.join(map(for_markdown, head))} |", *lines])


def write_markdown(path: Path, text: str, ours: Callable[[Path], bool] = is_marked) -> None:
    """Write a page with the program's mark in a comment, whole or not at all; `ours`: as for `whole_file`."""
    with whole_file(path, ours=ours) as temporary:
        temporary.write_text(f"{text.rstrip()}\n\n<!-- {MARK} -->\n", "utf-8")
