"""What the spool holds after each step, and after a kill between any two."""

from __future__ import annotations

import errno
import os
import time
from collections import namedtuple
from pathlib import Path

import pytest

from boneage.data.errors import OutputError
from boneage.pipeline.node import spool as module
from boneage.pipeline.node.spool import Spool

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder):
    made = Spool(folder)
    yield made
    made.release()


def again(spool: Spool) -> Spool:
    """The spool as the next run finds it."""
    spool.release()
    return Spool(spool.folder)


def queued(spool: Spool) -> list[str]:
    """The keys that are queued."""
    keys = []
    while not spool._coming.empty():
        keys.append(spool._coming.get())
    return keys


def files(spool: Spool) -> set[str]:
    found = (path.relative_to(spool.folder) for path in spool.folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found} - {"lock", ".lock.lock"}


def read(spool: Spool, key: str) -> None:
    made = spool.begin(key)
    spool.add(made, "sr.dcm", b"report")
    spool.read(key, made)


def test_a_film_goes_from_waiting_over_results_to_done(spool):
    key, new = spool.receive(b"film", b"header ")
    assert new
    assert files(spool) == {f"waiting/{key}.dcm"}
    assert spool.film(key).read_bytes() == b"header film"
    read(spool, key)
    assert files(spool) == {f"results/{key}/sr.dcm"}
    assert [found for found, _ in spool.results()] == [key]
    spool.sent(key)
    assert files(spool) == {f"done/{key}"}
    assert spool.results() == []


@pytest.mark.parametrize("step", ["waiting", "read", "sent", "failed"])
def test_a_film_that_comes_again_is_known_whatever_became_of_it(spool, step):
    key, _ = spool.receive(b"film", b"")
    if step in ("read", "sent"):
        read(spool, key)
    if step == "sent":
        spool.sent(key)
    if step == "failed":
        spool.fail(key, "why")
    for found in (spool, again(spool)):
        queued(found)
        assert found.receive(b"film", b"other header") == (key, False)
        assert queued(found) == []
    found.release()


def test_what_waits_is_queued_again_in_its_order_and_what_was_half_made_is_dropped(spool):
    keys = [spool.receive(bytes([number]), b"")[0] for number in range(5)]
    for number, key in enumerate(keys):
        os.utime(spool.film(key), (number, number))
    (spool.folder / "incoming" / "torn").write_bytes(b"half a fi")
    spool.add(spool.begin(keys[2]), "sr.dcm", b"report")
    after = again(spool)
    assert queued(after) == keys
    assert not {name for name in files(after) if name.startswith(("incoming", "made"))}
    after.release()


@pytest.mark.parametrize("done", [False, True])
def test_a_kill_between_the_results_and_the_end_of_the_film_reads_nothing_twice(spool, done, monkeypatch):
    key, _ = spool.receive(b"film", b"")
    monkeypatch.setattr(spool, "_forget_film", lambda _: None)  # killed before
    read(spool, key)
    if done:
        spool.sent(key)
    after = again(spool)
    assert queued(after) == []
    assert f"waiting/{key}.dcm" not in files(after)
    assert [found for found, _ in after.results()] == ([] if done else [key])
    after.release()


def test_a_film_that_ends_the_program_again_and_again_is_put_aside(spool):
    key, _ = spool.receive(b"film", b"")
    for _ in range(module.TRIES - 1):
        spool.begin(key)
    after = again(spool)
    assert queued(after) == [key]
    after.begin(key)
    last = again(after)
    assert queued(last) == []
    assert {f"failed/{key}.dcm", f"failed/{key}.txt"} == files(last)
    last.release()


def test_a_full_disk_stores_nothing_and_leaves_nothing(spool, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(1, 1, module.KEPT_FREE + 3))
    with pytest.raises(OSError, match="No space") as caught:
        spool.receive(b"film", b"")
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.receive(b"film", b"")
    monkeypatch.undo()
    assert files(spool) == set()
    assert queued(spool) == []
    assert spool.receive(b"film", b"")[1]


def test_films_that_were_done_long_ago_are_forgotten(spool):
    keys = [spool.receive(data, b"")[0] for data in (b"old", b"new")]
    for key in keys:
        read(spool, key)
        spool.sent(key)
    long_ago = time.time() - module.REMEMBERED - 1
    os.utime(spool.folder / "done" / keys[0], (long_ago, long_ago))
    spool.forget()
    assert files(spool) == {f"done/{keys[1]}"}


def test_a_spool_has_one_node(spool):
    with pytest.raises(OutputError, match="another node is using this spool"):
        Spool(spool.folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_nobody_else_may_look_into_the_spool(spool):
    assert [path.stat().st_mode & 0o077 for path in (spool.folder, *spool.folder.iterdir()) if path.is_dir()] == [0] * 8
