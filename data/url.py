"""Places in stores, such as s3://bucket/hand.png, wherever the program expects a path (fsspec, extra ray)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from .errors import ConfigError, one_line

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")  # two letters at least: one is a disk of Windows
_COLLAPSED = re.compile(r"(?<=[A-Za-z0-9]):/+")  # what a path makes of ://
_EXTRA = "install it with: pip install 'boneage[ray]'"


class Url(type(Path())):
    """A place in a store. It is a path, so that it has a name, a suffix and a parent; its text is the URL."""

    def __str__(self) -> str:
        return _COLLAPSED.sub("://", super().__str__().replace(os.sep, "/"))

    def __fspath__(self) -> str:
        return str(self)

    def open(self, *_: Any, **__: Any) -> IO[bytes]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Open the file to be read, in binary mode."""
        import fsspec

        opened: Any = fsspec.open(str(self), "rb")
        return opened.open()

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self.open() as file:
            return file.read()


def is_url(place: object) -> bool:
    """Whether a place is a URL, given as text or as Url."""
    return isinstance(place, Url) or (isinstance(place, str) and bool(_SCHEME.match(place)))


def as_path(place: str | os.PathLike[str]) -> Path:
    """A place as a path: a URL as Url, file://... as the path that it stands for."""
    if isinstance(place, Path):
        return place
    text = os.fspath(place)
    if text.lower().startswith("file://"):
        from urllib.request import url2pathname  # brings a client for HTTP, which is slow to import

        return Path(url2pathname(unquote(urlsplit(text).path)))
    return Url(text) if is_url(text) else Path(text)


def within(folder: Path, place: str | os.PathLike[str]) -> Path:
    """A place that is relative to a folder, unless it is absolute or a URL."""
    path = as_path(place)
    return path if isinstance(path, Url) or path.is_absolute() else folder / path


def refuse_unknown(places: Iterable[object]) -> None:
    """Raise ConfigError where URLs are among the places and what opens their kind is not installed."""
    for scheme in sorted({str(place).partition("://")[0] for place in places if isinstance(place, Url)}):
        try:
            from fsspec import get_filesystem_class
        except ModuleNotFoundError as error:
            raise ConfigError(f"{scheme}:// needs fsspec, which is not installed; {_EXTRA}") from error
        try:
            get_filesystem_class(scheme.rpartition("::")[2])
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"{scheme}:// cannot be opened here ({one_line(error)}); install what reads it, or give a path"
            ) from error
