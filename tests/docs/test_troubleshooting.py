"""The page on errors quotes what the program says, word for word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from pages import ROOT
from sources import modules, tree_of

PAGE = ROOT / "docs" / "how-to" / "troubleshooting.md"
QUOTED = re.findall(r"^> `(.+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
FILLED_IN = re.compile(r"\{\w[^{}]*\}|%[sd]")  # in a template of the code
FEWEST_LETTERS = 14  # of a sentence of the code, beside what is filled in


def pieces() -> Iterator[list[str]]:
    """Every text of the code, cut where something is filled in; a constant of the module is not, it is put in."""
    for module in map(tree_of, modules()):
        constants = {
            node.targets[0].id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.JoinedStr):
                yield "".join(filled_in(part, constants) for part in node.values).split("\0")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield FILLED_IN.split(node.value)


def filled_in(part: ast.expr, constants: Mapping[str, object]) -> str:
    """A part of an f-string: its text, or NUL for what is known only when the program runs."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name):
        return str(constants.get(value.id, "\0"))
    return str(value.value) if isinstance(value, ast.Constant) else "\0"


@cache
def sentences() -> list[re.Pattern[str]]:
    """The sentences of the code, as what may stand where something is filled in."""
    return [
        re.compile("(?:[^ :]+: )?" + ".+".join(map(re.escape, text)), re.DOTALL)  # the file, which a remark is about
        for text in pieces()
        if sum(map(str.isalpha, "".join(text))) >= FEWEST_LETTERS
    ]


def is_said(text: str) -> bool:
    return any(sentence.fullmatch(text) for sentence in sentences())


def test_each_quoted_error_is_a_sentence_of_the_code():
    assert [quoted for quoted in QUOTED if not is_said(quoted)] == []


def test_every_quotation_is_compared():
    assert len(QUOTED) == PAGE.read_text("utf-8").count("\n> ")
    assert len(QUOTED) > 30


@pytest.mark.parametrize("changed", ["hand.png: no such file; look at the path", "hand.png: no such file", "no hand"])
def test_a_sentence_that_the_code_does_not_have_is_noticed(changed):
    assert not is_said(changed)
