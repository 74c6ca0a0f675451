"""The page without a browser: its words, its card, and that nothing on it comes from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from boneage.pipeline.clinical.reference import brush_reference
from boneage.pipeline.reading import Reading
from boneage.pipeline.report.language import LANGUAGES

READINGS = "/v1/readings"


@pytest.fixture(scope="module")
def folder():
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from boneage.pipeline.serve.page import HERE

    return HERE


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_page_is_in_the_language_that_is_asked_for(client, code):
    for options in ({"params": {"language": code}}, {"headers": {"Accept-Language": code}}):
        answer = client.get("/", **options)
        assert answer.headers["content-language"] == code
        assert f'<html lang="{code}">' in answer.text
        assert re.findall(r'<a [^>]*aria-current="true">(.+?)</a>', answer.text) == [LANGUAGES[code]]


def test_no_word_of_the_page_is_written_out_in_its_files(folder):
    """So that the catalogues, which a test compares with the code, have all of them."""
    for name in ("page.html", "card.html"):
        text = re.sub(r"<!DOCTYPE html>|\{[{%].*?[%}]\}|<style.*?</style>", "", (folder / name).read_text("utf-8"))
        shown = re.findall(r">([^<]+)<", text) + re.findall(r'(?:alt|aria-label|title|placeholder)="([^"]*)"', text)
        words = {word for part in shown for word in re.findall(r"[A-Za-z]{2,}", part)}
        assert words <= {"boneage", "cm", "kg"}, name
    script = re.sub(r"//.*", "", (folder / "page.js").read_text("utf-8"))
    assert not re.findall(r'(?:textContent|complain\()\s*=?\s*["`][^"`]*[A-Za-z]{2,} ', script)


def test_nothing_of_the_page_comes_from_elsewhere_or_runs_inline(client, hand, folder):
    id = client.post(f"{READINGS}?sex=F", content=hand, headers={"Content-Type": "image/png"}).json()["id"]
    for text in (client.get("/").text, client.get(f"/page/card/{id}").text, (folder / "page.css").read_text("utf-8")):
        assert not re.findall(r"https?:|//\w|url\(|@import|\sstyle=|\son\w+=|<style", text)
    for name in ("page.css", "page.js", "icon.svg", "example.png"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/../app.py").status_code == client.get("/static/app.py").status_code == 404


def test_sex_is_asked_for_and_never_preset(client):
    inputs = re.findall(r'<input type="radio" name="sex"[^>]*>', client.get("/").text)
    assert len(inputs) == 2
    assert not [each for each in inputs if "checked" in each]


def test_a_card_says_what_the_report_says(client, hand, no_hand, years_and_months):
    form = {"sex": "F", "age": "9y2m", "height": "133cm"}
    id = client.post(READINGS, files={"film": hand}, data=form).json()["id"]
    german = client.get(f"/page/card/{id}", params={"language": "de"}).text
    read = "{} J. {} Mon.".format(*years_and_months)
    for words in (read, "90-%-Intervall", "Chronologisches Alter", "weiblich", "report.pdf?language=de"):
        assert words in german
    assert german.count("<rect") == 2
    id = client.post(READINGS, files={"film": no_hand}, data=form).json()["id"]
    rejected = client.get(f"/page/card/{id}").text
    assert "not determined" in rejected
    assert 'class="reasons rejected"' in rejected
    assert "<svg" not in rejected
    assert 'value="heat"' not in rejected
    assert client.get("/page/card/none").status_code == 404


def test_a_page_that_is_not_wanted_is_not_there(serving):
    client = serving(page=False)
    assert client.get("/").status_code == client.get("/static/page.js").status_code == 404


def test_the_bar_has_the_childs_age_and_what_is_usual_at_it(folder):
    from boneage.pipeline.serve.scale import scale_of

    reference = brush_reference()
    assert scale_of(Reading("film", "rejected"), reference) is None
    reading = Reading("film", "ok", bone_age_months=120.0, interval_90=(96.0, 144.0))
    scale = scale_of(reading, reference)
    assert scale
    assert (scale.point, scale.interval, scale.age, scale.usual) == ("50.00%", ("40.00%", "20.00%"), None, None)
    older = scale_of(with_age(252.0, sds=-11.0), reference)
    assert older
    assert older.usual
    assert older.age == "91.30%"  # of 23 years, at which the band ends
    assert float(older.usual[0][:-1]) + float(older.usual[1][:-1]) == pytest.approx(100, abs=0.01)
    young = scale_of(with_age(12.0, sds=None), reference)
    assert young
    assert (young.age, young.usual) == ("5.00%", None)  # as there is no SDS
    own = scale_of(with_age(120.0, sds=1.0), replace(reference, centred_on_mean=True))
    assert own
    assert own.usual == ("35.00%", "20.00%")  # 24 months on each side of the mean


def with_age(age: float, sds: float | None) -> Reading:
    """A reading of 10 years at an age, where the reference's mean is 9 years and its SD one."""
    facts = {"reference_mean_months": 108.0, "reference_sd_months": 12.0, "sds": sds}
    return Reading("film", "ok", bone_age_months=120.0, chronological_age_months=age, **facts)
