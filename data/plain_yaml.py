"""YAML files of settings and bundles: plain values, of a bounded size, in which nothing stands twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .text import counted, shortened

_LARGEST = 200_000  # bytes of a file
_DEEPEST = 50  # lists and mappings within one another
_LONGEST_NUMBER = 40  # characters
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML has it: a tenth of the time


class Loader(_SAFE):
    """Refuses keys that stand twice, of which YAML takes the last, and numbers that take long to be worked out."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """As yaml does; yaml.YAMLError names a key that is there already and its line."""
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line, name = key.start_mark.line + 1, str(key.value)
            if isinstance(key, yaml.ScalarNode) and name in lines:
                raise yaml.YAMLError(
                    f"the key {shortened(name, 60)} is in line {lines[name]} and line {line}; keep one"
                )
            lines[name] = line
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """As yaml does; yaml.YAMLError for a number of more than 40 characters."""
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            length = f"{counted(len(node.value), 'character')}, expected at most {_LONGEST_NUMBER}"
            raise yaml.YAMLError(f"line {node.start_mark.line + 1} has a number of {length}")
        return super().construct_object(node, deep)


def read_yaml(path: str | Path, loader: type[Loader] = Loader) -> Any:
    """The plain values of a YAML file.

    Raises FileNotFoundError and other OSErrors, ValueError or yaml.YAMLError: what is no file, or one over 200 kB; no
    UTF-8, no YAML; values that are nested over 50 deep or have aliases; a key that stands twice.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe might be waited for without end
        raise ValueError("it is a folder; name the file in it" if path.is_dir() else "it is no file; copy it to one")
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it has over {_LARGEST:,} bytes; leave out what is not needed")
    text = content.decode("utf-8-sig")
    _refuse_costly(text, loader)
    return yaml.load(text, loader)


def _refuse_costly(text: str, loader: type[Loader]) -> None:
    """Raise yaml.YAMLError for aliases (*name), by which a few lines may stand for millions of values, and depth."""
    depth = 0
    for event in yaml.parse(text, loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"line {line} has the alias *{event.anchor}; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"line {line} nests values over {_DEEPEST} deep")
