"""The report on a film as a file: the page of `page`, laid out by `html` or `pdf`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ...data.errors import OutputError
from ...data.files import whole_file
from ..examination import Examination
from .language import Language
from .page import Page, report_page

SUFFIXES = (".html", ".pdf")


def write_report(
    examination: Examination,
    path: str | Path,
    language: str = "en",
    now: datetime | None = None,
    *,
    heat_map: bool = True,
) -> None:
    """Write the report on a film to `path`, whole or not at all: .html, which needs no other file, or .pdf.

    `heat_map`: also show where the reading comes from, which takes longer than the reading. `now`: the time printed on
    it, by default the current time. Raises OutputError for another suffix, ConfigError for a language that has no
    catalogue.
    """
    write_as(path, lambda suffix: as_report(examination, suffix, language, now, heat_map=heat_map))


def write_as(path: str | Path, made: Callable[[str], bytes]) -> None:
    """Write the report that is `made` for the suffix of `path`. Raises OutputError for one that is not in SUFFIXES."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"{path}: a report ends in {' or '.join(SUFFIXES)}; give such a name")
    content = made(suffix)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def as_report(
    examination: Examination, suffix: str, language: str = "en", now: datetime | None = None, *, heat_map: bool = True
) -> bytes:
    """The report as a file's bytes; `suffix` is one of SUFFIXES, the rest as for `write_report`."""
    evidence = examination.evidence() if heat_map else None
    return layout(suffix)(report_page(examination, evidence, Language(language), now))


def layout(suffix: str) -> Callable[[Page], bytes]:
    """What makes a file of a page; imported now, since the libraries behind it are slow to import."""
    if suffix == ".pdf":
        from .pdf import as_pdf as laid_out
    else:
        from .html import as_html as laid_out
    return laid_out
