"""Read a cohort with the workers of a cluster: the parts that are missing, and then the table of all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ...data.child import Child
from ...data.errors import OutputError
from ...data.inputs import read_inputs
from ...data.inputs_table import InputRow
from ...data.progress import progress
from ...data.sex import Sex
from ...data.source import Film
from ...data.text import counted
from ...handseg.pairs import Side
from ...weights.bundle import read_bundle
from ..clinical.reference import brush_reference, read_reference
from ..predict.batch import FilmRows
from ..predict.bone_age import BATCH
from ..predict.cohort import Tally
from ..predict.parallel import in_batches
from ..predict.rows import Row
from .readings_folder import Manifest, ReadingsFolder
from .worker import Settings, places_of

log = logging.getLogger(__name__)
ROWS_PER_PART = 500  # films of a part: what a stop loses of each part under way, 50 s of one core


@dataclass(frozen=True)
class Part:
    """Films that follow each other, whose rows are stored together; `number` counts from 0."""

    number: int
    films: Sequence[InputRow]


@dataclass(frozen=True)
class Piece:
    """What became of some films of a part, of which they begin with the film number `start`."""

    part: int
    start: int
    films: Sequence[FilmRows]


# Gives, while it is open, a function that reads parts by workers of these settings: pieces of them, in any order.
Engine = Callable[[Settings], AbstractContextManager[Callable[[Sequence[Part]], Iterator[Piece]]]]


def predict_on_cluster(
    engine: Engine,
    films: Film | Iterable[Film | InputRow],
    child: Child | Sex | None = None,
    *,
    out: str | Path,
    weights: str | Path = "default",
    device: str = "auto",
    net_engine: str = "auto",
    hand: Side = "left",
    reference: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    patient_ids: bool = False,
    rows_per_part: int = ROWS_PER_PART,
) -> Tally:
    """Read films of any number by the workers of a cluster into a folder, `readings.parquet` within it at the end.

    engine: the cluster (`on_ray.on_ray`).
    films, child, columns, images: as for `predict_cohort`. Each worker opens the films by their names, so it must
        have the same folders, or films are named by URLs.
    out: the folder, a path of this machine or a URL. weights, device, net_engine, hand, reference: as for
        `BoneAge.load`, in each worker, which refuses to read with weights other than those that this machine knows by
        that name.
    resume: keep the parts that are there of the same films. A film is known by its name here, and not by its content;
        a part is read again if this machine can open a film of it now that could not be opened then.
    overwrite: begin again in a folder that a run has left. patient_ids: as for `predict_cohort`.
    rows_per_part: films of a part, a multiple of four, which are read together.

    Returns counts over all films. The table is the same to the byte as that of `predict_cohort`. Raises what
    `read_inputs`, `ReadingsFolder` and the engine raise, OutputError for films that are no files or a part of another
    size, WeightsError where a worker has other weights, and ReadError where no file is a film.
    """
    if rows_per_part < 1 or rows_per_part % BATCH:
        raise OutputError(
            f"--rows-per-part is {rows_per_part}, expected a multiple of {BATCH}: so many are read together"
        )
    inputs = read_inputs(films, child, columns, images)
    if given := next((item for item in inputs if item.source), None):
        raise OutputError(f"{given.path}: is no file that the workers of a cluster could open; give a path or URL")
    compared, digest = read_reference(reference) if reference else None, read_bundle(weights).digest
    bundle = str(Path(weights).resolve() if Path(weights).exists() else weights)
    settings = Settings(bundle, digest, device, net_engine, hand, patient_ids, compared, *places_of(inputs))
    manifest = Manifest(str(weights), digest, hand, patient_ids, rows_per_part, compared.key if compared else "")
    folder = ReadingsFolder(out, manifest, resume=resume, overwrite=overwrite)
    parts = [Part(number, some) for number, some in zip(count(), in_batches(inputs, rows_per_part))]
    missing = [part for part in parts if not folder.is_up_to_date(part.number, part.films)]
    log.debug("%s, of which %d are missing", counted(len(parts), "part"), len(missing))
    if missing:
        with engine(settings) as read:
            folder.begin()
            try:
                _fill(folder, missing, read(missing))
            except (KeyboardInterrupt, SystemExit):
                log.warning("%s: what is stored stays; go on with --resume", folder.store.place)
                raise
    tally = Tally(reference=compared or brush_reference())
    return _finished(folder, parts, {part.number for part in missing}, tally)


def _fill(folder: ReadingsFolder, parts: Sequence[Part], pieces: Iterable[Piece]) -> None:
    """Gather pieces, and store each part once all of it is there."""
    waiting = {part.number: part for part in parts}
    gathered: dict[int, dict[int, Sequence[FilmRows]]] = {}
    with progress("Reading", sum(len(part.films) for part in parts)) as advance:
        for piece in pieces:
            have = gathered.setdefault(piece.part, {})
            have[piece.start] = piece.films
            advance(len(piece.films))
            if sum(map(len, have.values())) == len(waiting[piece.part].films):
                read = [film for start in sorted(have) for film in have[start]]
                folder.add(piece.part, waiting.pop(piece.part).films, read)
                del gathered[piece.part]
    if waiting:
        raise OutputError(
            f"{folder.store.place}: the cluster did not give {counted(len(waiting), 'part')} back; go on with --resume"
        )


def _finished(folder: ReadingsFolder, parts: Sequence[Part], read_now: set[int], tally: Tally) -> Tally:
    """Make the table of the parts, and count its films."""

    def rows() -> Iterator[Row]:
        for part in parts:
            if (films := folder.part(part.number, part.films)) is None:
                raise OutputError(f"{folder.store.place}: the part {part.number} was changed; go on with --resume")
            for film in films:
                tally.count(film.rows, film.no_film, before=part.number not in read_now)
                yield from film.rows

    folder.finish(rows())
    tally.refuse_none()
    return tally
