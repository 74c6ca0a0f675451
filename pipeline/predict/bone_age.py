"""The whole reader: a bundle of weights, and from films and what is known of the children to readings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ...data.child import Age, Child
from ...data.errors import WeightsError, as_film_error
from ...data.radiograph import Radiograph
from ...data.read import read_radiograph
from ...data.remark import Remark, Verbatim
from ...data.sex import Sex, parse_sex
from ...data.side import Side as SideOfHand
from ...data.source import Film, is_film, name_of
from ...handseg.crop import CROP_VERSION
from ...handseg.finder import Hand, HandFinder
from ...handseg.pairs import Side
from ...regressor.reader import BoneAgeReader
from ...weights.backend import chosen_backend
from ...weights.bundle import Bundle, read_bundle
from ..clinical.assessment import assessed
from ..clinical.reference import Reference, brush_reference, read_reference
from ..examination import Examination
from ..reading import Reading
from .agree import agreed_age, agreed_sex, agreed_side
from .parallel import ahead, cores, in_batches

OLDEST = 240.0  # months; labels, and the standards of Greulich and Pyle, end before
BATCH = 4  # films that the nets read together: enough for a GPU, and few enough to keep all cores busy to the end
Request: TypeAlias = "tuple[Film, Child | Sex | None]"  # a film and what is given of its child, or the sex alone


class BoneAge:
    """Hand finder and age reader of one bundle.

    >>> from boneage import BoneAge
    >>> BoneAge.load().predict("hand.png", sex="F")  # doctest: +SKIP
    """

    def __init__(
        self,
        finder: HandFinder,
        reader: BoneAgeReader,
        model: str,
        digest: str | None = None,
        reference: Reference | None = None,
    ) -> None:
        """`model`: the name that results carry. `digest`: the SHA-256 that identifies the weights.

        `reference`: the children that an SDS compares with; by default the Brush Foundation's.
        """
        self.finder, self.reader, self.model, self.digest = finder, reader, model, digest
        self.reference = reference or brush_reference()

    @classmethod
    def load(
        cls,
        weights: str | Path | Bundle = "default",
        device: str = "auto",
        engine: str = "auto",
        hand: Side = "left",
        reference: str | Path | None = None,
    ) -> BoneAge:
        """Load a bundle: a shipped name, a folder, or a bundle that is not stored yet.

        `device` and `engine`: as for `weights.backend.chosen_backend`. `hand`: what is read of a film of two
        hands, left, right or both: then `predict_many` and a cohort have a reading for each, the left one first.
        `reference`: a table of healthy children of one's own (`clinical.reference.read_reference`) in place of Brush's.

        Raises WeightsError, ConfigError for a device or engine that is not there, and CohortError for a reference that
        cannot be used.
        """
        compared = read_reference(reference) if reference else None
        backend = chosen_backend(device, engine)
        bundle = weights if isinstance(weights, Bundle) else read_bundle(weights)
        reader = BoneAgeReader.load(bundle.regressors, CROP_VERSION, backend, bundle.calibration)
        finder = HandFinder.load(bundle.segmenter, reader.input_size, backend, hand)
        return cls(finder, reader, bundle.name, bundle.digest, compared)

    def predict(self, film: Film, sex: Sex | str | None = None, *, child: Child | None = None) -> Reading:
        """Read one radiograph: the reading of `examine`; where both hands are read, of the left one."""
        return self.examine(film, sex, child=child).reading

    def examine(self, film: Film, sex: Sex | str | None = None, *, child: Child | None = None) -> Examination:
        """Read one radiograph, and keep the picture and the hand found on it.

        `film`: its path, or bytes, an open binary file, an array, a picture of Pillow or a dataset of pydicom
        (`data.source.as_source`). `sex`: F or M, in place of `child`'s. `child`: what else is given, age and height
        included. A DICOM's own facts complete them. Raises ReadError for a file that is not a radiograph, SexError when
        sex is missing or contradicts the file, and ChildError when ages or dates do; a picture that is not a hand comes
        back as `rejected`. Where both of two hands are read, `each` of the result are their examinations.
        """
        (examination,) = self.examine_batch([(film, _child(child, sex))])
        if examination.error is not None:
            raise examination.error
        return examination

    def predict_many(
        self,
        films: Iterable[Film | Request],
        sex: Sex | str | None = None,
        *,
        child: Child | None = None,
        batch: int = BATCH,
        workers: int | None = None,
    ) -> Iterator[Reading]:
        """Read many radiographs, in order; a film that cannot be read has a reading of status `failed` with its reason.

        `films`: films, or pairs of a film and its sex or Child. `sex` and `child` are as for `examine`, of all films;
        what a pair states of its child goes before them. `batch` films are read together by each of `workers` threads,
        by default one for each core, so that some films are decoded while the nets read others. Nothing is kept of a
        batch once its readings are given out. Raises SexError for a sex that is neither F nor M.
        """
        if is_film(films):
            raise TypeError(f"predict_many takes several films, got one: {name_of(films)}; give it to predict")
        given = _child(child, sex)
        requests = (_request(item, given) for item in films)
        examined = ahead(self.examine_batch, in_batches(requests, batch), workers or cores())
        return (one.reading for examinations in examined for examination in examinations for one in examination.each)

    def examine_batch(self, requests: Sequence[Request]) -> list[Examination]:
        """Examine some films together, in this thread, in their order; one that cannot be read has an `error`."""
        films: dict[int, _Film] = {}
        examined: dict[int, Examination] = {}
        for number, (film, given) in enumerate(requests):
            child = given if isinstance(given, Child) else Child(sex=given)
            try:
                films[number] = _film(film, child)
            except BaseException as error:
                examined[number] = self._failed(name_of(film), child.sex, error)
        examined |= self._examined(films)
        return [examined[number] for number in range(len(requests))]

    def _examined(self, films: dict[int, _Film]) -> dict[int, Examination]:
        """Examine films that were read. Where that fails, each is examined alone, so that one cannot fail others."""
        try:
            found = self.finder.find([film.radiograph for film in films.values()])
            hands = [(number, hand) for number, first in zip(films, found, strict=True) for hand in first.each]
            months = self._months([(films[number].sex, hand) for number, hand in hands])
            examined: dict[int, Examination] = {}
            for k, (number, hand) in reversed([*enumerate(hands)]):  # the other hand comes after the first
                film = films[number]
                examined[number] = Examination(
                    self._reading(film, hand, months.get(k)),
                    film.radiograph,
                    hand,
                    crop_evidence=self.reader.evidence,
                    other=examined.get(number),
                    reference=self.reference,
                    pseudonym=film.given.pseudonym or "",
                )
            return examined
        except BaseException as error:
            if len(films) > 1:
                as_film_error("", error)  # raises what is meant to end the program
                return {number: self._examined({number: film})[number] for number, film in films.items()}
            return {number: self._failed(film.radiograph.source, film.sex, error) for number, film in films.items()}

    def _failed(self, name: str, sex: Sex | None, error: BaseException) -> Examination:
        """The examination of a film that could not be read, for whatever reason."""
        failure = as_film_error(name, error)
        reading = Reading(name, "failed", (failure.remark,), sex=sex, model=self.model, model_sha256=self.digest)
        return Examination(reading, error=failure)

    def _months(self, hands: Sequence[tuple[Sex, Hand]]) -> dict[int, float]:
        """Bone ages in months, by number, of the hands that have a crop, which the nets read together."""
        crops = {number: hand.crop for number, (_, hand) in enumerate(hands) if hand.crop is not None}
        if not crops:
            return {}
        read = self.reader.months([crop.pixels for crop in crops.values()], [hands[number][0] for number in crops])
        return {number: float(value) for number, value in zip(crops, read, strict=True)}

    def _reading(self, film: _Film, hand: Hand, months: float | None) -> Reading:
        verdict = hand.verdict
        if months is not None and not math.isfinite(months):
            raise WeightsError(f"{self.model}: read {months} months, which is no number; fetch the weights again")
        if months is not None and not 0 <= months <= OLDEST:
            outside = Remark("the reading of {months:.0f} months is not between 0 and 240", months=months)
            verdict = verdict.and_also("review", outside)
        reading = Reading(
            file=film.radiograph.source,
            status=verdict.status,
            reasons=verdict.reasons,
            sex=film.sex,
            bone_age_months=months,
            interval_90=None if months is None else self.reader.interval_90(months, film.sex),
            hand=hand.which,
            side=hand.which if hand.which in ("left", "right") else film.side,
            hand_box=hand.box.as_tuple() if hand.box else None,
            notes=(*film.radiograph.notes, *hand.notes),
            model=self.model,
            model_sha256=self.digest,
        )
        return assessed(reading, film.age, film.given, self.reference)


@dataclass(frozen=True, eq=False)
class _Film:
    """A radiograph with the sex and age that what was given of its child and what the file states agree on."""

    radiograph: Radiograph
    sex: Sex
    age: Age | None
    side: SideOfHand | None
    given: Child


def _film(film: Film, given: Child) -> _Film:
    radiograph = read_radiograph(film)
    sex = agreed_sex(radiograph, given.sex)
    age, missing = agreed_age(radiograph, given)
    notes = [missing] if missing else []
    if radiograph.odd_sex:
        stated = Verbatim(repr(radiograph.odd_sex))
        notes.append(Remark("PatientSex is {stated}, neither F nor M; the sex given was used", stated=stated))
    radiograph = replace(radiograph, notes=(*radiograph.notes, *notes))
    return _Film(radiograph, sex, age, agreed_side(radiograph, given.side), given)


def _request(item: Film | Request, given: Child) -> tuple[Film, Child]:
    """A film with what is known of its child: what stands beside the film, completed by what is given of all."""
    if not isinstance(item, tuple):
        return item, given
    if len(item) != 2:
        raise TypeError(f"expected a film, or a pair of a film and its sex or Child, got {len(item)} values: {item!r}")
    film, known = item
    child = known if isinstance(known, Child) else _child(None, known)
    return film, child.completed_by(given)


def _child(child: Child | None, sex: Sex | str | None) -> Child:
    """What is given of the child, with the sex in place of its own where one is given."""
    given = child or Child()
    return given if sex is None else replace(given, sex=parse_sex(sex, "sex"))
