"""A worker of a cluster: one reader, loaded once, which reads the films that it is sent, or refuses with a reason."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2

from ...data.errors import ConfigError, WeightsError
from ...data.inputs_table import InputRow
from ...data.url import Url, refuse_unknown
from ...handseg.pairs import Side
from ..clinical.reference import Reference
from ..predict.batch import FilmRows, read_films
from ..predict.bone_age import BoneAge


@dataclass(frozen=True)
class Settings:
    """What all workers read with.

    weights, device, engine, hand: as for `BoneAge.load`. digest, boneage: of the weights and of this program, which
    each worker must have. reference: the children that SDSs compare with, if not Brush's. folder: where relative paths
    of films start; None where there are none. kinds: an example of each kind of URL among the films.
    """

    weights: str
    digest: str
    device: str
    engine: str
    hand: Side
    patient_ids: bool
    reference: Reference | None
    folder: str | None
    kinds: tuple[Url, ...]
    boneage: str = version("boneage")


def places_of(films: Iterable[InputRow]) -> tuple[str | None, tuple[Url, ...]]:
    """The `folder` and `kinds` of Settings for films that are named on this machine."""
    paths = [item.path for item in films]
    kinds = {str(path).partition("://")[0]: path for path in paths if isinstance(path, Url)}
    relative = any(not isinstance(path, Url) and not path.is_absolute() for path in paths)
    return str(Path.cwd()) if relative else None, tuple(kinds.values())


class Worker:
    """Loads once, and reads with as many threads as it has cores of its machine."""

    def __init__(self, settings: Settings, threads: int) -> None:
        """Load the reader. Raises BoneAgeError, with the name of the machine, where it would not read as the others."""
        self._settings, self._threads = settings, threads
        os.environ["OMP_NUM_THREADS"] = str(threads)
        cv2.setNumThreads(threads)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(threads)
        try:
            self._bone_age = self._loaded()
        except (ConfigError, WeightsError) as error:
            raise type(error)(f"{socket.gethostname()}: {error}") from error

    def __call__(self, films: Sequence[InputRow]) -> list[FilmRows]:
        """Read films, in their order."""
        return read_films(self._bone_age, films, patient_ids=self._settings.patient_ids, workers=self._threads)

    def _loaded(self) -> BoneAge:
        asked = self._settings
        if (here := version("boneage")) != asked.boneage:
            raise ConfigError(f"has boneage {here}, the run is of {asked.boneage}; install the same on all machines")
        if asked.folder is not None:
            with suppress(OSError):
                os.chdir(asked.folder)
            if str(Path.cwd()) != asked.folder:
                raise ConfigError(
                    f"has no folder {asked.folder}, where relative paths of the films start; share it, or give "
                    "absolute paths or URLs"
                )
        refuse_unknown(asked.kinds)
        bone_age = BoneAge.load(asked.weights, asked.device, asked.engine, asked.hand)
        if bone_age.digest != asked.digest:
            raise WeightsError(
                f"the weights {asked.weights} have the digest {str(bone_age.digest)[:12]}…, the run is of "
                f"{asked.digest[:12]}…; install the same weights on all machines"
            )
        if asked.reference:
            bone_age.reference = asked.reference
        return bone_age
