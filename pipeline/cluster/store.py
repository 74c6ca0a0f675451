"""A folder to write to, on this machine or in a store such as s3://bucket/readings, by the same operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...data.errors import OutputError, one_line, with_remedy
from ...data.files import whole_file
from ...data.url import Url, as_path, refuse_unknown


class Store:
    """A folder by its place. Each file is written whole or not at all: a store has it once all its bytes are there."""

    def __init__(self, place: str | Path) -> None:
        """`place`: a path or a URL. Raises ConfigError where what opens the URL is not installed."""
        self.place = as_path(place)
        self._files = _OnDisk(self.place)
        if isinstance(self.place, Url):
            refuse_unknown([self.place])
            self._files = _InStore(self.place)

    def names(self, folder: str = "") -> set[str]:
        """What lies directly in the folder, or in one within it; empty where it is not there."""
        with self._naming(folder):
            return self._files.names(folder)

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        with self._naming(name):
            return self._files.read(name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of what is there; the folders that it needs are made."""
        with self._naming(name):
            self._files.write(name, content)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._naming(name):
            self._files.remove(name)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Name the file in every error: stores raise errors of every kind."""
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"{self.place / name}: {with_remedy(error)}") from error
        except Exception as error:
            raise OutputError(
                f"{self.place / name}: cannot be used ({one_line(error)}); check the address and the access to it"
            ) from error


class _OnDisk:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, folder: str) -> set[str]:
        here = self._folder / folder
        return {path.name for path in here.iterdir()} if here.exists() else set()

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        with whole_file(self._folder / name, ours=lambda _: True) as temporary:
            temporary.write_bytes(content)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class _InStore(_OnDisk):
    def __init__(self, url: Url) -> None:
        from fsspec.core import url_to_fs

        super().__init__(url)
        self._store, self._root = url_to_fs(str(url))

    def names(self, folder: str) -> set[str]:
        self._store.invalidate_cache()
        try:
            listed = self._store.ls(self._at(folder), detail=False)
        except FileNotFoundError:
            return set()
        return {str(name).rstrip("/").rpartition("/")[2] for name in listed} - {""}

    def read(self, name: str) -> bytes:
        return self._store.cat_file(self._at(name))

    def write(self, name: str, content: bytes) -> None:
        self._store.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
        self._store.pipe_file(self._at(name), content)

    def remove(self, name: str) -> None:
        self._store.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}".rstrip("/")
