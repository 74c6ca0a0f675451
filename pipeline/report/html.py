"""Lay a report out as HTML: one file that holds its pictures and fonts, has no scripts and prints on one A4."""

from __future__ import annotations

import base64
import io
import string
from functools import cache, lru_cache
from pathlib import Path

from fontTools import subset
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from ...data.text import for_line
from .language import FONTS
from .page import Figure, Page

HERE = Path(__file__).parent


def as_html(page: Page) -> bytes:
    """The page as HTML in UTF-8."""
    template = _template()
    words = template.render(page=page, fonts={})  # once to learn which letters it needs
    others = "".join(sorted(letter for letter in set(words) if not letter.isascii()))
    fonts = {weight: _letters(f"NotoSansKR-{name}.otf", others) for weight, name in ((400, "Regular"), (700, "Bold"))}
    return template.render(page=page, fonts=fonts).encode()


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
    return f"data:image/{figure.kind};base64,{base64.b64encode(figure.data).decode()}"


@lru_cache(8)
def _letters(font: str, others: str) -> str:
    """ASCII and the `others` that a font has, as a font file in base64; kept, since cutting it out takes 0.2 s."""
    options = subset.Options(layout_features=["kern"], name_IDs=[0, 13, 14], notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=string.printable + others)
    buffer = io.BytesIO()
    with subset.load_font(str(FONTS / font), options) as whole:
        subsetter.subset(whole)
        subset.save_font(whole, buffer, options)
    return base64.b64encode(buffer.getvalue()).decode()
