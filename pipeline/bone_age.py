"""The whole reader: a bundle of weights, and from a file and a sex to a reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from ..data.errors import BoneAgeError, ConfigError, SexError
from ..data.radiograph import Radiograph, read_radiograph
from ..data.sex import Sex, parse_sex
from ..handseg.crop import CROP_VERSION
from ..handseg.finder import Hand, HandFinder
from ..regressor.reader import BoneAgeReader
from ..weights.bundle import resolve_bundle
from .reading import Reading

Request = tuple[str | Path, Sex | None]  # a file and the sex given for it, None to take the DICOM's


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

    def predict(self, file: str | Path, sex: Sex | str | None = None) -> Reading:
        """Read one radiograph.

        `sex`: F or M; None takes a DICOM's own. Raises ReadError for a file that is not a radiograph and SexError when
        sex is missing or contradicts the file; a picture that is not a hand comes back as `rejected`.
        """
        given = None if sex is None else parse_sex(sex, "sex")
        radiograph = read_radiograph(file)
        return self._read([(radiograph, agreed_sex(radiograph, given))])[0]

    def predict_many(self, requests: Iterable[Request], batch: int = 8) -> Iterator[Reading]:
        """Read many radiographs, in order; a file that fails becomes a reading of status `failed` with its reason.

        `batch` films are decoded and read together; nothing is kept of a batch once its readings are given out.
        """
        with ThreadPoolExecutor(2) as pool:
            waiting: list[Request] = []
            for request in requests:
                waiting.append(request)
                if len(waiting) == batch:
                    yield from self._read_batch(waiting, pool)
                    waiting = []
            if waiting:
                yield from self._read_batch(waiting, pool)

    def _read_batch(self, requests: Sequence[Request], pool: ThreadPoolExecutor) -> list[Reading]:
        opened = list(pool.map(_open, requests))
        readings = iter(self._read([item for item in opened if not isinstance(item, Reading)]))
        return [replace(item, model=self.model) if isinstance(item, Reading) else next(readings) for item in opened]

    def _read(self, films: Sequence[tuple[Radiograph, Sex]]) -> list[Reading]:
        hands = self.finder.find([radiograph for radiograph, _ in films])
        cropped = [(k, hand.crop) for k, hand in enumerate(hands) if hand.crop is not None]
        months: dict[int, float] = {}
        if cropped:
            read = self.reader.months([crop.pixels for _, crop in cropped], [films[k][1] for k, _ in cropped])
            months = {k: float(value) for (k, _), value in zip(cropped, read, strict=True)}
        return [
            self._reading(radiograph, sex, hand, months.get(k))
            for k, ((radiograph, sex), hand) in enumerate(zip(films, hands, strict=True))
        ]

    def _reading(self, radiograph: Radiograph, sex: Sex, hand: Hand, months: float | None) -> Reading:
        return Reading(
            file=radiograph.source,
            status=hand.verdict.status,
            reasons=hand.verdict.reasons,
            sex=sex,
            bone_age_months=months,
            interval_90=None if months is None else self.reader.interval_90(months, sex),
            hand_box=hand.box.as_tuple() if hand.box else None,
            notes=radiograph.notes,
            model=self.model,
        )


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


def _open(request: Request) -> tuple[Radiograph, Sex] | Reading:
    file, given = request
    try:
        radiograph = read_radiograph(file)
        return radiograph, agreed_sex(radiograph, given)
    except BoneAgeError as error:
        return Reading(str(file), "failed", (str(error),), sex=given)
