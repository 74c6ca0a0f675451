"""Results go to a DICOMweb server by STOW-RS (PS3.18 10.5), each as a request of its own."""

from __future__ import annotations

import http.client
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ...data.errors import ConfigError
from .destinations import Away

_FAILED = "00081198"  # FailedSOPSequence
_HEADER = re.compile("[ -~]*")
_URL = re.compile("https?://[!-~]+", re.IGNORECASE)


class Stow:
    """A DICOMweb server; redirects and proxies are not followed, so that results go nowhere else."""

    def __init__(self, url: str, authorization: str = "", timeout: float = 60) -> None:
        """`url`: of the service, to which /studies is added. `authorization`: value of the header of that name.

        Raises ConfigError for what is no URL of http or https.
        """
        parts = _parts(url)
        if parts is None or parts.username or parts.query or parts.fragment:
            raise ConfigError(
                f"{url!r} is no DICOMweb service, expected such as http://127.0.0.1:8042/dicom-web; "
                "names and passwords go into the file of --authorization"
            )
        if not _HEADER.fullmatch(authorization):
            raise ConfigError(
                "the value of the header Authorization has several lines, or letters that are not of ASCII, expected "
                "one line such as Bearer and a token; correct the file of --authorization"
            )
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._url, self._path = url, f"{parts.path.rstrip('/')}/studies"
        self._connection = lambda: kind(parts.hostname or "", parts.port, timeout=timeout)
        self._headers = {"Accept": "application/dicom+json"}
        self._headers |= {"Authorization": authorization} if authorization else {}

    def __str__(self) -> str:
        return self._url

    def send(self, key: str, files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Send each file."""
        for file in files:
            yield file, self._refused(file.read_bytes())

    def _refused(self, content: bytes) -> str:
        boundary = uuid.uuid4().hex
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + content + f"\r\n--{boundary}--\r\n".encode()
        try:
            with closing(self._connection()) as connection:
                connection.request("POST", self._path, body, {**self._headers, "Content-Type": kind})
                answer = connection.getresponse()
                said = answer.read(1_000_000)
        except (OSError, http.client.HTTPException) as error:
            raise Away(f"it does not answer ({type(error).__name__})") from error
        if answer.status in (401, 403, 429) or answer.status >= 500:
            raise Away(f"it answers {answer.status}")
        return "" if answer.status in (200, 202) and not _has_failed(said) else f"answer {answer.status}"


def _has_failed(said: bytes) -> bool:
    """Whether an answer lists the object as one that was not stored."""
    try:
        listed = json.loads(said or b"{}")
    except ValueError:
        return False
    return isinstance(listed, dict) and bool(listed.get(_FAILED, {}).get("Value"))


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL of http or https; None for what is none, or has a port that cannot be."""
    try:
        parts = urlsplit(url)
        return parts if _URL.fullmatch(url) and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
