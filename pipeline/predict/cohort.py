"""Read a cohort: films of any number, batch by batch in their order, each with a row in a table.

Nothing is kept of a film but counts, so ten thousand films need no more memory than a hundred.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.cohort import InputRow
from ...data.files import sha256_of
from ...data.studies import patient_of, why_no_film
from ...weights.bundle import resolve_bundle
from ..reading import Reading
from .bone_age import BATCH, BoneAge, Examination
from .parallel import ahead, cores, in_batches
from .rows import Row, row_of

if TYPE_CHECKING:
    from .readings_file import ReadingsFile


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one input.

    row: the film's, read now or before; None for what is no film, which `no_film` then says.
    reading: what was read now, None for a row from before.
    examination: the reading with its picture, where pictures were asked for and the file could be read.
    """

    row: Row | None = None
    reading: Reading | None = None
    examination: Examination | None = None
    no_film: str | None = None


@dataclass
class Tally:
    """Counts over a run, which are all that is kept of it.

    statuses: films by status. not_aged: films by status and reason, in a few words. no_films: other files, by what they
    are. before: films of which a row was there. why: the reasons of the last film that was not aged, in full.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    not_aged: Counter[tuple[str, str]] = field(default_factory=Counter)
    no_films: Counter[str] = field(default_factory=Counter)
    before: int = 0
    why: str = ""

    @property
    def films(self) -> int:
        """How many films there were."""
        return self.statuses.total()

    def watch(self, outcomes: Iterable[Outcome]) -> Iterator[Reading]:
        """Count the outcomes, and pass on what was read now."""
        for outcome in outcomes:
            if outcome.row is None:
                self.no_films[outcome.no_film or ""] += 1
                continue
            status = outcome.row["status"]
            self.statuses[status] += 1
            if status in ("failed", "rejected"):
                self.why = outcome.row["reasons"] or ""
                self.not_aged[status, in_few_words(self.why, outcome.row["file"])] += 1
            if outcome.reading is None:
                self.before += 1
            else:
                yield outcome.reading


def read_films(
    bone_age: BoneAge,
    inputs: Sequence[InputRow],
    *,
    file: ReadingsFile | None = None,
    model: str = "",
    patient_ids: bool = False,
    pictures: bool = False,
    workers: int | None = None,
) -> Iterator[Outcome]:
    """Read films and give out what became of each, in order; a film that fails is an outcome, not an error.

    file: takes a row for each film, once the outcomes of its batch were taken: what is made of them is not missed if
        the run is stopped. A film is not read again if its row is there: of the same bytes, the same facts given and
        the same model. A batch of which one row is missing is read whole, so that each film is seen with the same
        others in a run that goes on as in one that was never stopped, and its numbers are the same to the last bit.
    model: what to know the weights by (`identity_of`).
    patient_ids: rows also carry the PatientID and the date of DICOMs; otherwise only ids and dates that were given.
    pictures: outcomes carry the examination too, for those who make files of it.
    workers: batches that are read at the same time, each by a thread of its own; by default one for each core.
    """
    read = _Reader(bone_age, file, model, patient_ids, pictures)
    workers = min(workers or cores(), -(-len(inputs) // BATCH) or 1)  # a single batch has all cores to itself
    for outcomes in ahead(read, in_batches(inputs, BATCH), workers):
        yield from outcomes
        if file:
            file.add(outcome.row for outcome in outcomes if outcome.row)


def identity_of(weights: str | Path) -> str:
    """What tells the readings of one bundle by one version of this program from all others."""
    from importlib.metadata import version

    folder = resolve_bundle(weights)
    nets = (sha256_of(folder / f"{net}.safetensors") for net in ("segmenter", "regressor"))
    return " ".join((version("boneage"), *nets))


def in_few_words(reason: str, file: str) -> str:
    """A reason without what differs from film to film: the file, numbers, asides, what was expected, what to do."""
    reason = re.sub(r" \([^()]*\)", "", reason.removeprefix(f"{file}: "))
    reason = re.split(r"; |, expected ", reason)[0]
    return re.sub(r"\d+(?:\.\d+)?", "…", reason)


class _Reader:
    """Reads one batch: what has its row already, what is no film, and the rest."""

    def __init__(
        self, bone_age: BoneAge, file: ReadingsFile | None, model: str, patient_ids: bool, pictures: bool
    ) -> None:
        self.bone_age, self.file, self.model = bone_age, file, model
        self.patient_ids, self.pictures = patient_ids, pictures

    def __call__(self, inputs: Sequence[InputRow]) -> list[Outcome]:
        fingerprints = [self._fingerprint(item) for item in inputs]
        outcomes = [self._unread(*pair) for pair in zip(inputs, fingerprints, strict=True)]
        if None in outcomes:  # one film is to be read, and so are all of the batch
            films = [k for k, outcome in enumerate(outcomes) if outcome is None or outcome.row]
            requests = [(inputs[k].path, inputs[k].child) for k in films]
            for k, seen in zip(films, self.bone_age.examine_batch(requests), strict=True):
                reading, picture = (seen, None) if isinstance(seen, Reading) else (seen.reading, seen)
                row = self._whose(row_of(reading, fingerprints[k]), inputs[k])
                outcomes[k] = outcomes[k] or Outcome(row, reading, picture if self.pictures else None)
        return [outcome for outcome in outcomes if outcome]

    def _unread(self, item: InputRow, fingerprint: str) -> Outcome | None:
        """The outcome where it is known without reading the film."""
        if item.found and (why := why_no_film(item.path)):
            return Outcome(no_film=why)
        for row in self.file.rows_of(fingerprint) if self.file else ():
            # why a film failed is told with its name, so that is another film's only if the name is
            if row["status"] != "failed" or row["file"] == str(item.path):
                return Outcome(self._whose(row, item))
        return None

    def _whose(self, row: Row, item: InputRow) -> Row:
        """The row with the film's name, and whose it is and of when as far as that was given or asked for."""
        patient, taken = patient_of(item.path) if self.patient_ids else (None, None)
        taken = item.child.exam_date or taken
        return row | {
            "file": str(item.path),
            "patient": item.patient or patient,
            "exam_date": taken.isoformat() if taken else None,
        }

    def _fingerprint(self, item: InputRow) -> str:
        """SHA-256 of all that decides a reading: the file's bytes, the facts given of the child, the model."""
        if self.file is None:
            return ""
        content = sha256_of(item.path) if item.path.is_file() else "no file"
        return hashlib.sha256(repr((content, item.child, self.model)).encode()).hexdigest()
