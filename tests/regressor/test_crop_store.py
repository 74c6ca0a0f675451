from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest

from boneage.data.errors import TrainingError
from boneage.data.files import MARK, sha256_of, whole_file
from boneage.regressor.crop_store import CropStore, StoredCrop, StoreKind

KIND = StoreKind(crop_version=1, size=8, segmenter="whole-frame")


def crop(value: int) -> np.ndarray:
    return np.full((8, 8), value, np.uint8)


def row(key: str, file: str = "film.png", reasons: str = "") -> StoredCrop:
    return StoredCrop(key, file, 10, 20, "ok", reasons, 1, 2, 3, 4)


def filled(folder, *keys: int) -> CropStore:
    store = CropStore(folder, KIND)
    for key in keys:
        store.append([row(f"k{key}")], [crop(key)])
    return store


def test_what_is_appended_is_there_at_once_and_after_reopening(tmp_path):
    store = CropStore(tmp_path / "store", KIND)
    rows = [row("a", "a.png", 'said "cut", twice\nand more'), row("b", "b.png")]
    store.append(rows, [crop(1), crop(2)])
    store.append([row("c")], [crop(3)])
    for opened in (store, CropStore(tmp_path / "store", KIND)):
        assert len(opened) == 3
        assert [int(opened[key][0, 0]) for key in "abc"] == [1, 2, 3]
        assert opened["a"].dtype == np.uint8
        assert opened["a"].shape == (8, 8)
        assert opened.row("a") == rows[0]
        assert "a" in opened
        assert "d" not in opened


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    filled(tmp_path, 1, 2)
    store = filled(tmp_path, 3)
    assert {key: int(store[key][0, 0]) for key in ("k1", "k2", "k3")} == {"k1": 1, "k2": 2, "k3": 3}


def test_a_store_of_an_earlier_version_without_checksums_is_used(tmp_path):
    filled(tmp_path, 1)
    table = tmp_path / "shard-00000.csv"
    table.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in table.read_text().splitlines()))
    store = filled(tmp_path, 2)
    assert [store.is_whole(key) for key in ("k1", "k2")] == [True, True]


@pytest.mark.parametrize(
    "other", [StoreKind(2, 8, "whole-frame"), StoreKind(1, 16, "whole-frame"), StoreKind(1, 8, "0f" * 32)]
)
def test_crops_of_another_kind_are_refused(tmp_path, other):
    filled(tmp_path, 1)
    with pytest.raises(TrainingError, match="give another folder"):
        CropStore(tmp_path, other)
    assert len(CropStore(tmp_path, KIND)) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("store.json", b"{"),
        ("store.json", b"\xff\xfe"),
        ("shard-00000.csv", b"key\n1\n"),
        ("shard-00000.csv", b"\xff\xfe"),
        ("shard-00000.csv", b"\0"),
        ("shard-00000.csv", None),
        ("shard-00000.csv", b"key,file,status\nk1,film.png,qejected\n"),
        ("shard-00000.npy", b""),
        ("shard-00000.npy", b"PK"),
        ("shard-00000.npy", None),
    ],
)
def test_a_damaged_store_is_named_with_what_to_do(tmp_path, name, content):
    filled(tmp_path, 1, 2)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(
        TrainingError, match=rf"{name.removesuffix('.csv').removesuffix('.npy')}: is damaged .*delete .*cut again"
    ):
        filled(tmp_path)


def test_crops_whose_table_was_never_written_do_not_count_and_harm_nothing(tmp_path, monkeypatch):
    store = filled(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr("boneage.regressor.crop_store.write_table", _fails)
        with pytest.raises(OSError, match="no space left"):
            store.append([row("k2"), row("k3")], [crop(2), crop(3)])
    assert len(list(tmp_path.glob("*.npy"))) == 2  # the crops were written, the table was not
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    for opened in (store, CropStore(tmp_path, KIND)):
        assert len(opened) == 1
        assert "k2" not in opened
    reopened = CropStore(tmp_path, KIND)
    reopened.append([row("k9")], [crop(9)])
    again = CropStore(tmp_path, KIND)
    assert {key: int(again[key][0, 0]) for key in ("k1", "k9")} == {"k1": 1, "k9": 9}
    assert len(again) == 2


def _fails(*_, **__):
    raise OSError("no space left")


def test_a_missing_shard_does_not_lead_to_another_being_overwritten(tmp_path):
    filled(tmp_path, 1, 2, 3)
    first = sorted(tmp_path.glob("shard-*.csv"))[0]
    first.unlink()
    store = CropStore(tmp_path, KIND)
    store.append([row("k4")], [crop(4)])
    again = CropStore(tmp_path, KIND)
    assert {key: int(again[key][0, 0]) for key in ("k2", "k3", "k4")} == {"k2": 2, "k3": 3, "k4": 4}


def test_rows_and_crops_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path):
    store = filled(tmp_path, 1)
    unfit: list[list[Any]] = [[crop(1)], [crop(1).astype(np.float32)] * 2, [np.zeros((9, 9), np.uint8)] * 2]
    for crops in unfit:
        with pytest.raises(ValueError, match="2 rows"):
            store.append([row("a"), row("b")], crops)
    assert len(list(tmp_path.glob("*.npy"))) == 1


def test_the_key_is_the_content_and_is_remembered(tmp_path):
    film, copy = tmp_path / "film.png", tmp_path / "copy.png"
    film.write_bytes(b"first")
    copy.write_bytes(b"first")
    store = CropStore(tmp_path / "store", KIND)
    key = store.key_of(film)
    assert key == store.key_of(copy) == sha256_of(film)
    stat = film.stat()
    store.append([StoredCrop(key, str(film), stat.st_size, stat.st_mtime_ns, "ok", "", 0, 0, 1, 1)], [crop(1)])
    film.write_bytes(b"other")  # same size and, below, the same time: this is what is not looked at again
    os.utime(film, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert CropStore(tmp_path / "store", KIND).key_of(film) == key


def test_a_changed_file_has_another_key(tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(b"first")
    store = CropStore(tmp_path / "store", KIND)
    key, stat = store.key_of(film), film.stat()
    store.append([StoredCrop(key, str(film), stat.st_size, stat.st_mtime_ns, "ok", "", 0, 0, 1, 1)], [crop(1)])
    film.write_bytes(b"other")
    os.utime(film, ns=(stat.st_mtime_ns, stat.st_mtime_ns + 1))
    assert store.key_of(film) == sha256_of(film) != key
    film.write_bytes(b"longer than before")
    os.utime(film, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert store.key_of(film) == sha256_of(film) != key


def test_workers_reopen_the_store_instead_of_receiving_its_crops(tmp_path):
    store = CropStore(tmp_path, KIND)
    store.append([row(f"k{n}") for n in range(200)], [crop(n) for n in range(200)])
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    received = pickle.loads(sent)
    assert len(received) == 200
    assert np.array_equal(received["k17"], store["k17"])


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder" / "result.txt"
    with whole_file(target) as temporary:
        temporary.write_text(f"first, {MARK}")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == f"first, {MARK}"
    with pytest.raises(RuntimeError, match="stopped"):
        _write_half(target)
    assert target.read_text() == f"first, {MARK}"
    assert [path.name for path in target.parent.iterdir()] == ["result.txt"]


def _write_half(target):
    with whole_file(target) as temporary:
        temporary.write_text("half of the sec")
        raise RuntimeError("stopped")


def test_a_written_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    with whole_file(tmp_path / "whole") as temporary:
        temporary.write_text("")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
