"""A node in this process with a reader that takes no time, and films for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from dicom_files import dataset
from pynetdicom import AE

from boneage.data.errors import ReadError
from boneage.data.remark import Remark, Verbatim
from boneage.pipeline.examination import Examination
from boneage.pipeline.node.node import Settings, node
from boneage.pipeline.reading import Reading

SECRET = "SECRET^NAME"


class Stub:
    """Stands in for `BoneAge`: counts what it reads; a film of one grey cannot be read."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds, self.read = seconds, []

    def examine_batch(self, requests: Sequence[Any]) -> list[Examination]:
        time.sleep(self.seconds)
        ((path, child),) = requests
        assert child is None  # what is known of the child is for the DICOM to say
        path = path.name  # opened by the node
        self.read.append(Path(path).stem)
        if not any(Path(path).read_bytes()[-64:]):
            error = ReadError(path, Remark("PatientSex is {stated}, expected F or M", stated=Verbatim("SECRET")))
            return [Examination(Reading(str(path), "failed", (error.remark,)), error=error)]
        return [Examination(Reading(str(path), "ok", sex="F"))]


def film(number: int = 1, **tags: Any) -> Any:
    """A small film, another one for each number; 0 is one that cannot be read."""
    pixels = np.full((32, 32), number % 256, np.int64)
    return dataset(
        pixels,
        8,
        PatientName=SECRET,
        PatientID=f"SECRET{number}",
        StudyInstanceUID="2.25.1",
        SeriesInstanceUID="2.25.2",
        **tags,
    )


@contextmanager
def running(spool: Path, destination: Any, reader: Any = None, **settings: Any) -> Iterator[int]:
    """A node within the block, which is given its port."""
    reader = reader or Stub()
    with node(Settings(port=0, spool=spool, workers=2, **settings), lambda: reader, destination) as port:
        yield port


def send(port: int, films: Sequence[Any], title: str = "SENDER", called: str = "BONEAGE") -> list[int]:
    """Send films in one association; the status of each, none where the association was not accepted."""
    entity = AE(ae_title=title)
    for one in films[:1]:
        entity.add_requested_context(one.SOPClassUID, one.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return []
    statuses = [association.send_c_store(one).Status for one in films]
    association.release()
    return statuses


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until something is true, and give it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)
    return found
