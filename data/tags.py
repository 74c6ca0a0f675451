"""A DICOM file's dataset, and what it states beside its picture: what object it is, of whom, and of when."""

from __future__ import annotations

import copy
import io
import math
import zlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _at_pixel_data, _read_file_meta_info, read_dataset, read_partial, read_preamble
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import VR

from .child import DAYS_IN_MONTH
from .errors import ReadError, causes_of, is_stop, one_line
from .quiet import no_warnings
from .remark import Remark, Verbatim
from .text import shortened

_MOST_INFLATED = 180_000_000  # bytes, as many as a file may have (`source.MAX_BYTES`)
_MOST_ELEMENTS = 100_000  # of a file, items of sequences included; a million take over 3 s of CPU
_HEADER = 8  # bytes that pydicom reads of each
_MOST_OF_BEGINNING = 2_000_000  # bytes that are read to tell what an object is
_FACTS = 0x0028  # the last group of what is told by: class, modality, number of frames, rows
_LONGEST_SEQUENCE = 2_000_000  # bytes of one that is looked at, as a LUT of 130 kB is; and items of it
_MOST_ITEMS = 1000
_ITEM = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # begins an item, in little and in big endian
_PICTURE = 0x7FE0  # group of the pixels
_PIXEL_DATA, _UNDEFINED = b"\xe0\x7f\x10\x00", b"\xff\xff\xff\xff"  # tag and length, in little endian
END_OF_PICTURE = b"\xfe\xff\xdd\xe0\0\0\0\0"
_MACROS = ("PixelMeasuresSequence", "FrameVOILUTSequence", "PixelValueTransformationSequence")


def lacks_end(content: bytes) -> bool:
    """Whether a compressed picture, whose length nothing states, has no delimiter at its end: pydicom reads no tag."""
    start = content.rfind(_PIXEL_DATA)
    return start >= 0 and content[start + 8 : start + 12] == _UNDEFINED and content.find(END_OF_PICTURE[:4], start) < 0


@no_warnings()  # pydicom's quote the values, a patient's name included
def parsed(path: str | Path, file: BinaryIO, *, with_picture: bool = False) -> FileDataset:
    """The dataset in an open file, up to its picture unless `with_picture`. Raises ReadError, about `path`."""
    try:
        return _read(file, with_picture)
    except InvalidDicomError:
        pass  # no preamble; read on, but believe it only if the tags make sense
    except BaseException as error:
        if is_stop(error):
            raise
        raise _damaged(path, error) from error
    try:
        file.seek(0)
        dataset = _read(file, with_picture, force=True)
        if "SOPClassUID" in dataset or ("Rows" in dataset and "PhotometricInterpretation" in dataset):
            return dataset
    except TooMuchError as error:
        raise _damaged(path, error) from error
    except BaseException as error:  # whatever it is, it is not DICOM
        if is_stop(error):
            raise
    remark = Remark(
        "begins like a DICOM without preamble but holds none of its tags, expected a picture or a DICOM radiograph; "
        "export it again"
    )
    raise ReadError(path, remark)


def _damaged(path: str | Path, error: BaseException) -> ReadError:
    return ReadError(path, Remark("this DICOM is damaged ({error}); export it again", error=one_line(error)))


class TooMuchError(ValueError):
    """A dataset has more than is read of any."""


class _Counted:
    """A file that ends once more headers of elements and items were read than a DICOM may have, or more than `room`.

    pydicom reads each header as 8 bytes, in nested sequences too; values of 8 bytes are counted with them.
    """

    def __init__(self, file: BinaryIO, left: int, room: float = math.inf) -> None:
        self._read, self.seek, self.tell = file.read, file.seek, file.tell
        self.left, self._room = left, room

    def read(self, size: int = -1) -> bytes:
        if size == _HEADER:
            self.left -= 1
        self._room -= size
        return b"" if self.left < 0 or self._room < 0 else self._read(size)


