"""One radiograph's result, under the names that JSON and CSV carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data.sex import Sex
from ..handseg.quality import Status


@dataclass(frozen=True)
class Reading:
    """The result for one file.

    `status`: ok, review (a number, to be read with care), rejected (a picture, but not aged) or failed (not readable,
    or its sex unknown); `reasons` say why in sentences. `bone_age_months` and `interval_90` (lower and upper, months)
    are None unless aged. `hand_box`: x, y, width, height in original pixels. `model`: name of the weights.
    """

    file: str
    status: Status | str
    reasons: tuple[str, ...] = ()
    sex: Sex | None = None
    bone_age_months: float | None = None
    interval_90: tuple[float, float] | None = None
    hand_box: tuple[int, int, int, int] | None = None
    notes: tuple[str, ...] = ()
    model: str = ""

    @property
    def aged(self) -> bool:
        """Whether there is a bone age."""
        return self.bone_age_months is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, months rounded to 0.01, since no film is read finer."""
        return {
            "file": self.file,
            "status": self.status,
            "reasons": list(self.reasons),
            "sex": self.sex,
            "bone_age_months": _rounded(self.bone_age_months),
            "interval_90": [_rounded(end) for end in self.interval_90] if self.interval_90 else None,
            "hand_box": list(self.hand_box) if self.hand_box else None,
            "notes": list(self.notes),
            "model": self.model,
        }


def in_years(months: float) -> str:
    """Months as a clinician reads them: 127.4 becomes "10 y 7 m"."""
    years, rest = divmod(round(months), 12)
    return f"{years} y {rest} m"


def _rounded(months: float | None) -> float | None:
    return None if months is None else round(months, 2)
