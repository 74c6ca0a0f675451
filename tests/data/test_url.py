"""A URL is a path whose text stays a URL; what opens it is asked for before anything is read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from boneage.data.errors import ConfigError, ReadError
from boneage.data.source import open_source
from boneage.data.url import Url, as_path, is_url, refuse_unknown, within


def test_a_url_keeps_its_text_through_what_is_done_to_paths():
    url = as_path("s3://bucket/films/hand.png")
    assert isinstance(url, Url)
    assert str(url) == "s3://bucket/films/hand.png"
    assert (url.name, url.suffix, url.stem) == ("hand.png", ".png", "hand")
    assert str(url.parent / "other.png") == "s3://bucket/films/other.png"
    assert str(url.with_name("x.csv")) == "s3://bucket/films/x.csv"
    assert str(pickle.loads(pickle.dumps(url))) == str(url)
    assert pickle.loads(pickle.dumps(url)) == url
    assert str(as_path("zip://hand.png::s3://bucket/films.zip")) == "zip://hand.png::s3://bucket/films.zip"


@pytest.mark.parametrize("text", ["hand.png", "/films/a.png", "a:b/c.png", "C:/films/a.png", "s3:/bucket/a.png"])
def test_what_is_no_url_is_a_plain_path(text):
    assert not is_url(text)
    assert as_path(text) == Path(text)
    assert not isinstance(as_path(text), Url)


def test_a_url_of_a_file_is_its_path(tmp_path):
    (tmp_path / "a b.txt").write_text("x")
    assert as_path((tmp_path / "a b.txt").as_uri()) == tmp_path / "a b.txt"


def test_a_place_in_a_folder_may_be_absolute_or_in_a_store(tmp_path):
    assert str(within(as_path("gs://b/study"), "films/a.png")) == "gs://b/study/films/a.png"
    assert str(within(tmp_path, "gs://b/a.png")) == "gs://b/a.png"
    assert within(as_path("gs://b/study"), str(tmp_path)) == tmp_path
    assert within(tmp_path, "a.png") == tmp_path / "a.png"


def test_kinds_of_urls_that_nothing_opens_are_refused():
    pytest.importorskip("fsspec", reason="the extra ray is not installed")
    refuse_unknown([Path("a.png"), as_path("memory://a.png")])
    with pytest.raises(ConfigError, match=r"nosuch:// cannot be opened here \(.*; install what reads it"):
        refuse_unknown([as_path("memory://a.png"), as_path("nosuch://b/a.png")])


def test_a_film_that_a_store_does_not_have_or_that_is_empty_says_so():
    fsspec = pytest.importorskip("fsspec", reason="the extra ray is not installed")
    fsspec.filesystem("memory").pipe_file("/empty.png", b"")
    with pytest.raises(ReadError, match=r"^memory://none\.png: no such file; check the path"):
        open_source("memory://none.png")
    with pytest.raises(ReadError, match=r"^memory://empty\.png: is empty"):
        open_source("memory://empty.png")
