"""What lies below a folder or matches a pattern: every file once, links followed once, so that no loop goes on."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

_MAGIC = frozenset("*?[")


def is_hidden(name: str) -> bool:
    """Whether a file or folder is the system's, not the user's: .DS_Store, ._hand.png, __MACOSX."""
    return name.startswith((".", "__MACOSX"))


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, as far as that may be known: pathlib raises errors where a folder is closed."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_pattern(path: Path) -> bool:
    """Whether a path has signs of a pattern in it."""
    return bool(_MAGIC & set(str(path)))


def files_below(folder: Path) -> list[Path]:
    """All that is in a folder and its folders, sorted by path: files of every kind, hidden ones too.

    Also links that lead nowhere, and folders that are not listed: hidden ones, and those that may not be listed.
    Links to folders are followed once all other folders were visited, and to folders that were not; of several links
    to one file outside, and of a file and links to it, the first by path stands for all, a file before links.
    """
    found = sorted(path for is_folder, path in _walk(folder) if not is_folder)
    real = {os.path.realpath(path) for path in found if not _is_link(path)}
    return [path for path in found if not _is_link(path) or _first(os.path.realpath(path), real)]


def matches(pattern: Path) -> list[Path]:
    """Files and folders that match a pattern, sorted: * and ? within a name, [abc], and ** for any folders.

    Hidden ones match only where the pattern has the dot. Folders that may not be listed are among them.
    """
    parts = pattern.parts
    plain = next(number for number, part in enumerate(parts) if _MAGIC & set(part))
    return sorted(set(_expanded(Path(*parts[:plain]), parts[plain:])))


def _expanded(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _in_any_folder(folder, rest)
        return
    if not _MAGIC & set(first):
        if os.path.lexists(folder / first):
            yield from _expanded(folder / first, rest) if rest else (folder / first,)
        return
    inside, listed = _listed(folder)
    if not listed and is_folder(folder):
        yield folder
    for path in inside:
        if fnmatch.fnmatchcase(path.name, first) and (first.startswith(".") or not path.name.startswith(".")):
            if not rest:
                yield path
            elif is_folder(path):
                yield from _expanded(path, rest)


def _in_any_folder(folder: Path, rest: tuple[str, ...]) -> Iterator[Path]:
    for listed, path in list(_walk(folder)):
        if listed and rest:
            yield from _expanded(path, rest)
        elif listed or (is_folder(path) and not is_hidden(path.name)):
            yield path


def _walk(folder: Path) -> Iterator[tuple[bool, Path]]:
    """Each folder that is listed, with True, and everything else below it, with False; links to folders last."""
    visited: set[tuple[int, int]] = set()
    links, waiting = [folder], list[Path]()
    while links:
        waiting.append(links.pop(0))
        while waiting:
            here = waiting.pop()
            inside, listed = _listed(here)
            if not listed:
                yield False, here
                continue
            stat = here.stat()
            if (stat.st_dev, stat.st_ino) in visited:
                continue
            visited.add((stat.st_dev, stat.st_ino))
            yield True, here
            for path in inside:
                if not is_folder(path) or is_hidden(path.name):
                    yield False, path
                else:
                    (links if path.is_symlink() else waiting).append(path)


def _listed(folder: Path) -> tuple[list[Path], bool]:
    """What is in a folder, sorted, and whether it may be listed and entered."""
    try:
        if os.access(folder, os.X_OK):
            return sorted(folder.iterdir()), True
        return [], False
    except OSError:
        return [], False


def _is_link(path: Path) -> bool:
    """Whether a path is a link, as far as that may be known: pathlib raises an error where it is too long."""
    return os.path.islink(path)  # noqa: PTH114


def _first(target: str, known: set[str]) -> bool:
    """Whether a file is not among the known ones; it is added to them."""
    new = target not in known
    known.add(target)
    return new
