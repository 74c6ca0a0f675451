"""Which hand a film shows: left or right, as the user states it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Literal

from .errors import ChildError
from .remark import Remark, Verbatim

Side = Literal["left", "right"]
SIDES: Mapping[Side, Remark] = {"left": Remark("left"), "right": Remark("right")}
_WORDS: dict[Side, str] = {
    "left": "left l links linke 왼손 왼쪽 좌 좌측",
    "right": "right r rechts rechte 오른손 오른쪽 우 우측",
}
_SPELLINGS: dict[str, Side] = {word: side for side, words in _WORDS.items() for word in words.split()}


def parse_side(text: str, where: str = "--side") -> Side:
    """Return "left" or "right" for these words, L, R, links, 오른손 and their like, else raise ChildError."""
    side = _SPELLINGS.get(unicodedata.normalize("NFC", text).strip().lower())
    if side is None:
        remark = Remark("side is {text}, expected {words}", text=Verbatim(repr(text)), words=Verbatim("left|right"))
        raise ChildError(where, remark)
    return side
