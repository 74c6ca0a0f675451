"""Settings as a YAML file with every default and, above each key, what it means, from the docstrings of the fields."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_type_hints

from .config import checker, dataclass_in

_WIDTH = 110  # of a line with a comment


def described(config: Any) -> str:
    """The YAML of a configuration, a frozen dataclass, which `load_config` reads as the same again."""
    return "\n".join(_lines(config)) + "\n"


@cache
def descriptions(kind: type) -> dict[str, dict[str, Any]]:
    """Of a configuration: dataclass in it, by name -> field -> its JSON schema, with the description."""
    schemas = checker(kind).model_json_schema()["$defs"]
    return {name: schema["properties"] for name, schema in schemas.items()}


def _lines(config: Any, commented: bool = True) -> Iterator[str]:
    hints, about = get_type_hints(type(config)), descriptions(type(config))[type(config).__name__]
    for field in dataclasses.fields(config):
        value, inner = getattr(config, field.name), dataclass_in(hints[field.name])
        if commented:
            yield from _comment(about[field.name])
        if dataclasses.is_dataclass(value):
            yield f"{field.name}:"
            yield from _indented(_lines(value, commented))
        elif inner and value is not None:
            yield f"{field.name}:"
            for number, part in enumerate(value):
                yield from _item(_lines(part, commented and not number))
        else:
            yield f"{field.name}: {json.dumps(value)}"
            if inner and commented:  # what could stand here
                yield f"# {field.name}:"
                yield from (f"# {line}" for line in _indented(_lines(inner())))


def _comment(about: Mapping[str, Any]) -> Iterator[str]:
    choices = f" One of {', '.join(map(json.dumps, about['enum']))}." if "enum" in about else ""
    text = f"{about['description']}{choices}".replace('"', "")
    yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _item(lines: Iterator[str]) -> Iterator[str]:
    """An item of a list: the first line that is no comment gets the dash."""
    dashed = False
    for line in lines:
        yield f"{'  ' if dashed or line.startswith('#') else '- '}{line}"
        dashed = dashed or not line.startswith("#")
