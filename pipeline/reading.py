"""One radiograph's result, under the names that JSON and CSV carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from ..data.child import in_years
from ..data.remark import Remark
from ..data.sex import Sex
from ..handseg.pairs import Which
from ..handseg.quality import Status

Assessment = Literal["delayed", "normal", "advanced"]
Category = Literal["accelerated", "average", "delayed"]  # of Bayley and Pinneau: maturation against chronological age

DISCLAIMER = Remark("Research use only; not a medical device.")  # stands with every result


@dataclass(frozen=True)
class Reading:
    """The result for one file. What is not known is None; docs/reference/results.md has every field.

    `status`: ok, review (a number, to be read with care), rejected (not a whole hand) or failed (not readable, or its
    sex unknown); `reasons` say why. `bone_age_months` and `interval_90` (lower and upper, months) are None unless the
    film was assessed. `hand`: of two hands on a film, which it is: left or right, or larger or smaller where sides
    cannot be told. `hand_box`: x, y, width, height in original pixels. `model`: name of the weights;
    `model_sha256`: what identifies them (`weights.bundle.Bundle.digest`).

    `notes` are remarks on what was odd, and on each clinical value that was asked for but cannot be given; `caveats`
    are remarks that hold for every value of a kind: the children behind a table, the limits of a method.

    With a chronological age (months, `chronological_age_source` says where from): `difference_months` is bone age
    less chronological age; `reference_mean_months` and `reference_sd_months` are the table's at that age and sex;
    `sds` is the difference in SDs, `sds_interval_90` the same of both ends of `interval_90`, `sds_reference` names
    table and centre, `assessment` is the SDS at 2. With `height_cm` too: `adult_height_cm`, the range that the ends of
    `interval_90` give it (lower, upper), and the category of the table it was read in.
    """

    file: str
    status: Status | str
    reasons: tuple[Remark, ...] = ()
    sex: Sex | None = None
    bone_age_months: float | None = None
    interval_90: tuple[float, float] | None = None
    hand_box: tuple[int, int, int, int] | None = None
    notes: tuple[Remark, ...] = ()
    model: str = ""
    chronological_age_months: float | None = None
    chronological_age_source: Remark | None = None
    difference_months: float | None = None
    reference_mean_months: float | None = None
    reference_sd_months: float | None = None
    sds: float | None = None
    sds_interval_90: tuple[float, float] | None = None
    sds_reference: Remark | None = None
    assessment: Assessment | None = None
    height_cm: float | None = None
    adult_height_cm: float | None = None
    adult_height_interval_90: tuple[float, float] | None = None
    adult_height_category: Category | None = None
    caveats: tuple[Remark, ...] = ()
    model_sha256: str | None = None
    hand: Which | None = None

    @property
    def assessed(self) -> bool:
        """Whether there is a bone age."""
        return self.bone_age_months is not None

    @property
    def interval_words(self) -> Remark | None:
        """The 90 % interval as a clinician reads it: "between 9 y 8 m and 11 y 2 m"."""
        if self.interval_90 is None:
            return None
        low, high = map(in_years, self.interval_90)
        return Remark("between {low} and {high}", low=low, high=high)

    @property
    def weights(self) -> str:
        """The weights as texts name them, by name and first digits of their SHA-256: "default (0f3a5c7e9b1d)"."""
        return f"{self.model} ({self.model_sha256[:_DIGITS]})" if self.model_sha256 else self.model

    @property
    def boneage_version(self) -> str:
        """The version of this program."""
        return _version()

    @property
    def cause(self) -> str | None:
        """The first reason without what differs from film to film, to count films by; None where the status is ok."""
        return self.reasons[0].outline if self.reasons else None

    def _repr_html_(self) -> str:
        """The reading as a small table, which notebooks show."""
        from html import escape

        rows = [("status", self.status), *(("reason", str(reason)) for reason in self.reasons)]
        if self.bone_age_months is not None:
            rows.insert(0, ("bone age", f"{in_years(self.bone_age_months)} ({self.bone_age_months:.1f} months)"))
            rows.insert(1, ("90 % interval", str(self.interval_words or "none")))
        if self.sds is not None:
            rows.append(("SDS", f"{self.sds:+.2f}: {self.assessment}"))
        if self.adult_height_cm is not None:
            rows.append(("adult height", f"{self.adult_height_cm:.1f} cm"))
        rows += [("note", str(note)) for note in self.notes]
        rows.append(("weights", f"{self.weights}, boneage {self.boneage_version}"))
        cells = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows)
        caption = f"<caption>{escape(self.file)}, sex {self.sex or 'not known'}. {escape(str(DISCLAIMER))}</caption>"
        return f"<table>{caption}{cells}</table>"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON by _FIELDS, numbers rounded to 0.01, since no film is read finer."""
        return {name: _plain(getattr(self, name)) for name in _FIELDS}


_FIELDS = (
    *("file", "status", "reasons", "cause", "sex", "bone_age_months", "interval_90", "interval_words"),
    *("chronological_age_months", "chronological_age_source", "difference_months"),
    *("reference_mean_months", "reference_sd_months", "sds", "sds_interval_90", "sds_reference", "assessment"),
    *("height_cm", "adult_height_cm", "adult_height_interval_90", "adult_height_category"),
    *("hand", "hand_box", "notes", "caveats", "model", "model_sha256", "boneage_version"),
)
_DIGITS = 12  # of a SHA-256, where space is small


@cache
def _version() -> str:
    return version("boneage")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 2)
    return str(value) if isinstance(value, Remark) else value
