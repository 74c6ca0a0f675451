"""A trained net as one file: safetensors, with a JSON header that rebuilds it and says what it is worth.

Reading a file executes nothing of it. The header's key `boneage` holds the record below; its `sha256` covers that
record and every tensor's name, type, shape and bytes, so a damaged or exchanged one is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..data.errors import WeightsError
from ..data.files import whole_file

Net = TypeVar("Net", bound=torch.nn.Module)
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


def save_weights(path: str | Path, header: Header, state: Mapping[str, torch.Tensor]) -> None:
    """Write tensors and header to `path` (.safetensors), whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    record = json.loads(json.dumps({"format": FORMAT, **asdict(header)}))
    record["sha256"] = _digest(record, tensors)
    with whole_file(path) as temporary:
        save_file(tensors, str(temporary), metadata={"boneage": json.dumps(record, sort_keys=True)})


def read_header(path: str | Path) -> Header:
    """Read only the header of a weights file; raises WeightsError when it is not one of ours."""
    return _open(Path(path))[0]


def load_weights(path: str | Path, kind: str) -> tuple[Header, dict[str, torch.Tensor]]:
    """Read header and tensors; raises WeightsError for another kind, another format or a wrong SHA-256."""
    path = Path(path)
    header, record = _open(path)
    if header.kind != kind:
        raise WeightsError(f"{path}: holds a {header.kind}, expected a {kind}; give the other file")
    with safe_open(str(path), framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    sha256 = record.pop("sha256", "")
    if _digest(record, state) != sha256:
        raise WeightsError(f"{path}: the contents do not match their SHA-256; the file is damaged, fetch it again")
    return header, state


def load_net(path: str | Path, kind: str, build: Callable[[Mapping[str, Any]], Net]) -> tuple[Header, Net]:
    """Rebuild the net of a weights file: `build` makes it from the header's arguments, then its tensors are loaded.

    Raises WeightsError as load_weights, and when the tensors do not fit the net.
    """
    header, state = load_weights(path, kind)
    net = build(header.arguments)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path}: the tensors do not fit the net that its header describes ({error})") from error
    return header, net


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


def _open(path: Path) -> tuple[Header, dict[str, Any]]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give a .safetensors file made by boneage")
    try:
        with safe_open(str(path), framework="pt") as file:
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
        return Header(**{name: value for name, value in record.items() if name not in ("format", "sha256")}), record
    except TypeError as error:
        raise WeightsError(f"{path}: the header does not fit this version ({error})") from error


def _digest(record: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