def _read(file: BinaryIO, with_picture: bool, *, force: bool = False) -> FileDataset:
    """As pydicom.dcmread; raises TooMuchError for what is too large, too many or too deep."""
    counted = _Counted(file, _MOST_ELEMENTS)
    try:
        dataset = _dataset_of(counted, None if with_picture else _at_pixel_data, force)
        if counted.left >= 0:
            return dataset
    except Exception as error:
        if any(isinstance(cause, RecursionError) for cause in causes_of(error)):
            raise TooMuchError("its sequences are nested in one another too deep to be read") from error
        if counted.left >= 0:
            raise
    raise TooMuchError(f"it has more than {_MOST_ELEMENTS} elements and items of sequences")


def _dataset_of(file: _Counted, stop: Callable[[BaseTag, str | None, int], bool] | None, force: bool) -> FileDataset:
    """The dataset in a file. A deflated one is inflated here: pydicom does so without a bound."""
    start = file.tell()
    preamble, meta = read_preamble(cast(BinaryIO, file), force), _read_file_meta_info(cast(BinaryIO, file))
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        file.seek(start)
        return read_partial(cast(BinaryIO, file), stop, force=force)
    inflated = _Counted(_inflated(file), file.left)
    try:
        body = read_dataset(cast(BinaryIO, inflated), False, True, stop_when=stop)
    finally:
        file.left = inflated.left
    dataset = FileDataset(cast(BinaryIO, inflated), body, preamble, meta, False, True)
    dataset.set_original_encoding(False, True, body.original_character_set)
    return dataset


def _inflated(file: _Counted) -> io.BytesIO:
    inflater, content = zlib.decompressobj(-zlib.MAX_WBITS), io.BytesIO()
    while not inflater.eof and (deflated := inflater.unconsumed_tail or file.read(1 << 16)):
        content.write(inflater.decompress(deflated, 1 << 20))
        if content.tell() > _MOST_INFLATED:
            raise TooMuchError(f"it inflates to more than {_MOST_INFLATED} bytes")
    content.seek(0)
    return content


def beginning_of(file: BinaryIO) -> FileDataset:
    """What a DICOM states before group 0029; only its meta header where that is too much, or damaged."""
    file.seek(0)
    counted = _Counted(file, _MOST_ELEMENTS, _MOST_OF_BEGINNING)
    with no_warnings():
        preamble, meta = read_preamble(cast(BinaryIO, counted), True), _read_file_meta_info(cast(BinaryIO, counted))
        file.seek(0)
        try:
            return _dataset_of(counted, lambda tag, *_: tag.group > _FACTS, True)
        except Exception:  # of many kinds
            return FileDataset(file, Dataset(), preamble, meta)


def copy_of(dataset: Dataset, *, with_picture: bool = False) -> Dataset:
    """A dataset of the same elements, up to the picture unless `with_picture`, that can be changed on its own."""
    copied = Dataset({tag: item for tag, item in dataset.items() if with_picture or tag.group < _PICTURE})
    copied.set_original_encoding(*dataset.original_encoding)
    meta = getattr(dataset, "file_meta", None)
    copied.file_meta = FileMetaDataset() if meta is None else copy.deepcopy(meta)
    return copied


def take_from_groups(dataset: Dataset) -> None:
    """Add what an enhanced object states in functional groups of its frame (PS3.3 C.7.6.16), unless it does itself."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in _first_item(dataset, groups):
            for macro in _MACROS:
                for element in _first_item(group, macro):
                    for tag in element.keys() - dataset.keys():
                        dataset[tag] = element.get_item(tag)


def _first_item(dataset: Dataset, name: str) -> list[Dataset]:
    """The first item of a sequence, none where it is missing, empty, or malformed."""
    return [*(value_of(dataset, name, []) or ())][:1]


def class_name(dataset: Dataset) -> Verbatim:
    """The name of a DICOM object's SOP class: "Basic Text SR"; "" where it states none."""
    meta = getattr(dataset, "file_meta", Dataset())
    stated = text_of(dataset, "SOPClassUID", []) or text_of(meta, "MediaStorageSOPClassUID", [])
    return Verbatim(UID(stated).name.removesuffix(" Storage"))


def kind_of(dataset: Dataset) -> Remark:
    """What a DICOM object is, in words."""
    name = class_name(dataset)
    return Remark("DICOM {name}", name=name) if name else Remark("DICOM object of no class")


