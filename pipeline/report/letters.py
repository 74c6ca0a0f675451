"""The fonts of a report, and the part of a font that a page carries."""

from __future__ import annotations

import io
import string
from functools import lru_cache
from pathlib import Path

_FONTS = Path(__file__).parent / "fonts"
_BEYOND_LATIN = "\u3000"  # first letter that only the Korean fonts have


def all_letters(*, bold: bool = False) -> Path:
    """The font that has the letters of all languages."""
    return _FONTS / f"NotoSansKR-{_weight(bold)}.otf"


def font_for(words: str, *, bold: bool = False) -> Path:
    """The smallest font that has the letters of `words`: a tenth of the whole where none of them is Korean."""
    if any(letter >= _BEYOND_LATIN for letter in words):
        return all_letters(bold=bold)
    return _FONTS / f"NotoSansKR-Latin-{_weight(bold)}.otf"


def font_file(words: str, *, bold: bool = False) -> bytes:
    """A font file with the letters of `words`, of at most some 50 kB."""
    font = font_for(words, bold=bold)
    if font != all_letters(bold=bold):
        return font.read_bytes()
    return _cut_out(font, "".join(sorted(letter for letter in set(words) if not letter.isascii())))


def _weight(bold: bool) -> str:
    return "Bold" if bold else "Regular"


@lru_cache(8)
def _cut_out(font: Path, others: str) -> bytes:
    """ASCII and the `others` that a font has, as a font file; kept, since cutting it out takes 0.2 s."""
    from fontTools import subset  # which takes half as long to import as a film takes to read

    options = subset.Options(layout_features=["kern"], name_IDs=[0, 13, 14], notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=string.printable + others)
    buffer = io.BytesIO()
    with subset.load_font(str(font), options) as whole:
        subsetter.subset(whole)
        subset.save_font(whole, buffer, options)
    return buffer.getvalue()
