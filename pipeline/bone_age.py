"""The whole reader: a bundle of weights, and from a file and what is known of the child to a reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.child import Age, Child, agreed_age
from ..data.errors import BoneAgeError, ConfigError, SexError
from ..data.radiograph import Radiograph, read_radiograph
from ..data.sex import Sex, parse_sex
from ..handseg.crop import CROP_VERSION
from ..handseg.finder import Hand, HandFinder
from ..regressor.reader import BoneAgeReader
from ..weights.bundle import resolve_bundle
from .clinical import assessed
from .reading import Reading

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

    @classmethod
    def load(cls, weights: str | Path = "default", device: str = "auto") -> BoneAge:
        """Load a bundle: a shipped name or a folder. `device`: as for `chosen_device`. Raises WeightsError."""
        where = chosen_device(device)
        folder = resolve_bundle(weights)
        reader = BoneAgeReader.load(folder / "regressor.safetensors", CROP_VERSION, where)
        finder = HandFinder.load(folder / "segmenter.safetensors", reader.input_size, where)
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

    def predict_many(self, requests: Iterable[Request], batch: int = 8) -> Iterator[Reading]:
        """Read many radiographs: the readings of `examine_many`, which see."""
        for seen in self.examine_many(requests, batch):
            yield seen.reading if isinstance(seen, Examination) else seen

    def examine_many(self, requests: Iterable[Request], batch: int = 8) -> Iterator[Examination | Reading]:
        """Read many radiographs, in order; a file that fails becomes a reading of status `failed` with its reason.

        `batch` films are decoded and read together; nothing is kept of a batch once it is given out.
        """
        with ThreadPoolExecutor(2) as pool:
            waiting: list[Request] = []
            for request in requests:
                waiting.append(request)
                if len(waiting) == batch:
                    yield from self._examine_batch(waiting, pool)
                    waiting = []
            if waiting:
                yield from self._examine_batch(waiting, pool)

    def evidence(self, examination: Examination) -> NDArray[np.float32] | None:
        """Where on a film its reading comes from (Grad-CAM): float32 in [0, 1], of the shape of the original's pixels.

        0 outside the crop. None for a film that was not aged.
        """
        crop, sex = examination.hand.crop, examination.reading.sex
        if crop is None or sex is None:
            return None
        return crop.fit.back(self.reader.evidence(crop.pixels, sex))

    def _examine_batch(self, requests: Sequence[Request], pool: ThreadPoolExecutor) -> Iterator[Examination | Reading]:
        opened = list(pool.map(_open, requests))
        examined = iter(self._examine([item for item in opened if not isinstance(item, Reading)]))
        for item in opened:
            yield replace(item, model=self.model) if isinstance(item, Reading) else next(examined)

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


def chosen_device(device: str) -> str:
    """The device meant by auto (a GPU where there is one), cpu, cuda or cuda:N; ConfigError when it is not there."""
    gpus = torch.cuda.device_count()
    if device == "auto":
        return "cuda" if gpus else "cpu"
    there = {"cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))}
    if device not in there:
        raise ConfigError(f"device is {device!r}, expected auto or one this machine has: {', '.join(sorted(there))}")
    return device


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
