"""The whole reader: a bundle of weights, and from a file and what is known of the child to a reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...data.child import Age, Child, agreed_age
from ...data.errors import BoneAgeError, SexError
from ...data.radiograph import Radiograph, read_radiograph
from ...data.sex import Sex, parse_sex
from ...handseg.crop import CROP_VERSION
from ...handseg.finder import Hand, HandFinder
from ...regressor.reader import BoneAgeReader
from ...weights.bundle import resolve_bundle
from ...weights.engine import chosen_backend
from ..clinical.assessment import assessed
from ..reading import Reading
from .parallel import ahead, cores, in_batches

BATCH = 4  # films that the nets see together: enough for a GPU, and few enough to keep all cores busy to the end
Request = tuple[str | Path, Child | Sex | None]  # a file and what is given of the child, or the sex alone


@dataclass(frozen=True, eq=False)
class Examination:
    """One radiograph that could be read, with what was found on it: all that reports, maps and DICOM are made from."""

    radiograph: Radiograph
    hand: Hand
    reading: Reading


class BoneAge:
    """Hand finder and age reader of one bundle.

    >>> from boneage.pipeline import BoneAge
    >>> BoneAge.load().predict("hand.png", sex="F")  # doctest: +SKIP
    """

    def __init__(self, finder: HandFinder, reader: BoneAgeReader, model: str) -> None:
        """`model`: the name that results carry."""
        self.finder, self.reader, self.model = finder, reader, model
        # maps of crops, worked out once for all the files about a film, and gone with its examination
        self._maps = WeakKeyDictionary[Examination, NDArray[np.float32]]()

    @classmethod
    def load(cls, weights: str | Path = "default", device: str = "auto", engine: str = "auto") -> BoneAge:
        """Load a bundle: a shipped name or a folder. `device` and `engine`: as for `weights.engine.chosen_backend`.

        Raises WeightsError, and ConfigError for a device or engine that is not there.
        """
        backend = chosen_backend(device, engine)
        folder = resolve_bundle(weights)
        reader = BoneAgeReader.load(folder / "regressor.safetensors", CROP_VERSION, backend)
        finder = HandFinder.load(folder / "segmenter.safetensors", reader.input_size, backend)
        return cls(finder, reader, reader.header.name or folder.name)

    def predict(self, file: str | Path, sex: Sex | str | None = None, *, child: Child | None = None) -> Reading:
        """Read one radiograph: the reading of `examine`, which see."""
        return self.examine(file, sex, child=child).reading

    def examine(self, file: str | Path, sex: Sex | str | None = None, *, child: Child | None = None) -> Examination:
        """Read one radiograph, and keep the picture and the hand found on it.

        `sex`: F or M, in place of `child`'s; `child`: what else is given, age and height included. A DICOM's own facts
        complete them. Raises ReadError for a file that is not a radiograph, SexError when sex is missing or contradicts
        the file, and ChildError when ages or dates do; a picture that is not a hand comes back as `rejected`.
        """
        given = child or Child()
        if sex is not None:
            given = replace(given, sex=parse_sex(sex, "sex"))
        return self._examine([_film(file, given)])[0]

    def predict_many(
        self, requests: Iterable[Request], batch: int = BATCH, workers: int | None = None
    ) -> Iterator[Reading]:
        """Read many radiographs: the readings of `examine_many`, which see."""
        for seen in self.examine_many(requests, batch, workers):
            yield seen.reading if isinstance(seen, Examination) else seen

    def examine_many(
        self, requests: Iterable[Request], batch: int = BATCH, workers: int | None = None
    ) -> Iterator[Examination | Reading]:
        """Read many radiographs, in order; a file that fails becomes a reading of status `failed` with its reason.

        `batch` films are read together by each of `workers` threads, by default one for each core, so that some films
        are decoded while the nets look at others. Nothing is kept of a batch once it is given out.
        """
        for examined in ahead(self.examine_batch, in_batches(requests, batch), workers or cores()):
            yield from examined

    def examine_batch(self, requests: Sequence[Request]) -> list[Examination | Reading]:
        """Read some radiographs together, as `examine_many` does, in this thread."""
        opened = [_open(request) for request in requests]
        examined = iter(self._examine([item for item in opened if not isinstance(item, Reading)]))
        return [replace(item, model=self.model) if isinstance(item, Reading) else next(examined) for item in opened]

    def evidence(self, examination: Examination) -> NDArray[np.float32] | None:
        """Where on a film its reading comes from (Grad-CAM): float32 in [0, 1], of the shape of the original's pixels.

        0 outside the crop. None for a film that was not aged. It takes gradients, and so torch, whatever the engine.
        """
        crop, sex = examination.hand.crop, examination.reading.sex
        if crop is None or sex is None:
            return None
        if examination not in self._maps:
            self._maps[examination] = self.reader.evidence(crop.pixels, sex)
        return crop.fit.back(self._maps[examination])

    def _examine(self, films: Sequence[_Film]) -> list[Examination]:
        hands = self.finder.find([film.radiograph for film in films])
        cropped = [(k, hand.crop) for k, hand in enumerate(hands) if hand.crop is not None]
        months: dict[int, float] = {}
        if cropped:
            read = self.reader.months([crop.pixels for _, crop in cropped], [films[k].sex for k, _ in cropped])
            months = {k: float(value) for (k, _), value in zip(cropped, read, strict=True)}
        return [
            Examination(film.radiograph, hand, self._reading(film, hand, months.get(k)))
            for k, (film, hand) in enumerate(zip(films, hands, strict=True))
        ]

    def _reading(self, film: _Film, hand: Hand, months: float | None) -> Reading:
        reading = Reading(
            file=film.radiograph.source,
            status=hand.verdict.status,
            reasons=hand.verdict.reasons,
            sex=film.sex,
            bone_age_months=months,
            interval_90=None if months is None else self.reader.interval_90(months, film.sex),
            hand_box=hand.box.as_tuple() if hand.box else None,
            notes=(*film.radiograph.notes, *hand.notes),
            model=self.model,
        )
        return assessed(reading, film.age, film.height_cm)


def agreed_sex(radiograph: Radiograph, given: Sex | None) -> Sex:
    """The sex to read with: the one given or the file's own; SexError when there is none or they contradict."""
    known = radiograph.sex
    if given is not None and known is not None and given != known:
        raise SexError(
            f"{radiograph.source}: sex {given} was given, the DICOM says {known}; check the child, then give the right "
            "one or correct the file"
        )
    sex = given or known
    if sex is None:
        raise SexError(f"{radiograph.source}: the sex of the child is not known; give --sex F or --sex M")
    return sex


class _Film(NamedTuple):
    """A radiograph with the facts of its child that what was given and what the file states agree on."""

    radiograph: Radiograph
    sex: Sex
    age: Age | None
    height_cm: float | None


def _film(file: str | Path, given: Child) -> _Film:
    radiograph = read_radiograph(file)
    sex = agreed_sex(radiograph, given.sex)
    age, missing = agreed_age(radiograph, given)
    if missing:
        radiograph = replace(radiograph, notes=(*radiograph.notes, missing))
    return _Film(radiograph, sex, age, given.height_cm)


def _open(request: Request) -> _Film | Reading:
    file, given = request
    child = given if isinstance(given, Child) else Child(sex=given)
    try:
        return _film(file, child)
    except BoneAgeError as error:
        return Reading(str(file), "failed", (str(error),), sex=child.sex)
