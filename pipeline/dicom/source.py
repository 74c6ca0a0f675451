"""The film's DICOM as what new objects refer to, and the attributes that all new objects share."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, generate_uid
from pydicom.valuerep import DA, TM

from ...data.errors import FilmOutputError
from ...data.quiet import no_warnings
from ...data.radiograph import Radiograph
from ...data.remark import Remark, Verbatim
from ...data.source import PROGRAM
from ...data.text import for_dicom

VERSION = version(PROGRAM)
MAKER = "boneage project"  # of device and algorithm

# Without these an object can be neither referred to nor put into the film's study.
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# These must be there, but the standard lets them be empty (type 2 of the modules Patient and General Study).
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
_TEXTS = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")  # whose bytes are of the stated character set
_ESCAPE = 0x1B  # begins another character set
_DATES = {"PatientBirthDate": (DA, "YYYYMMDD"), "StudyDate": (DA, "YYYYMMDD"), "StudyTime": (TM, "HHMMSS")}


def source_of(radiograph: Radiograph) -> Dataset:
    """A copy of the tags of the film's DICOM, in which attributes that may be empty and are missing are empty.

    Raises OutputError for a film that is not DICOM, for one without the UIDs that a reference to it needs, and for
    dates, times and a sex that no new object may carry.
    """
    file = radiograph.source
    if radiograph.tags is None:
        remark = Remark(
            "is not a DICOM, and a DICOM result belongs to the patient, study and instance of one; give the film as "
            "DICOM, or ask for another kind of result"
        )
        raise FilmOutputError(file, remark)
    source = copy.deepcopy(radiograph.tags)
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not source.get(name) and (stated := source.file_meta.get(f"MediaStorage{name}")):
            setattr(source, name, stated)
    missing = [name for name in _NEEDED if not source.get(name)]
    if missing:
        remark = Remark(
            "this DICOM has no {attributes}, so no other object can refer to it; export it again from the archive with "
            "its UIDs",
            attributes=Verbatim(", ".join(missing)),
        )
        raise FilmOutputError(file, remark)
    for name in _NEEDED:
        if not re.fullmatch(r"[0-9.]{1,64}", str(source.get(name))):
            remark = Remark("{name} is not one UID; correct it in the film's DICOM", name=Verbatim(name))
            raise FilmOutputError(file, remark)
    for name in _MAY_BE_EMPTY:
        if name not in source:
            setattr(source, name, None)
    with no_warnings():  # they quote the values, a patient's name included
        _check_values(file, source)
    return source


def take_odd_texts(source: Dataset) -> dict[BaseTag, RawDataElement]:
    """Replace texts that are not plain ASCII by a placeholder, and return them as they stand in the file.

    Libraries decode a text by the stated character set, and encode it again: where the set is wrong, a name comes out
    as another one, or split in two. So the bytes are carried over as they are (`put_back`).
    """
    odd: dict[BaseTag, RawDataElement] = {}
    for tag in list(source.keys()):
        element = source.get_item(tag)
        if not isinstance(element, RawDataElement) or not isinstance(element.value, bytes) or tag.is_private:
            continue
        vr = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN")
        if vr in _TEXTS and any(byte > 126 or byte == _ESCAPE for byte in element.value):
            text = element.value.rstrip(b" \0")
            text += b" " * (len(text) % 2)
            odd[tag] = RawDataElement(tag, vr, len(text), text, 0, False, True)
            source[tag] = DataElement(tag, vr, "odd")
    return odd


def put_back(made: Dataset, odd: Mapping[BaseTag, RawDataElement]) -> None:
    """Give a new object the texts that `take_odd_texts` took out of its source, where it has these attributes."""
    for tag, element in odd.items():
        if tag in made:
            made[tag] = element


def _check_values(file: str, source: Dataset) -> None:
    """Raise OutputError for values that highdicom would refuse, without quoting them: they are the patient's."""
    for name, (kind, form) in _DATES.items():
        try:
            kind(source.get(name))
        except ValueError as error:
            remark = Remark(
                "{name} is not of the form {form}; correct it, or export the film again",
                name=Verbatim(name),
                form=Verbatim(form),
            )
            raise FilmOutputError(file, remark) from error
    if str(source.PatientSex or "") not in ("", "F", "M", "O"):
        remark = Remark("PatientSex is none of F, M and O, nor empty; correct it in the film's DICOM")
        raise FilmOutputError(file, remark)
    if UID(source.SOPClassUID).type != "SOP Class":
        remark = Remark(
            "its SOP class ({uid}) is not one of the standard's, so what it says cannot be carried over; export the "
            "film as CR, DX or secondary capture",
            uid=Verbatim(str(source.SOPClassUID)),
        )
        raise FilmOutputError(file, remark)


def new_uid() -> UID:
    """A UID of its own, made of a random UUID (PS3.5 B.2), which needs no registered root."""
    return generate_uid(prefix=None)


def device_uid(model: str) -> UID:
    """The same UID for each run of one version with one set of weights: the device that observed."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{PROGRAM} {VERSION} {model}').int}")


def identity(model: str, number: int, description: str) -> dict[str, Any]:
    """The attributes of every new object: its own series and instance UIDs, its maker, and that it is for research.

    `number`: of the series, high so that viewers list it below the films. `description`: of the series.
    """
    return {
        "series_instance_uid": new_uid(),
        "series_number": number,
        "series_description": description,
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": PROGRAM,
        "software_versions": VERSION,
        "device_serial_number": for_dicom(model) or "unnamed",
        "content_qualification": "RESEARCH",
        "specific_character_set": None,  # highdicom takes no set of several; `write_dicom` sets the source's
    }
