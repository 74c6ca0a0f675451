"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table without a final line end; the first `words` columns hold words and are set left, the others right."""
    rule = ["---" if place < words else "--:" for place in range(len(head))]
    lines = ["|" + "|".join(rule) + "|"]
    lines += ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", *lines])
