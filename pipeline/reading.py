"""One radiograph's result, under the names that JSON and CSV carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

from ..data.child import in_years
from ..data.remark import Remark, Verbatim
from ..data.sex import Sex
from ..data.side import Side
from ..handseg.pairs import Which
from ..handseg.quality import Status

Assessment = Literal["delayed", "normal", "advanced"]
Category = Literal["accelerated", "average", "delayed"]  # of Bayley and Pinneau: maturation against chronological age

DISCLAIMER = Remark("Research use only; not a medical device.")  # stands with every result


class AdultHeight(NamedTuple):
    """An adult height by one method: cm, and least and greatest over the bone age's interval, None where it has none.

    `source` names the method with its year, and what was taken of it.
    """

    method: Verbatim
    cm: float
    ends: tuple[float, float] | None
    source: str


@dataclass(frozen=True)
class Reading:
    """The result for one file. What is not known is None; docs/reference/results.md has every field.

    `status`: ok, review (a number, to be read with care), rejected (not a whole hand) or failed (not readable, or its
    sex unknown); `reasons` say why. `bone_age_months` and `interval_90` (lower and upper, months) are None unless the
    film was assessed. `hand`: of two hands on a film, which it is: left or right, or larger or smaller where sides
    are not known. `side`: the hand that was read, left or right, where it is known. `hand_box`: x, y, width, height in
    original pixels. `model`: name of the weights; `model_sha256`: what identifies them
    (`weights.bundle.Bundle.digest`).

    `notes` are remarks on what was odd, and on each clinical value that was asked for but cannot be given; `caveats`
    are remarks that hold for every value of a kind: the children behind a table, the limits of a method.

    With a chronological age (months, `chronological_age_source` says where from): `difference_months` is bone age
    less chronological age; `reference_mean_months` and `reference_sd_months` are the table's at that age and sex;
    `sds` is the difference in SDs, `sds_interval_90` the same of both ends of `interval_90`, `sds_reference` names
    table and centre, `assessment` is the SDS at 2. With `height_cm` too: `adult_height_cm` by Bayley-Pinneau, the range
    that the ends of `interval_90` give it (lower, upper), and the category of the table it was read in. With
    `weight_kg`, `mother_cm` and `father_cm` too: `adult_height_rwt_cm` by RWT 1975 with the range, and
    `adult_height_khamis_roche_cm`. With both parents: `target_height_cm`, and the range around it.
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
    weight_kg: float | None = None
    mother_cm: float | None = None
    father_cm: float | None = None
    adult_height_rwt_cm: float | None = None
    adult_height_rwt_interval_90: tuple[float, float] | None = None
    adult_height_khamis_roche_cm: float | None = None
    target_height_cm: float | None = None
    target_height_range: tuple[float, float] | None = None
    caveats: tuple[Remark, ...] = ()
    model_sha256: str | None = None
    hand: Which | None = None
    side: Side | None = None

    @property
    def assessed(self) -> bool:
        """Whether there is a bone age."""
        return self.bone_age_months is not None

    def noted(self, *notes: Remark, caveats: Iterable[Remark] = ()) -> Reading:
        """The reading with further notes and caveats."""
        return replace(self, notes=(*self.notes, *notes), caveats=(*self.caveats, *caveats))

    @property
    def adult_heights(self) -> tuple[AdultHeight, ...]:
        """The adult heights that are known, one for each method."""
        category, made = self.adult_height_category, list[AdultHeight]()
        if (cm := self.adult_height_cm) is not None:
            source = f"Bayley-Pinneau 1952, {category} maturation"
            made.append(AdultHeight(Verbatim("Bayley-Pinneau"), cm, self.adult_height_interval_90, source))
        if (cm := self.adult_height_rwt_cm) is not None:
            made.append(AdultHeight(Verbatim("RWT"), cm, self.adult_height_rwt_interval_90, "RWT 1975"))
        if (cm := self.adult_height_khamis_roche_cm) is not None:
            made.append(AdultHeight(Verbatim("Khamis-Roche"), cm, None, "Khamis-Roche 1995, without the film"))
        return tuple(made)

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
        return _version("boneage")

    @property
    def cause(self) -> str | None:
        """The first reason without what differs from film to film, to count films by; None where the status is ok."""
        return self.reasons[0].outline if self.reasons else None

    def rows(self) -> list[tuple[str, str]]:
        """A label and a text for all that is known, as a terminal and a notebook show it."""
        sds = None if self.sds is None else f"{self.sds:+.2f}{_over(self.sds_interval_90, '+.2f')}: {self.assessment}"
        age, mean, target = self.chronological_age_months, self.reference_mean_months, self.target_height_cm
        values = {
            "bone age": _both(self.bone_age_months),
            "90 % interval": self.interval_90
            and "{} ({:.1f} to {:.1f} months)".format(self.interval_words, *self.interval_90),
            "sex": self.sex or "not known",
            "hand": self.side,
            "chronological age": age is not None and f"{_both(age)}, {self.chronological_age_source}",
            "difference": self.difference_months is not None and f"{self.difference_months:+.1f} months",
            "SDS": sds,
            "SDS from": sds and str(self.sds_reference),
            "mean at this age": mean is not None and f"{_both(mean)}, SD {self.reference_sd_months:.1f} months",
            **{
                f"by {height.method}": f"adult height {height.cm:.1f} cm{_over(height.ends, '.1f')}, {height.source}"
                for height in self.adult_heights
            },
            "target height": target and "{:.1f} cm ({:.1f} to {:.1f})".format(target, *self.target_height_range or ()),
            "status": self.status,
        }
        remarks = (("reason", self.reasons), ("note", self.notes), ("caveat", self.caveats))
        return [
            *((label, str(text)) for label, text in values.items() if text),
            *((label, str(remark)) for label, of_kind in remarks for remark in of_kind),
            ("model", f"{self.weights}, boneage {self.boneage_version}"),
        ]

    def _repr_html_(self) -> str:
        """The reading as a small table, which notebooks show."""
        from html import escape

        cells = "".join(f"<tr><th>{label}</th><td>{escape(text)}</td></tr>" for label, text in self.rows())
        return f"<table><caption>{escape(self.file)}. {escape(str(DISCLAIMER))}</caption>{cells}</table>"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON by _FIELDS, numbers rounded to 0.01, since no film is read finer."""
        return {name: _plain(getattr(self, name)) for name in _FIELDS}


_FIELDS = (
    *("file", "status", "reasons", "cause", "sex", "bone_age_months", "interval_90", "interval_words"),
    *("chronological_age_months", "chronological_age_source", "difference_months"),
    *("reference_mean_months", "reference_sd_months", "sds", "sds_interval_90", "sds_reference", "assessment"),
    *("height_cm", "weight_kg", "mother_cm", "father_cm"),
    *("adult_height_cm", "adult_height_interval_90", "adult_height_category"),
    *("adult_height_rwt_cm", "adult_height_rwt_interval_90", "adult_height_khamis_roche_cm"),
    *("target_height_cm", "target_height_range"),
    *("hand", "side", "hand_box", "notes", "caveats", "model", "model_sha256", "boneage_version"),
)
_DIGITS = 12  # of a SHA-256, where space is small
_version = cache(version)  # a look-up takes 2 ms


def _both(months: float | None) -> str:
    return "" if months is None else f"{in_years(months)} ({months:.1f} months)"


def _over(ends: tuple[float, float] | None, form: str) -> str:
    return f" ({ends[0]:{form}} to {ends[1]:{form}} over the 90 % interval)" if ends else ""


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 2)
    return str(value) if isinstance(value, Remark) else value
