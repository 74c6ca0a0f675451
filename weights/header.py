"""The header of a weights file, read without the tensors.

A weights file is safetensors; reading it executes no code. The key `boneage` of its metadata holds the header below as
JSON, with `format` and `sha256`, which covers the header and every tensor's name, type, shape and bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..data.errors import WeightsError
from ..data.text import shortened

FORMAT = 1
GRAPH = "graph.onnx"  # name of the tensor, bytes, that is the net's ONNX graph
GRAPHS = ".onnx"  # how the names of such tensors end, also those of parts of a net that run on their own
ENSEMBLE = "boneage.regressor.AgeReading"  # architecture of files with several nets, which earlier versions wrote
_MOVED = {"calibration", "name"}  # stated by headers of earlier versions; today the bundle states them


@dataclass(frozen=True)
class Header:
    """The header of a weights file.

    `kind`: "segmenter" or "regressor". `architecture` and `arguments` rebuild the net. `input_size`: side of the square
    input in pixels. `crop_version`: of the crop the net was trained on (None for a segmenter). `label_mean`,
    `label_sd`: months, None for a segmenter. `sex_coding`: the number a sex becomes. `metrics`: measured figures, each
    with n and split. `data`: what it was trained on, with its terms. `recipe`: the resolved configuration of its
    training. `dtype`: of the floating-point tensors in the file: float32, float16 or bfloat16. `half`: what the
    names of those begin with that are float16 all the same.
    """

    kind: str
    architecture: str
    arguments: Mapping[str, Any]
    input_size: int
    crop_version: int | None = None
    label_mean: float | None = None
    label_sd: float | None = None
    sex_coding: Mapping[str, float] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    dtype: str = "float32"
    half: Sequence[str] = field(default_factory=list)


def read_header(path: str | Path, kind: str | None = None) -> Header:
    """Read the header of a weights file. Raises WeightsError when it is not one of ours, or not of the `kind` given."""
    return read_record(path, kind)[0]


def read_record(path: str | Path, kind: str | None = None) -> tuple[Header, dict[str, Any]]:
    """The header, and the record as it is stored, `format` and `sha256` included; the tensors are not checked.

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
    if record.get("architecture") == ENSEMBLE:
        raise WeightsError(
            f"{path}: holds several nets, as versions up to 0.1.0 wrote them, expected one net a file and a "
            "bundle.yaml that names the files; train again, or read with the version that made it"
        )
    values = {name: value for name, value in record.items() if name not in {"format", "sha256", *_MOVED}}
    try:
        header = Header(**values)
    except TypeError as error:
        raise WeightsError(f"{path}: the header does not fit this version ({shortened(str(error))})") from error
    if wrong := _wrong(header):
        raise WeightsError(
            f"{path}: the header has no plausible {', '.join(wrong)}; the file is damaged or not of this project"
        )
    if kind and header.kind != kind:
        raise WeightsError(f"{path}: holds a {header.kind}, expected a {kind}; give the other file")
    return header, record


def _wrong(header: Header) -> list[str]:
    """Names of the values that no net of this project can have."""
    coding = {"F": 0.0, "M": 1.0} if header.sex_coding is None else header.sex_coding
    right = {
        "kind": header.kind in ("segmenter", "regressor"),
        "architecture": isinstance(header.architecture, str),
        "arguments": isinstance(header.arguments, Mapping),
        "input_size": isinstance(header.input_size, int) and 16 <= header.input_size <= 4096,
        "crop_version": header.crop_version is None or isinstance(header.crop_version, int),
        "label_mean": _within(header.label_mean, 0, 240, missing=True),
        # with 0, or one number for both sexes, all readings would be one, or would not regard sex
        "label_sd": _within(header.label_sd, 0.01, 240, missing=True),
        "sex_coding": isinstance(coding, Mapping)
        and set(coding) == {"F", "M"}
        and coding["F"] != coding["M"]
        and all(_within(number, -10, 10) for number in coding.values()),
        "metrics": isinstance(header.metrics, Mapping),
        "data": isinstance(header.data, Mapping),
        "recipe": isinstance(header.recipe, Mapping),
        "licence": isinstance(header.licence, str),
        "dtype": header.dtype in ("float32", "float16", "bfloat16"),
        "half": isinstance(header.half, list) and all(isinstance(name, str) for name in header.half),
    }
    return [name for name, is_right in right.items() if not is_right]


def _within(value: object, low: float, high: float, *, missing: bool = False) -> bool:
    """Whether a value is a finite number in a range; `missing`: None will do."""
    if value is None:
        return missing
    return type(value) in (int, float) and math.isfinite(value) and low <= value <= high  # pyright: ignore[reportArgumentType, reportOperatorIssue]
