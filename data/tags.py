"""A DICOM file's dataset, and what it states beside its picture: what object it is, of whom, and of when."""

from __future__ import annotations

import copy
import warnings
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from .child import DAYS_IN_MONTH
from .errors import ReadError, one_line
from .remark import Remark, Verbatim

_PICTURE = 0x7FE0  # group of the pixels


def parsed(path: str | Path, file: BinaryIO, *, with_picture: bool = False) -> FileDataset:
    """The dataset in an open file, up to its picture unless `with_picture`. Raises ReadError, about `path`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's quote the values, a patient's name included
        return _parsed(path, file, not with_picture)


def _parsed(path: str | Path, file: BinaryIO, stop_before_pixels: bool) -> FileDataset:
    try:
        return pydicom.dcmread(file, stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        pass  # no preamble; read on, but believe it only if the tags make sense
    except Exception as error:
        remark = Remark("this DICOM is damaged ({error}); export it again", error=one_line(error))
        raise ReadError(path, remark) from error
    try:
        file.seek(0)
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=stop_before_pixels)
        if "SOPClassUID" in dataset or ("Rows" in dataset and "PhotometricInterpretation" in dataset):
            return dataset
    except Exception:  # whatever it is, it is not DICOM
        pass
    remark = Remark(
        "begins like a DICOM without preamble but holds none of its tags, expected a picture or a DICOM radiograph; "
        "export it again"
    )
    raise ReadError(path, remark)


def copy_of(dataset: Dataset, *, with_picture: bool = False) -> Dataset:
    """A dataset of the same elements, up to the picture unless `with_picture`, that can be changed on its own."""
    copied = Dataset({tag: item for tag, item in dataset.items() if with_picture or tag.group < _PICTURE})
    copied.set_original_encoding(*dataset.original_encoding)
    meta = getattr(dataset, "file_meta", None)
    copied.file_meta = FileMetaDataset() if meta is None else copy.deepcopy(meta)
    return copied


def class_name(dataset: Dataset) -> Verbatim:
    """The name of a DICOM object's SOP class: "Basic Text SR"; "" where it states none."""
    stated = dataset.get("SOPClassUID") or getattr(dataset, "file_meta", {}).get("MediaStorageSOPClassUID") or ""
    return Verbatim(UID(str(stated)).name.removesuffix(" Storage"))


def kind_of(dataset: Dataset) -> Remark:
    """What a DICOM object is, in words."""
    name = class_name(dataset)
    return Remark("DICOM {name}", name=name) if name else Remark("DICOM object of no class")


def patient_of(dataset: Dataset) -> tuple[str | None, date | None]:
    """PatientID and date of the examination; None where it is blank."""
    return str(dataset.get("PatientID") or "").strip() or None, exam_date(dataset, [])[0]


def exam_date(dataset: Dataset, notes: list[Remark]) -> tuple[date | None, str]:
    """When the film was taken: AcquisitionDate, or else StudyDate; and the one of them it is."""
    acquired, study = (date_of(dataset, name, notes) for name in ("AcquisitionDate", "StudyDate"))
    if acquired and study and abs((acquired - study).days) > DAYS_IN_MONTH:
        notes.append(
            Remark(
                "AcquisitionDate is {acquired} and StudyDate {study}; AcquisitionDate was taken as the date of the "
                "examination",
                acquired=acquired,
                study=study,
            )
        )
    return (acquired, "AcquisitionDate") if acquired else (study, "StudyDate")


def date_of(dataset: Dataset, name: str, notes: list[Remark]) -> date | None:
    """The date of an attribute; None where it is blank or, which `notes` then gets, no date."""
    text = str(dataset.get(name) or "").strip()
    try:
        return datetime.strptime(text, "%Y%m%d").date() if text else None
    except ValueError:
        # not quoted: whatever stands there may be a name
        notes.append(Remark("{name} is not a date and was ignored", name=Verbatim(name)))
        return None
