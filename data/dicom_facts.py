"""What a DICOM states of child, examination and pixel size. Nothing here can fail a reading: odd values are noted."""

from __future__ import annotations

import re
from typing import cast

from pydicom.dataset import Dataset

from .child import DAYS_IN_MONTH, Age
from .radiograph import Laterality
from .remark import Remark, Verbatim
from .sex import Sex, parsed_sex
from .tags import numbers_of, text_of

_MONTHS_IN_UNIT = {"D": 1 / DAYS_IN_MONTH, "W": 7 / DAYS_IN_MONTH, "M": 1.0, "Y": 12.0}
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def spacing_of(dataset: Dataset, notes: list[Remark]) -> tuple[float, float] | None:
    """Distance of neighbouring rows and columns in millimetres, None where unknown."""
    for name in _SPACINGS:
        numbers = numbers_of(dataset, name, notes)
        if len(numbers) == 2 and min(numbers) > 0:
            return numbers
        if numbers:
            remark = Remark("{name} is not two numbers above 0 and was ignored", name=Verbatim(name))
            notes.append(remark)
    return None


def aspect_of(dataset: Dataset, spacing: tuple[float, float] | None, notes: list[Remark]) -> float:
    """Height of a pixel by its width: of the spacing or, where there is none, of PixelAspectRatio; 1 where unknown."""
    if spacing is not None:
        return spacing[0] / spacing[1]
    ratio = numbers_of(dataset, "PixelAspectRatio", notes)
    if len(ratio) == 2 and min(ratio) > 0:
        return ratio[0] / ratio[1]
    if ratio:
        remark = Remark("{name} is not two numbers above 0 and was ignored", name=Verbatim("PixelAspectRatio"))
        notes.append(remark)
    return 1.0


def sex_of(dataset: Dataset, notes: list[Remark]) -> tuple[Sex | None, str]:
    """Sex by PatientSex, and what stands there where that is neither F nor M nor a word for one of them."""
    stated = text_of(dataset, "PatientSex", notes)
    sex = parsed_sex(stated)
    return sex, "" if sex else stated[:16]


def laterality_of(dataset: Dataset, notes: list[Remark]) -> Laterality | None:
    """Left or right hand, None where it is not stated."""
    stated = text_of(dataset, "ImageLaterality", notes) or text_of(dataset, "Laterality", notes)
    side = stated.upper()
    return cast(Laterality, side) if side in ("L", "R") else None


def patient_age_of(dataset: Dataset, notes: list[Remark]) -> Age | None:
    """PatientAge: whole days, weeks, months or years."""
    text = text_of(dataset, "PatientAge", notes).upper()
    stated = re.fullmatch(r"([0-9]{1,3})([DWMY])", text)
    if not stated:
        if text:
            notes.append(Remark("PatientAge is not three digits and a unit (D, W, M or Y) and was ignored"))
        return None
    unit = _MONTHS_IN_UNIT[stated[2]]
    return Age(int(stated[1]) * unit, unit, Remark("PatientAge"))
