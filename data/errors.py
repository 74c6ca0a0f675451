"""The project's own errors, each one sentence a user can act on; and the messages of others in one line.

A message names the file, what was found, what was expected and what to do. The command line prints it as one line
and ends with a non-zero exit code; in a cohort's table it is the reason of a failed film.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from .remark import Remark, Verbatim


class BoneAgeError(Exception):
    """Base of every error that a user can cause and mend."""


class FilmError(BoneAgeError):
    """One film, or what is known of its child, cannot be used; `remark` is the message as a value."""

    def __init__(self, subject: str | Path | None, remark: Remark) -> None:
        """`subject`: the file, column or option that `remark` is about; None where it names it itself."""
        super().__init__(subject, remark)
        self.subject = subject
        self.remark = remark if subject is None else remark.about(subject)

    def __str__(self) -> str:
        return str(self.remark)


class ReadError(FilmError):
    """A file is not a readable radiograph."""


class SexError(FilmError):
    """Sex is missing, not F or M, or contradicts the file."""


class ChildError(FilmError):
    """Age, dates or height of the child are not in a known form, implausible, or contradict each other or the file."""


class CohortError(BoneAgeError):
    """A table of radiographs cannot be used as it is; the message lists every fault with its line."""


class ConfigError(BoneAgeError):
    """A configuration has an unknown key or a value out of range."""


class WeightsError(BoneAgeError):
    """A weights file is damaged, of another format, or made for another crop."""


class TrainingError(BoneAgeError):
    """A training run cannot start, go on or resume with what it was given."""


class ClusterError(BoneAgeError):
    """A cluster cannot be reached, has no room, or cannot go on."""


class OutputError(BoneAgeError):
    """A result cannot be written in the form that was asked for."""


def unheard(host: str, port: int, error: OSError) -> OutputError:
    """The error for an address at which this program cannot listen."""
    why = (error.strerror or str(error)).partition(" (")[0]  # behind which the address may stand again
    return OutputError(
        f"{host}:{port}: cannot be listened at ({why}); give another --host or --port, or stop what has it"
    )


def is_stop(error: BaseException) -> bool:
    """Whether the program is to end, rather than one film at fault: panics of native code are no Exceptions either."""
    return isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit))


class FilmOutputError(FilmError, OutputError):
    """A result about one film cannot be written; the film's reading is not affected."""


def as_film_error(subject: str | Path, error: BaseException) -> FilmError:
    """The error of one film for whatever went wrong, panics of native code too. Raises what is to end the program."""
    if isinstance(error, FilmError):
        return error
    if is_stop(error):
        raise error
    cause = Verbatim(f"{type(error).__name__}: {one_line(error)}")
    remark = Remark(
        "cannot be read ({error}); the file is damaged or of a kind that is not known, export it again", error=cause
    )
    read_error = ReadError(subject, remark)
    read_error.__cause__ = error
    return read_error


_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room there, or give another place"),
    errno.EROFS: "give another place",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check its permissions, or give another place"),
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EEXIST: "expected a folder, or nothing yet; give another place",
    errno.ENOTDIR: "expected a folder; give another place",
    errno.ENOENT: "check the path, or give another place",
    errno.EISDIR: "expected a file; give another name",
    errno.ELOOP: "links lead in a circle, or stand where none may; give another place",
}


def with_remedy(error: OSError) -> str:
    """What the system says is wrong with a file, and what to do about it."""
    remedy = _REMEDIES.get(error.errno or 0)
    return (error.strerror or one_line(error)) + (f"; {remedy}" if remedy else "")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """An error and those behind it: what it was raised from, or what was handled when it was raised; each once."""
    known = set[int]()
    seen: BaseException | None = error
    while seen is not None and id(seen) not in known:  # an error that is raised again may stand behind its own cause
        known.add(id(seen))
        yield seen
        seen = seen.__cause__ or seen.__context__


def one_line(error: BaseException) -> Verbatim:
    """The message of another library's error, which may be a page, as one line of at most 200 characters."""
    return Verbatim(" ".join(str(error).split())[:200] or type(error).__name__)
