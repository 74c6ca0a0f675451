"""Files about single films (heat maps, reports, DICOM): where each goes, by one rule, and their writing.

For one film the user names the file. For several, a folder, which gets `hand-report.html` for the film `hand.png`, or a
path with {name} in it, which stands for the film: `reports/{name}.pdf`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...data.cohort import InputRow
from ...data.errors import BoneAgeError, OutputError
from ...data.inputs import output_names
from .bone_age import BoneAge, Examination
from .cohort import Outcome

Write = Callable[[BoneAge, Examination, Path], None]
NAME = "{name}"


def film_paths(option: str, target: Path, films: Sequence[Path], suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Where the file that `option` asks for goes for each of `films`, in their order.

    target: what the user gave: a folder (one that exists, or a path without a suffix), a path with {name} in it, or
        for one film a file.
    suffixes: those that are understood, the first for a folder. The option's last word names the file in a folder:
        `--dicom-sr out/` makes `out/hand-sr.dcm`. Films of one name are numbered, as `output_names` does.
    Raises OutputError for another suffix, for several films and one file, and for a path that is one of the films.
    """
    if NAME not in str(target) and (target.is_dir() or not target.suffix):
        target = target / f"{NAME}-{option.split('-')[-1]}{suffixes[0]}"
    if target.suffix.lower() not in suffixes:
        raise OutputError(
            f"{option}: {target} ends in {target.suffix or 'no suffix'}, expected {' or '.join(suffixes)}"
        )
    if NAME not in str(target) and len(films) > 1:
        each = target.with_name(NAME + target.suffix)
        raise OutputError(
            f"{option}: {target} is one file for {len(films)} films; give a folder, or a path for each such as {each}"
        )
    paths = tuple(Path(str(target).replace(NAME, name)) for name in output_names(films))
    if over := {film.resolve() for film in films} & {path.resolve() for path in paths}:
        raise OutputError(f"{option}: {over.pop()} is a film to be read, and would be overwritten; give another place")
    return paths


class FilmFiles:
    """The files to be written about each of some films."""

    def __init__(self, inputs: Sequence[InputRow]) -> None:
        """`inputs`: the films, in the order in which their outcomes come."""
        self.inputs = inputs
        self.kinds: list[tuple[tuple[Path, ...], Write]] = []
        self.faults: list[str] = []

    def add(self, option: str, target: Path, suffixes: Sequence[str], write: Write) -> None:
        """Have `write` make the file that an option asks for of each film. Raises OutputError as `film_paths`."""
        paths = film_paths(option, target, [film.path for film in self.inputs], suffixes)
        if any(paths[0] == others[0] for others, _ in self.kinds):
            raise OutputError(f"{option}: {target} is asked for by another option too; give each a place of its own")
        self.kinds.append((paths, write))

    def watch(self, bone_age: BoneAge, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass the outcomes on, one for each film, having written the files of each that could be read.

        A film that an earlier run read has its files already, or is read again for those that are missing. What cannot
        be written of a film is a sentence in `faults`; the other films go on.
        """
        for number, (film, outcome) in enumerate(zip(self.inputs, outcomes, strict=True)):
            wanted = [(paths[number], write) for paths, write in self.kinds]
            examination = outcome.examination
            if outcome.row and not outcome.reading and outcome.row["status"] != "failed":
                wanted = [(path, write) for path, write in wanted if not path.exists()]
                examination = bone_age.examine(film.path, child=film.child) if wanted else None
            if examination:
                self._write(bone_age, examination, wanted)
            yield outcome

    def _write(self, bone_age: BoneAge, examination: Examination, wanted: Iterable[tuple[Path, Write]]) -> None:
        for path, write in wanted:
            try:
                write(bone_age, examination, path)
            except BoneAgeError as error:
                self.faults.append(str(error))
