"""Sex of the child: F or M, never guessed."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Literal

from .errors import SexError
from .remark import Remark, Verbatim

Sex = Literal["F", "M"]
CHILDREN: Mapping[Sex, Remark] = {"F": Remark("girls"), "M": Remark("boys")}

# In English, German and Korean, as reports have them. No word here means the other sex in another of the languages: a
# German J for Junge is not known, since its M would be Mädchen; nor is a code such as 1 and 2, which differs by clinic.
_WORDS: dict[Sex, str] = {
    "F": "f female girl woman w weiblich mädchen maedchen frau 여 여자 여성 여아",
    "M": "m male boy man männlich maennlich junge knabe mann 남 남자 남성 남아",
}
_SPELLINGS: dict[str, Sex] = {word: sex for sex, words in _WORDS.items() for word in words.split()}


def parsed_sex(text: object) -> Sex | None:
    """Return "F" or "M" for F, M, female, weiblich, 여, boy and their like in any case; None for anything else."""
    return _SPELLINGS.get(unicodedata.normalize("NFC", str(text)).strip().lower())


def parse_sex(text: object, where: str = "sex") -> Sex:
    """Return "F" or "M" for the words of `parsed_sex`, else raise SexError about `where` (file, column, option)."""
    sex = parsed_sex(text)
    if sex is None:
        remark = Remark(
            "sex is {text}, expected F or M; sex is never guessed, give --sex F or --sex M",
            text=Verbatim(repr(str(text))),
        )
        raise SexError(where, remark)
    return sex
