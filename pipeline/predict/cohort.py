"""Read a cohort: films of any number, batch by batch in their order, to rows of a table, readings, and files.

Only counts are kept, so the memory does not grow with the number of films.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...data.child import Child
from ...data.errors import OutputError, ReadError
from ...data.files import refuse_inputs
from ...data.inputs import named_files, read_inputs
from ...data.inputs_table import InputRow
from ...data.progress import progress
from ...data.remark import Remark, Verbatim
from ...data.sex import Sex
from ...data.source import Film
from ...data.text import counted, for_cell
from ..clinical.heights import HEIGHT_CAVEATS
from ..clinical.reference import Reference, brush_reference
from ..examination import Examination
from ..reading import Reading
from .batch import FilmReader, OpenedFilm
from .bone_age import BATCH, BoneAge
from .film_files import FilmFiles
from .hands import Hands
from .parallel import ahead, cores, in_batches
from .readings_file import ReadingsFile, partial_of
from .rows import Row
from .sexes import Sexes

log = logging.getLogger(__name__)


@dataclass
class Tally:
    """Counts over a run.

    statuses: rows by status. not_assessed: rows by status and cause (`Reading.cause`). no_films: files that are not
    films, by what they are. before: rows of an earlier run. second_hands: rows of the second hand of a film. why: the
    reasons of the last film that was not assessed. caveats: limits of the values that the rows have. faults: why files
    about films could not be written. reference: the children that SDSs compare with. hands: the two hands of a child.
    sexes: those of each patient.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    not_assessed: Counter[tuple[str, str]] = field(default_factory=Counter)
    no_films: Counter[Remark | Verbatim] = field(default_factory=Counter)
    before: int = 0
    second_hands: int = 0
    why: str = ""
    caveats: dict[Remark, None] = field(default_factory=dict)
    faults: list[Remark] = field(default_factory=list)
    reference: Reference = field(default_factory=brush_reference)
    hands: Hands = field(default_factory=Hands)
    sexes: Sexes = field(default_factory=Sexes)

    @property
    def films(self) -> int:
        """How many films there were."""
        return self.statuses.total() - self.second_hands

    @property
    def lost(self) -> Counter[str]:
        """Films by status that were not assessed."""
        return Counter({status: n for status in ("failed", "rejected") if (n := self.statuses[status])})

    @property
    def exit_code(self) -> int:
        """Of a command: docs/reference/exit-codes.md."""
        if self.statuses["failed"] == self.statuses.total():
            return 2
        return int(bool(self.lost or self.faults))

    def refuse_none(self) -> None:
        """Raise ReadError where no file was a film."""
        if not self.films:
            kinds = (
                Remark("{number:,} {kind}", number=number, kind=kind) for kind, number in self.no_films.most_common()
            )
            raise ReadError(None, Remark("there are no radiographs among the files: {kinds}", kinds=tuple(kinds)))

    def count(self, rows: Sequence[Row], no_film: Remark | Verbatim | None, *, before: bool) -> None:
        """Count an input by its rows, or by what it is that is `no_film`. `before`: an earlier run read it."""
        if no_film is not None:
            self.no_films[no_film] += 1
        self.second_hands += len(rows[1:])
        for row in rows:
            self._count(row, before)

    def _count(self, row: Row, before: bool) -> None:
        status = row["status"]
        self.statuses[status] += 1
        self.before += before
        self.hands.add(row)
        self.sexes.add(row)
        if row["sds"] is not None and row["sex"]:
            self.caveats |= dict.fromkeys(self.reference.caveats(row["sex"]))
        self.caveats |= {caveat: None for value, caveat in HEIGHT_CAVEATS.items() if row[value] is not None}
        if status in ("failed", "rejected"):
            self.why = row["reasons"] or ""
            self.not_assessed[status, row["cause"] or ""] += 1


