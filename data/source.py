"""A film as input, opened once: its content, kind and digest, the tags of a DICOM, and why it is no film."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeGuard, cast

import numpy as np
from PIL import Image

from .errors import ReadError, one_line
from .files import SUFFIXES, has_mark
from .listing import is_hidden
from .remark import Remark, Verbatim
from .url import Url, as_path

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

log = logging.getLogger(__name__)

# What a film comes in: a path, a file's bytes, an open file, grey levels, a picture of Pillow, a dataset of pydicom.
Film: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | np.ndarray | Image.Image | Dataset | Source"

# SOP classes of computed and digital radiography and of single shots of fluoroscopy, and classes of any pictures, such
# as of films put on a digitiser. Those may call themselves whatever they like, but for a modality of PS3.3 C.7.3.1.1.1
# that takes no radiographs of hands.
_FILM_CLASSES = ("Computed Radiography", "Digital X-Ray", "X-Ray Radiofluoroscopic")
_ANY_CLASSES = ("Secondary Capture", "Multi-frame", "VL Photographic")
_NO_FILMS = frozenset(
    ("CT", "MR", "US", "NM", "PT", "MG", "SEG", "SR", "KO", "PR", "AU", "ECG", "EEG", "ES", "GM", "SM", "OP", "OPT")
) | {"OCT", "BI", "BMD", "IVUS", "XA", "IO", "PX", "DOC"}
PROGRAM = "boneage"  # ManufacturerModelName of the objects that this program writes
MAX_BYTES = 180_000_000  # of a file, inflated too: a picture has at most 160 MB (`radiograph.MAX_BYTES`)
# Kinds of pictures that are not read, by the place and the bytes of what tells them
_UNREAD = {
    (0, b"GIF8"): "GIF",
    (0, b"\xff\x0a"): "JPEG XL",
    (4, b"JXL "): "JPEG XL",
    (0, b"\xff\x4f\xff\x51"): "JPEG 2000",
    (4, b"jP  "): "JPEG 2000",
    (4, b"ftyphei"): "HEIC",
    (4, b"ftypmif1"): "HEIF",
    (4, b"ftypavif"): "AVIF",
}
_TOO_LARGE = Remark("has over {most:,} bytes, expected a radiograph; give a film", most=MAX_BYTES)


@dataclass(frozen=True, eq=False)
class Source:
    """One film in memory.

    name: the path as it was given, or what stands for it in messages and results.
    content: the file's bytes; empty for a film that was `given` decoded, and for no film.
    no_film: what a file is that was found in a folder and can be no film, None for whatever may be one.
    given: a picture of Pillow or a dataset of pydicom that did not come as a file.
    """

    name: str
    content: bytes = b""
    no_film: Remark | None = None
    given: Image.Image | Dataset | None = None

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM: by its content, not by a suffix."""
        return is_dicom(self.content) if self.given is None else not isinstance(self.given, Image.Image)

    def dataset(self) -> Dataset:
        """The whole dataset of a DICOM. Raises ReadError where it is damaged."""
        from .tags import END_OF_PICTURE, copy_of, parsed

        if self.given is not None:
            return copy_of(cast("Dataset", self.given), with_picture=True)
        content = self.content + END_OF_PICTURE if self.lacks_end else self.content
        return parsed(self.name, io.BytesIO(content), with_picture=True)

    @cached_property
    def lacks_end(self) -> bool:
        """Whether the compressed picture of a DICOM has no delimiter at its end."""
        from .tags import lacks_end

        return lacks_end(self.content)

    @cached_property
    def tags(self) -> Dataset | None:
        """A DICOM's dataset up to its picture, None for other kinds. Raises ReadError where it is damaged."""
        if not self.is_dicom:
            return None
        from .tags import copy_of, parsed

        # a copy, since what pydicom has parsed keeps hold of the file's content
        given = cast("Dataset | None", self.given)
        return copy_of(parsed(self.name, io.BytesIO(self.content)) if given is None else given)

    def patient(self) -> tuple[str | None, date | None]:
        """PatientID and date of the examination that a DICOM states; None where it does not, and for other files."""
        from .tags import patient_of

        try:
            return (None, None) if self.tags is None else patient_of(self.tags)
        except Exception:  # values of every kind stand in malformed tags; the reader says what is wrong
            return None, None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits; of the pixels, and of all that a dataset states, if given."""
        if self.given is None:
            return hashlib.sha256(self.content).hexdigest()
        if isinstance(self.given, Image.Image):
            facts = (self.given.mode, self.given.size)
            return hashlib.sha256(repr(facts).encode() + self.given.tobytes()).hexdigest()
        return hashlib.sha256(self.given.to_json().encode()).hexdigest()


def as_source(film: Film) -> Source:
    """A film of any form as a Source. Raises ReadError for what cannot be read or is no film, TypeError for the rest.

    An array is height x width of any integers or reals, or height x width x 3 (RGB) or 4 (RGBA) of uint8; uint8 is 0
    for black to 255 for white, other greys are scaled by the range that they use.
    """
    if isinstance(film, Source):
        return film
    if isinstance(film, (str, os.PathLike)):
        return open_source(film)
    name = name_of(film)
    if isinstance(film, (bytes, bytearray, memoryview)):
        return Source(name, _not_empty(name, bytes(film)))
    if isinstance(film, np.ndarray):
        return Source(name, given=_picture_of(name, film))
    if isinstance(film, Image.Image) or _is_dataset(film):
        return Source(name, given=cast(Any, film))
    return Source(name, _content_of(name, cast(BinaryIO, film)))


def is_film(value: object) -> TypeGuard[Film]:
    """Whether a value has a form that `as_source` understands."""
    forms = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Image.Image, Source)
    return isinstance(value, forms) or _is_dataset(value) or hasattr(value, "read")


def name_of(film: Film) -> str:
    """What messages and results call a film: its path where it has one. Raises TypeError for what is no film."""
    if isinstance(film, (str, os.PathLike)):
        return str(film)
    if isinstance(film, Source):
        return film.name
    if isinstance(film, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(film, np.ndarray):
        return "array"
    if isinstance(film, Image.Image):
        return str(getattr(film, "filename", "") or "picture")
    if _is_dataset(film):
        return str(getattr(film, "filename", "") or "dataset")
    if not is_film(film):
        raise TypeError(
            f"a film is a {type(film).__name__}, expected a path, bytes, a file that is open in binary mode, an array "
            "of NumPy, a picture of Pillow or a dataset of pydicom"
        )
    name = getattr(film, "name", "")
    return name if isinstance(name, str) and name else "file"


def open_source(path: str | os.PathLike[str], *, found: bool = False) -> Source:
    """Open a film's file, once, and read it whole.

    found: the file was found in a folder, not named, so it may be no film: then `no_film` says what it is, and it is
        not read on. No film is a DICOM without a picture (reports, directories), with several (cine loops), of a class
        or modality that takes no radiographs, or made by this program; a picture made by it; what is neither DICOM nor
        picture, unless its suffix says so; and what is hidden, or no file. A film that is damaged may be one.
    Raises ReadError for what is no readable file.
    """
    path = as_path(path)
    if isinstance(path, Url):
        return _at(path)
    try:
        if found and (no_file := _why_no_file(path)):
            return Source(str(path), no_film=no_file)
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise ReadError(path, Remark("is a folder that may not be listed; check its permissions"))
            raise ReadError(path, Remark("is a folder, expected a radiograph; give a file"))
        if not path.exists():
            raise ReadError(path, Remark("no such file; check the path"))
        if not path.is_file():
            raise ReadError(path, Remark("is not a regular file, expected a radiograph; copy it to a file first"))
        with open(path, "rb") as file:
            if found and (no_film := why_no_film(path, file)):
                return Source(str(path), no_film=no_film)
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ReadError(path, _TOO_LARGE)
            file.seek(0)
            content = _not_empty(path, file.read())
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        cause = Verbatim(str(error))
        raise ReadError(
            path, Remark("cannot be opened ({error}); check the path and its permissions", error=cause)
        ) from error
    log.debug("%s: %d bytes are read", path, len(content))
    return Source(str(path), content)


def _at(url: Url) -> Source:
    """A film in a store. Each kind of store has errors of its own."""
    try:
        with url.open() as file:
            content = _not_empty(url, file.read(MAX_BYTES + 1))
    except ReadError:
        raise
    except FileNotFoundError as error:
        raise ReadError(url, Remark("no such file; check the path")) from error
    except Exception as error:
        raise ReadError(
            url, Remark("cannot be opened ({error}); check the path and its permissions", error=one_line(error))
        ) from error
    log.debug("%s: %d bytes are read", url, len(content))
    return Source(str(url), content)


def _why_no_file(path: Path) -> Remark | None:
    """What something that was found is, if it is the system's, or no file and no folder."""
    if is_hidden(path.name):
        return Remark("hidden folder") if path.is_dir() else Remark("hidden file")
    if path.is_symlink() and not path.exists():
        return Remark("link that leads nowhere")
    return None if path.is_file() or path.is_dir() or not path.exists() else Remark("neither a file nor a folder")


