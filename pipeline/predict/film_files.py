"""Files about single films (heat maps, reports, DICOM, FHIR): where each goes, by one rule, and their writing.

For one film the user names the file. For several, a folder, which gets `hand-report.html` for the film `hand.png`, or a
path with {name} in it, which stands for the film: `reports/{name}.pdf`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from ...data.errors import FilmError, OutputError, one_line
from ...data.files import refuse_foreign, refuse_inputs
from ...data.inputs import output_names
from ...data.remark import Remark, Verbatim
from ..examination import Examination

KINDS = ("heatmap", "report", "dicom-sr", "dicom-sc", "dicom-seg", "fhir")
Write = Callable[[Examination, Path], None]
NAME = "{name}"


def film_paths(option: str, target: Path, films: Sequence[Path], suffixes: Sequence[str]) -> tuple[Path, ...]:
    """Where the file that `option` asks for goes for each of `films`, in their order.

    target: what the user gave: a folder (one that exists, or a path without a suffix), a path with {name} in it, or
        for one film a file.
    suffixes: those that are understood, the first for a folder. The option's last word names the file in a folder:
        `--dicom-sr out/` makes `out/hand-sr.dcm`. Films of one name are numbered, as `output_names` does.
    Raises OutputError for another suffix, and for several films and one file.
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
    return tuple(Path(str(target).replace(NAME, name)) for name in output_names(films))


class FilmFiles:
    """The files to be written about each of some films."""

    def __init__(
        self,
        films: Sequence[Path],
        targets: Mapping[str, str | Path],
        language: str = "en",
        *,
        report_heatmap: bool = True,
    ) -> None:
        """Plan the files that `targets` asks for: kind (one of KINDS) -> where they go, as for `film_paths`.

        films: in the order in which they are numbered. language: of the reports.
        report_heatmap: show the heat map in reports. Raises OutputError for a kind that is
        not known, for a place that cannot be (`film_paths`) or that two kinds share, ConfigError for the language.
        """
        self.kinds: list[tuple[tuple[Path, ...], Write]] = []
        self.outputs: list[tuple[str, Path]] = []  # option, and a file that it asks for
        for kind, target in targets.items():
            suffixes, write = _writer(kind, language, targets, report_heatmap)
            paths = film_paths(f"--{kind}", Path(target), films, suffixes)
            for path in paths:
                refuse_foreign(path)
            self.kinds.append((paths, write))
            self.outputs += [(f"--{kind}", path) for path in paths]
        refuse_inputs(self.outputs, ())

    def missing(self, number: int) -> bool:
        """Whether a file about this film is not there."""
        return any(not paths[number].exists() for paths, _ in self.kinds)

    def write(self, number: int, examination: Examination, *, only_missing: bool = False) -> list[Remark]:
        """Write the files about one film, each whole or not at all; a film that could not be read has none.

        only_missing: leave those that are there. Returns why, for each file that could not be written, for whatever
        reason: it costs that file alone.
        """
        if examination.radiograph is None:
            return []
        wanted = [(paths[number], write) for paths, write in self.kinds]
        faults = (_fault(examination, path, write) for path, write in wanted if not (only_missing and path.exists()))
        return [fault for fault in faults if fault]


def _fault(examination: Examination, path: Path, write: Write) -> Remark | None:
    """Write a file; return what went wrong, if anything did."""
    try:
        write(examination, path)
    except FilmError as error:
        return error.remark
    except (OSError, OutputError) as error:  # the latter where something was put there since the run began
        said = error.strerror or str(error) if isinstance(error, OSError) else str(error).removeprefix(f"{path}: ")
        fault = Remark("cannot be written ({error}); mend that, or give another place", error=Verbatim(said))
        return fault.about(getattr(error, "filename", None) or path)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # panics of native code, too: other files and films must not suffer
        fault = Remark(
            "cannot be made of {film} ({kind}: {error})",
            film=Verbatim(examination.reading.file),
            kind=Verbatim(type(error).__name__),
            error=one_line(error),
        )
        return fault.about(path)
    return None


def _writer(
    kind: str, language: str, asked: Mapping[str, str | Path], report_heatmap: bool
) -> tuple[Sequence[str], Write]:
    """Suffixes and writer of a kind, which is imported now: the libraries behind some are slow to import.

    asked: all kinds and their places, since a picture has the heat map, and a Bundle the report, where they are asked
    for.
    """
    if kind == "heatmap":
        from ..report.heatmap import write_heatmap

        return (".png",), write_heatmap
    if kind == "report":
        from ..report.language import Language
        from ..report.write import SUFFIXES, layout, write_report

        layout(Path(asked[kind]).suffix.lower())
        return SUFFIXES, functools.partial(write_report, language=Language(language).code, heat_map=report_heatmap)
    if kind == "fhir":
        from ..fhir.bundle import JSON_SUFFIXES, write_fhir

        report = "report" in asked
        write = functools.partial(write_fhir, report=report, language=language, heat_map=report_heatmap)
        return JSON_SUFFIXES, write
    if kind in KINDS:
        from ..dicom.objects import DICOM_SUFFIXES, Kind, write_dicom

        made = cast(Kind, kind.removeprefix("dicom-"))
        return DICOM_SUFFIXES, functools.partial(write_dicom, kind=made, heat_map="heatmap" in asked)
    raise OutputError(f"{kind}: no kind of file about a film, expected one of {', '.join(KINDS)}")
