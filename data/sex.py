"""Sex of the child: F or M, never guessed."""

from __future__ import annotations

from typing import Literal, cast

from .errors import SexError
from .remark import Remark, Verbatim

Sex = Literal["F", "M"]

_SPELLINGS = {"f": "F", "female": "F", "girl": "F", "m": "M", "male": "M", "boy": "M"}


def parsed_sex(text: object) -> Sex | None:
    """Return "F" or "M" for F, M, female, male, girl, boy in any case; None for anything else."""
    return cast("Sex | None", _SPELLINGS.get(str(text).strip().lower()))


def parse_sex(text: object, where: str = "sex") -> Sex:
    """Return "F" or "M" for F, M, female, male, girl, boy in any case; raise SexError for anything else.

    `where` names the file, column or option in the message.
    """
    sex = parsed_sex(text)
    if sex is None:
        remark = Remark(
            "sex is {text}, expected F or M; sex is never guessed, give --sex F or --sex M",
            text=Verbatim(repr(str(text))),
        )
        raise SexError(where, remark)
    return sex
