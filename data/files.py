"""Files: written whole or not at all, never over what this program did not write; known by content; named by suffix."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError

log = logging.getLogger(__name__)

MARK = "made by boneage"  # stands in each file that is written, as its format allows, near the begin or the end
_DICOM_MARK = b"\x08\x00\x90\x10LO\x08\x00boneage "  # ManufacturerModelName, as it is written
_WEIGHTS_MARK = b'"__metadata__":{"boneage":'
_MARKS = (MARK.encode(), _DICOM_MARK, _WEIGHTS_MARK)
_NEAR = 8192  # bytes
_LONGEST_SUFFIX = 16
_TEMPORARY = ".boneage-"  # what names of temporary files and folders begin with
_FULL = 4096  # bytes left on a disk
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"))


@contextmanager
def whole_file(path: str | Path, *, ours: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it to `path` when the block ends well, delete it when it fails.

    ours: whether a file that lies at `path` may be replaced; by default whether it carries the mark.
    The temporary name is short and hidden and keeps the suffix of `path`, so libraries that choose a format by suffix
    work. A reader never sees a half-written file: the move is atomic on one file system. Raises OutputError, before
    the block and again before the move, where `refuse_foreign` does.
    """
    path, temporary = Path(path), None
    refuse_foreign(path, ours)
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY, suffix=suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files private; the result should be as readable as any other
        refuse_foreign(path, ours)
        temporary.replace(path)
        log.debug("%s is written", path)
    except Exception as error:
        raise _about(path, error) from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def _about(path: Path, error: Exception) -> Exception:
    """What went wrong when `path` was written: of the temporary file or a full disk, told of `path` itself."""
    if isinstance(error, OSError) and error.errno:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(_TEMPORARY):
            return type(error)(error.errno, error.strerror, str(path))
        return error
    with suppress(OSError):  # libraries have errors of their own for a full disk
        if shutil.disk_usage(path.parent).free < _FULL:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return error


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; when the block ends well it takes the place of `path`, else it is deleted.

    Raises OutputError where `path` is there and has no file with the mark of this program, or has one that is read.
    """
    path = Path(path)
    _refuse_read(path, *(path.rglob("*") if path.is_dir() else ()))
    if os.path.lexists(path) and not _is_own_folder(path):
        raise OutputError(f"{path}: is there already, and not of this program, so it is not replaced; move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=path.parent, prefix=_TEMPORARY))
    try:
        yield making
        making.chmod(0o777 & ~_umask())  # mkdtemp makes folders private
        shutil.rmtree(path, ignore_errors=True)
        making.replace(path)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def refuse_foreign(path: Path, ours: Callable[[Path], bool] | None = None) -> None:
    """Raise OutputError where something lies at `path` that may not be replaced; `ours`: as for `whole_file`.

    That is what this program did not write, what `inputs_kept` keeps, and anything below what is no folder.
    """
    _refuse_read(path)
    try:
        above = next((parent for parent in path.parents if os.path.lexists(parent)), None)
        if above and not above.is_dir():
            raise OutputError(
                f"{path}: {above} is {_kind(above)}, expected a folder, or nothing yet; give another place"
            )
        if not os.path.lexists(path):
            return
        if path.is_file() and (ours or is_marked)(path):
            if os.access(path, os.W_OK):
                return
            raise OutputError(f"{path}: may not be written; make it writable, or give another name")
    except (OSError, ValueError):  # a name that cannot be, or a folder that may not be entered: writing it says so
        return
    if path.is_file() or path.is_dir() or path.is_symlink():
        what = "a folder" if path.is_dir() else "there already, and not a file that this program wrote"
        raise OutputError(f"{path}: is {what}, so it is not replaced; give another name, or move it away")
    raise OutputError(f"{path}: is {_kind(path)}, expected a file, or nothing yet; give another place")


def refuse_special(path: Path) -> None:
    """Raise OutputError where something lies at `path`, in which rows are to be kept, that is no file, or a link."""
    if path.is_symlink() or (os.path.lexists(path) and not path.is_file()):
        what = "a link" if path.is_symlink() else "a folder" if path.is_dir() else _kind(path)
        raise OutputError(f"{path}: is {what}, expected the rows of a run, or nothing yet; move it away")


def _kind(path: Path) -> str:
    """What a path leads to that is no folder."""
    if path.is_file():
        return "a file"
    if path.is_fifo() or path.is_socket():
        return "a pipe"
    return "a device" if path.is_char_device() or path.is_block_device() else "a link that leads nowhere"


_kept: dict[tuple[int, int], Path] | None = None  # what is read, by its identity, while a command runs


@contextmanager
def inputs_kept(paths: Iterable[Path] = ()) -> Iterator[None]:
    """Within the block nothing writes over `paths`, nor over what `keep` adds to them, whatever its other names are."""
    global _kept
    before, _kept = _kept, {}
    keep(paths)
    try:
        yield
    finally:
        _kept = before


def keep(paths: Iterable[Path]) -> None:
    """Add what was found to be read (films of a table, say) to what `inputs_kept` keeps; outside of it, do nothing."""
    if _kept is not None:
        _kept.update((identity, path) for path in paths if (identity := identity_of(path)))


def _refuse_read(*paths: Path) -> None:
    for path in paths if _kept else ():
        identity = identity_of(path)
        read = (_kept or {}).get(identity or (0, 0))
        if read and identity_of(read) == identity:  # it may have been deleted
            raise OutputError(f"{path}: is read by this command and would be overwritten; give another place")


def refuse_inputs(outputs: Iterable[tuple[str, Path]], inputs: Iterable[Path]) -> None:
    """Raise OutputError where an output (option, path) is an input by any name (links, case), or two are one file."""
    wanted = [(option, path, _name(path)) for option, path in outputs]
    ends = {Path(name).name for _, _, name in wanted}
    read, read_names = set[tuple[int, int] | None](), set[str]()
    for path in inputs:
        read.add(identity_of(path))
        if path.name.casefold() in ends or path.name in ("", ".."):  # to follow all links of many films takes seconds
            read_names.add(_name(path))
    read.discard(None)
    taken: dict[str, str] = {}
    for option, path, name in wanted:
        if (identity := identity_of(path)) in read or name in read_names:
            what = "a folder that is read too" if identity and path.is_dir() else "read too, and would be overwritten"
            raise OutputError(f"{option}: {path} is {what}; give another place")
        if (other := taken.setdefault(name, option)) != option:
            raise OutputError(f"{option}: {path} is asked for by {other} too; give each its own place")


# By `filelock` alone it would be shorter, but other than on Windows that leaves its file beside every table.


def locked(handle: int) -> bool:
    """Lock an open file until it is closed; whether no other process has it. Not every file system has locks."""
    try:
        import fcntl
    except ImportError:  # Windows: `lock_beside`
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("a file cannot be locked (%s); see that no other run writes it", error.strerror)
    return True


def lock_beside(path: Path) -> ExitStack | None:
    """Lock `path` where `locked` cannot (Windows), by a file beside it, until `close`; None where another has it."""
    held = ExitStack()
    try:
        import fcntl  # noqa: F401 - whose locks readers do not notice
    except ImportError:
        from filelock import FileLock, Timeout

        try:
            held.enter_context(FileLock(path.with_name(f".{path.name}.lock"), timeout=0))
        except Timeout:
            return None
    return held


def is_marked(path: str | Path) -> bool:
    """Whether a file carries the mark of this program; False for what is no file, or cannot be read."""
    try:
        if not Path(path).is_file():
            return False
        with open(path, "rb") as file:
            return has_mark(file)
    except (OSError, ValueError):
        return False


def has_mark(file: BinaryIO) -> bool:
    """Whether an open file carries the mark of this program; it is left at its start."""
    start = file.read(_NEAR)
    file.seek(max(file.seek(0, os.SEEK_END) - _NEAR, 0))
    end = file.read(_NEAR)
    file.seek(0)
    return any(mark in part for part in (start, end) for mark in _MARKS)


def _is_own_folder(path: Path) -> bool:
    """Whether a folder is empty, or has a file with the mark of this program."""
    return path.is_dir() and (not any(path.iterdir()) or any(map(is_marked, path.iterdir())))


def identity_of(path: Path) -> tuple[int, int] | None:
    """The identity of a file, whatever its name; None where there is no file."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_dev, stat.st_ino


def _name(path: Path) -> str:
    """The name of a file that may not exist yet, to compare; without case, as some systems read names."""
    try:
        return str(path.resolve()).casefold()
    except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL
        return str(path).casefold()


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bare_name(name: str) -> str:
    """Drop a radiograph's suffix and no other: DICOM files are often named 1.2.840.113619.2 without one."""
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in SUFFIXES else name


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
