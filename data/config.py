"""Configurations: frozen dataclasses filled from YAML, then from the command line; an unknown key is an error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from .errors import ConfigError, one_line
from .files import MARK, whole_file
from .text import shortened

T = TypeVar("T")


def make_config(kind: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build the dataclass `kind` from plain values; nested dataclasses and tuples of them from mappings and lists.

    Raises ConfigError for an unknown key, a wrong type or whatever the dataclass itself refuses; `where` names the
    source in the message.
    """
    hints = get_type_hints(kind)
    unknown = sorted(str(key) for key in set(values) - set(hints))
    if unknown:
        raise ConfigError(
            f"{where}: unknown key {shortened(', '.join(unknown))}; expected some of {', '.join(sorted(hints))}"
        )
    try:
        return kind(**{name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def load_config(kind: type[T], path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> T:
    """Read `path` (YAML, may be None), let `overrides` that are not None win, and build the dataclass `kind`."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            text = Path(path).read_text("utf-8")
            refuse_aliases(text)
            read = yaml.safe_load(text)
        except (OSError, UnicodeError, RecursionError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: not a readable YAML file ({one_line(error)})") from error
        if read is None:  # an empty file
            read = {}
        if not isinstance(read, dict):
            raise ConfigError(f"{path}: expected keys and values, found {type(read).__name__}")
        values.update(read)
    values.update({k: v for k, v in (overrides or {}).items() if v is not None})
    return make_config(kind, values, str(path) if path else "command line")


def refuse_aliases(text: str) -> None:
    """Raise yaml.YAMLError for YAML with aliases (*name), by which a few lines may stand for millions of values."""
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} has the alias *{event.anchor}; write the value out")


def config_values(config: Any) -> dict[str, Any]:
    """A configuration as plain values, as YAML and JSON hold them."""
    return _plain(config)


def without_defaults(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain `values` of a configuration `kind` that differ from its defaults, in the order of its fields.

    `make_config` makes the same of them. Keys that `kind` does not know, as of an older version, are kept.
    """
    hints = get_type_hints(kind)
    defaults = {field.name: _plain(field.default) for field in dataclasses.fields(kind)}
    kept: dict[str, Any] = {}
    for name in (*(name for name in hints if name in values), *(name for name in values if name not in hints)):
        value, hint = values[name], hints.get(name)
        if name in defaults and value == defaults[name]:
            continue
        inner = next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)
        if isinstance(inner, type) and isinstance(value, Mapping):
            value = without_defaults(inner, value)
        elif isinstance(inner, type) and isinstance(value, (list, tuple)):
            value = [without_defaults(inner, part) for part in value]
        kept[name] = value
    return kept


def save_config(config: Any, path: str | Path) -> None:
    """Write the resolved configuration as YAML, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(f"# {MARK}\n{yaml.safe_dump(config_values(config), sort_keys=False)}", "utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Lists to tuples, mappings to nested dataclasses; plain types are checked, whole numbers serve as floats."""
    expected = getattr(hint, "__name__", str(hint))
    if isinstance(hint, UnionType):  # `kind | None`
        kind = next(kind for kind in get_args(hint) if kind is not NoneType)
        return None if value is None else _convert(kind, value, where)
    if get_origin(hint) is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_convert(get_args(hint)[0], inner, where) for inner in value)
        expected = "a list"
    elif get_origin(hint) is dict:
        if isinstance(value, dict):
            return value
        expected = "keys and values"
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return make_config(hint, value, where)
        if isinstance(value, hint):
            return value
        expected = "keys and values"
    elif hint is float and type(value) in (int, str):  # YAML takes 1e-3, without a point, for text
        with suppress(ValueError):
            return float(value)
    elif type(value) is hint:
        return value
    raise ConfigError(f"{where} is {shortened(repr(value))}, expected {expected}")
