"""What a weights file says of itself, and where the files of a bundle are; tensors are read elsewhere (`tensors`).

A weights file is safetensors; reading it executes nothing of it. The key `boneage` of its metadata holds the record
below as JSON, and the record's `sha256` covers it and every tensor's name, type, shape and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..data.errors import WeightsError

FORMAT = 1
HOME = Path(__file__).parent


@dataclass(frozen=True)
class Header:
    """What a weights file says of itself.

    `kind`: "segmenter" or "regressor". `architecture` and `arguments` rebuild the net. `input_size`: side of the square
    input in pixels. `crop_version`: of the crop the net was trained on (None for a segmenter). `label_mean`,
    `label_sd`: months, None for a segmenter. `sex_coding`: the number a sex becomes. `metrics`: measured figures, each
    with n, split and interval. `data`: what it was trained on, with its terms. `recipe`: the resolved configuration.
    """

    kind: str
    architecture: str
    arguments: Mapping[str, Any]
    input_size: int
    crop_version: int | None = None
    label_mean: float | None = None
    label_sd: float | None = None
    sex_coding: Mapping[str, float] | None = None
    calibration: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    name: str = ""


def read_header(path: str | Path) -> Header:
    """Read only the header of a weights file; raises WeightsError when it is not one of ours."""
    return read_record(path)[0]


def resolve_bundle(weights: str | Path) -> Path:
    """The folder of a bundle: a name shipped in this package, or a path to a folder. Raises WeightsError."""
    shipped = HOME / str(weights)
    for folder in (shipped, Path(weights)):
        if (folder / "regressor.safetensors").is_file() and (folder / "segmenter.safetensors").is_file():
            return folder
    names = sorted(p.parent.name for p in HOME.glob("*/regressor.safetensors"))
    raise WeightsError(
        f"{weights}: no weights there; expected a folder with segmenter.safetensors and regressor.safetensors, "
        f"or a shipped name ({', '.join(names) or 'none'})"
    )


def read_record(path: str | Path, kind: str | None = None) -> tuple[Header, dict[str, Any]]:
    """The header, and the whole record that it is of, `format` and `sha256` included; the tensors are not checked.

    Raises WeightsError when the file is not one of ours, or of another `kind` than the one asked for.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give a .safetensors file made by boneage")
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}); fetch it again") from error
    if "boneage" not in metadata:
        raise WeightsError(f"{path}: has no boneage header; it was not made by this project")
    try:
        record = dict(json.loads(metadata["boneage"]))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the boneage header is damaged ({error}); fetch it again") from error
    if record.get("format") != FORMAT:
        raise WeightsError(f"{path}: weights of another format, expected format {FORMAT}; install a matching boneage")
    try:
        header = Header(**{name: value for name, value in record.items() if name not in ("format", "sha256")})
    except TypeError as error:
        raise WeightsError(f"{path}: the header does not fit this version ({error})") from error
    if kind and header.kind != kind:
        raise WeightsError(f"{path}: holds a {header.kind}, expected a {kind}; give the other file")
    return header, record
