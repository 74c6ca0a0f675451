"""Tables of Markdown hold hostile cells together, and a terminal shows these as they are."""

from __future__ import annotations

from boneage.pipeline.measure.evaluate import group_label
from boneage.pipeline.measure.markdown import markdown_table
from boneage.pipeline.output import show_markdown

HOSTILE = (
    "a | b",
    "two\nlines",
    "<script>x</script>",
    "<5 and $x$",
    "![x](http://a.example/b.png)",
    "[/red] :skull: [link=x]",
)


def test_a_cell_of_markdown_ends_neither_its_cell_nor_its_row_and_begins_no_tag():
    head, rule, *rows = markdown_table(("group", "n"), [(text, "1") for text in HOSTILE]).splitlines()
    assert (head, rule) == ("| group | n |", "|---|--:|")
    assert rows == [
        r"| a \| b | 1 |",
        r"| two\nlines | 1 |",
        r"| \<script>x\</script> | 1 |",
        "| <5 and $x$ | 1 |",
        r"| !\[x](http://a.example/b.png) | 1 |",
        r"| \[/red] :skull: \[link=x] | 1 |",
    ]


def test_a_terminal_shows_cells_without_the_escapes_of_markdown(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    show_markdown(markdown_table(("group", "n"), [(text, "1") for text in HOSTILE]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [" ".join(line[:-1]) for line in lines[-6:]] == ["a | b", r"two\nlines", *HOSTILE[2:]]


def test_a_group_of_a_long_name_is_shortened_in_a_table():
    assert group_label({"group": "site", "level": "a" * 500}) == f"site: {'a' * 37} ... {'a' * 37}"
    assert group_label({"group": "s" * 300, "level": "a | b"}) == f"{'s' * 17} ... {'s' * 17}: a | b"
    assert group_label({"group": "sex", "level": "girls"}) == "girls"
