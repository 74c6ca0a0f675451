"""Films in a ZIP archive: each is unpacked when its turn comes, to a limit, whatever sizes the archive states."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...data.errors import as_film_error
from ...data.listing import is_hidden
from ...data.remark import Remark
from ...data.source import MAX_BYTES
from .asked import Sent
from .problems import Problem

_START, _END = b"PK\x03\x04", b"PK\x05\x06"
_LIST = 4 * 2**20  # bytes of an archive's list of files: some 40,000 names


@dataclass(frozen=True, eq=False)
class Later:
    """A file whose content is asked for when it is needed; `name` is what the client calls it."""

    name: str
    content: Callable[[], bytes]


def unpacked(sent: Sent, most: int) -> Iterator[Later]:
    """The files in an archive, without folders and hidden files; what is no archive is the file itself.

    Raises Problem for an archive that is damaged or has more than `most` files.
    """
    if not sent.content.startswith(_START):
        yield Later(sent.name, lambda: sent.content)
        return
    archive = _opened(sent.content)
    members = [
        info for info in archive.infolist() if not info.is_dir() and not any(map(is_hidden, info.filename.split("/")))
    ]
    if len(members) > most:
        remark = Remark(
            "the archive has {n:,} files, expected {most:,} at most; send it in parts", n=len(members), most=most
        )
        raise Problem("request", remark)
    for info in members:
        yield Later(info.filename, lambda info=info: _content(archive, info))


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        end = content.rindex(_END)
        if int.from_bytes(content[end + 12 : end + 16], "little") > _LIST:
            raise zipfile.BadZipFile
        return zipfile.ZipFile(io.BytesIO(content))
    except (ValueError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
        remark = Remark("the archive is damaged, or no archive that can be read; pack it again")
        raise Problem("request", remark) from error


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a file, one more than are read at most. Raises ReadError where it cannot be unpacked."""
    try:
        with archive.open(info) as file:
            return file.read(MAX_BYTES + 1)
    except Exception as error:  # a wrong checksum, a password, an unknown method: zipfile raises all kinds
        raise as_film_error(info.filename, error) from error
