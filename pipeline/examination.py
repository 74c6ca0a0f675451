"""One examined film: its reading, with the radiograph and the hand that the reading comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..data.errors import FilmError, FilmOutputError
from ..data.radiograph import Radiograph
from ..data.remark import Remark
from ..data.sex import Sex
from ..handseg.finder import Hand
from .clinical.reference import Reference, brush_reference
from .reading import Reading

CropEvidence = Callable[[NDArray[np.uint8], Sex], NDArray[np.float32]]  # `BoneAgeReader.evidence`


@dataclass(frozen=True, eq=False)
class Examination:
    """What became of one film: all that tables, reports, heat maps and DICOM results are made from.

    reading: the result, of status `failed` where the film could not be read.
    radiograph, hand: the film and the hand found on it; None where the film could not be read.
    error: why the film could not be read, None where it could.
    crop_evidence: how to work out where on a crop its reading comes from; None where nothing was examined.
    other: the examination of the other of two hands where both are read.
    reference: the children that its SDS compares with.
    pseudonym: what reports call the child; "" where nothing was given.
    """

    reading: Reading
    radiograph: Radiograph | None = None
    hand: Hand | None = None
    error: FilmError | None = None
    crop_evidence: CropEvidence | None = None
    other: Examination | None = None
    reference: Reference = field(default_factory=brush_reference)
    pseudonym: str = ""

    @property
    def each(self) -> tuple[Examination, ...]:
        """The examination, and that of the other hand where both are read."""
        return (self, self.other) if self.other else (self,)

    def radiograph_and_hand(self) -> tuple[Radiograph, Hand]:
        """The radiograph and its hand. Raises OutputError for a film that could not be read, which has neither."""
        if self.radiograph is None or self.hand is None:
            remark = Remark("could not be read, so nothing can be drawn or written of it")
            raise FilmOutputError(self.reading.file, remark)
        return self.radiograph, self.hand

    def evidence(self) -> NDArray[np.float32] | None:
        """How much each place of the film moves its reading: float32 in [0, 1], of the shape of the film's pixels.

        0 outside the crop; None for a film without a bone age. It takes some 150 readings of one view
        (`regressor.evidence`), once, however often it is asked for.
        """
        if self.hand is None or self.hand.crop is None or self._map is None:
            return None
        return self.hand.over_film(self._map)

    @cached_property
    def _map(self) -> NDArray[np.float32] | None:
        sex = self.reading.sex
        if self.hand is None or self.hand.crop is None or sex is None or self.crop_evidence is None:
            return None
        return self.crop_evidence(self.hand.crop.pixels, sex)
