"""Find what could stop a training before it begins: nets, parts of the split, room on the disk."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..data.cohort import Cohort
from ..data.config import make_config
from ..data.errors import BoneAgeError, ConfigError, TrainingError
from ..data.split import CHOOSE, REPORT, SPLIT_FILE, TRAIN, Split, read_split
from ..data.text import counted
from ..handseg.config import SegmenterConfig
from ..handseg.network import build_unet
from ..regressor.config import NetConfig, RegressorConfig
from ..regressor.network import BoneAgeNet
from ..weights.bundle import read_bundle
from ..weights.header import read_header

_GB = 1e9
_CHECKPOINT = 16  # bytes a parameter: weights, their average and two moments of the optimiser, float32 each
_KEPT = 12  # bytes a parameter: the weights file and its copy in a bundle, and what their writing needs meanwhile
_OTHERS = 100e6  # bytes: segmenter, figures, logs
_MARGIN = 1.1  # films beyond those that are needed, since some may be rejected
_LEAST_TO_TRAIN = 0.4  # share of the films that a split that is proposed leaves to learn from


def check_parts(cohort: Cohort, split: Split, fewest: Mapping[str, int]) -> None:
    """Raise TrainingError where a part has fewer films than `fewest` says, with the numbers that would do."""
    split.take(cohort, TRAIN)  # every film must be in the split
    parts = Counter(split.parts[film.id] for film in cohort)
    for part, least in fewest.items():
        if parts[part] >= least:
            continue
        found = f"{cohort.name}: {parts[part]} of its {counted(len(cohort), 'film')} are in the part {part!r}"
        needed = f"; split so, {math.ceil(least * len(cohort) / parts[part]):,} films are needed" if parts[part] else ""
        raise TrainingError(f"{found}, expected {least} or more{needed}. {_otherwise(len(cohort), fewest)}")


def check_split(split: Split, out: Path) -> None:
    """Raise TrainingError where a run in `out`, which has begun, has another split: its parts would mix."""
    if (stored := out / SPLIT_FILE).exists() and read_split(stored) != split:
        raise TrainingError(
            f"{stored}: is another split than that of the run; leave out --split, or give another folder"
        )


def _otherwise(films: int, fewest: Mapping[str, int]) -> str:
    """A split with enough films in each part, as --split takes it; or how many films such a split needs."""
    choose = math.ceil(100 * _MARGIN * fewest.get(CHOOSE, 1) / films)
    report = min(max(choose // 2, 10), 20) if REPORT in fewest else 10
    if choose + report > 100 * (1 - _LEAST_TO_TRAIN):
        least = math.ceil(_MARGIN * fewest.get(CHOOSE, 1) / (1 - _LEAST_TO_TRAIN - 0.2) / 10) * 10
        return f"Too few films for any split; get {least} or more"
    shares = f"{100 - choose - report}:{choose}:{report}"
    return f"Split otherwise, as by --split {shares} (percent to {TRAIN}, {CHOOSE} and {REPORT})"


def check_regressors(configs: Sequence[RegressorConfig]) -> int:
    """Build each net of a training once, and return their parameters together.

    Raises ConfigError, which names the regressor by its number, for a backbone that is not known, starts, teachers and
    bundles of soft labels that are not there or of another net, and blocks that cannot be frozen.
    """
    parameters = 0
    for number, config in enumerate(configs, 1):
        try:
            parameters += _checked(config, configs[number - 2] if number > 1 else None)
        except BoneAgeError as error:
            where = f"regressor {number}: " if len(configs) > 1 else ""
            raise ConfigError(f"{where}{error}") from error
    return parameters


def _checked(config: RegressorConfig, before: RegressorConfig | None) -> int:
    start, teacher = ("", "") if before else (config.start, config.teacher.weights if config.teacher else "")
    if config.teacher and not before and not teacher:
        raise ConfigError("has a teacher without weights, and no regressor before it; name the teacher's weights file")
    if teacher:
        read_header(teacher, "regressor")
    if config.soft_labels:
        read_bundle(config.soft_labels.weights)
    net = BoneAgeNet(config.net) if config.imagenet and not start else _outline(config)
    if config.imagenet and not start:
        net.start_from_imagenet()
    _check_start(config, start, before)
    net.freeze(config.freeze)
    return sum(tensor.numel() for tensor in net.parameters())


def _check_start(config: RegressorConfig, start: str, before: RegressorConfig | None) -> None:
    """Raise ConfigError for a net to start from, of the file `start` or of the regressor before, that does not fit."""
    if start:
        _check_net(f"{start}: ", config.net, make_config(NetConfig, read_header(start, "regressor").arguments, start))
    if before and not config.teacher and not config.imagenet:
        others = "; or set imagenet: true, or let the one before be its teacher"
        _check_net("starts from the regressor before it: ", config.net, before.net, others)


def _check_net(where: str, wanted: NetConfig, other: NetConfig, what_to_do: str = "") -> None:
    """As NetConfig.check_start, its message between `where` and `what_to_do`."""
    try:
        wanted.check_start(other)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}{what_to_do}") from error


def _outline(config: RegressorConfig) -> BoneAgeNet:
    """The net without memory for its weights."""
    with torch.device("meta"):
        return BoneAgeNet(config.net)


def check_segmenter(config: SegmenterConfig) -> None:
    """Build the segmenter once. Raises ConfigError for an encoder that is not known."""
    if config.imagenet and config.encoder != (expected := SegmenterConfig().encoder):
        raise ConfigError(f"segmenter: ImageNet weights are there for the encoder {expected}; set imagenet: false")
    try:
        with torch.device("meta"):
            build_unet(config.encoder, config.decoder_channels)
    except Exception as error:  # the libraries raise errors of many kinds
        raise ConfigError(f"segmenter: no U-Net with the encoder {config.encoder!r} ({error})") from error


def check_room(out: Path, films: int, size: int, parameters: int) -> None:
    """Raise TrainingError where the disk lacks room for the crops of `films`, `size` px, and nets of `parameters`."""
    need = films * size**2 + parameters * (3 * _CHECKPOINT + _KEPT) + _OTHERS
    need -= sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    if (free := shutil.disk_usage(there).free) < need:
        raise TrainingError(
            f"{out}: about {need / _GB:.1f} GB are needed for {films:,} crops of {size} px and for checkpoints, "
            f"{free / _GB:.1f} GB are free; free some, or give another folder"
        )
