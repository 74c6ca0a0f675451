"""Lay a report out as HTML: one file that holds its pictures and fonts, has no scripts and prints on one A4."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from ...data.text import for_line
from .letters import font_file
from .page import Figure, Page

HERE = Path(__file__).parent


def as_html(page: Page) -> bytes:
    """The page as HTML in UTF-8."""
    words = page.words
    fonts = {weight: _base64(font_file(words, bold=weight == 700)) for weight in (400, 700)}
    return _template().render(page=page, fonts=fonts).encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inlined"] = _inlined
    return environment.get_template("report.html")


def _harmless(value: object) -> object:
    """Text without control characters and marks of direction; markup is escaped by Jinja."""
    return for_line(value) if type(value) is str else value


def _inlined(figure: Figure) -> str:
    return f"data:image/{figure.kind};base64,{_base64(figure.data)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
