"""The entry point of a module of mercure or an application of MONAI Deploy: films in one folder, results in another.

`python -m boneage.pipeline.mercure` reads the folders from MERCURE_IN_DIR and MERCURE_OUT_DIR, or from MONAI_INPUTPATH
and MONAI_OUTPUTPATH. mercure names files SERIESUID#FILEUID.dcm, puts settings into task.json under process.settings,
and shows what it finds in result.json.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.config import make_config
from ..data.errors import BoneAgeError, ConfigError, one_line
from ..data.files import MARK, whole_file
from .dicom.objects import KINDS, Kind
from .predict.bone_age import BoneAge
from .predict.cohort import predict_cohort
from .reading import DISCLAIMER, Reading

_FOLDERS = (("MERCURE_IN_DIR", "MERCURE_OUT_DIR"), ("MONAI_INPUTPATH", "MONAI_OUTPUTPATH"))
_TASK, _RESULT = "task.json", "result.json"


@dataclass(frozen=True)
class Settings:
    """What process.settings may say: the weights, the device, and which results are made of each film."""

    weights: str = "default"
    device: str = "auto"
    results: tuple[Kind, ...] = KINDS

    def __post_init__(self) -> None:
        if not self.results:
            raise ValueError(f"results is empty, expected some of {', '.join(KINDS)}")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Read the films of one folder, and write results into another; the exit code, 0 unless no film could be read."""
    try:
        taken, given = _folders(environment)
        return run(taken, given)
    except BoneAgeError as error:
        print(error, file=sys.stderr)
        return 2


def run(taken: Path, given: Path) -> int:
    """Read the films of the folder `taken`, and write their results and result.json into `given`.

    Returns the exit code of `main`. Raises what `predict_cohort` raises, and ConfigError for settings that are not
    understood.
    """
    settings = settings_of(taken / _TASK)
    readings: list[Reading] = []
    tally = predict_cohort(
        lambda: BoneAge.load(settings.weights, settings.device),
        taken,
        files={f"dicom-{kind}": given / f"{{name}}-{kind}.dcm" for kind in settings.results},
        on_reading=readings.append,
    )
    for kind in settings.results:
        for made in given.glob(f"*-{kind}.dcm"):
            made.replace(given / _name_of(made))
    result = {
        "made_by": MARK,
        "disclaimer": str(DISCLAIMER),
        "readings": [replace(reading, file=Path(reading.file).name).to_dict() for reading in readings],
        "not_written": [str(fault) for fault in tally.faults],
    }
    with whole_file(given / _RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=1), "utf-8")
    return 2 if tally.exit_code == 2 else 0


def settings_of(task: Path) -> Settings:
    """The settings in a file task.json under process.settings; the usual ones where it says nothing.

    Raises ConfigError for a file that is no JSON, and for settings that are not known.
    """
    try:
        stated = json.loads(task.read_text("utf-8"))
    except FileNotFoundError:
        stated = {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{task}: not a readable JSON file ({one_line(error)})") from error
    for key in ("process", "settings"):
        stated = stated.get(key) if isinstance(stated, dict) else None
    values: Any = {} if stated is None else stated
    if not isinstance(values, dict):
        raise ConfigError(f"{task}: process.settings is {type(values).__name__}, expected keys and values")
    return make_config(Settings, values, f"{task}, process.settings")


def _folders(environment: Mapping[str, str]) -> tuple[Path, Path]:
    """The two folders that are named. Raises ConfigError where they are not, and for an input that is no folder."""
    for names in _FOLDERS:
        taken, given = (environment.get(name) for name in names)
        if taken and given:
            if not Path(taken).is_dir():
                raise ConfigError(f"{names[0]}: {taken} is no folder, expected the folder of the films")
            return Path(taken), Path(given)
    pairs = " or ".join(" and ".join(names) for names in _FOLDERS)
    raise ConfigError(f"the folders of films and results are not named; set {pairs}")


def _name_of(made: Path) -> str:
    """What mercure calls an object: SERIESUID#FILEUID.dcm."""
    from pydicom import dcmread

    tags = dcmread(made, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "SOPInstanceUID"])
    return f"{tags.SeriesInstanceUID}#{tags.SOPInstanceUID}.dcm"


if __name__ == "__main__":
    sys.exit(main())
