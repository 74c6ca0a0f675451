"""Where results go: a folder, or another node, which may refuse a result or be away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ...data.errors import OutputError
from ...data.files import whole_file
from .spool import short


class Away(Exception):
    """Nothing can be sent now, for a reason that may pass by itself."""


class Destination(Protocol):
    """Takes the results of one film."""

    def send(self, key: str, files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Send files; each, once it was answered, with why it was refused, or "" where it was taken.

        Raises Away where no answer can be had.
        """
        ...


class Folder:
    """A folder that gets KEY-sr.dcm and so on, KEY as in the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def send(self, key: str, files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Write each file, whole or not at all."""
        for file in files:
            try:
                with whole_file(self.folder / f"{short(key)}-{file.name}") as temporary:
                    temporary.write_bytes(file.read_bytes())
            except OSError as error:
                raise Away(error.strerror or str(error)) from error
            except OutputError as error:  # a file of somebody else lies there
                yield file, str(error)
            else:
                yield file, ""
