"""Links between pages lead somewhere: the file is there, and so is the heading."""

from __future__ import annotations

import re

import pytest
from pages import PAGES, ROOT, name, prose


def headings(page) -> set[str]:
    """The anchors of a page's headings, as they are made of the words."""
    words = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_a_file_and_a_heading(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def test_every_page_and_picture_of_the_documentation_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page))
    }
    documentation = [path for path in (ROOT / "docs").rglob("*") if path.is_file()]
    assert documentation
    assert not [name(path) for path in documentation if path not in linked]