def predict_cohort(
    bone_age: BoneAge | Callable[[], BoneAge],
    films: Film | Iterable[Film | InputRow],
    child: Child | Sex | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    table: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    patient_ids: bool = False,
    files: Mapping[str, str | Path] | None = None,
    language: str = "en",
    report_heatmap: bool = True,
    workers: int | None = None,
    on_reading: Callable[[Reading], None] | None = None,
) -> Tally:
    """Read films of any number in order; a film that fails is a reading of status `failed`, not an error.

    bone_age: the reader, or a function that loads it, which is called when all else has been found to be in order.
    films, child, columns, images: what to read and what is known of the children, as for `data.inputs.read_inputs`.
    table: a CSV, or a Parquet file where the name ends in .parquet, that gets a row for each film. It grows in
        FILE.partial, and is there as FILE, whole, at the end.
    resume: keep the rows of a finished table, or of a run that was stopped. A film is not read again if there is a row
        of the same bytes, given facts and weights. A batch with one film to read is read whole, so that numbers are the
        same to the last bit as those of a run that was never stopped.
    overwrite: replace the table that a finished run left; without this and without resume it is refused.
    patient_ids: rows also carry the PatientID and the date of DICOMs; otherwise only ids and dates that were given.
    files: what else to write of each film: kind (`film_files.KINDS`) -> a folder, or a path with {name} in it, or for a
        single film a file. A film that an earlier run read gets the files that are missing. language: of the reports.
    report_heatmap: show in them where the reading comes from, which takes several times as long as a reading.
    workers: batches that are read at the same time, each by a thread of its own; by default one for each core.
    on_reading: called with each film's reading once its row is stored, but not for rows from before.

    A reader of both hands has two readings, and rows, of a film that shows two; then no `files` can be asked for.
    Returns counts, and which files could not be written. Raises what `read_inputs`, `FilmFiles` and `ReadingsFile`
    raise before any film is read, and ReadError where no file is a film.
    """
    inputs = read_inputs(films, child, columns, images)
    about = FilmFiles([item.path for item in inputs], files or {}, language, report_heatmap=report_heatmap)
    outputs = [("the table", path) for path in (table, partial_of(table))] if table else []
    refuse_inputs([(option, Path(path)) for option, path in (*outputs, *about.outputs)], named_files(inputs))
    with ExitStack() as stack:
        advance = stack.enter_context(progress("Reading", len(inputs)))
        rows = stack.enter_context(ReadingsFile(table, resume=resume, overwrite=overwrite)) if table else None
        reader = _Reader(bone_age if isinstance(bone_age, BoneAge) else bone_age(), about, rows, patient_ids)
        tally = Tally(reference=reader.reader.bone_age.reference)
        workers = min(workers or cores(), -(-len(inputs) // BATCH) or 1)  # a single batch has all cores to itself
        log.debug("%s, in batches of %d by %s", counted(len(inputs), "file"), BATCH, counted(workers, "thread"))
        for outcomes in ahead(reader, in_batches(list(enumerate(inputs)), BATCH), workers):
            if rows:
                rows.add(row for outcome in outcomes for row in outcome.rows)
            for outcome in outcomes:
                _hand_on(outcome, tally, about, on_reading)
                advance()
        tally.refuse_none()
    return tally


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The result for one input; only a film has the fields after `film`.

    rows: one, or one for each of two hands; `before`: an earlier run wrote them. readings: those of this run.
    examination: given if files about the film are to be written.
    """

    number: int
    film: OpenedFilm
    rows: Sequence[Row] = ()
    before: bool = False
    readings: Sequence[Reading] = ()
    examination: Examination | None = None


def _hand_on(outcome: _Outcome, tally: Tally, about: FilmFiles, on_reading: Callable[[Reading], None] | None) -> None:
    """Count a film, pass its reading to `on_reading`, and write the files about it."""
    tally.count(outcome.rows, outcome.film.no_film, before=outcome.before)
    if on_reading:
        for reading in outcome.readings:
            on_reading(reading)
    if outcome.examination:
        tally.faults += about.write(outcome.number, outcome.examination, only_missing=outcome.before)


class _Reader:
    """Reads batches, except for files that are not films and films that have their rows already."""

    def __init__(self, bone_age: BoneAge, about: FilmFiles, rows: ReadingsFile | None, patient_ids: bool) -> None:
        if about.kinds and bone_age.finder.side == "both":
            raise OutputError("files about a film are of one hand, and both are read; read left or right for them")
        self.reader = FilmReader(bone_age, patient_ids=patient_ids, fingerprints=rows is not None)
        self.about, self.rows, self.both = about, rows, bone_age.finder.side == "both"

    def __call__(self, batch: Sequence[tuple[int, InputRow]]) -> list[_Outcome]:
        opened = [self.reader.open(item) for _, item in batch]
        outcomes = [self._unread(number, film) for (number, _), film in zip(batch, opened, strict=True)]
        films = [outcome for outcome in outcomes if not outcome.film.no_film]
        if not any(not outcome.rows or self._lacks_files(outcome) for outcome in films):
            return outcomes
        examined = iter(self.reader.examine([outcome.film for outcome in films]))
        return [outcome if outcome.film.no_film else self._read(outcome, next(examined)) for outcome in outcomes]

    def _unread(self, number: int, film: OpenedFilm) -> _Outcome:
        """What is known of an input without decoding it: that it is no film, or its row from an earlier run."""
        rows = [] if film.no_film else [row | film.named for row in self._known(film)]
        return _Outcome(number, film, rows, before=bool(rows))

    def _read(self, outcome: _Outcome, examination: Examination) -> _Outcome:
        if outcome.rows:
            return replace(outcome, examination=examination) if self._lacks_files(outcome) else outcome
        readings = [one.reading for one in examination.each]
        rows = self.reader.rows(outcome.film, examination)
        kept = examination if self.about.kinds else None
        return replace(outcome, rows=rows, readings=readings, examination=kept)

    def _lacks_files(self, outcome: _Outcome) -> bool:
        """Whether files about a film that an earlier run read are missing; one that failed has none."""
        return any(row["status"] != "failed" for row in outcome.rows) and self.about.missing(outcome.number)

    def _known(self, film: OpenedFilm) -> list[Row]:
        """The film's rows from an earlier run; none where that of its other hand is missing."""
        name, rows = for_cell(str(film.item.path)), dict[str | None, Row]()
        for row in self.rows.rows_of(film.fingerprint) if self.rows else ():
            # the reasons of a failed film name it, so its row is for a film of that name only
            if row["status"] != "failed" or row["file"] == name:
                rows.setdefault(row["hand"], row)
        torn = self.both and len(rows) == 1 and None not in rows
        return [] if torn else list(rows.values())[: 2 if self.both else 1]
