"""Text from outside comes out harmless, wherever it is written: one table of hostile texts over all places."""

from __future__ import annotations

import csv
import io
import logging
import re
import unicodedata
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from boneage.data.errors import BoneAgeError
from boneage.data.files import is_marked
from boneage.data.radiograph import Radiograph
from boneage.data.remark import Remark, Verbatim
from boneage.data.text import csv_line, for_dicom, for_file_name, for_line, from_csv_cell
from boneage.handseg.finder import Hand
from boneage.handseg.quality import Verdict
from boneage.pipeline import output
from boneage.pipeline.cli.group import Failure
from boneage.pipeline.cli.options import LogLines
from boneage.pipeline.clinical.reference import brush_reference
from boneage.pipeline.examination import Examination
from boneage.pipeline.growth import plot as plot_of_growth
from boneage.pipeline.growth.files import file_names
from boneage.pipeline.growth.films import Film
from boneage.pipeline.growth.growth import Growth, growths_of
from boneage.pipeline.growth.plot import growth_plot
from boneage.pipeline.measure import comparison_plot, evaluation_plots, protocol_plot
from boneage.pipeline.measure.comparison_plot import difference_plot
from boneage.pipeline.measure.evaluation_plots import bland_altman_plot, scatter_plot
from boneage.pipeline.measure.protocol_plot import stress_plot
from boneage.pipeline.plotting import Plot
from boneage.pipeline.predict.rows import from_line, row_of, to_line
from boneage.pipeline.reading import Reading
from boneage.pipeline.report.write import write_report

HOSTILE = {
    "markup": "<script>alert(1)</script>&amp;",
    "a tag that ends": '"></title><img src=x onerror=alert(1)>',
    "colours": "\x1b[31mred\x1b[0m",
    "title of the window": "\x1b]0;owned\x07",
    "C1 control": "\x9b2J",
    "backspaces": "ok\x08\x08no",
    "a line of its own": "a.png\nb.png  ok  M  120.0",
    "carriage return": "failed\rok    ",
    "formula": '=HYPERLINK("http://x","y")',
    "formula of plus": "+1+cmd|' /C calc'!A0",
    "formula of minus": "-1+1",
    "formula of at": "@SUM(A1)",
    "formula after a tab": "\t=1+1",
    "formula after a semicolon": "x;=1+1",
    "apostrophe": "'=1",
    "bidi": "\u202egnp.exe",
    "unseen": "so\u00adft\u200b \u2060a\u200cb\u200d\U000e0041.png",
    "isolates": "\u2066a\u2069\u200f",
    "separators of lines": "a\u2028b\u2029c",
    "formula of TeX": "$x^{2$",
    "another": r"$\frac{1}{0}$",
    "path": "../../etc/passwd",
    "path of Windows": "..\\..\\x",
    "undecodable": "b\udcff\udc80.png",
    "NUL": "a\0b",
    "braces": "{name} {0} %s %(x)s",
    "markdown": "**bold** [x](y) |a|b| ``",
    "long": "x" * 5000,
    "quotes": "\"'`",
    "device": "CON",
    "nothing": " ",
}
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]")
every = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
# Those that can go wrong where text is drawn: a formula of a spreadsheet or a path is as any other there.
IN_A_PICTURE = ["colours", "bidi", "separators of lines", "formula of TeX", "another", "undecodable", "NUL", "long"]
IN_A_PICTURE += ["a line of its own", "backspaces", "braces", "nothing"]


def reading(text: str, status: str = "ok") -> Reading:
    return Reading(text, status, sex="F", bone_age_months=100.0, model=text)


def test_plain_text_of_any_language_stays_as_it_is():
    joined = ("👩‍⚕️", "क्\u200dष", "می\u200cشود")
    for text in (*joined, "hand 3.png", "Müller_손_手.dcm", "C:/films/a.png", "5 < 6 & 7", "१२"):
        assert for_line(text) == text
        assert from_csv_cell(next(csv.reader([csv_line([text])]))[0]) == text


def test_letters_stored_apart_are_shown_as_one_and_stay_apart_in_tables():
    apart = unicodedata.normalize("NFD", "Müller 손")
    assert for_line(apart) == "Müller 손"
    assert csv_line([apart]) == f"{apart}\n"


@every
def test_terminal(text, capsys):
    output.text_printer([text])(reading(text))
    output.text_printer([text, text])(reading(text))
    record = {"file": text, "status": "ok", "hand_box": None, "reasons": [text], "notes": []}
    output.segment_printer([text, text])(record)
    shown = capsys.readouterr().out
    assert not CONTROL.search(shown)
    lines = 5 + 2 + 2  # a paragraph, heading and line of a reading and of a segment
    assert len(shown.splitlines()) == lines
    output.show_json(reading(text))
    assert capsys.readouterr().out.isascii()


@every
def test_log_and_errors(text, capsys):
    LogLines().emit(logging.LogRecord("x", 30, "", 1, "%s: odd", (text,), None))
    logged = capsys.readouterr().err
    assert logged.endswith(": odd\n")
    assert not CONTROL.search(logged)
    assert not CONTROL.search(Failure(str(BoneAgeError(text))).message)
    assert len(Failure(text * 10_000).message) < 11_000


