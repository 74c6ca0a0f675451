"""The folder of a cluster's run: what is kept, what is read again, and what is refused, without any cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from boneage.data.child import Child
from boneage.data.errors import CohortError, ConfigError, OutputError, WeightsError
from boneage.data.inputs_table import InputRow
from boneage.data.progress import shown_by
from boneage.data.url import Url
from boneage.pipeline.cli import main
from boneage.pipeline.cluster import on_ray as on_ray_module
from boneage.pipeline.cluster import worker as worker_module
from boneage.pipeline.cluster.readings_folder import MANIFEST, TABLE
from boneage.pipeline.cluster.run import Part, Piece, predict_on_cluster
from boneage.pipeline.cluster.worker import Settings, Worker
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.pipeline.predict.cohort import predict_cohort

pytest.importorskip("pyarrow", reason="the extra ray is not installed")
pytest.importorskip("fsspec", reason="the extra ray is not installed")


class Here:
    """An engine that reads in this process, in pieces of four films, the last first; it may stop after some."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.read: list[str] = []
        self._stop_after = stop_after

    @contextmanager
    def __call__(self, settings: Settings) -> Iterator:
        worker = Worker(settings, 1)

        def pieces(parts: Sequence[Part]) -> Iterator[Piece]:
            for done, part in enumerate(parts):
                if done == self._stop_after:
                    raise KeyboardInterrupt
                for start in reversed(range(0, len(part.films), 4)):
                    films = part.films[start : start + 4]
                    self.read += [item.path.name for item in films]
                    yield Piece(part.number, start, worker(films))

        yield pieces