def is_dicom(start: bytes) -> bool:
    """Tell from a file's first 132 bytes or more whether it is DICOM.

    That is the prefix DICM after a preamble of 128 bytes, or, without a preamble, a first element of group 0002 or
    0008 in little endian, with which no picture format begins.
    """
    return start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00")


def unread_kind(start: bytes) -> str | None:
    """The kind of a picture that is none of those that are read, by its first bytes; None for all else."""
    return next((kind for (place, mark), kind in _UNREAD.items() if start.startswith(mark, place)), None)


def why_no_film(path: Path, file: BinaryIO) -> Remark | None:
    """What a file that was found, not named, is if it can be no film, by its content and the suffix of its path."""
    start = file.read(132)
    file.seek(0)
    try:
        if is_dicom(start):
            return _why_no_film_of_dicom(path, file)
        if has_mark(file):
            return Remark("file made by this program")
        if path.suffix.lower() not in SUFFIXES:
            with Image.open(file):  # reads the header only
                pass
    except Image.UnidentifiedImageError:
        return None if unread_kind(start) else Remark("neither a picture nor DICOM")
    except Exception:  # whatever is wrong with it, the reader says so
        return None
    return None


def _why_no_film_of_dicom(path: Path, file: BinaryIO) -> Remark | None:
    # pydicom is slow to import, and most files are pictures
    from .tags import TooMuchError, beginning_of, class_name, kind_of, number_of, parsed, text_of

    whole = file.seek(0, os.SEEK_END) <= MAX_BYTES  # of others only the beginning is looked at
    file.seek(0)
    try:
        tags = parsed(path, file) if whole else beginning_of(file)
    except ReadError as error:
        if not isinstance(error.__cause__, TooMuchError):
            raise
        whole, tags = False, beginning_of(file)
    name, kind = class_name(tags), kind_of(tags)
    if "Rows" not in tags and "Image" not in name and (whole or name):
        return kind
    if "Rows" not in tags and whole:
        return None  # a picture that was cut off is for the reader to report
    if not _takes_films(name, text_of(tags, "Modality", []).upper()):
        return kind
    if (number_of(tags, "NumberOfFrames", []) or 1) > 1:
        return Remark("{kind} of several pictures", kind=kind)
    if text_of(tags, "ManufacturerModelName", []) == PROGRAM:
        return Remark("{kind} made by this program", kind=kind)
    return None