def patient_of(dataset: Dataset) -> tuple[str | None, date | None]:
    """PatientID and date of the examination; None where it is blank."""
    dataset = copy_of(dataset)  # what is looked at is decoded, and results carry the bytes of a text
    return text_of(dataset, "PatientID", []) or None, exam_date(dataset, [])[0]


def value_of(dataset: Dataset, name: str, notes: list[Remark]) -> Any:
    """The value of an attribute, None where it is missing, empty, or malformed; the last is noted.

    pydicom converts a value when it is first asked for, and raises errors of any kind where it cannot.
    """
    try:
        _check_length(dataset, name)
        value = dataset.get(name)
        if value and dictionary_VR(name) == VR.SQ and not isinstance(value, Items):
            raise ValueError(f"{name} is no sequence")
    except Exception:
        # not quoted: whatever stands there may be a name
        notes.append(Remark("{name} is malformed and was ignored", name=Verbatim(name)))
        return None
    return None if value is None or value == "" else value


def _check_length(dataset: Dataset, name: str) -> None:
    """Raise ValueError for a sequence of a stated length that would take seconds to convert."""
    raw = dataset.get_item(name) if name in dataset else None
    if raw is None or not isinstance(raw.value, bytes) or dictionary_VR(name) != VR.SQ:
        return
    if len(raw.value) > _LONGEST_SEQUENCE or max(map(raw.value.count, _ITEM)) > _MOST_ITEMS:
        raise ValueError(f"{name} has {len(raw.value)} bytes")


def text_of(dataset: Dataset, name: str, notes: list[Remark]) -> str:
    """An attribute's text without blanks around it, "" where there is none; several values joined as in the file."""
    value = value_of(dataset, name, notes)
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return "\\".join("" if part is None else str(part).strip() for part in values).strip(" \0")


def numbers_of(dataset: Dataset, name: str, notes: list[Remark]) -> tuple[float, ...]:
    """An attribute's finite numbers, none where it holds anything else. That, and a decimal comma, are noted."""
    raw = dataset.get_item(name) if name in dataset else None
    if raw is not None and isinstance(raw.value, bytes) and raw.VR in ("DS", None) and b"," in raw.value:
        parts = raw.value.decode("ascii", "replace").replace(",", ".").strip(" \0").split("\\")
        notes.append(Remark("{name} has decimal commas, which were read as points", name=Verbatim(name)))
    else:
        value = value_of(dataset, name, notes)
        parts = [] if value is None else [value] if isinstance(value, (int, float, str, bytes)) else list(value)
    while parts and parts[-1] in (None, ""):  # a blank before a number keeps its place: the numbers may be of pairs
        parts.pop()
    try:
        numbers = tuple(map(float, parts))
    except (TypeError, ValueError):
        numbers = (math.nan,)
    if all(map(math.isfinite, numbers)):
        return numbers
    notes.append(Remark("{name} is malformed and was ignored", name=Verbatim(name)))
    return ()


def number_of(dataset: Dataset, name: str, notes: list[Remark]) -> float | None:
    """An attribute's only number, None where it is missing, malformed, or one of several; the latter two are noted."""
    numbers = numbers_of(dataset, name, notes)
    if len(numbers) > 1:
        remark = Remark(
            "{name} has {count} values, expected one, and was ignored", name=Verbatim(name), count=len(numbers)
        )
        notes.append(remark)
        return None
    return numbers[0] if numbers else None


def found_in(dataset: Dataset, name: str) -> Verbatim | Remark:
    """What an attribute for a number holds, in words: its numbers, or why there are none. Text could be a name."""
    if name not in dataset:
        return Remark("missing")
    notes: list[Remark] = []
    if numbers := numbers_of(dataset, name, notes):
        return Verbatim(shortened(", ".join(f"{number:.12g}" for number in numbers), 60))
    return Remark("not a number") if notes else Remark("empty")


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
    text = text_of(dataset, name, notes)
    try:
        return datetime.strptime(text, "%Y%m%d").date() if text else None
    except ValueError:
        # not quoted: whatever stands there may be a name
        notes.append(Remark("{name} is not a date and was ignored", name=Verbatim(name)))
        return None