@pytest.fixture
def films(hand_films, tmp_path) -> list[Path]:
    """Eleven films in a folder: three hands, over and over, of which one is no picture."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(11):
        (folder / f"{number:02}.png").write_bytes(hand_films[number % 3].read_bytes())
    (folder / "05.png").write_text("not a picture")
    return sorted(folder.iterdir())


@pytest.fixture
def weights(finds_hands, tiny_bundle) -> Path:
    return tiny_bundle


def local_table(films: Sequence[Path], weights: Path, folder: Path) -> bytes:
    predict_cohort(BoneAge.load(weights), films, "F", table=folder / "local.parquet")
    return (folder / "local.parquet").read_bytes()


def test_parts_make_the_table_of_a_run_on_this_machine_whatever_their_order(films, weights, tmp_path):
    shown: list[object] = []
    with shown_by(lambda task, steps: shown.append((task, steps)) or nullcontext(shown.append)):
        tally = predict_on_cluster(Here(), films, "F", out=tmp_path / "r", weights=weights, rows_per_part=8)
    assert shown == [("Reading", 11), 4, 4, 3]
    assert (tmp_path / "r" / TABLE).read_bytes() == local_table(films, weights, tmp_path)
    assert (tally.films, tally.statuses["failed"], tally.before) == (11, 1, 0)


def test_what_is_no_film_is_counted_also_by_a_run_that_finds_it_in_a_part(films, weights, tmp_path):
    (films[0].parent / "note.txt").write_text("of no film")
    for resume in (False, True):
        tally = predict_on_cluster(
            Here(), films[0].parent, "F", out=tmp_path / "r", weights=weights, rows_per_part=4, resume=resume
        )
        assert {str(kind): number for kind, number in tally.no_films.items()} == {"neither a picture nor DICOM": 1}
    assert (tmp_path / "r" / TABLE).read_bytes() == local_table([films[0].parent], weights, tmp_path)  # pyright: ignore


def test_a_run_that_goes_on_reads_the_parts_that_are_missing_or_of_other_films(films, weights, tmp_path):
    options = {"out": tmp_path / "r", "weights": weights, "rows_per_part": 4}
    with pytest.raises(KeyboardInterrupt):
        predict_on_cluster(Here(stop_after=1), films, "F", **options)
    assert not (tmp_path / "r" / TABLE).exists()
    with pytest.raises(OutputError, match="holds the parts of a run that was stopped; go on with --resume"):
        predict_on_cluster(Here(), films, "F", **options)
    engine = Here()
    tally = predict_on_cluster(engine, films, "F", resume=True, **options)
    assert sorted(engine.read) == [film.name for film in films[4:]]
    assert tally.before == 4
    assert (tmp_path / "r" / TABLE).read_bytes() == local_table(films, weights, tmp_path)

    (tmp_path / "r" / "_parts" / "000000.parquet").write_bytes(b"PAR1 torn")
    known: list[Path | InputRow] = [*films[:8], InputRow(films[8], Child(sex="M")), *films[9:]]
    engine = Here()
    predict_on_cluster(engine, known, "F", resume=True, **options)
    assert sorted(engine.read) == [film.name for film in (*films[:4], *films[8:])]


def test_a_folder_is_begun_again_only_when_that_is_asked_for(films, weights, tmp_path):
    options = {"out": tmp_path / "r", "weights": weights, "rows_per_part": 4}
    predict_on_cluster(Here(), films, "F", **options)
    with pytest.raises(OutputError, match="is finished; go on with --resume, begin again with --overwrite"):
        predict_on_cluster(Here(), films, "F", **options)
    engine = Here()
    predict_on_cluster(engine, films[:4], "F", overwrite=True, **options)
    assert engine.read == [film.name for film in films[:4]]
    assert [path.name for path in (tmp_path / "r" / "_parts").iterdir()] == ["000000.parquet"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("thesis.txt", "chapter one", "holds thesis.txt, which is not of such a run; give an empty or new folder"),
        (MANIFEST, '{"": "someone else\'s"}', "_manifest.json: is not of this program"),
        (MANIFEST, "[1]", "_manifest.json: is not of this program"),
    ],
)
def test_a_folder_of_something_else_is_left_as_it_is(films, weights, tmp_path, name, content, said):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / name).write_text(content)
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        with pytest.raises(OutputError, match=said):
            predict_on_cluster(
                Here(), films, "F", out=tmp_path / "r", weights=weights, resume=resume, overwrite=overwrite
            )
    assert {path.name: path.read_text() for path in (tmp_path / "r").iterdir()} == {name: content}


def test_films_that_could_not_be_opened_are_read_once_they_can_be(films, weights, tmp_path):
    options = {"out": tmp_path / "r", "weights": weights, "rows_per_part": 4}
    late = films[9].rename(tmp_path / "late.png")
    predict_on_cluster(Here(), films, "F", **options)
    late.rename(films[9])
    engine = Here()
    tally = predict_on_cluster(engine, films, "F", resume=True, **options)
    assert sorted(engine.read) == [film.name for film in films[8:]]  # not those of 05.png, which is still no picture
    assert (tally.statuses["failed"], tally.before) == (1, 8)
    assert (tmp_path / "r" / TABLE).read_bytes() == local_table(films, weights, tmp_path)


def test_a_run_that_is_stopped_says_how_to_go_on(films, weights, tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        predict_on_cluster(Here(stop_after=1), films, "F", out=tmp_path / "r", weights=weights, rows_per_part=4)
    assert f"{tmp_path / 'r'}: what is stored stays; go on with --resume" in caplog.messages


def test_a_cohort_of_which_no_film_can_be_read_is_a_table_all_the_same(films, weights, tmp_path):
    lost = [films[0].with_name(f"lost-{number}.png") for number in range(5)]
    tally = predict_on_cluster(Here(), lost, "F", out=tmp_path / "r", weights=weights, rows_per_part=4)
    assert (tally.films, tally.statuses["failed"], tally.exit_code) == (5, 5, 2)
    assert (tmp_path / "r" / TABLE).read_bytes() == local_table(lost, weights, tmp_path)


def test_without_ray_a_line_says_what_to_install_before_anything_is_read(films, tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray_module, "find_spec", lambda _: None)
    done = CliRunner().invoke(main, ["predict", "lost.csv", "--sex", "F", "--on", "ray", "-o", str(tmp_path / "r")])
    assert done.exit_code == 2
    assert "--on needs ray, which is not installed; install it with: pip install 'boneage[ray]'" in done.stderr


@pytest.mark.parametrize("name", [TABLE, "_parts/000000.parquet"])
def test_a_table_or_part_that_is_not_ours_is_not_written_over(films, weights, tmp_path, name):
    import pyarrow
    from pyarrow import parquet

    options = {"out": tmp_path / "r", "weights": weights, "rows_per_part": 4}
    predict_on_cluster(Here(), films[:4], "F", **options)
    parquet.write_table(pyarrow.table({"someone": ["else's"]}), tmp_path / "r" / name)
    before = (tmp_path / "r" / name).read_bytes()
    with pytest.raises(OutputError, match=rf"{name}: is not a (table of readings|part that this program wrote); move"):
        predict_on_cluster(Here(), films[:4], "F", resume=True, **options)
    assert (tmp_path / "r" / name).read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights_sha256", "0" * 64), ("boneage", "0.0.1"), ("rows_per_part", 8), ("hand", "both"), ("patient_ids", True)],
)
def test_a_folder_of_other_settings_is_not_gone_on_with(films, weights, tmp_path, key, value):
    options = {"out": tmp_path / "r", "weights": weights, "rows_per_part": 4}
    predict_on_cluster(Here(), films[:4], "F", **options)
    manifest = json.loads((tmp_path / "r" / MANIFEST).read_text()) | {key: value}
    (tmp_path / "r" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(OutputError, match=f"was begun with {key.replace('_', '-')} {value}, and this run has"):
        predict_on_cluster(Here(), films[:4], "F", resume=True, **options)
    assert json.loads((tmp_path / "r" / MANIFEST).read_text()) == manifest


def test_a_worker_that_would_read_otherwise_refuses(weights, tmp_path, monkeypatch):
    def settings(**others):
        facts = {"weights": str(weights), "digest": BoneAge.load(weights).digest, "device": "cpu", "engine": "torch"}
        facts |= {"hand": "left", "patient_ids": False, "reference": None, "folder": None, "kinds": ()} | others
        return Settings(**facts)

    monkeypatch.setattr(worker_module.socket, "gethostname", lambda: "node7")
    monkeypatch.chdir(tmp_path)
    Worker(settings(), 1)
    with pytest.raises(WeightsError, match=r"^node7: the weights .* the run is of 000000000000…; install the same"):
        Worker(settings(digest="0" * 64), 1)
    with pytest.raises(ConfigError, match=r"^node7: has boneage .*, the run is of 9\.9; install the same"):
        Worker(settings(boneage="9.9"), 1)
    with pytest.raises(ConfigError, match=r"^node7: has no folder /nowhere, where relative paths"):
        Worker(settings(folder="/nowhere"), 1)
    with pytest.raises(ConfigError, match=r"^node7: nosuch:// cannot be opened here"):
        Worker(settings(kinds=(Url("nosuch://a/b.png"),)), 1)


def test_films_and_readings_may_be_in_a_store(films, weights, tmp_path):
    import fsspec
    import pyarrow
    from pyarrow import parquet

    store = fsspec.filesystem("memory")
    for film in films[:6]:
        store.pipe_file(f"/study/films/{film.name}", film.read_bytes())
    with store.open("/study/films.parquet", "wb") as file:
        names = ["films/00.png", "films/missing.png", "memory://study/films/02.png", str(films[3])]
        parquet.write_table(pyarrow.table({"path": names, "sex": ["F"] * 4}), file)
    tally = predict_on_cluster(Here(), "memory://study/films.parquet", out="memory://out/r", weights=weights)
    rows = parquet.read_table(store.open(f"/out/r/{TABLE}")).to_pylist()
    assert [row["file"] for row in rows] == [
        "memory://study/films/00.png",
        "memory://study/films/missing.png",
        "memory://study/films/02.png",
        str(films[3]),
    ]
    assert [row["status"] == "failed" for row in rows] == [False, True, False, False]
    assert rows[1]["reasons"] == "memory://study/films/missing.png: no such file; check the path"
    assert tally.films == 4
    engine = Here()
    predict_on_cluster(engine, "memory://study/films.parquet", out="memory://out/r", weights=weights, resume=True)
    assert engine.read == []
    predict_cohort(BoneAge.load(weights), "memory://study/films.parquet", table=tmp_path / "local.parquet")
    assert store.cat_file(f"/out/r/{TABLE}") == (tmp_path / "local.parquet").read_bytes()


def test_ids_are_not_searched_in_a_store():
    import fsspec

    fsspec.filesystem("memory").pipe_file("/ids.csv", b"id,sex\n1377,F\n")
    with pytest.raises(CohortError, match=r"memory://ids\.csv: ids are searched in folders of this machine"):
        predict_on_cluster(Here(), "memory://ids.csv", out="memory://out/ids")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on", "ray"], "--on was given without a folder for the readings; give -o FOLDER too"),
        (["-o", "r"], "-o is about a cluster; give --on too"),
        (["--rows-per-part", "8"], "--rows-per-part is about a cluster; give --on too"),
        (["--on", "spark", "-o", "r"], "spark, expected ray or ray://HOST"),
        (["--on", "ray://", "-o", "r"], "ray://, expected ray or ray://HOST"),
        (["--on", "ray", "-o", "r", "--csv", "r.csv"], "--csv does not go with --on"),
        (["--on", "ray", "-o", "r", "--parquet", "r.parquet"], "--parquet does not go with --on"),
        (["--on", "ray", "-o", "r", "--json"], "--json does not go with --on"),
        (["--on", "ray", "-o", "r", "--device", "cuda:1"], "--device cuda does not go with --on, whose workers"),
        (["--on", "ray", "-o", "r", "--report", "r/"], "--report does not go with --on"),
        (["--on", "ray", "-o", "r", "--rows-per-part", "6"], "is 6, expected a multiple of 4"),
        (["--on", "ray", "-o", "r", "--resume", "--overwrite"], "give one of them"),
        (["--on", "ray", "-o", "nosuch://r"], "nosuch:// cannot be opened here"),
        (["--csv", "memory://r/r.csv"], "memory://r/r.csv is a URL, expected a path; boneage predict --on writes"),
    ],
)
def test_options_that_make_no_sense_together_are_refused_before_anything_is_read(films, tmp_path, options, said):
    done = CliRunner().invoke(main, ["predict", str(films[0]), str(films[1]), "--sex", "F", *options])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("r").exists()


def test_a_film_from_stdin_is_refused(films, tmp_path):
    arguments = ["predict", "-", "--sex", "F", "--on", "ray", "-o", str(tmp_path / "r")]
    done = CliRunner().invoke(main, arguments, input=films[0].read_bytes())
    assert done.exit_code == 2
    assert "stdin: is no file that the workers of a cluster could open; give a path or URL" in done.stderr
    assert not (tmp_path / "r").exists()
