from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from conftest import over
from fontTools.ttLib import TTFont
from PIL import Image
from pypdfium2 import PdfDocument
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from boneage.data.child import Age
from boneage.data.errors import ConfigError, OutputError
from boneage.data.radiograph import Radiograph
from boneage.data.remark import Remark
from boneage.data.synthetic import synthetic_hand
from boneage.handseg.crop import cut_crop
from boneage.handseg.finder import Hand
from boneage.handseg.geometry import Box
from boneage.handseg.quality import Verdict
from boneage.handseg.segmenter import HandMap
from boneage.pipeline.clinical.assessment import assessed
from boneage.pipeline.clinical.heights import HEIGHT_CAVEATS
from boneage.pipeline.clinical.reference import SDS_REFERENCE, brush_reference
from boneage.pipeline.examination import Examination
from boneage.pipeline.reading import Reading
from boneage.pipeline.report.chart import FRAME, growth_chart, years_shown
from boneage.pipeline.report.html import as_html
from boneage.pipeline.report.language import LANGUAGES, Language
from boneage.pipeline.report.letters import all_letters, font_file, font_for
from boneage.pipeline.report.page import report_page
from boneage.pipeline.report.pdf import as_pdf
from boneage.pipeline.report.write import write_report

NOW = datetime(2026, 3, 27, 14, 5)
READING = Reading(
    file="films/hand.png",
    status="ok",
    sex="M",
    bone_age_months=127.4,
    interval_90=(116.1, 134.0),
    model="made up",
    chronological_age_months=123.0,
    chronological_age_source=Remark("age given"),
    difference_months=4.4,
    sds=0.44,
    sds_interval_90=(-0.7, 1.1),
    sds_reference=SDS_REFERENCE,
    assessment="normal",
    height_cm=140.5,
    adult_height_cm=172.25,
    adult_height_interval_90=(168.0, 177.5),
    weight_kg=32.5,
    mother_cm=165.0,
    father_cm=180.0,
    adult_height_rwt_cm=175.5,
    adult_height_rwt_interval_90=(174.9, 176.1),
    adult_height_khamis_roche_cm=177.25,
    target_height_cm=179.0,
    target_height_range=(170.5, 187.5),
)
WORDS = {
    "en": ("Bone age report", "10 y 7 m", "between 9 y 8 m and 11 y 2 m", "172.2 cm", "normal (within 2 SD)", "(RWT)"),
    "de": (
        "Befundbericht Knochenalter",
        "10 J. 7 Mon.",
        "zwischen 9 J. 8 Mon. und 11 J. 2 Mon.",
        "172,2 cm",
        "2 SD",
        "Zielgröße",
    ),
    "ko": ("골연령 판독 보고서", "10세 7개월", "9세 8개월에서 11세 2개월 사이", "172.2 cm", "정상", "목표 신장"),
}


@pytest.fixture(scope="module")
def examination() -> Examination:
    hand = synthetic_hand(120, "M", 3, (400, 320))
    box, mask = Box(40, 60, 200, 300), hand.mask > 0
    view = cast(HandMap, SimpleNamespace(box=box, mask=mask))
    found = Hand(Verdict(), view, cut_crop(hand.pixels, box, 64, hand=over(mask)))
    return Examination(READING, Radiograph(hand.pixels, "films/hand.png"), found)


@pytest.fixture(scope="module")
def evidence(examination) -> np.ndarray:
    return examination.hand.crop.fit.back(np.ones((64, 64), np.float32))


@pytest.fixture(scope="module")
def rejected() -> Examination:
    radiograph = Radiograph(np.full((200, 300), 0.4, np.float32), "blank.png")
    reading = Reading("blank.png", "rejected", (Remark("no hand was found"),), sex="F", model="made up")
    return Examination(reading, radiograph, Hand(Verdict("rejected", reading.reasons)))


@pytest.fixture
def quick_chart(monkeypatch) -> None:
    """For a test that looks at no chart: one of a few pixels, in no time."""
    tiny = io.BytesIO()
    Image.new("RGB", (4, 4)).save(tiny, "PNG")
    monkeypatch.setattr("boneage.pipeline.report.page.growth_chart", lambda *_: tiny.getvalue())


def in_pdf(data: bytes) -> str:
    pages = PdfDocument(data)
    assert len(pages) == 1
    assert data.count(b"/FontFile3") == 2  # both weights are in the file, none is left for the reader's machine to find
    return " ".join(pages[0].get_textpage().get_text_range().split())


def in_html(data: bytes) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", data.decode(), flags=re.DOTALL)
    return " ".join(text.replace("&#39;", "'").split())


