"""Lay a report out as HTML: one file that holds its pictures and fonts, has no scripts and prints on one A4."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ...data.text import for_line
from .letters import font_file
from .page import Page


def as_html(page: Page) -> bytes:
    """The page as HTML in UTF-8."""
    words = page.words
    fonts = {weight: _base64(font_file(words, bold=weight == 700)) for weight in (400, 700)}
    return _template().render(page=page, fonts=fonts).encode()


def templates_in(folder: Path) -> Environment:
    """The templates of a folder. Text loses control characters and marks of direction, and Jinja escapes markup."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: for_line(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _template() -> Template:
    environment = templates_in(Path(__file__).parent)
    environment.filters["inlined"] = lambda figure: f"data:image/{figure.kind};base64,{_base64(figure.data)}"
    return environment.get_template("report.html")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
