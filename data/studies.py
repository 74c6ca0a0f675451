"""Which of the files found in a folder are films: an export of studies holds much else beside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from PIL import Image

from .cohort import SUFFIXES
from .errors import ReadError
from .radiograph import is_dicom
from .remark import Remark

# Computed and digital radiography, films put on a digitiser, single shots of fluoroscopy, and what a secondary capture
# of a film calls itself (PS3.3 C.7.3.1.1.1); an object without a modality is looked at too.
FILM_MODALITIES = frozenset(("", "CR", "DX", "DR", "RG", "RF", "OT", "XC"))
MAKER = "boneage"  # ManufacturerModelName of the objects that this program writes


def why_no_film(path: str | Path) -> Remark | None:
    """Say in a few words what a file is that can be no radiograph of a hand; None for whatever may be one.

    No film is a DICOM without a picture (reports, directories), with several (cine loops), of a modality that takes no
    radiographs, or made by this program; and a file without a suffix of its own that is neither DICOM nor picture.
    A film that is damaged may be one: that is for the reader to say.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(132)
        if is_dicom(start):
            return _why_no_film(path)
        if path.suffix.lower() not in SUFFIXES:
            with Image.open(path):  # reads the header only
                pass
    except ReadError:
        return None
    except Image.UnidentifiedImageError:
        return Remark("neither a picture nor DICOM")
    except (OSError, Image.DecompressionBombError):
        return None
    return None


def patient_of(path: str | Path) -> tuple[str | None, date | None]:
    """PatientID and date of the examination of a DICOM; None where it is blank, and for files that are none."""
    try:
        with open(path, "rb") as file:
            if not is_dicom(file.read(132)):
                return None, None
        from .dicom import exam_date, read_tags  # pydicom is slow to import, and most files are pictures

        tags = read_tags(path)
    except (ReadError, OSError):
        return None, None
    return str(tags.get("PatientID") or "").strip() or None, exam_date(tags, [])[0]


def _why_no_film(path: Path) -> Remark | None:
    from .dicom import class_name, kind_of, read_tags

    tags = read_tags(path)
    kind = kind_of(tags)
    if "Rows" not in tags:
        return None if "Image" in class_name(tags) else kind  # a picture that was cut off is for the reader to report
    if str(tags.get("Modality") or "").strip().upper() not in FILM_MODALITIES:
        return kind
    if int(tags.get("NumberOfFrames") or 1) > 1:
        return Remark("{kind} of several pictures", kind=kind)
    if str(tags.get("ManufacturerModelName") or "").strip() == MAKER:
        return Remark("{kind} made by this program", kind=kind)
    return None
