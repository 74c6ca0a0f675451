"""The Markdown pages of the project, in pieces: fenced blocks by language, and the prose around them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for place in ("*.md", "docs/**/*.md", "pipeline/**/*.md", "weights/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(place)
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line it begins at, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """A page's path from the root of the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[Block]:
    """Every fenced block of a language, on all pages."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in _FENCED.finditer(text):
            if match[1] == language:
                found.append(Block(page, text.count("\n", 0, match.start()) + 2, language, match[2]))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))
