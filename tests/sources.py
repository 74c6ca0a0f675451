"""The modules of the library, and each as a syntax tree: several tests look at the code itself."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("data", "weights", "handseg", "regressor", "pipeline")  # from the lowest up


def modules(*folders: str) -> list[Path]:
    """The modules of some folders; of all layers, where none is named."""
    return [path for folder in folders or LAYERS for path in sorted((ROOT / folder).rglob("*.py"))]


def name(path: Path) -> str:
    """A module's path from the root of the project."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """A module, parsed once for all tests of a process."""
    return ast.parse(path.read_text("utf-8"))