@every
def test_csv(text):
    row = row_of(reading(text), "print") | {"patient": text}
    line = to_line(row)
    cells = next(csv.reader(io.StringIO(line.decode(), newline="")))
    assert not any(re.match(r"[=+\-@\t\r]", cell) for cell in cells)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", line.decode())
    again = from_line(line)
    assert to_line(again) == line  # so that a run that goes on knows its rows again
    if text.isprintable():
        assert (again["file"], again["patient"]) == (text, text)
    assert len(list(csv.reader(io.StringIO(csv_line([text, "x"]), newline="")))) == 1


@every
def test_dicom(text):
    written = for_dicom(text)
    assert written.isascii()
    assert not CONTROL.search(written)
    assert "\\" not in written
    assert "\n" not in written


@every
def test_file_names(text, tmp_path):
    names = [for_file_name(text), *file_names([text, text, text.upper()])]
    for name in names:
        assert (tmp_path / f"{name}.png").resolve().parent == tmp_path.resolve()
        (tmp_path / f"{name}.png").touch()
        assert not name.startswith((".", "-"))
    assert len({name.casefold() for name in names[1:]}) == 3


def growth_of(text: str) -> Growth:
    films = [
        Film(text, text, "F", 100.0 + 12 * year, (90.0, 120.0 + 12 * year), 100.0 + 12 * year, None, "ok", text)
        for year in range(2)
    ]
    (growth,) = growths_of([film for film in films if film.patient])
    return growth


@pytest.mark.parametrize("name", IN_A_PICTURE)
def test_plot(name, tmp_path):
    growth_plot(growth_of(HOSTILE[name]), tmp_path / "p.png", brush_reference())
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size[0] < 3000
    assert is_marked(tmp_path / "p.png")


FILMS = pd.DataFrame({"sex": [*"FMF"], "labelled_months": [60.0, 90, 120], "bone_age_months": [61.0, np.nan, 118]})
_COPY = {"n": 3, "kind": "grey", "review": 1, "lost": 0, "change": 2.0, "changed": 0.2, "changed_low": 0.1}
COPIES = pd.DataFrame([_COPY | {"changed_high": 0.3, "copy": name} for name in ("a", "b")])


def arms(text: str) -> pd.DataFrame:
    arm = {"question": "", "arm": "base", "mae": 7.0, "n": 600, "seeds": [1, 2], "is_base": False}
    found = {"difference": -1.0, "difference_low": -2.0, "difference_high": 0.5, "by_seed": [-1.1, -0.9]}
    named = {"question": text, "arm": text}
    failed = {"seeds": [], "difference": np.nan, "difference_low": np.nan, "difference_high": np.nan}
    return pd.DataFrame([arm | found, arm | found | named, arm | found | named | failed], dtype=object)


PLOTS = {
    "scatter": lambda text: scatter_plot(FILMS, "x.png", cohort=text, model=text),
    "Bland-Altman": lambda text: bland_altman_plot(FILMS, "x.png", cohort=text, model=text),
    "comparison": lambda text: difference_plot(arms(text), "x.png", cohort=text, trained_on=300),
    "protocol": lambda text: stress_plot(COPIES, {"a": "a", "b": "b"}, "x.png", model=text),
    "growth": lambda text: growth_plot(growth_of(text), "x.png", replace(brush_reference(), name=text)),
}


@pytest.mark.parametrize(
    "text", [*(HOSTILE[name] for name in IN_A_PICTURE), "w" * 300, "a\n" * 40, "손목 방사선 " * 20]
)
@pytest.mark.parametrize("plot", PLOTS)
def test_names_in_plots_are_read_as_they_are_and_stay_within_the_picture(plot, text, monkeypatch):
    drawn: list[Plot] = []
    for module in (comparison_plot, evaluation_plots, protocol_plot, plot_of_growth):
        monkeypatch.setattr(module, "save", lambda figure, _: drawn.append(figure))
    PLOTS[plot](text)
    (figure,) = drawn
    figure.draw_without_rendering()
    shown = [each for each in figure.findobj(Text) if isinstance(each, Text) and re.search(r"[^\W\d]", each.get_text())]
    for each in shown:
        assert not CONTROL.search(each.get_text())
        where = each.get_window_extent()
        assert figure.bbox.x0 <= where.x0 <= where.x1 <= figure.bbox.x1, each
        assert figure.bbox.y0 <= where.y0 <= where.y1 <= figure.bbox.y1, each
    if "$" in text:
        assert any(text[:20] in each.get_text() for each in shown)


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
@pytest.mark.parametrize(
    "name", ["markup", "a tag that ends", "colours", "bidi", "unseen", "undecodable", "NUL", "markdown", "long"]
)
def test_report(name, suffix, tmp_path):
    text = HOSTILE[name]
    film = Radiograph(np.zeros((64, 48), np.uint8), text, exam_date=date(2020, 1, 1))
    remark = Remark("odd: {text}", text=Verbatim(text))
    rejected = Reading(text, "rejected", (remark,), sex="F", model=text, notes=(remark,))
    hand = Hand(Verdict("rejected", (remark,)))
    write_report(Examination(rejected, film, hand), tmp_path / f"r{suffix}")
    content = (tmp_path / f"r{suffix}").read_bytes()
    assert is_marked(tmp_path / f"r{suffix}")
    if suffix == ".html":
        page = content.decode()
        assert "<script>" not in page
        assert "<img src=x" not in page
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e]", page)
