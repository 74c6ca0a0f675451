"""Results as DICOM, for a workstation or an archive: a report, a picture and a segmentation of one film."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from highdicom import SOPClass
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ...data.errors import BoneAgeError, FilmOutputError, one_line
from ...data.files import whole_file
from ...data.quiet import no_warnings
from ...data.remark import Remark
from ..examination import Examination
from .sc import secondary_capture
from .seg import segmentation
from .source import put_back, source_of, take_odd_texts
from .sr import structured_report

Kind = Literal["sr", "sc", "seg"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DICOM_SUFFIXES = (".dcm",)


def write_dicom(examination: Examination, path: str | Path, kind: Kind, *, heat_map: bool = False) -> None:
    """Write `as_dicom` to `path`, whole or not at all."""
    content = as_dicom(examination, kind, heat_map=heat_map)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def as_dicom(examination: Examination, kind: Kind, *, heat_map: bool = False) -> bytes:
    """One result as the bytes of a DICOM file, a new series in the film's study.

    kind: `sr`, the reading as a structured report; `sc`, the annotated film as a picture; `seg`, the hand mask.
    heat_map: add the heat map to the picture. Raises OutputError for a film that is not DICOM, for one that lacks or
    contradicts what the result must state, and where there is nothing of this kind to write.
    """
    with _faults_named(examination.reading.file):
        source = source_of(examination.radiograph_and_hand()[0])
        odd = take_odd_texts(source)
    evidence = examination.evidence() if heat_map and kind == "sc" else None
    with _faults_named(examination.reading.file):
        made = _made(kind, examination, source, evidence)
        if source.get("SpecificCharacterSet"):
            made.SpecificCharacterSet = source.SpecificCharacterSet
        put_back(made, odd)
        buffer = io.BytesIO()
        made.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()


@contextmanager
def _faults_named(file: str) -> Iterator[None]:
    """Let whatever is raised within the block be an error about the film `file`."""
    with no_warnings():  # they quote the source's values, a patient's name included
        try:
            yield
        except BoneAgeError:
            raise
        except Exception as error:  # highdicom and pydicom raise errors of every kind on values they do not expect
            remark = Remark(
                "what this DICOM says of patient, study or picture cannot be carried over ({error}); correct that "
                "attribute, or export the film again",
                error=one_line(error),
            )
            raise FilmOutputError(file, remark) from error


def _made(kind: Kind, examination: Examination, source: Dataset, evidence: NDArray[np.float32] | None) -> SOPClass:
    if kind == "sr":
        return structured_report(examination, source)
    if kind == "sc":
        return secondary_capture(examination, source, evidence)
    return segmentation(examination, source)
