"""The table that grows on the disk: whole rows only, gone on with after any stop."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from boneage.data.errors import OutputError
from boneage.data.remark import Remark
from boneage.pipeline.predict.readings_file import ReadingsFile
from boneage.pipeline.predict.rows import COLUMNS, from_line, header_line, row_of, to_line
from boneage.pipeline.reading import Reading

AWKWARD = 'films/a "b", c\nd\r; e.png'


def reading(name: str, months: float | None = 100.0, **facts) -> Reading:
    return Reading(name, "ok", bone_age_months=months, interval_90=(90.0, 110.25), model="tiny", **facts)


def rows(*names: str):
    return [row_of(reading(name), f"print of {name}") for name in names]


def stopped(path: Path, *names: str) -> Path:
    """What a run leaves that was stopped after these films."""

    class Stop(Exception):
        pass

    with pytest.raises(Stop), ReadingsFile(path, resume=True) as file:  # noqa: PT012
        file.add(rows(*names))
        raise Stop
    return path.with_name(f"{path.name}.partial")


def names_in(path: Path) -> list[str]:
    with open(path, newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


def test_every_field_of_a_reading_has_its_column():
    full = Reading(
        AWKWARD,
        "review",
        (Remark("{number:g} hands", number=2), Remark("two")),
        "F",
        100.004,
        (90.0, 110.0),
        (1, 2, 3, 4),
        (Remark("odd"),),
        "tiny",
        sds_interval_90=(-1.0, 1.0),
        adult_height_interval_90=(160.0, 170.0),
        sds=0.5,
    )
    row = row_of(full, "print")
    assert set(row) == set(COLUMNS)
    assert (row["reasons"], row["bone_age_months"], row["hand_box_height"]) == ("2 hands; two", 100.0, 4)
    assert row["cause"] == "… hands"
    assert (row["sds_interval_90_low"], row["adult_height_interval_90_high"], row["sds"]) == (-1, 170, 0.5)
    assert from_line(to_line(row)) == row


@pytest.mark.parametrize("name", ["r.txt", "r.parquet"])
def test_the_table_is_there_when_the_run_has_ended_and_not_before(tmp_path, name):
    path = tmp_path / "new" / name
    with ReadingsFile(path) as file:
        file.add(rows("a.png", AWKWARD))
        assert not path.exists()
        assert len(names_in(file.partial)) == 2  # to be followed as it grows
    assert [each.name for each in path.parent.iterdir()] == [name]
    if path.suffix == ".parquet":
        stored = parquet.read_table(path).to_pylist()
        assert stored == rows("a.png", AWKWARD)
        assert type(stored[0]["bone_age_months"]) is float
    else:
        assert names_in(path) == ["a.png", AWKWARD]


@pytest.mark.parametrize("suffix", ["", ".parquet"])
def test_wherever_a_stop_cut_the_rows_off_going_on_gives_the_same_bytes(tmp_path, suffix):
    names = ("a.png", AWKWARD, "c.png")
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"r{suffix}"
    with ReadingsFile(whole) as file:
        file.add(rows(*names))
    bytes_ = stopped(tmp_path / "all", *names).read_bytes()
    header = len(stopped(tmp_path / "one", "a.png").read_bytes()) - len(to_line(rows("a.png")[0]))
    cuts = [0, *range(header, len(bytes_) + 1, 3)]
    for cut in cuts:
        path.with_name(f"{path.name}.partial").write_bytes(bytes_[:cut])
        with ReadingsFile(path, resume=True) as file:
            kept = [name for name in names if list(file.rows_of(f"print of {name}"))]
            assert kept == list(names[: len(kept)])
            sound = file.partial.read_bytes()
            assert sound == bytes_[: len(sound)]
            assert sound.endswith(b"\n")
            file.add(rows(*names))
        assert path.read_bytes() == whole.read_bytes()


def test_bytes_that_a_failing_disk_left_are_cut_off(tmp_path):
    partial = stopped(tmp_path / "r.csv", "a.png")
    partial.write_bytes(partial.read_bytes() + b"\0" * 300)
    with ReadingsFile(tmp_path / "r.csv", resume=True) as file:
        file.add(rows("a.png", "b.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["r", "r.parquet"])
def test_a_finished_table_is_gone_on_with_in_the_order_of_the_new_run(tmp_path, name):
    path = tmp_path / name
    for names in (("b.png", "c.png"), ("a.png", "b.png", "d.png")):
        with ReadingsFile(path, resume=True) as file:
            known = [list(file.rows_of(f"print of {name}")) for name in names]
            file.add(rows(*names))
    assert [bool(rows) for rows in known] == [False, True, False]
    if path.suffix:
        assert [row["file"] for row in parquet.read_table(path).to_pylist()] == ["a.png", "b.png", "d.png"]
    else:
        assert names_in(path) == ["a.png", "b.png", "d.png"]


def test_rows_of_a_stopped_run_are_not_thrown_away_unasked(tmp_path):
    partial = stopped(tmp_path / "r.csv", "a.png")
    before = partial.read_bytes()
    with pytest.raises(OutputError, match=r"r\.csv\.partial: holds the rows of a run that was stopped.*--resume"):
        ReadingsFile(tmp_path / "r.csv")
    assert partial.read_bytes() == before


def test_a_run_that_failed_before_its_first_row_leaves_nothing(tmp_path):
    stopped(tmp_path / "r.csv")
    assert not list(tmp_path.iterdir())
    (tmp_path / "r.csv.partial").write_bytes(header_line())  # as a kill leaves it
    with ReadingsFile(tmp_path / "r.csv") as file:
        file.add(rows("a.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png"]


@pytest.mark.parametrize("name", ["r", "r.parquet"])
@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_table_of_another_make_is_neither_gone_on_with_nor_replaced(tmp_path, name, options):
    path = tmp_path / name
    path.write_text("file,months\na.png,3\n")
    with pytest.raises(OutputError, match=r"r(\.parquet)?: is there already, and not a file that this program wrote"):
        ReadingsFile(path, **options)
    assert path.read_text() == "file,months\na.png,3\n"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["r", "r.parquet"])
def test_a_finished_table_is_replaced_only_when_asked(tmp_path, name):
    path = tmp_path / name
    with ReadingsFile(path) as file:
        file.add(rows("a.png"))
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"is a finished table; .*--resume.*--overwrite"):
        ReadingsFile(path)
    assert path.read_bytes() == before
    with ReadingsFile(path, overwrite=True) as file:
        file.add(rows("b.png"))
    assert path.read_bytes() != before


@pytest.mark.parametrize("name", ["plain.png", "r.xlsx", "r.json"])
def test_a_suffix_of_another_format_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match=r"expected \.csv, \.txt, \.parquet"):
        ReadingsFile(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_partial_file_of_someone_elses_is_left_alone(tmp_path):
    (tmp_path / "r.csv.partial").write_text("half a download")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match="or is no table of this program"):
            ReadingsFile(tmp_path / "r.csv", **options)
    (tmp_path / "film.png").write_text("a film")
    (tmp_path / "s.csv.partial").symlink_to("film.png")
    with pytest.raises((OutputError, OSError)):
        ReadingsFile(tmp_path / "s.csv", overwrite=True)
    assert (tmp_path / "r.csv.partial").read_text() == "half a download"
    assert (tmp_path / "film.png").read_text() == "a film"


@pytest.mark.parametrize("system", ["own", "without fcntl"])
def test_one_table_has_one_writer(tmp_path, system, monkeypatch):
    if system != "own":  # as Windows is
        pytest.importorskip("filelock")
        monkeypatch.setitem(sys.modules, "fcntl", None)
    with ReadingsFile(tmp_path / "r.csv") as file:
        file.add(rows("a.png"))
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(OutputError, match="another run is writing this table"):
                ReadingsFile(tmp_path / "r.csv", **options)
        file.add(rows("b.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png", "b.png"]
    with ReadingsFile(tmp_path / "r.csv", resume=True) as file:  # the lock went with its run
        file.add(rows("a.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png"]
    assert not (tmp_path / "r.csv.partial").exists()


def test_without_locks_no_run_stores_what_another_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr("boneage.pipeline.predict.readings_file.locked", lambda _: True)  # as some network folders do
    first, second = (ReadingsFile(tmp_path / "r.csv", resume=True) for _ in range(2))
    with pytest.raises(OutputError, match="another run is writing"), second:  # noqa: PT012
        first.add(rows("a.png"))
        second.add(rows("b.png"))
    with first:
        first.add(rows("c.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png", "c.png"]
    assert [file.name for file in tmp_path.iterdir()] == ["r.csv"]


def test_a_row_that_another_run_wrote_over_is_noticed_at_the_end(tmp_path):
    file = ReadingsFile(tmp_path / "r.csv")
    file.add(rows("a.png", "b.png"))
    content = file.partial.read_bytes()
    file.partial.write_bytes(content.replace(b"b.png", b"x.png"))
    with pytest.raises(OutputError, match="another run is writing"), file:
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["r.csv.partial"]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_table_that_came_while_a_run_went_on_is_not_replaced(tmp_path, options):
    file = ReadingsFile(tmp_path / "r.csv", **options)
    with pytest.raises(OutputError, match="written by another run since"), file:  # noqa: PT012
        file.add(rows("a.png"))
        with ReadingsFile(tmp_path / "other.csv") as other:
            other.add(rows("b.png"))
        other.path.replace(file.path)
    assert names_in(tmp_path / "r.csv") == ["b.png"]
    assert names_in(tmp_path / "r.csv.partial") == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file stays there")
def test_a_run_goes_on_where_its_partial_file_is_deleted(tmp_path):
    with ReadingsFile(tmp_path / "r.csv") as file:
        file.add(rows("a.png"))
        file.partial.unlink()
        file.add(rows("b.png"))
    assert names_in(tmp_path / "r.csv") == ["a.png", "b.png"]


def test_rows_lost_on_the_disk_are_noticed_at_the_end(tmp_path, monkeypatch):
    from boneage.pipeline.predict import readings_file

    file = ReadingsFile(tmp_path / "r.csv")
    file.add(rows("a.png", "b.png"))
    monkeypatch.setattr(readings_file, "_write_csv", lambda records, path: path.write_bytes(next(records)))
    with pytest.raises(OutputError, match=r"r\.csv: 0 of 2 rows could be stored"), file:
        pass
    assert names_in(file.partial) == ["a.png", "b.png"]
    assert not file.path.exists()


def test_hostile_text_in_a_row_comes_back_and_is_no_formula(tmp_path):
    hostile = ["=1+1.png", "a\rb.png", "\x1b[2J.png", "\u202egnp.exe", "b\udcff.png", "'=x", "-1+1"]
    with ReadingsFile(tmp_path / "r.csv") as file:
        file.add(rows(*hostile))
    with open(tmp_path / "r.csv", newline="") as opened:
        cells = [row["file"] for row in csv.DictReader(opened)]
    assert cells == ["'=1+1.png", "a\rb.png", r"\x1b[2J.png", r"\u202egnp.exe", r"b\udcff.png", "''=x", "'-1+1"]
    with ReadingsFile(tmp_path / "r.csv", resume=True) as file:
        assert next(file.rows_of("print of =1+1.png"))["file"] == "=1+1.png"
        file.add(rows(*hostile))
    assert len(names_in(tmp_path / "r.csv")) == len(hostile)


def test_parquet_without_pyarrow_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r"needs pyarrow.*boneage\[parquet\]"):
        ReadingsFile(tmp_path / "r.parquet")
    assert not list(tmp_path.iterdir())
