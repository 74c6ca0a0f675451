"""Settings: frozen dataclasses filled from YAML, then from the command line; an unknown key is an error.

pydantic checks types and choices by the annotations of the dataclasses. It is imported when settings are read, not
when they are defined, so that help needs none of it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from .errors import ConfigError, one_line
from .files import MARK, whole_file
from .plain_yaml import Loader, read_yaml
from .text import counted, shortened

T = TypeVar("T")

_FAULTS_SHOWN, _LONGEST_FAULT = 5, 400  # of a message; characters
# what pydantic calls an object and an array
_IN_YAML = {"dataclass_type": "keys and values", "dict_type": "keys and values", "tuple_type": "a list"}


class _Loader(Loader):
    """Reads 1e-3 as a number; YAML 1.1 asks for a point in it, and takes it for text."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def make_config(kind: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build the dataclass `kind` from plain values; nested dataclasses and tuples of them from mappings and lists.

    Whole numbers serve as floats; nothing else is converted. Raises ConfigError with every unknown key, missing key,
    wrong type, value that is no choice, and whatever the dataclass itself refuses; `where` names the source.
    """
    from pydantic import ValidationError

    try:
        # strictly by type, and as JSON, whose lists serve as tuples and objects as dataclasses
        return checker(kind).__pydantic_validator__.validate_json(json.dumps({"value": config_values(values)})).value
    except ValidationError as error:
        raise ConfigError(_faults(kind, where, error.errors(include_url=False))) from error
    except TypeError as error:  # of json
        raise ConfigError(f"{where}: has a value that is not number, text, list or keys ({one_line(error)})") from error


def load_config(kind: type[T], path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> T:
    """Read `path` (YAML, may be None), let `overrides` that are not None win, and build the dataclass `kind`."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            read = read_yaml(path, _Loader)
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file") from None
        except (OSError, UnicodeError, RecursionError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: not a readable YAML file ({one_line(error)})") from error
        if read is None:  # an empty file
            read = {}
        if not isinstance(read, dict):
            raise ConfigError(f"{path}: expected keys and values, found {type(read).__name__}")
        values.update(read)
    values.update({k: v for k, v in (overrides or {}).items() if v is not None})
    return make_config(kind, values, str(path) if path else "command line")


def config_values(config: Any) -> Any:
    """A configuration, or any value in one, as plain values, as YAML and JSON hold them."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = dataclasses.asdict(config)
    if isinstance(config, Mapping):
        return {key: config_values(inner) for key, inner in config.items()}
    if isinstance(config, (list, tuple)):
        return [config_values(inner) for inner in config]
    return config


def without_defaults(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain `values` of a configuration `kind` that differ from its defaults, in the order of its fields.

    `make_config` makes the same of them. Keys that `kind` does not know, as of an older version, are kept.
    """
    hints = get_type_hints(kind)
    defaults = {field.name: config_values(field.default) for field in dataclasses.fields(kind)}
    kept: dict[str, Any] = {}
    for name in (*(name for name in hints if name in values), *(name for name in values if name not in hints)):
        value = values[name]
        if name in defaults and value == defaults[name]:
            continue
        inner = dataclass_in(hints.get(name))
        if inner and isinstance(value, Mapping):
            value = without_defaults(inner, value)
        elif inner and isinstance(value, (list, tuple)):
            value = [without_defaults(inner, part) for part in value]
        kept[name] = value
    return kept


def save_config(config: Any, path: str | Path) -> None:
    """Write the resolved configuration as YAML, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(f"# {MARK}\n{yaml.safe_dump(config_values(config), sort_keys=False)}", "utf-8")


@cache
def checker(kind: type) -> Any:
    """The model of {"value": a `kind`}, as strict about the dataclasses in it as about itself."""
    from pydantic import ConfigDict, create_model

    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
    return create_model("Settings", __config__=strict, value=(kind, ...))


def dataclass_in(hint: Any) -> type | None:
    """The dataclass that an annotation names: alone, `| None`, or in a tuple."""
    return next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)  # pyright: ignore


def _faults(kind: type, where: str, faults: Sequence[Any]) -> str:
    """The first of pydantic's faults as sentences, and how many there are more."""
    said = [shortened(_fault(kind, where, fault), _LONGEST_FAULT) for fault in faults[:_FAULTS_SHOWN]]
    more = len(faults) - len(said)
    return "; ".join([*said, f"and {counted(more, 'fault')} more"] if more else said)


def _fault(kind: type, where: str, fault: Any) -> str:
    """One of pydantic's faults as a sentence that names the source and the key."""
    place: Sequence[str | int] = fault["loc"][1:]  # within the value; places in lists are counted from 0
    words = [f"{word}" if isinstance(word, str) else f"{word + 1}" for word in place]
    path = re.sub(r": (\d+)(?=: |$)", r" \1", ": ".join([where, *words]))
    if fault["type"] == "unexpected_keyword_argument":
        known = ", ".join(sorted(field.name for field in dataclasses.fields(_kind_at(kind, place[:-1]))))
        return f"{path.removesuffix(f': {words[-1]}')}: unknown key {shortened(words[-1])}; expected some of {known}"
    if fault["type"] == "missing":
        return f"{path.removesuffix(f': {words[-1]}')}: the key {words[-1]} is missing"
    if fault["type"] == "value_error":
        return f"{path}: {fault['ctx']['error']}"
    expected = _IN_YAML.get(fault["type"]) or fault["msg"].removeprefix("Input should be ")
    return f"{path} is {shortened(repr(fault['input']))}, expected {expected}"


def _kind_at(kind: type, place: Sequence[str | int]) -> type:
    """The dataclass at a place in another."""
    for word in place:
        if isinstance(word, str):
            kind = dataclass_in(get_type_hints(kind)[word]) or kind
    return kind
