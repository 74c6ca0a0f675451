"""A bundle: nets that are used together, with their calibration; a YAML file that names their files by SHA-256.

Shipped bundles are `NAME.yaml` in this folder. A bundle that a user trains is a folder with `bundle.yaml`. Beside the
YAML file lie the nets, in `nets/`, of which several bundles may share some.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from ..data.errors import WeightsError, one_line
from ..data.files import MARK, keep, sha256_of, whole_file
from ..data.listing import is_folder
from ..data.text import shortened

log = logging.getLogger(__name__)

File = TypeVar("File", bound="NetFile")
HOME = Path(__file__).parent  # of the shipped bundles
FORMAT = 1
FILE, NETS = "bundle.yaml", "nets"  # names within the folder of a bundle
RECIPE, REGRESSOR = "recipe.yaml", "regressor.safetensors"  # names within the folder of a training
_OLD = ("segmenter.safetensors", "regressor.safetensors")  # what a folder holds that an earlier version made


@dataclass(frozen=True)
class NetFile:
    """A net's weights file with the SHA-256 of its bytes."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: str | Path, *others: Any) -> Self:
        """A file as it is now, with the `others` of its fields. Raises WeightsError where there is no file."""
        path = Path(path)
        if not path.is_file():
            raise WeightsError(f"{path}: no such weights file; give a .safetensors file made by boneage")
        return cls(path, sha256_of(path), *others)

    def content(self) -> bytes:
        """The file's bytes. Raises WeightsError where it cannot be read, or is not the one that its bundle names."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise WeightsError(f"{self.path}: cannot be read ({one_line(error)}); fetch the bundle again") from error
        if (found := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise WeightsError(
                f"{self.path}: its SHA-256 is {found[:16]}…, its bundle names one of {self.sha256[:16]}…; the file is "
                "damaged or another one, fetch the bundle again"
            )
        return content

    def held(self) -> HeldFile:
        """The file with its bytes as they are now, whatever becomes of it. Raises WeightsError as `content`."""
        return HeldFile(self.path, self.sha256, self.content())


@dataclass(frozen=True)
class HeldFile(NetFile):
    """A net's weights file, of which the bytes are held in memory."""

    held_bytes: bytes = field(repr=False)

    def content(self) -> bytes:
        """The file's bytes as they were when they were checked."""
        return self.held_bytes


@dataclass(frozen=True)
class RegressorFile(NetFile):
    """A regressor's weights file. `zooms`: how much larger than in the crop each view of it shows the hand."""

    zooms: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Bundle:
    """The nets of a reading: a hand segmenter, and regressors whose predictions are averaged and then calibrated.

    `name` is what results carry. `calibration`: as regressor/calibration.py makes it, None for raw readings. `metrics`:
    figures by what was measured, each with n and split. `licence`: terms of the weights. `recipe`: the resolved
    settings of the whole training. `cost`: what that took. `site`: what `boneage calibrate` fitted correction and
    intervals to, empty for weights that come as they were trained. `folder`: where the YAML file is, None for a bundle
    that is not stored; `card`: where its model card is or will be.
    """

    name: str
    segmenter: NetFile
    regressors: tuple[RegressorFile, ...]
    calibration: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    site: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides a reading: nets, zooms and calibration."""
        nets = [self.segmenter.sha256, *([net.sha256, net.zooms] for net in self.regressors)]
        return hashlib.sha256(json.dumps([nets, self.calibration], sort_keys=True).encode()).hexdigest()

    @property
    def card(self) -> Path:
        """The model card: MODEL_CARD.md in a bundle's folder; of a shipped bundle cards/NAME.md."""
        if self.file is None:
            raise WeightsError(
                f"the bundle {self.name!r} is not stored, so it has no model card; boneage train makes one"
            )
        if self.file.name == FILE:
            return self.file.with_name("MODEL_CARD.md")
        return self.file.parent / "cards" / f"{self.file.stem}.md"


def shipped_bundles() -> tuple[str, ...]:
    """Names of the bundles in this package."""
    return tuple(sorted(path.stem for path in HOME.glob("*.yaml")))


def read_bundle(weights: str | Path) -> Bundle:
    """Read a bundle: a shipped name, a bundle's folder, or its YAML file.

    The folder of a training stands for the one bundle in it. A regressor's weights file, or the folder that it was
    trained in, is joined with the segmenter of the bundle `default`; without calibration it gives no intervals. The log
    warns of either. Raises WeightsError where there is none, and for a net that is missing; `NetFile.content` tells
    whether a net is the one that the file names.
    """
    if alone := _alone(Path(weights)):
        return alone
    file = _find(weights)
    bundle = _parsed(_values(file), file)
    log.debug("%s: the weights %s, SHA-256 %s", file, bundle.name, bundle.digest)
    for net in (bundle.segmenter, *bundle.regressors):
        if not net.path.is_file():
            raise WeightsError(f"{net.path}: no such weights file, but {file} names it; fetch the bundle again")
    return bundle


def write_bundle(bundle: Bundle, folder: str | Path) -> Bundle:
    """Store a bundle and copies of its nets in `folder`; returns the bundle that is stored there."""
    folder = Path(folder)
    (folder / NETS).mkdir(parents=True, exist_ok=True)
    segmenter = _copied(bundle.segmenter, folder / NETS / "segmenter.safetensors")
    regressors = tuple(
        _copied(net, folder / NETS / f"regressor-{number}.safetensors")
        for number, net in enumerate(bundle.regressors, 1)
    )
    stored = replace(bundle, segmenter=segmenter, regressors=regressors, file=folder / FILE)
    with whole_file(folder / FILE) as temporary:
        temporary.write_text(f"# {MARK}\n{as_yaml(stored)}", "utf-8")
    return stored


