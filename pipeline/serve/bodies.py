"""Bodies of requests: read with a limit and a time, held in memory or in a file without a name, and cut into parts."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ...data.remark import Remark, Verbatim
from .problems import ClientGone, Problem
from .settings import Settings

MOST_PARTS = 1000


@dataclass(frozen=True)
class Body:
    """The body of a request as it came, with its stated type (in lower case) and the parameters of that."""

    file: IO[bytes]
    kind: str
    options: dict[str, str]

    def content(self) -> bytes:
        """All of it, in memory."""
        self.file.seek(0)
        return self.file.read()


@dataclass(eq=False)
class Part:
    """One part of a multipart body: its headers, by names in lower case, and its content."""

    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """The bytes of the part."""
        return b"".join(self.pieces)

    @property
    def kind(self) -> str:
        """The stated type, in lower case; empty where none is."""
        return parse_options_header(self.headers.get("content-type", ""))[0].decode("latin-1")

    def stated(self, option: str) -> str:
        """A parameter of Content-Disposition, `name` or `filename`; empty where it is not there."""
        _, options = parse_options_header(self.headers.get("content-disposition", ""))
        return options.get(option.encode(), b"").decode("utf-8", "replace")


@asynccontextmanager
async def received(request: Request, settings: Settings) -> AsyncIterator[Body]:
    """The body of a request, within the block. Raises Problem where it is too large, too slow or compressed."""
    if (coding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        remark = Remark("the body is {coding}, expected one that is not compressed", coding=Verbatim(repr(coding)))
        raise Problem("media-type", remark)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in options.items()}
    with io.BytesIO() if settings.spool is None else tempfile.TemporaryFile(dir=settings.spool) as file:
        try:
            async with asyncio.timeout(settings.upload_timeout):
                await _fill(file, request, settings.max_upload)
        except TimeoutError:
            seconds = settings.upload_timeout
            remark = Remark(
                "the upload took over {seconds:g} seconds; send it again over a faster line", seconds=seconds
            )
            raise Problem("upload-too-slow", remark, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise ClientGone from None
        yield Body(file, kind.decode("latin-1"), named)


async def _fill(file: IO[bytes], request: Request, most: int) -> None:
    """Write a body to a file. What is over the limit is read and dropped up to twice it, so that the answer arrives."""
    declared = request.headers.get("content-length", "")
    size = 0
    too_large = declared.isdecimal() and int(declared[:20]) > most
    async for chunk in request.stream():
        size += len(chunk)
        too_large = too_large or size > most
        if not too_large:
            file.write(chunk)
        elif size > 2 * most:
            break
    if too_large:
        remark = Remark("the upload has over {most:,} bytes; send a smaller one, or raise --max-upload", most=most)
        raise Problem("too-large", remark, {"Connection": "close"})


def parts_of(content: bytes, boundary: str) -> list[Part]:
    """The parts of a multipart body. Raises Problem where it is cut off, malformed or has too many parts."""
    collected = _Parts()
    try:
        if not boundary:
            raise FormParserError("no boundary")
        parser = MultipartParser(boundary, collected.callbacks())  # pyright: ignore[reportArgumentType]
        parser.write(content)
        parser.finalize()
    except FormParserError as error:
        raise Problem("request", Remark("the multipart body is malformed; check how it is sent")) from error
    if not collected.ended:
        raise Problem("request", Remark("the multipart body is cut off; send it again"))
    return collected.parts


class _Parts:
    """Collects what the parser reports."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._name, self._value = bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self.parts[-1].pieces.append(data[start:end]),
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise Problem("request", Remark("the multipart body has over {most:,} parts", most=MOST_PARTS))
        self.parts.append(Part())

    def _end_header(self) -> None:
        self.parts[-1].headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        self.ended = True
