"""Every remark that any module can make is in every catalogue: whole, with the same places, and without English."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache
from string import Formatter

import pytest
from sources import modules, name, tree_of

from boneage.data.remark import Remark, Verbatim
from boneage.pipeline.report.language import FOLDER, LANGUAGES, Language

TRANSLATED = [code for code in LANGUAGES if code != "en"]

# Names that are the same in every language, and words that German happens to spell as English does.
NAMES = {
    *(
        "AcquisitionDate",
        "PatientAge",
        "PatientBirthDate",
        "PatientSex",
        "PhotometricInterpretation",
        "PresentationLUTShape",
    ),
    *("StudyDate", "COLOR", "DICOM", "EXACT", "LINEAR", "LUT", "MONOCHROME", "PALETTE", "RGB", "SIGMOID", "VOI", "YBR"),
    *("BitsAllocated", "BitsStored", "HighBit", "MB", "PatientSex", "PixelPaddingValue", "RescaleIntercept"),
    "RescaleSlope",
    *("BMP", "JPEG", "JPEG-LS", "PNG", "TIFF", "WebP", "boneage", "cm", "SD", "SDS"),
    *(
        "CR",
        "DX",
        "SOP",
        "UID",
        "UIDs",
        "Bayley-Pinneau",
        "Brush",
        "Foundation",
        "Greulich-Pyle",
        "Ohio",
        "RWT",
        "Alshamrani",
        "Zhang",
        "Martin",
        "Khamis-Roche",
        "kg",
    ),
}
GIRLS = Remark("girls")
MAKERS = ("Remark", "Verbatim")
SAME_IN_GERMAN = {"Band", "Hand", "Name", "in", "normal", "orange"}


def remarks_in(tree: ast.Module) -> tuple[dict[str, set[str]], list[str]]:
    """The templates of a module's remarks with the values that each is given, and where that cannot be told."""
    templates: dict[str, set[str]] = {}
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            faults += [
                f"{alias.name} as {alias.asname}" for alias in node.names if alias.name in MAKERS and alias.asname
            ]
        for child in ast.iter_child_nodes(node):
            if _named(child, "Remark") and not _says_a_type(node, child):
                faults.append(
                    f"line {getattr(child, 'lineno', 0)}: Remark is handed on, so its templates cannot be found"
                )
        if isinstance(node, ast.Call) and _named(node.func, "Remark"):
            template = node.args[0] if len(node.args) == 1 else None
            if not (isinstance(template, ast.Constant) and isinstance(template.value, str)):
                faults.append(f"line {node.lineno}: the template is not written out")
                continue
            given = {keyword.arg or "**" for keyword in node.keywords}
            if templates.setdefault(template.value, given) != given or given != set(places(template.value)):
                faults.append(f"line {node.lineno}: places and values differ")
            faults += [
                f"line {text.lineno}: {keyword.arg} is English text; make it a Remark, or Verbatim if it is a name"
                for keyword in node.keywords
                for text in _texts(keyword.value)
            ]
        if isinstance(node, ast.Call) and _named(node.func, "Verbatim"):
            faults += [
                f"line {text.lineno}: {text.value!r} is English, not a name"
                for text in ast.walk(node)
                if isinstance(text, ast.Constant) and re.search(r"[A-Za-z]{2,} ", str(text.value))
            ]
    return templates, faults


