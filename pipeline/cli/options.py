"""Options that several commands share."""

from __future__ import annotations

import functools
import logging
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ...data.processes import is_first
from ...data.text import for_lines
from ...weights.backend import ENGINES
from .group import Output, SafeCommand


class Number(click.FloatRange):
    """A type of options: a finite number of a range; click takes NaN to be within every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. What is none, or outside of the range, is refused."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number, expected {self._describe_range()}", param, ctx)
        return number


YEAR = 365 * 24 * 3600.0  # seconds, more than any time limit
MOST_WORKERS = 512  # processes or threads; of more, a machine is short of memory before the first film is read
SEGMENTER_HELP = "A segmenter's weights file, or a bundle by name or folder."
F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def _columns(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [value.partition("=") for value in values]
    for value, (role, sign, name) in zip(values, pairs, strict=True):
        if not (role and sign and name):
            raise click.BadParameter(f"{value!r}, expected ROLE=NAME, such as sex=Gender")
    return {role: name for role, _, name in pairs}


class LogLines(logging.Handler):
    """Prints records to stderr, above a bar if there is one, without control characters: names of files are in them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record with its time."""
        try:
            print(for_lines(self.format(record)), file=sys.stderr, flush=True)  # click.echo writes past the bar
        except Exception:  # as all handlers do: what is wrong with a log stops no program
            self.handleError(record)


def _set_up_log(ctx: click.Context, _: click.Parameter, verbose: bool) -> None:
    """Log to stderr; without -v other libraries are silent, and this one logs warnings, and events of a long run."""
    events = (ctx.info_name or "").startswith(("train", "compare", "serve", "node"))
    handler = LogLines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    if verbose:
        logging.basicConfig(level=logging.WARNING, handlers=[handler])
    else:
        logging.basicConfig(handlers=[logging.NullHandler()])  # or Python prints the libraries' itself
        own = logging.getLogger("boneage")
        own.addHandler(handler)
        ctx.call_on_close(lambda: own.removeHandler(handler))
        ctx.with_resource(warnings.catch_warnings())
        warnings.simplefilter("ignore")
    for layer in ("pytorch", "fabric"):  # lightning itself, as it is imported, gets a handler and a level of its own
        lightnings = logging.getLogger(f"lightning.{layer}")
        lightnings.handlers, lightnings.propagate = [logging.NullHandler()], verbose
    level = logging.DEBUG if verbose else logging.INFO if events and is_first() else logging.WARNING
    logging.getLogger("boneage").setLevel(level)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, callback=_set_up_log, help="Log what is being done to stderr."
)


def command() -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function, whose last option is --verbose."""
    return lambda function: verbose_option(click.command(cls=SafeCommand)(function))


def add_options(command: Any, *options: Callable[[Any], Any]) -> Any:
    """Add options to a command, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command


weights_option = click.option(
    "--weights", default="default", show_default=True, help="A shipped bundle, default or fast, or a folder."
)
one_hand_option = click.option(
    "--hand", type=click.Choice(("left", "right")), default="left", show_default=True, help="As for predict."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(0, MOST_WORKERS),
    default=1,
    show_default=True,
    help="Processes that prepare batches.",
)
out_option = click.option("-o", "--out", type=Output(), required=True, help="Folder to write to.")
reference_option = click.option(
    "--reference",
    type=PATH,
    metavar="FILE",
    help="Healthy children of your own in place of the Brush Foundation's, a CSV: sex, age_months, mean_months, "
    "sd_months (or _years) and name.",
)


def net_options(command: F) -> F:
    """Add the options on what runs the nets, handed on as `device` and `engine`."""
    return add_options(
        command,
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="auto",
            show_default=True,
            help="What runs the nets; auto: torch if it can use a GPU, else onnx.",
        ),
    )


def column_option(roles: str) -> Callable[[F], F]:
    """Add --column, handed on as `columns`, with the roles that its help names."""
    text = f"Name of a column of the CSV that has no usual name; may be repeated. Roles: {roles}."
    return click.option("--column", "columns", multiple=True, callback=_columns, metavar="ROLE=NAME", help=text)


input_column_option = column_option(
    "path, id, sex (words), male (True or False), age, age_months, age_years, birth_date, exam_date, height, "
    "height_cm, weight, weight_kg, mother, mother_cm, father, father_cm, side, pseudonym, patient"
)


def cohort_options(command: F) -> F:
    """Add the argument DATA and the options on how to read it, handed on as one `cohort`."""

    @functools.wraps(command)
    def with_cohort(data: Path, reading: Mapping[str, Any], **others: Any) -> Any:
        from ...data.cohort import read_cohort

        return command(cohort=read_cohort(data, **reading, groups=others.get("by", ())), **others)

    return add_options(with_cohort, click.argument("data", type=PATH, metavar="DATA"), reading_options)


def reading_options(command: F) -> F:
    """Add the options on how to read a cohort, handed on as one `reading`, which `read_cohort` takes."""

    @functools.wraps(command)
    def with_reading(
        table: Path | None, images: Path | None, columns: Mapping[str, str], age_unit: Any, **others: Any
    ) -> Any:
        reading = {"table": table, "images": images, "columns": columns, "age_unit": age_unit}
        return command(reading=reading, **others)

    roles = "path, id, sex (words), male (True or False), bone_age_months, bone_age_years, bone_age, patient"
    return add_options(
        with_reading,
        click.option("--table", type=PATH, help="The CSV in the folder DATA; default: the only usable one."),
        click.option("--images", type=PATH, help="Folder of the radiographs; default: beside the CSV."),
        column_option(roles),
        click.option("--age-unit", type=click.Choice(["months", "years"]), help="Of the column with role bone_age."),
    )
