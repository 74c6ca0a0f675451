"""The page on errors quotes what the program says, word for word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import pytest
from pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "troubleshooting.md"
QUOTED = re.findall(r"^> `(.+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
FILLED_IN = re.compile(r"\{\w[^{}]*\}|%[sd]")  # in a template of the code
FEWEST_LETTERS = 14  # of a sentence of the code, beside what is filled in


def pieces() -> Iterator[list[str]]:
    """Every text of the code, cut where something is filled in; a constant of the module is not, it is put in."""
    for layer in ("data", "weights", "handseg", "regressor", "pipeline"):
        for path in (ROOT / layer).rglob("*.py"):
            module = ast.parse(path.read_text("utf-8"))
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


SENTENCES = [
    re.compile("(?:[^ :]+: )?" + ".+".join(map(re.escape, text)), re.DOTALL)  # the file, which a remark is about
    for text in pieces()
    if sum(map(str.isalpha, "".join(text))) >= FEWEST_LETTERS
]


@pytest.mark.parametrize("quoted", QUOTED)
def test_each_quoted_error_is_a_sentence_of_the_code(quoted):
    assert any(sentence.fullmatch(quoted) for sentence in SENTENCES)


def test_every_quotation_is_compared():
    assert len(QUOTED) == PAGE.read_text("utf-8").count("\n> ")
    assert len(QUOTED) > 30


@pytest.mark.parametrize("changed", ["hand.png: no such file; look at the path", "hand.png: no such file", "no hand"])
def test_a_sentence_that_the_code_does_not_have_is_noticed(changed):
    assert not any(sentence.fullmatch(changed) for sentence in SENTENCES)