def _named(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def _says_a_type(parent: ast.AST, child: ast.AST) -> bool:
    """Whether a name stands where it is called, or says a type."""
    if isinstance(parent, ast.Call):
        return parent.func is child or _named(parent.func, "isinstance")
    return isinstance(parent, (ast.Subscript, ast.BinOp, ast.arg, ast.AnnAssign, ast.FunctionDef, ast.Tuple, ast.List))


def _texts(value: ast.expr) -> Iterator[ast.expr]:
    """Text that is written out in a value, but for that in remarks and names of their own."""
    if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        yield value
    elif isinstance(value, ast.Subscript):
        yield from _texts(value.value)
    elif not (isinstance(value, ast.Call) and (_named(value.func, "Remark") or _named(value.func, "Verbatim"))):
        for child in ast.iter_child_nodes(value):
            if isinstance(child, ast.expr):
                yield from _texts(child)


def places(template: str) -> Counter[str]:
    """How often each place is in a template."""
    return Counter(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def formats(template: str) -> Counter[tuple[str, str | None, str | None]]:
    """The same with the format of each."""
    return Counter((name, form, way) for _, name, form, way in Formatter().parse(template) if name is not None)


@cache
def remarks() -> dict[str, tuple[dict[str, set[str]], list[str]]]:
    """What `remarks_in` finds in each module of the library."""
    return {name(path): remarks_in(tree_of(path)) for path in modules()}


def templates() -> set[str]:
    return {template for found, _ in remarks().values() for template in found}


@cache
def catalogue(code: str) -> dict[str, str]:
    from babel.messages.pofile import read_po

    with open(FOLDER / code / "boneage.po", "rb") as file:
        entries = [entry for entry in read_po(file) if entry.id]
    assert not [entry.id for entry in entries if entry.fuzzy]
    return {str(entry.id): str(entry.string) for entry in entries}


def sample(template: str) -> Remark:
    """A remark with a value for each place that is the same in every language."""
    values = {name: 12.5 if form else Verbatim("…") for _, name, form, _ in Formatter().parse(template) if name}
    return Remark(template, **values)


def words(text: str) -> set[str]:
    """The words of a text in Latin letters that are neither names nor options nor parts of an example."""
    found = re.findall(r"[^\W\d_]{2,}(?:-[^\W\d_]+)*", re.sub(r"--[a-z-]+|\d\w*", " ", text))
    return set(found) - NAMES


def test_there_are_remarks_of_every_folder_that_makes_them():
    for module in ("data/images.py", "data/child.py", "handseg/quality.py", "pipeline/clinical/assessment.py"):
        assert remarks()[module][0], module
    assert len(templates()) > 150


def test_a_remarks_template_is_written_out_with_a_value_for_each_place():
    assert {module: faults for module, (_, faults) in remarks().items() if faults} == {}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("Remark(f'the hand fills {share}')", "not written out"),
        ("Remark('the hand ' + side)", "not written out"),
        ("Remark(text, share=1)", "not written out"),
        ("remark.Remark(*texts)", "not written out"),
        ("from .remark import Remark as R", "as R"),
        ("R = Remark", "handed on"),
        ("list(map(Remark, texts))", "handed on"),
        ("Remark('the hand fills {share}')", "places and values differ"),
        ("Remark('the hand', share=1)", "places and values differ"),
        ("Remark('{share}', **values)", "places and values differ"),
        ("Remark('greys are {kind}', kind='more than 8 bits')", "English text"),
        ("Remark('greys are {kind}', kind='real' if real else Remark('deep'))", "English text"),
        ("Remark('greys are {kind}', kind=f'{bits} bits')", "English text"),
        ("Remark('greys are {kind}', kind=Verbatim('more than 8 bits'))", "not a name"),
    ],
)
def test_a_remark_that_could_not_be_translated_is_found(source, fault):
    (found, *_) = remarks_in(ast.parse(source))[1]
    assert fault in found


@pytest.mark.parametrize(
    "source",
    [
        "def f(reason: Remark, others: tuple[Remark, ...] = ()) -> Remark | None: return Remark('no hand')",
        "Remark('{file} is {kind}', file=Verbatim(str(path)), kind=KINDS['x'] if known else Remark('unknown'))",
        "isinstance(value, Remark)",
        "counts: Counter[Remark] = Counter()",
    ],
)
def test_a_remark_as_it_should_be_is_no_fault(source):
    assert remarks_in(ast.parse(source))[1] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_each_catalogue_has_every_remark_and_no_other(code):
    assert set(catalogue(code)) == templates()


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_has_the_places_of_its_remark_in_the_same_formats(code):
    different = [template for template, text in catalogue(code).items() if formats(text) != formats(template)]
    assert different == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_rendered_remark_leaves_no_english(code):
    left = {}
    for template in templates():
        said = words(Language(code).say(sample(template)))
        english = words(template) - SAME_IN_GERMAN if code == "de" else set(filter(str.isascii, said))
        left[template] = said & english
    assert {template: english for template, english in left.items() if english} == {}


def test_english_in_a_translation_is_found():
    assert words("the age was ignored") & words("das Alter was ignored") == {"was", "ignored"}
    assert words("손이 hand 영상") == {"손이", "hand", "영상"}
    assert words("DICOM --age 10y3m 140.5cm 123mo") == set()


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (1234.5, "1.234,5"),
        (date(2020, 3, 15), "15. März 2020"),
        (GIRLS, "Mädchen"),
        ((GIRLS, GIRLS), "Mädchen und Mädchen"),
    ],
)
def test_every_value_is_shown_in_the_language_of_the_report(value, whole):
    """Numbers have its decimal comma, clauses and dates its words, and none of them is left out."""
    lost = []
    for template in filter(places, templates()):
        forms = {name: form for _, name, form, _ in Formatter().parse(template) if name}
        said = Language("de").say(Remark(template, **{name: 12.5 if form else value for name, form in forms.items()}))
        unformatted = sum(count for name, count in places(template).items() if not forms[name])
        if said.count(whole) != unformatted:
            lost.append(said)
    assert lost == []
