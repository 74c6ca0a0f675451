"""Bone age from hand radiographs of children: what the library offers to other programs.

    from boneage import BoneAge

    reading = BoneAge.load().predict("hand.png", sex="F")

`__all__` lists what is public; other modules may change. A name is imported when it is first used, so that importing
this package loads nothing else.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as that of typing, which takes longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from .data.child import Child as Child
    from .data.errors import BoneAgeError as BoneAgeError
    from .data.errors import ChildError as ChildError
    from .data.errors import CohortError as CohortError
    from .data.errors import ConfigError as ConfigError
    from .data.errors import OutputError as OutputError
    from .data.errors import ReadError as ReadError
    from .data.errors import SexError as SexError
    from .data.errors import WeightsError as WeightsError
    from .data.remark import Remark as Remark
    from .pipeline.dicom.objects import write_dicom as write_dicom
    from .pipeline.examination import Examination as Examination
    from .pipeline.predict.bone_age import BoneAge as BoneAge
    from .pipeline.predict.cohort import Tally as Tally
    from .pipeline.predict.cohort import predict_cohort as predict_cohort
    from .pipeline.predict.rows import to_dataframe as to_dataframe
    from .pipeline.reading import Reading as Reading
    from .pipeline.report.heatmap import write_heatmap as write_heatmap
    from .pipeline.report.write import write_report as write_report

    __version__: str

_MODULES = {
    "data.child": ("Child",),
    "data.errors": (
        "BoneAgeError",
        "ChildError",
        "CohortError",
        "ConfigError",
        "OutputError",
        "ReadError",
        "SexError",
        "WeightsError",
    ),
    "data.remark": ("Remark",),
    "pipeline.dicom.objects": ("write_dicom",),
    "pipeline.examination": ("Examination",),
    "pipeline.predict.bone_age": ("BoneAge",),
    "pipeline.predict.cohort": ("Tally", "predict_cohort"),
    "pipeline.predict.rows": ("to_dataframe",),
    "pipeline.reading": ("Reading",),
    "pipeline.report.heatmap": ("write_heatmap",),
    "pipeline.report.write": ("write_report",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = ["__version__", *_PLACES]  # pyright: ignore[reportUnsupportedDunderAll]

# In a checkout the folders of the package lie beside this one, and not in it as they do once installed.
if not os.path.isdir(f"{__path__[0]}/pipeline"):  # noqa: PTH112 - pathlib takes longer to import
    __path__.append(os.path.dirname(__path__[0]))  # noqa: PTH120


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value = version("boneage")
    elif name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
