"""Read what a DICOM states of child, examination and pixel size; invalid values become notes, never errors."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import cast

from pydicom.dataset import Dataset

from .child import DAYS_IN_MONTH, Age
from .radiograph import SQUARE, Laterality, View
from .remark import Remark, Verbatim
from .sex import Sex, parsed_sex
from .tags import numbers_of, text_of, value_of

_MONTHS_IN_UNIT = {"D": 1 / DAYS_IN_MONTH, "W": 7 / DAYS_IN_MONTH, "M": 1.0, "Y": 12.0}
_SHAPES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")


def aspect_of(dataset: Dataset, notes: list[Remark], doubts: list[Remark]) -> float:
    """Height of a pixel by its width: by the spacing, else by PixelAspectRatio, else 1; doubted where they differ."""
    stated = {name: sides[0] / sides[1] for name in _SHAPES if (sides := _sides(dataset, name, notes))}
    if not stated:
        return 1.0
    first, *others = stated
    for other in others:
        if abs(stated[other] / stated[first] - 1) > SQUARE:
            remark = Remark(
                "{first} and {other} state pixels of other shapes; {first} was believed",
                first=Verbatim(first),
                other=Verbatim(other),
            )
            doubts.append(remark)
    return stated[first]


def _sides(dataset: Dataset, name: str, notes: list[Remark]) -> tuple[float, float] | None:
    """Height and width of a pixel that an attribute states, None where there are none; malformed ones are noted."""
    numbers = numbers_of(dataset, name, notes)
    if len(numbers) == 2 and min(numbers) > 0:
        return numbers
    if numbers:
        notes.append(Remark("{name} is not two numbers above 0 and was ignored", name=Verbatim(name)))
    return None


def sex_of(dataset: Dataset, notes: list[Remark]) -> tuple[Sex | None, str]:
    """Sex by PatientSex, and what stands there where that is neither F nor M nor a word for one of them."""
    stated = text_of(dataset, "PatientSex", notes)
    with suppress(UnicodeError):  # a code has no character set; words in UTF-8 stand there all the same
        stated = stated.encode("latin-1").decode()
    sex = parsed_sex(stated)
    return sex, "" if sex else stated[:16]


def laterality_of(dataset: Dataset, notes: list[Remark]) -> Laterality | None:
    """Left or right hand, None where it is not stated."""
    stated, of_series = (text_of(dataset, name, notes).upper() for name in ("ImageLaterality", "Laterality"))
    if stated and of_series and stated != of_series:
        remark = Remark(
            "{first} and {other} state different sides; {first} was believed",
            first=Verbatim("ImageLaterality"),
            other=Verbatim("Laterality"),
        )
        notes.append(remark)
    stated = stated or of_series
    if not stated:
        for name in ("SharedFunctionalGroupsSequence", "FrameAnatomySequence"):  # of enhanced objects
            items = value_of(dataset, name, notes)
            dataset = items[0] if items else Dataset()
        stated = text_of(dataset, "FrameLaterality", notes)
    side = stated.upper()
    return cast(Laterality, side) if side in ("L", "R") else None


def view_of(dataset: Dataset, notes: list[Remark]) -> View | None:
    """ViewPosition, None where it is neither AP nor PA."""
    view = text_of(dataset, "ViewPosition", notes).upper()
    return cast(View, view) if view in ("AP", "PA") else None


def towards_of(dataset: Dataset, notes: list[Remark]) -> tuple[str, str]:
    """The patient's sides to which rows and columns run, as PatientOrientation states them; "" where it does not."""
    sides = text_of(dataset, "PatientOrientation", notes).upper().split("\\")
    return (sides[0][:1], sides[1][:1]) if len(sides) == 2 else ("", "")


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