def _takes_films(sop_class: str, modality: str) -> bool:
    """Whether objects of a class may be films. Where the class says nothing, the modality may deny it."""
    if sop_class.startswith(_FILM_CLASSES):
        return True
    return (not sop_class.endswith("Image") or sop_class.startswith(_ANY_CLASSES)) and modality not in _NO_FILMS


def _not_empty(name: str | Path, content: bytes) -> bytes:
    if not content:
        raise ReadError(name, Remark("is empty (0 bytes), expected a radiograph; copy or export it again"))
    if len(content) > MAX_BYTES:
        raise ReadError(name, _TOO_LARGE)
    return content


def _content_of(name: str, file: BinaryIO) -> bytes:
    """What a file holds from where it stands. Raises ReadError where it is not open, not binary, or at its end."""
    try:  # one of text would fail to be read
        content = "" if isinstance(file, io.TextIOBase) else file.read(MAX_BYTES + 1)
        at_its_end = not content and file.seekable() and file.tell() > 0
    except Exception as error:  # of many kinds, as files are
        cause = one_line(error)
        raise ReadError(name, Remark("cannot be read ({error}); open the file again", error=cause)) from error
    if not isinstance(content, bytes):
        mode = Verbatim('"rb"')
        remark = Remark("was opened as text, expected a file opened as binary; open it with {mode}", mode=mode)
        raise ReadError(name, remark)
    if at_its_end:
        remark = Remark("was read to its end before, expected a radiograph; open the file again")
        raise ReadError(name, remark)
    return _not_empty(name, content)


def _is_dataset(film: object) -> bool:
    pydicom = sys.modules.get("pydicom")  # not imported for this: a dataset is made by what has imported it
    return pydicom is not None and isinstance(film, pydicom.Dataset)


def _picture_of(name: str, array: np.ndarray) -> Image.Image:
    """An array as a picture of Pillow that holds the same values."""
    from .radiograph import check_size

    colour = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] in (3, 4)
    if not array.size or not (colour or (array.ndim == 2 and array.dtype.kind in "iuf")):
        remark = Remark(
            "is an array of {kind} with the shape {shape}, expected height x width of numbers, or height x width x 3 "
            "or 4 of {colour}",
            kind=Verbatim(str(array.dtype)),
            shape=Verbatim(str(array.shape)),
            colour=Verbatim("uint8"),
        )
        raise ReadError(name, remark)
    check_size(name, array.shape[1], array.shape[0])  # before it is copied: a view may say far more than it holds
    if array.dtype == np.uint8:
        return Image.fromarray(array)
    whole = array.dtype.kind != "f" and array.min() >= -(2**31) and array.max() < 2**31
    return Image.fromarray(array.astype(np.int32 if whole else np.float32))
