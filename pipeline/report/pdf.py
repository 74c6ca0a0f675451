"""Lay a report out as PDF: one A4 with embedded fonts, whose text can be searched and copied."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, XPos, YPos
from fpdf.fonts import TTFFont

from ...data.files import MARK
from ...data.text import escaped, for_line
from .letters import font_for
from .page import Figure, Page

# millimetres
WIDTH, HEIGHT, SIDE, TOP, BOTTOM = 210.0, 297.0, 14.0, 12.0, 10.0
END = HEIGHT - BOTTOM - 8  # where the footer begins
GAP = 6.0
COLUMN = (WIDTH - 2 * SIDE - GAP) / 2
LABELS = 37.0  # width of the labels' column
LONG_LABELS = 72.0  # of the labels of predicted heights
SMALLEST_FILMS = 60.0  # height that the films keep; remarks shrink before they do

INK, GREY, BLUE, AMBER, RULE = (29, 29, 27), (85, 85, 85), (31, 78, 107), (138, 75, 0), (220, 220, 216)
STATUS = {  # background and letters
    "ok": ((220, 239, 225), (23, 96, 58)),
    "review": ((253, 235, 200), (122, 74, 0)),
    "rejected": ((248, 218, 215), (140, 29, 24)),
}


def as_pdf(page: Page) -> bytes:
    """The page as a PDF file."""
    logging.getLogger("fpdf").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    sheet = _Sheet(format="A4", unit="mm")
    sheet.set_title(for_line(f"{page.title}: {page.file}"))
    sheet.set_lang(page.language)
    sheet.set_creator(MARK)
    sheet.set_auto_page_break(False)
    sheet.set_margins(SIDE, TOP, SIDE)
    words = page.words
    sheet.add_font("report", "", font_for(words))
    sheet.add_font("report", "B", font_for(words, bold=True))
    sheet.c_margin = 0
    sheet.add_page()

    top = sheet.header_of(page) + 4
    bottom = sheet.heights(page, max(sheet.result(page, top), sheet.chart(page.chart, top)))
    size, heights = sheet.fitted_remarks(page, END - bottom - SMALLEST_FILMS)
    below = END - sum(heights) - 3
    sheet.remarks(page, sheet.films(page.figures, bottom + 3, below) + 3, size, heights)
    sheet.footer_of(page)
    files = [font.ttfont for font in sheet.fonts.values() if isinstance(font, TTFFont)]
    for file in files:
        file.recalcBBoxes = False  # those of the whole font hold for a part of its letters too
    written = bytes(sheet.output())
    for file in files:  # fpdf2 leaves them open
        file.close()
    return written


class _Sheet(FPDF):
    """The parts of the page; each method draws one and returns where it ends. Places and lengths are in millimetres."""

    def words(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        size: float,
        colour=INK,
        *,
        bold=False,
        right=False,
        lines=1.4,
    ) -> float:
        """Text in lines of `width`, from `y` down; returns where it ends."""
        self.set_xy(x, y)
        self.set_font("report", "B" if bold else "", size)
        self.set_text_color(*colour)
        height = size * lines * 25.4 / 72
        self.multi_cell(
            width, height, self._shown(text), align=Align.R if right else Align.L, new_x=XPos.LEFT, new_y=YPos.NEXT
        )
        return self.get_y()

    def _shown(self, text: str) -> str:
        """Text in the font that is set, which leaves out letters that it lacks: those are escapes."""
        assert isinstance(self.current_font, TTFFont)
        known = self.current_font.cmap
        return "".join(letter if ord(letter) in known else escaped(letter) for letter in for_line(text))

    def rule(
        self, y: float, colour=RULE, thickness: float = 0.2, width: float = WIDTH - 2 * SIDE, x: float = SIDE
    ) -> None:
        self.set_draw_color(*colour)
        self.set_line_width(thickness)
        self.line(x, y, x + width, y)

    def row(self, x: float, y: float, width: float, fact: tuple[str, str], labels: float = LABELS) -> float:
        """A label and its value under a rule; `labels`: the width of the labels' column."""
        self.rule(y, width=width, x=x)
        below = self.words(x, y + 0.95, labels - 2, fact[0], 8.5, GREY)
        return max(below, self.words(x + labels, y + 0.75, width - labels, fact[1], 9.5)) + 0.75

    def header_of(self, page: Page) -> float:
        half = (WIDTH - 2 * SIDE) / 2
        left = self.words(SIDE, TOP, half, page.title, 17, BLUE, bold=True, lines=1.15)
        left = self.words(SIDE, left, half, page.file, 8.5, GREY)
        right = self.words(WIDTH - SIDE - half, TOP + 1.8, half, page.made, 8.5, GREY, right=True)
        right = self.words(WIDTH - SIDE - half, right, half, page.research, 8.5, AMBER, bold=True, right=True)
        end = max(left, right) + 2
        self.rule(end, BLUE, 0.4)
        return end

    def result(self, page: Page, y: float) -> float:
        y = self.words(SIDE, y, COLUMN, page.label, 8.5, GREY)
        self.words(SIDE, y, COLUMN, page.headline, 25, bold=True, lines=1.15)
        beside = SIDE + self.get_string_width(page.headline) + 2.5
        self.words(beside, y + 4.6, SIDE + COLUMN - beside, page.exact, 10, GREY)
        y += 25 * 1.15 * 25.4 / 72 + 0.8
        if page.interval:
            y = self.words(SIDE, y, COLUMN, page.interval, 10)
            y = self.words(SIDE, y, COLUMN, page.interval_exact, 8.5, GREY)
        y = self.badge(page, y + 2.2) + 1.2
        for reason in page.reasons:
            y = self.words(SIDE, y, COLUMN, reason, 9.5, STATUS["review"][1]) + 0.8
        y += 1.4
        for fact in page.facts:
            y = self.row(SIDE, y, COLUMN, fact)
        return y

    def heights(self, page: Page, y: float) -> float:
        """What was measured, in two columns, and under it what is predicted."""
        y += 2 if page.measured or page.predicted else 0
        for first in range(0, len(page.measured), 2):
            pair = page.measured[first : first + 2]
            y = max(self.row(SIDE + k * (COLUMN + GAP), y, COLUMN, fact) for k, fact in enumerate(pair))
        for fact in page.predicted:
            y = self.row(SIDE, y, WIDTH - 2 * SIDE, fact, LONG_LABELS)
        return y

    def badge(self, page: Page, y: float) -> float:
        background, letters = STATUS[page.status]
        self.set_font("report", "B", 8.5)
        width, height = self.get_string_width(page.status_words) + 5.2, 5.4
        self.set_fill_color(*background)
        self.rect(SIDE, y, width, height, style="F", round_corners=True, corner_radius=1)
        self.words(SIDE + 2.6, y + 0.6, width, page.status_words, 8.5, letters, bold=True)
        return y + height

    def chart(self, chart: Figure | None, y: float) -> float:
        if chart is None:
            return y
        x = SIDE + COLUMN + GAP
        y = self.words(x, y, COLUMN, chart.title, 9, BLUE, bold=True)
        width, height = chart.size
        self.image(io.BytesIO(chart.data), x, y, w=COLUMN, alt_text=chart.title)
        return self.words(x, y + COLUMN * height / width, COLUMN, chart.caption, 7.5, GREY)

    def films(self, figures: Sequence[Figure], y: float, bottom: float) -> float:
        """Pictures side by side at one scale, as large as fit between `y` and `bottom` with titles and captions."""
        if not figures:
            return y
        widths, heights = zip(*(figure.size for figure in figures), strict=True)
        room = WIDTH - 2 * SIDE - GAP * (len(figures) - 1)
        scale = min(room / sum(widths), (bottom - y - 14) / max(heights))  # 14: title, two lines of caption, and air
        x, ends = SIDE, []
        for figure, width, height in zip(figures, widths, heights, strict=True):
            cell = room * width / sum(widths)
            top = self.words(x, y, cell, figure.title, 9, BLUE, bold=True) + 1
            self.image(io.BytesIO(figure.data), x, top, width * scale, height * scale, alt_text=figure.title)
            ends.append(self.words(x, top + height * scale + 1, cell, figure.caption, 7.5, GREY))
            x += cell + GAP
        return max(ends)

    def fitted_remarks(self, page: Page, room: float) -> tuple[float, list[float]]:
        """The size in points that lets notes and references fit in `room`, and the height of each paragraph."""
        size, heights = 8.0, self._heights(page, 8.0)
        while sum(heights) > room and size > 5:
            size -= 0.5
            heights = self._heights(page, size)
        return size, heights

    def remarks(self, page: Page, y: float, size: float, heights: list[float]) -> None:
        for (heading, sentences), height in zip(page.remarks, heights, strict=True):
            self.set_xy(SIDE, y)
            self._paragraph(heading, sentences, size)
            y += height

    def _heights(self, page: Page, size: float) -> list[float]:
        return [0.6 + self._paragraph(*remark, size, dry_run=True) for remark in page.remarks]

    def _paragraph(self, heading: str, sentences: tuple[str, ...], size: float, *, dry_run: bool = False) -> float:
        """A paragraph at the cursor; returns its height."""
        self.set_font("report", "", size)
        self.set_text_color(*INK)
        return self.multi_cell(  # pyright: ignore[reportReturnType]
            WIDTH - 2 * SIDE,
            size * 1.35 * 25.4 / 72,
            f"**{heading}** {_plain(self._shown(' '.join(sentences)))}",
            align=Align.L,
            markdown=True,
            dry_run=dry_run,
            output=MethodReturnValue.HEIGHT,
        )

    def footer_of(self, page: Page) -> None:
        self.rule(END + 2.5, (153, 153, 153))
        self.words(SIDE, END + 4, WIDTH - 2 * SIDE, f"{page.footer} {page.research}", 7.5, GREY)


def _plain(text: str) -> str:
    """Text in which fpdf2 finds no markup."""
    for sign in ("**", "__", "--", "~~"):
        text = text.replace(sign, f"\\{sign}")
    return text
