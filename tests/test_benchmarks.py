from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import report
from benchmarks.clock import Sample, in_turns, seconds
from benchmarks.report import Bar, Findings, Table, short

SOME = Findings([Table("one film", "ms", [("segment", Sample((3.0, 1.0, 2.0)), ("50%",))], ("of the whole",))])
PAGE = """before
<!-- benchmark: bars -->
<!-- end -->
between
<!-- benchmark: film -->
<!-- end -->
after
"""


def test_a_ratio_is_that_of_the_medians():
    slow, fast = Sample((10.0, 90.0, 12.0)), Sample((5.0, 6.0, 0.1))
    assert (slow.median, slow.low, slow.high, slow.n) == (12.0, 10.0, 90.0, 3)
    assert slow.over(fast) == 12.0 / 5.0


def test_seconds_are_those_of_the_clock():
    ticks = iter([3.0, 7.5])
    assert seconds(lambda: None, lambda: next(ticks)) == 4.5


def test_measures_take_turns_and_warm_ups_do_not_count():
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    given = in_turns({name: lambda name=name: measure(name) for name in "ab"}, rounds=2, warm_ups=1)
    assert order == list("ababab")
    assert given == {"a": [3, 5], "b": [4, 6]}


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (0.012345, "0.0123"), (2.5, "2.50"), (56.78, "56.8"), (1234.5, "1,234")]
)
def test_three_digits_count(value, words):
    assert short(value) == words


def test_multiply_accumulates_of_a_known_convolution():
    import torch

    from benchmarks.floor import multiply_accumulates

    convolution, picture = torch.nn.Conv2d(3, 8, 5, stride=2, padding=2), torch.zeros(2, 3, 20, 12)
    assert multiply_accumulates(lambda: convolution(picture)) == 2 * 8 * 10 * 6 * 3 * 5 * 5


def test_a_page_keeps_its_prose_and_the_bars_of_parts_not_measured_now():
    bars = {"cold": [Bar("at most 1.5 s", "9.1 s", False)], "film": [Bar("under 15%", "12%", True)]}
    cold = "<!-- benchmark: cold -->\nold\n<!-- end -->\n"
    page = report.fill(PAGE + cold, {"cold": Findings([], bars["cold"])}, "measured here")
    page = report.fill(page, {"film": Findings(SOME.tables, bars["film"])}, "measured there")
    again = report.fill(page, {"film": Findings(SOME.tables, bars["film"])}, "measured there")
    assert again == page
    assert [page.count(words) for words in ("before", "between", "after", "measured here", "\nold\n")] == [
        1,
        1,
        1,
        1,
        0,
    ]
    assert "| cold | at most 1.5 s | 9.1 s | **not met** |\n| film | under 15% | 12% | met |" in page
    assert "| segment | 3 | 2.00 | 1.00 | 3.00 | 50% |" in page


def test_a_part_without_a_place_on_the_page_is_an_error():
    with pytest.raises(ValueError, match="benchmark: floor"):
        report.fill(PAGE, {"floor": SOME}, "")


def test_the_json_holds_every_value():
    (row,) = json.loads(report.to_json({}, {"film": SOME}))["parts"]["film"]["tables"][0]["rows"]
    assert (row["values"], row["of the whole"]) == ([3.0, 1.0, 2.0], "50%")


def test_the_page_of_the_documentation_has_a_place_for_every_part():
    from benchmarks.__main__ import PARTS

    page = (Path(__file__).parents[1] / "docs" / "performance.md").read_text("utf-8")
    report.fill(page, dict.fromkeys(PARTS, SOME), "")


def test_a_quick_run_writes_stages_that_lie_within_each_other(
    tiny_bundle, hand_films, finds_hands, monkeypatch, tmp_path
):
    from benchmarks import film, subjects
    from benchmarks.__main__ import main
    from benchmarks.setting import Setting

    subject = subjects.Subject(str(tiny_bundle), "torch")
    monkeypatch.setattr(film, "subjects", lambda: (subject,))
    monkeypatch.setattr(film, "usual", lambda bundle: subject)
    monkeypatch.setattr(Setting, "films", hand_films)
    done = CliRunner().invoke(main, ["--only", "film", "--quick", "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "results.json").read_text("utf-8"))["parts"]["film"]
    spent = {row["what"]: row["median"] for row in found["tables"][0]["rows"]}
    assert 0 < spent["- of which decoder"] < spent["read the file"] < spent["whole"]
    assert 0 < spent["- of which net"] < spent["segment"] < spent["whole"]
    assert 0 < spent["- of which nets"] < spent["regress"] < spent["whole"]
    shown = (tmp_path / "results.md").read_text("utf-8")
    held_to = [bar["held to"] for bar in found["bars"]]
    assert [name in " ".join(held_to) for name in ("outside nets and decoder", "for what a film shows")] == [True] * 2
    assert all(name in shown for name in held_to)


def test_parity_counts_films_that_the_engines_read_otherwise(monkeypatch, tmp_path):
    from benchmarks import parity
    from benchmarks.setting import Setting
    from boneage.pipeline.reading import Reading

    readings = {
        "onnx": [
            Reading("a", "ok", bone_age_months=100.0),
            Reading("b", "rejected"),
            Reading("c", "ok", hand_box=None),
        ],
        "torch": [
            Reading("a", "ok", bone_age_months=100.04),
            Reading("b", "ok", bone_age_months=50.0),
            Reading("c", "ok", hand_box=(0, 0, 9, 9)),
        ],
    }
    monkeypatch.setattr(parity, "shipped_bundles", lambda: ("one",))
    monkeypatch.setattr(parity, "_films", lambda folder, most: ["a", "b", "c"])
    monkeypatch.setattr(parity, "_readings", lambda subject, films: readings[subject.engine])
    found = parity.measure(Setting(tmp_path))
    ((_, apart, cells),) = found.tables[0].rows
    assert apart.values == pytest.approx((0.04,))
    assert cells == ("1", "1")
    assert [bar.met for bar in found.bars] == [False]  # for the film that only one of them reads


def test_parity_is_asked_for_with_films():
    from benchmarks.__main__ import main

    done = CliRunner().invoke(main, ["--only", "parity"])
    assert done.exit_code == 2
    assert "--rsna" in done.output


def test_what_a_further_film_takes_on_a_cluster_is_told_apart_from_start_and_end(hand_films, monkeypatch, tmp_path):
    from benchmarks import cluster
    from benchmarks.setting import Setting

    start_and_film = {cluster.THREADS: (2.0, 0.1), cluster.RAY: (10.0, 0.12)}  # seconds

    def pretended(how: str, folder: Path, _: Path) -> float:
        start, film = start_and_film[how]
        return start + film * len(list(folder.iterdir()))

    monkeypatch.setattr(cluster, "_seconds", pretended)
    monkeypatch.setattr(Setting, "films", hand_films)
    found = cluster.measure(Setting(tmp_path))
    (bar,), (table,) = found.bars, found.tables
    assert (bar.found, bar.met) == ("1.20 x", True)
    assert "by --on ray a further film takes 120 ms" in table.note
    assert table.note.endswith("start and end 10.0 s.")
    assert [row[0] for row in table.rows] == [
        f"{count} films, {how}" for count in (40, 400) for how in (cluster.THREADS, cluster.RAY)
    ]
    assert table.rows[3][2] == (f"{58 / 42:.2f} x",)
