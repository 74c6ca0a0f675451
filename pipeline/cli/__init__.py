"""The command `boneage`: each command parses, calls one function of the library, and reports.

A command's module is imported when the command is called, and nothing heavy before a command runs, so that help
answers at once.
"""

from __future__ import annotations

import click

from .group import LazyCommands

# command -> the module of this folder that holds it, under the command's own name
COMMANDS = {
    "predict": "predict",
    "growth": "growth",
    "segment": "segment",
    "evaluate": "measure",
    "robustness": "measure",
    "screen": "measure",
    "card": "measure",
    "calibrate": "measure",
    "compare": "measure",
    "train": "train",
    "train-segmenter": "train",
    "train-regressor": "train",
    "node": "node",
    "info": "info",
    "export": "info",
    "serve": "serve",
}


@click.group(
    cls=LazyCommands,
    modules={name: f"{__package__}.{module}" for name, module in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="boneage")
def main() -> None:
    """Read bone age from hand radiographs of children: find the hand, crop it, predict bone age in months.

    Research use only; not a medical device.
    """