@pytest.mark.parametrize("code", LANGUAGES)
def test_both_forms_say_the_whole_page_in_every_language(examination, evidence, code):
    page = report_page(examination, evidence, Language(code), NOW)
    html, pdf = in_html(as_html(page)), in_pdf(as_pdf(page))
    said = [page.title, page.headline, page.exact, page.interval, page.research, page.status_words, page.footer]
    said += [word for fact in (*page.facts, *page.measured, *page.predicted) for word in fact]
    said += [word for _, sentences in page.remarks for word in sentences]
    assert not [words for words in (*said, *WORDS[code]) if words not in html]
    # lines of the PDF end between words or, in Korean, within them
    assert not [words for words in (*said, *WORDS[code]) if words.replace(" ", "") not in pdf.replace(" ", "")]
    assert len(page.figures) == 2


def test_html_needs_no_other_file_and_no_script(examination, evidence, quick_chart):
    html = as_html(report_page(examination, evidence, Language("ko"), NOW)).decode()
    assert 'lang="ko"' in html
    assert "<script" not in html
    assert "http" not in re.sub(r"base64,[^\")]+", "", html)
    sources = re.findall(r'src="([^"]+)"|url\(([^)]+)\)', html)
    assert len(sources) == 5  # two weights of letters, chart, film, heat map
    assert all("".join(source).startswith("data:") for source in sources)


def letters_of(font: Path | io.BytesIO) -> set[int]:
    return set(TTFont(font).getBestCmap() or ())


@pytest.mark.parametrize("bold", [False, True])
def test_the_small_font_lacks_korean_letters_alone(bold):
    whole, small = letters_of(all_letters(bold=bold)), letters_of(font_for("ä −", bold=bold))
    assert small == {letter for letter in whole if letter < 0x3000}


def test_a_page_carries_the_korean_letters_that_it_shows():
    letters = letters_of(io.BytesIO(font_file("뼈나이 9–10")))
    assert {ord(letter) for letter in "뼈나이 9–10"} <= letters
    assert ord("가") not in letters


def test_names_are_text_in_html(examination, evidence, quick_chart):
    reading = replace(READING, file="<b>&.png")
    html = as_html(report_page(replace(examination, reading=reading), evidence, Language(), NOW)).decode()
    assert "&lt;b&gt;&amp;.png" in html


def test_a_film_that_was_not_aged_has_its_reasons_and_no_number(rejected):
    page = report_page(rejected, None, Language("de"), NOW)
    assert (page.chart, page.interval, page.exact) == (None, "", "")
    assert page.reasons == ("Es wurde keine Hand gefunden.",)
    assert [figure.title for figure in page.figures] == ["Röntgenaufnahme"]
    for text in (in_html(as_html(page)), in_pdf(as_pdf(page))):
        assert "nicht bestimmt" in text
        assert "Es wurde keine Hand gefunden." in text
        assert "Monate" not in text
        assert "Chronologisches Alter" not in text  # it may have been given


def test_what_is_not_known_is_said_or_left_out(examination, evidence, quick_chart):
    reading = Reading("hand.png", "ok", sex="F", bone_age_months=100.0, model="made up")
    page = report_page(replace(examination, reading=reading), evidence, Language(), NOW)
    ageless = "none: the chronological age is not known"
    unknown = ("Hand", "not known"), ("Chronological age", "not known")
    assert page.facts == (("Sex", "girl"), *unknown, ("SDS", ageless))
    assert page.interval == "no 90 % interval: these weights are not calibrated"
    assert page.remarks == ()
    assert page.chart is not None


def test_the_chart_shows_the_reading(examination):
    def chart(**changes) -> bytes:
        page = report_page(replace(examination, reading=replace(READING, **changes)), None, Language(), NOW)
        assert page.chart is not None
        return page.chart.data

    usual = chart()
    charts = {usual, chart(bone_age_months=130.0), chart(chronological_age_months=None), chart(sex="F")}
    assert len(charts) == 4
    assert chart() == usual


def test_the_point_stands_at_both_ages_and_its_bar_at_the_interval():
    reading = replace(READING, bone_age_months=132.0, interval_90=(126.0, 144.0), chronological_age_months=156.0)
    with Image.open(io.BytesIO(growth_chart(reading, Language(), brush_reference()))) as picture:
        red = np.abs(np.asarray(picture, np.int16) - (179, 38, 30)).sum(-1) < 30
    rows, columns = np.nonzero(red)
    first, last = years_shown(132.0, (126.0, 144.0), 156.0)
    assert (first, last) == (8, 15)
    left, top, right, bottom = (end / 2 for end in FRAME)
    year = (right - left) / 7, (bottom - top) / 7
    assert (columns.min() + columns.max()) / 2 == pytest.approx(left + (13 - first) * year[0], abs=2)
    assert rows.min() == pytest.approx(bottom - (12 - first) * year[1], abs=4)
    assert rows.max() == pytest.approx(bottom - (10.5 - first) * year[1], abs=4)
    widest = rows[np.bincount(rows, minlength=len(red))[rows] == np.bincount(rows).max()]
    assert widest.mean() == pytest.approx(bottom - (11 - first) * year[1], abs=4)


