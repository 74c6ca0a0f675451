"""What is measured: every shipped bundle, with every engine that runs on the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from boneage.data.remark import joined
from boneage.pipeline.predict.bone_age import BoneAge
from boneage.weights.backend import ENGINES, chosen_backend
from boneage.weights.bundle import shipped_bundles

from .films import SEX

Call = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """A bundle, and the engine that runs its nets on the processor."""

    bundle: str
    engine: str

    def __str__(self) -> str:
        return f"{self.bundle}, {self.engine}"

    def load(self) -> BoneAge:
        """The reader."""
        return BoneAge.load(self.bundle, "cpu", self.engine)


def usual(bundle: str) -> Subject:
    """A bundle with the engine that is chosen by itself."""
    return Subject(bundle, chosen_backend("cpu").engine)


def subjects() -> tuple[Subject, ...]:
    """Every bundle with every engine."""
    return tuple(Subject(bundle, engine) for bundle in shipped_bundles() for engine in ENGINES if engine != "auto")


def net_calls(bone_age: BoneAge, films: Sequence[Path]) -> dict[str, list[Call]]:
    """The calls of `segmenter` and `regressor` that reading some films as one batch makes, to be made again alone."""
    calls: dict[str, list[Call]] = {"segmenter": [], "regressor": []}

    def recorded(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            calls[name].append(lambda: run(*arrays))
            return run(*arrays)

        return call

    with nets_wrapped(bone_age, recorded):
        for seen in bone_age.predict_many([(film, SEX) for film in films], batch=len(films)):
            if not seen.assessed:
                raise RuntimeError(f"{seen.file}: a drawn film was not assessed ({joined(seen.reasons)})")
    return calls


def make(calls: Sequence[Call]) -> None:
    """Make the calls again."""
    for call in calls:
        call()


@contextmanager
def nets_wrapped(bone_age: BoneAge, wrapped: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Let `wrapped(name, run)` stand for `run`, which runs the nets of the `segmenter` or the `regressor`."""
    with ExitStack() as stack:
        parts: list[tuple[str, Any, str]] = [
            ("segmenter", bone_age.finder.segmenter, "engine"),
            ("regressor", bone_age.reader, "ensemble"),
        ]
        for name, owner, part in parts:
            stack.enter_context(patch.object(owner, part, wrapped(name, getattr(owner, part))))
        yield
