from __future__ import annotations

import ast
import re
from datetime import date, datetime
from io import BytesIO
from string import Formatter

import pytest
from conftest import ROOT

from boneage.data.errors import ConfigError
from boneage.pipeline.report.language import FOLDER, LANGUAGES, Language, preferred_language
from boneage.pipeline.report.sentences import SENTENCES

TRANSLATED = [code for code in LANGUAGES if code != "en"]
MAKERS = [*ROOT.glob("data/*.py"), *ROOT.glob("handseg/*.py"), ROOT / "pipeline" / "clinical" / "assessment.py"]


def messages() -> set[str]:
    from babel.messages.extract import extract

    found = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        source = BytesIO(path.read_bytes())
        found |= {str(message) for _, message, _, _ in extract("python", source, {"say": None, "mark": None})}
    return found


def places(message: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(message) if name}


@pytest.mark.parametrize("code", TRANSLATED)
def test_each_catalogue_has_every_message_and_no_other(code):
    from babel.messages.pofile import read_po

    with open(FOLDER / code / "boneage.po", "rb") as file:
        catalogue = read_po(file)
    entries = {str(entry.id): entry for entry in catalogue if entry.id}
    assert set(entries) == messages()
    assert not [message for message, entry in entries.items() if not entry.string or entry.fuzzy]
    assert not [message for message, entry in entries.items() if places(message) != places(str(entry.string))]


def test_every_sentence_listed_is_made_somewhere():
    made = "\n".join(
        node.value
        for path in MAKERS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    pieces = [(message, piece) for message in SENTENCES for piece in re.split(r"\{\w+\}", message)]
    assert not [message for message, piece in pieces if piece not in made]


@pytest.mark.parametrize(
    ("code", "age", "number"),
    [("en", "10 y 7 m", "1,234.5"), ("de", "10 J. 7 Mon.", "1.234,5"), ("ko", "10세 7개월", "1,234.5")],
)
def test_ages_and_numbers_as_each_language_writes_them(code, age, number):
    language = Language(code)
    assert language.age(127.4) == age
    assert language.number(1234.5) == number
    signed = [language.number(value, 0, signed=True) for value in (-2.2, -0.4, 2.2)]
    assert signed == ["−2", "0", "+2"]


def test_dates():
    when = datetime(2026, 3, 27, 14, 5)
    assert Language("en").moment(when) == "27 March 2026, 14:05"
    assert Language("de").day(date(2026, 3, 27)) == "27. März 2026"
    assert "2026년 3월 27일" in Language("ko").moment(when)


def test_a_known_sentence_is_translated_with_the_clauses_and_numbers_in_it():
    german = Language("de").sentence(
        "no SDS: under 24 months the spread of healthy children, 3.5 months, is less than the error of a reading"
    )
    assert "3,5" in german
    assert "error" not in german
    assert "spread" not in german
    text = "the hand may be cut off: it reaches the upper and the left edge"
    assert "oberen" in Language("de").sentence(text)
    assert Language("en").sentence(text) == text


def test_an_unknown_sentence_stays_as_it_is():
    assert (
        Language("ko").sentence("the moon is full, and the tide 3.5 m high")
        == "the moon is full, and the tide 3.5 m high"
    )


def test_a_language_without_catalogue_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'fr'.*en, de, ko"):
        Language("fr")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR", "LANGUAGE": "fr:ko"}, "ko"),
        ({"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_the_environment_says_the_language(environment, code):
    assert preferred_language(environment) == code