@pytest.mark.parametrize("age", [1.0, 20.0, 123.0, 225.0, None])
def test_the_chart_spans_the_years_around_the_child(age):
    first, last = years_shown(127.4, (116.1, 134.0), age)
    for months in (127.4, 116.1, 134.0, age or 127.4):
        assert first <= max(months / 12 - 2, 0)
        assert last >= months / 12 + 2
    assert first >= 0
    assert 6 <= last - first <= 14


def test_without_an_sds_the_page_says_why(examination, quick_chart):
    young = assessed(replace(READING, sds=None, bone_age_months=20.0), Age(18, 1, Remark("age given")))
    page = report_page(replace(examination, reading=young), None, Language(), NOW)
    assert ("SDS", "none: see Notes") in page.facts
    (notes,) = [sentences for heading, sentences in page.remarks if heading == "Notes"]
    assert any("No SDS: under 24 months" in note for note in notes)


def pictures(data: bytes) -> list[tuple[float, ...]]:
    """Left, lower, right and upper end of each picture of a PDF's page, in points."""
    return [picture.get_bounds() for picture in PdfDocument(data)[0].get_objects([FPDF_PAGEOBJ_IMAGE])]


def test_beside_every_height_and_limit_a_film_is_large_enough_to_be_seen(examination, evidence):
    told = replace(READING, caveats=(*brush_reference().caveats("M"), *HEIGHT_CAVEATS.values()))
    page = report_page(replace(examination, reading=told, pseudonym="E-17"), evidence, Language("de"), NOW)
    assert (len(page.measured), len(page.predicted)) == (4, 4)
    for _, lower, _, upper in pictures(as_pdf(page))[1:]:
        assert (upper - lower) * 25.4 / 72 > 55


def test_a_film_without_heat_map_has_the_width_of_the_page(rejected, examination, evidence):
    """Of the films on both pages, in points: width, and where the lower end of the page stays empty."""
    ((left, _, right, _),) = pictures(as_pdf(report_page(rejected, None, Language(), NOW)))
    assert right - left > 500  # of 595
    pair = pictures(as_pdf(report_page(examination, evidence, Language(), NOW)))[1:]
    assert len(pair) == 2
    assert pair[0][3] == pytest.approx(pair[1][3])  # both films begin at one height and have one scale
    assert pair[0][1] == pytest.approx(pair[1][1], abs=1)


def test_many_remarks_stay_on_one_page_above_the_footer(examination, evidence):
    notes = tuple(Remark("a remark of some length about what was odd in the file, number {k}", k=k) for k in range(45))
    page = report_page(replace(examination, reading=replace(READING, notes=notes)), evidence, Language(), NOW)
    words = PdfDocument(as_pdf(page))[0].get_textpage()

    def height(text: str, end: int) -> float:
        """Of its first letter's top (end 3) or bottom (1) above the page's end."""
        found = words.search(text).get_next()
        assert found is not None
        return words.get_charbox(found[0])[end]

    assert height(page.figures[0].caption, 1) > height("Notes", 3)
    assert height("chronological age.", 1) > height(page.footer, 3)


def test_signs_of_markup_in_a_remark_stay_signs(examination, evidence, quick_chart):
    reading = replace(READING, notes=(Remark("give --age, or **x** and __y__"),))
    text = in_pdf(as_pdf(report_page(replace(examination, reading=reading), evidence, Language(), NOW)))
    assert "Give --age, or **x** and __y__." in text


def test_letters_that_no_font_has_are_escapes_in_pdf(rejected):
    page = replace(report_page(rejected, None, Language(), NOW), file="क-손🦴.png")
    assert r"\u0915-손\U0001f9b4.png" in in_pdf(as_pdf(page))


def test_the_suffix_says_the_form(rejected, tmp_path):
    for name, start in (("a.html", b"<!DOCTYPE html>"), ("a.pdf", b"%PDF"), ("b.PDF", b"%PDF")):
        write_report(rejected, tmp_path / name, now=NOW)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(OutputError, match=r"a\.docx.*\.html or \.pdf"):
        write_report(rejected, tmp_path / "a.docx")
    with pytest.raises(ConfigError, match="xx"):
        write_report(rejected, tmp_path / "c.html", "xx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.pdf", "b.PDF"]
