"""Ossification: which centres have appeared at a bone age, how far they have grown, whether they have fused."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..errors import ConfigError, SexError
from ..remark import Remark, Verbatim
from ..sex import Sex

MAX_BONE_AGE_MONTHS = 228.0  # the last plate of the atlas for boys, 19 years


class Centre(NamedTuple):
    """Mean ages in months at which an ossification centre appears, is full grown and fuses, each as (girls, boys)."""

    appears: tuple[float, float]
    grown: tuple[float, float]
    fuses: tuple[tuple[float, float], tuple[float, float]] | None = None  # girls (from, to), boys (from, to)


# Approximate means, rounded, after Greulich WW, Pyle SI, Radiographic Atlas of Skeletal Development of the Hand and
# Wrist, 2nd ed., Stanford University Press 1959, and Gilsanz V, Ratib O, Hand Bone Age, 2nd ed., Springer 2012.
OSSIFICATION = {
    "capitate": Centre((2, 3), (150, 174)),
    "hamate": Centre((3, 4), (150, 174)),
    "triquetrum": Centre((21, 30), (150, 174)),
    "lunate": Centre((32, 46), (150, 174)),
    "trapezium": Centre((48, 66), (150, 174)),
    "trapezoid": Centre((50, 68), (150, 174)),
    "scaphoid": Centre((52, 70), (150, 174)),
    "pisiform": Centre((102, 132), (156, 186)),
    "distal phalanges": Centre((13, 19), (114, 144), ((150, 168), (174, 192))),
    "proximal phalanges": Centre((10, 16), (114, 144), ((156, 174), (180, 198))),
    "middle phalanges": Centre((15, 24), (114, 144), ((160, 178), (184, 202))),
    "metacarpals": Centre((12, 19), (120, 150), ((164, 182), (188, 206))),
    "second metacarpal": Centre((12, 18), (120, 150), ((164, 182), (188, 206))),
    "first metacarpal": Centre((19, 30), (114, 144), ((158, 176), (182, 200))),
    "ulna": Centre((66, 84), (138, 162), ((176, 194), (200, 216))),
    "radius": Centre((10, 13), (132, 156), ((184, 204), (206, 224))),
}
CARPALS = ("capitate", "hamate", "triquetrum", "lunate", "trapezium", "trapezoid", "scaphoid", "pisiform")


class Ossified(NamedTuple):
    """State of a centre: growth in [0, 1], None before it appears; fusion in [0, 1], 1 once the plate has gone."""

    growth: float | None
    fusion: float


def ossification(bone_age_months: float, sex: Sex) -> dict[str, Ossified]:
    """State of every centre of OSSIFICATION at a bone age of 0 to 228 months; nothing ever shrinks with age.

    Raises ConfigError for an age out of range, SexError for a sex that is not "F" or "M".
    """
    if not 0 <= bone_age_months <= MAX_BONE_AGE_MONTHS:  # also refuses NaN
        raise ConfigError(
            f"synthetic hand: bone age is {bone_age_months!r} months, expected 0 to {MAX_BONE_AGE_MONTHS:.0f}; "
            "give the age in months"
        )
    if sex not in ("F", "M"):
        remark = Remark(
            "sex of the synthetic hand is {sex}, expected F or M; sex is never guessed", sex=Verbatim(repr(sex))
        )
        raise SexError(None, remark)
    column = 0 if sex == "F" else 1
    states = {}
    for name, centre in OSSIFICATION.items():
        appears, grown = centre.appears[column], centre.grown[column]
        growth = None
        if bone_age_months >= appears:
            growth = min((bone_age_months - appears) / (grown - appears), 1.0) ** 0.6  # fast at first
        start, end = centre.fuses[column] if centre.fuses else (math.inf, math.inf)
        fusion = 0.0 if bone_age_months <= start else min((bone_age_months - start) / (end - start), 1.0)
        states[name] = Ossified(growth, fusion)
    return states