def as_yaml(bundle: Bundle) -> str:
    """The text of a bundle's file; the nets must lie in or below the file's folder."""
    import yaml

    assert bundle.file is not None
    home = bundle.file.parent

    def net(file: NetFile) -> dict[str, Any]:
        return {**asdict(file), "path": file.path.relative_to(home).as_posix()}

    values = {item.name: getattr(bundle, item.name) for item in fields(Bundle) if item.name != "file"}
    values |= {"segmenter": net(bundle.segmenter), "regressors": [net(file) for file in bundle.regressors]}
    plain = json.loads(json.dumps({"format": FORMAT, **values}))  # lists for tuples
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def segmenter_of(weights: str | Path) -> NetFile:
    """A segmenter's weights file, or else the segmenter of a bundle (`read_bundle`). Raises WeightsError."""
    path = Path(weights)
    net = NetFile.of(path) if path.suffix == ".safetensors" else read_bundle(weights).segmenter
    keep([net.path])
    return net


def terms_of(own: str, *nets: NetFile) -> str:
    """Terms of weights that other nets are part of: those of their own films, then each net's with its source."""
    from .header import read_header

    texts = []
    for net in nets:
        header = read_header(net.path)
        source = " ".join(str(header.data.get("description", "")).split())
        if header.licence not in ("", own):
            text = f"{header.kind.title()} {net.sha256[:16]}: {header.licence.strip()}"
            texts.append(f"{text.rstrip('.')}. Trained on: {source}" if source else text)
    if not texts:
        return own
    return " ".join([f"Own films: {own.strip().rstrip('.') or 'no terms stated'}.", *dict.fromkeys(texts)])


def _alone(path: Path) -> Bundle | None:
    """A bundle of a regressor that is trained but in none: its weights file, or the folder of its training."""
    if is_folder(path) and not (path / FILE).exists() and not all((path / name).is_file() for name in _OLD):
        path = path / REGRESSOR
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    from .header import read_header

    header, base = read_header(path, "regressor"), read_bundle("default")
    keep([path])
    log.warning("%s: a regressor alone, read with the segmenter of the bundle default and without intervals", path)
    name = path.resolve().parent.name if path.name == REGRESSOR else path.stem
    terms = terms_of(header.licence, base.segmenter)
    return Bundle(name or path.stem, base.segmenter, (RegressorFile.of(path),), licence=terms)


def _find(weights: str | Path) -> Path:
    path = Path(weights)
    if is_folder(path) and not (path / FILE).exists() and (path / RECIPE).exists():
        made = sorted(path.glob(f"*/{FILE}"))
        if len(made) == 1:
            log.warning("%s: the folder of a training; its bundle %s is used", weights, made[0].parent)
            return made[0]
        names = f"several bundles ({', '.join(file.parent.name for file in made)}); name one of these folders"
        raise WeightsError(
            f"{weights}: the folder of a training with {names if made else 'no bundle yet; go on with it by --resume'}"
        )
    for file in (HOME / f"{weights}.yaml", path / FILE, path):
        if file.is_file():
            return file
    if all((path / name).is_file() for name in _OLD):
        raise WeightsError(
            f"{weights}: holds weights of boneage 0.1.0 or earlier ({' and '.join(_OLD)}), expected {FILE} and the "
            f"nets in {NETS}/; make the bundle again with boneage train, or read with the version that made it"
        )
    raise WeightsError(
        f"{weights}: no weights there; expected a folder with {FILE}, or a shipped name "
        f"({', '.join(shipped_bundles())})"
    )


def _values(file: Path) -> dict[str, Any]:
    import yaml

    from ..data.plain_yaml import read_yaml

    try:
        values = read_yaml(file)
    except (OSError, UnicodeError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise WeightsError(f"{file}: not a readable YAML file ({one_line(error)}); fetch the bundle again") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise WeightsError(f"{file}: not a bundle of format {FORMAT}; give a bundle that this version of boneage made")
    return values


def _parsed(values: Mapping[str, Any], file: Path) -> Bundle:
    home = file.parent
    try:
        segmenter = NetFile(home / values["segmenter"]["path"], str(values["segmenter"]["sha256"]))
        regressors = tuple(
            RegressorFile(home / net["path"], str(net["sha256"]), tuple(float(zoom) for zoom in net["zooms"]))
            for net in values["regressors"]
        )
        bundle = Bundle(**{**values, "segmenter": segmenter, "regressors": regressors}, file=file)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WeightsError(
            f"{file}: is not as a bundle should be ({shortened(repr(error))}); fetch the bundle again"
        ) from error
    if not isinstance(bundle.name, str) or not bundle.name or not regressors or not all(map(_plausible, regressors)):
        raise WeightsError(f"{file}: expected a name, at least one regressor, and zooms from 0.5 to 2 for each")
    if not _finite(bundle.calibration):
        raise WeightsError(f"{file}: its calibration has values that are no finite numbers; fetch the bundle again")
    return bundle


def _plausible(net: RegressorFile) -> bool:
    return bool(net.zooms) and all(0.5 <= zoom <= 2 for zoom in net.zooms)


def _finite(value: Any) -> bool:
    """Whether all numbers in plain values are finite, and such as months can be."""
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, (int, float)) or abs(value) <= 1e6  # False for NaN


def _copied(file: File, target: Path) -> File:
    with whole_file(target) as temporary:
        shutil.copyfile(file.path, temporary)
    return replace(file, path=target)
