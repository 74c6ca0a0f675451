"""Films to rows of a table, and nothing around it: no table, no engine, no command.

`read_films` is what every engine calls: threads of this machine, a cluster of Ray, a partition of Dask or of Spark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from ...data.child import Child
from ...data.inputs_table import InputRow
from ...data.remark import Remark, Verbatim
from ...data.source import Source
from ...handseg.pairs import Side
from ..examination import Examination
from .bone_age import BATCH, BoneAge
from .parallel import ahead, in_batches
from .rows import Row, row_of

NO_FILE = "no file"  # in place of the digest of a file that cannot be opened


@dataclass(frozen=True, eq=False)
class OpenedFilm:
    """An input whose file was opened, but not decoded.

    source: None where it cannot be opened: reading it fails with the reason. no_film: what a file is that is no film.
    named: columns on the film itself. fingerprint: of all that decides its reading.
    """

    item: InputRow
    source: Source | None
    no_film: Remark | None = None
    named: Row = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class FilmRows:
    """The result for one input: its rows, one for each hand; or, for a file that is not a film, what it is."""

    rows: Sequence[Row] = ()
    no_film: Remark | Verbatim | None = None


class FilmReader:
    """Opens films and reads them together, with one warm reader."""

    def __init__(self, bone_age: BoneAge, *, patient_ids: bool = False, fingerprints: bool = True) -> None:
        """`patient_ids`: rows also carry the PatientID and date of DICOMs. `fingerprints`: rows carry fingerprints."""
        self.bone_age, self._patient_ids, self._fingerprints = bone_age, patient_ids, fingerprints
        self._model = model_of(str(bone_age.digest), bone_age.finder.side, bone_age.reference.key)

    def open(self, item: InputRow) -> OpenedFilm:
        """Open an input, once, and say what is known of it without decoding it."""
        source = item.opened()
        if source and source.no_film:
            return OpenedFilm(item, source, source.no_film)
        return OpenedFilm(item, source, None, self._named(item, source), self._fingerprint(item, source))

    def examine(self, films: Sequence[OpenedFilm]) -> list[Examination]:
        """Read films together, in their order; what is no film must not be among them."""
        return self.bone_age.examine_batch([(film.source or film.item.path, film.item.child) for film in films])

    def read(self, items: Iterable[InputRow]) -> list[FilmRows]:
        """Read a batch: inputs, in their order, to rows."""
        opened = [self.open(item) for item in items]
        examined = iter(self.examine([film for film in opened if not film.no_film]))
        return [
            FilmRows(no_film=film.no_film) if film.no_film else FilmRows(self.rows(film, next(examined)))
            for film in opened
        ]

    def rows(self, film: OpenedFilm, examination: Examination) -> list[Row]:
        """The rows of a film that was examined: one, or of two hands."""
        return [row_of(one.reading, film.fingerprint) | film.named for one in examination.each]

    def _named(self, item: InputRow, source: Source | None) -> Row:
        """Columns on the film itself: its name, its patient and its date as far as given or asked for."""
        patient, taken = source.patient() if self._patient_ids and source else (None, None)
        taken = item.child.exam_date or taken
        return {
            "file": str(item.path),
            "patient": item.patient or patient,
            "exam_date": taken.isoformat() if taken else None,
        }

    def _fingerprint(self, item: InputRow, source: Source | None) -> str:
        if not self._fingerprints:
            return ""
        return fingerprint_of(source.sha256 if source else NO_FILE, item.child, self._model)


def model_of(digest: str, hand: Side, reference: str = "") -> str:
    """What decides a reading beside the film and the child: this version, the weights by digest, hand and reference."""
    return f"{version('boneage')} {digest}{'' if hand == 'left' else f' {hand}'}{reference}"


def fingerprint_of(content: str, child: Child, model: str) -> str:
    """SHA-256 of all that decides a reading: the digest of the file's bytes or NO_FILE, facts of the child, model."""
    return hashlib.sha256(repr((content, child, model)).encode()).hexdigest()


def read_films(
    bone_age: BoneAge, films: Iterable[InputRow], *, patient_ids: bool = False, workers: int = 1
) -> list[FilmRows]:
    """Read films, four together, by so many threads; a film that fails is a row of status `failed`, not an error.

    bone_age: a reader that is loaded. films: each with what is known of its child; they are read in their order, so
        that the same films in the same order have the same rows to the last bit, whatever engine calls this.
    patient_ids: rows also carry the PatientID and the date of DICOMs.

    Returns for each input its rows by `rows.COLUMNS`, plain values that any engine can carry.
    """
    reader = FilmReader(bone_age, patient_ids=patient_ids)
    return [film for batch in ahead(reader.read, in_batches(films, BATCH), workers) for film in batch]
