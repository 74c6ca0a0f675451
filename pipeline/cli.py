"""The command `boneage`: each command parses, calls one function of the library, and reports.

Nothing heavy is imported before a command runs, so that help answers at once.
"""

# ruff: noqa: D301 - \b, which is no raw string's, is click's mark of a paragraph to leave as it is

from __future__ import annotations

import dataclasses
import errno
import functools
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from ..data.errors import BoneAgeError, CohortError
from ..data.sex import Sex, parse_sex
from ..regressor.config import Fusion, Loss, RegressorConfig

if TYPE_CHECKING:
    from ..data.cohort import Cohort
    from ..data.split import Split

SEGMENTER_HELP = "A segmenter's weights file, or a bundle by name or folder."
F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
DEFAULTS = RegressorConfig()


class Failure(click.ClickException):
    """One line on stderr, exit code 2."""

    exit_code = 2


class Commands(click.Group):
    """Commands whose expected errors end in one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command named; BoneAgeError and errors of the file system become Failure."""
        try:
            return super().invoke(ctx)
        except BoneAgeError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:  # click ends a closed pipe quietly
                raise
            raise Failure(f"{error.filename}: {error.strerror}") from error


def _sex(_: click.Context, __: click.Parameter, value: str | None) -> Sex | None:
    return None if value is None else parse_sex(value, "--sex")


def _columns(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [value.partition("=") for value in values]
    for value, (role, sign, name) in zip(values, pairs, strict=True):
        if not (role and sign and name):
            raise click.BadParameter(f"{value!r}, expected ROLE=NAME, such as sex=Gender")
    return {role: name for role, _, name in pairs}


def _devices(_: click.Context, __: click.Parameter, value: str) -> int | str:
    if value != "auto" and not (value.isdigit() and int(value)):
        raise click.BadParameter(f"{value!r}, expected auto or a number from 1 on")
    return value if value == "auto" else int(value)


def _set_up_log(ctx: click.Context, _: click.Parameter, verbose: bool) -> None:
    """Log to stderr; without -v the libraries' remarks are silenced, and ours too, but for those of a training."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    training = (ctx.info_name or "").startswith("train")
    logging.getLogger("boneage").setLevel(logging.INFO if verbose or training else logging.WARNING)
    if verbose:
        return
    warnings.simplefilter("ignore")
    for layer in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{layer}.utilities.rank_zero").setLevel(logging.ERROR)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, callback=_set_up_log, help="Log what is being done to stderr."
)
weights_option = click.option(
    "--weights", default="default", show_default=True, help="A shipped bundle's name, or a bundle's folder."
)
workers_option = click.option(
    "--workers", type=click.IntRange(0), default=1, show_default=True, help="Processes that prepare batches."
)
out_option = click.option("-o", "--out", type=PATH, required=True, help="Folder to write to.")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")


def _column_option(roles: str) -> Callable[[F], F]:
    text = f"Name of a column of the CSV that has no usual name; may be repeated. Roles: {roles}."
    return click.option("--column", "columns", multiple=True, callback=_columns, metavar="ROLE=NAME", help=text)


input_column_option = _column_option("path, sex (words), male (True or False)")


def cohort_options(command: F) -> F:
    """Add the argument DATA and the options that say how to read it, handed on as one `cohort`."""

    @functools.wraps(command)
    def with_cohort(
        data: Path, table: Path | None, images: Path | None, columns: Mapping[str, str], age_unit: Any, **others: Any
    ) -> Any:
        from ..data.cohort import read_cohort

        cohort = read_cohort(data, table=table, images=images, columns=columns, age_unit=age_unit)
        return command(cohort=cohort, **others)

    roles = "path, id, sex (words), male (True or False), bone_age_months, bone_age_years, bone_age, patient"
    wrapped: Any = with_cohort
    for option in (
        click.option("--age-unit", type=click.Choice(["months", "years"]), help="Of the column with role bone_age."),
        _column_option(roles),
        click.option("--images", type=PATH, help="Folder of the radiographs; default: beside the CSV."),
        click.option("--table", type=PATH, help="The CSV in the folder DATA; default: the only usable one."),
        click.argument("data", type=PATH, metavar="DATA"),
    ):
        wrapped = option(wrapped)
    return wrapped


def training_options(command: F) -> F:
    """Add what all trainings of a regressor share."""
    wrapped: Any = command
    for option in (
        click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines of the run."),
        click.option(
            "--devices", default="auto", show_default=True, callback=_devices, help="GPUs a machine, or auto."
        ),
        workers_option,
        click.option("--resume", is_flag=True, help="Go on with the run that OUT holds, exactly where it stopped."),
        click.option(
            "--split",
            metavar="CSV|rsna",
            help="A stored split (columns id and part: train, choose, report), or rsna for the project's split of "
            "RSNA's training films; default: one is made by patient, 80 : 10 : 10, and stored in OUT/split.csv.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="boneage")
def main() -> None:
    """Read bone age from hand radiographs of children: find the hand, crop it, predict bone age in months.

    Research use only; not a medical device.
    """


@main.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@click.option("--sex", callback=_sex, metavar="F|M", help="Sex of the child; default: as the DICOM or the CSV says.")
@weights_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Also write all results to this CSV.")
@input_column_option
@device_option
@verbose_option
@click.pass_context
def predict(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    sex: Sex | None,
    weights: str,
    as_json: bool,
    csv_file: Path | None,
    columns: Mapping[str, str],
    device: str,
) -> None:
    """Predict bone age in months.

    INPUT is a radiograph (PNG, JPEG, WebP, TIFF, BMP, DICOM), several, a folder, or a CSV with the columns path and
    sex. Sex is never guessed: it comes from --sex, the CSV or the DICOM, and a film where they contradict is not aged.

    Exit code: 0 when every film was aged, 1 when some were not, 2 when none could be read.

    \b
    Examples:
      boneage predict hand.png --sex F
      boneage predict films/ more.dcm --sex M --json --csv results.csv
    """
    from .inputs import read_inputs

    rows = read_inputs(inputs, sex, columns)

    from . import output
    from .bone_age import BoneAge

    bone_age = BoneAge.load(weights, device)
    readings = bone_age.predict_many((row.path, row.sex) for row in rows)
    readings = output.with_progress(readings, len(rows), "Reading")
    shown = output.show_json(readings) if as_json else output.show_text(readings, [str(row.path) for row in rows])
    if csv_file:
        output.write_csv(shown, csv_file)
    if len(shown) == 1 and shown[0].status == "failed":
        raise Failure("; ".join(shown[0].reasons))
    click.echo(output.DISCLAIMER, err=True)
    _conclude(ctx, [reading.status for reading in shown], "aged")


@main.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@out_option
@weights_option
@input_column_option
@device_option
@verbose_option
@click.pass_context
def segment(
    ctx: click.Context, inputs: tuple[Path, ...], out: Path, weights: str, columns: Mapping[str, str], device: str
) -> None:
    """Find the hand and cut the crop that bone age is read from.

    INPUT is a radiograph, several, a folder, or a CSV with the column path. For each film NAME, OUT gets NAME.json
    (status, reasons, hand box and the way from the crop back to the original), NAME-mask.png (255 on 0, original
    geometry), NAME-crop.png and NAME-overlay.png. Films of one name are numbered: hand, hand-2.

    \b
    Example:
      boneage segment films/ -o segmented/
    """
    from .inputs import output_names, read_inputs

    files = [row.path for row in read_inputs(inputs, columns=columns)]

    from . import output
    from .segment import load_finder, segment_file

    finder, model = load_finder(weights, device)
    named = output.with_progress(zip(files, output_names(files), strict=True), len(files), "Segmenting")
    records = (segment_file(file, finder, out, name, model) for file, name in named)
    _conclude(ctx, output.show_segments(records, out), "segmented")


@main.command()
@cohort_options
@click.option("--split", metavar="CSV|rsna", help="Stored split to take a part of; default: all films are read.")
@click.option("--part", help="Part of the split to read.  [default: report]")
@weights_option
@click.option("-o", "--out", type=PATH, help="Folder for predictions.csv, scatter.png, bland-altman.png and table.md.")
@device_option
@verbose_option
def evaluate(cohort: Cohort, split: str | None, part: str | None, weights: str, out: Path | None, device: str) -> None:
    """Measure predicted against labelled bone age on DATA.

    DATA is a folder as RSNA publishes it, or a CSV with path or id, sex and bone age. Prints the MAE in months with
    its 95 % bootstrap interval, median error, RMSE, bias and the share within 6 and 12 months, by sex and age band.

    \b
    Examples:
      boneage evaluate rsna/ --split rsna -o evaluation/
      boneage evaluate own.csv --column bone_age=ba --age-unit years
    """
    if part and not split:
        raise click.UsageError("--part names a part of a split; give --split too")
    words = "every film of it"
    if split:
        part = part or "report"
        cohort = _read_split(split).take(cohort, part)
        words = f"part {part} of the split {Path(split).name}"

    from . import output
    from .bone_age import BoneAge
    from .evaluate import evaluate as measure

    bone_age = BoneAge.load(weights, device)
    follow = functools.partial(output.with_progress, total=len(cohort), what="Reading", results_show_it=False)
    output.show_evaluation(measure(bone_age, cohort, out, split=words, follow=follow))
    if out:
        click.echo(f"predictions.csv, scatter.png, bland-altman.png and table.md are in {out}", err=True)


@main.command()
@weights_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@verbose_option
def info(weights: str, as_json: bool) -> None:
    """Show versions, device, and what the weights say of themselves.

    \b
    Example:
      boneage info --json
    """
    import json

    import yaml

    from .info import information

    seen = information(weights)
    click.echo(json.dumps(seen) if as_json else yaml.safe_dump(seen, sort_keys=False, allow_unicode=True).rstrip())


@main.command()
@cohort_options
@out_option
@click.option("--cutouts", type=PATH, help="Folder of hands without background: images/ and masks/.")
@click.option("--config", type=PATH, metavar="YAML", help="Settings that differ from the defaults.")
@click.option("--exclude", type=PATH, metavar="CSV", help="Ids (column id) kept out of training, to measure on later.")
@click.option("--about", default="", help="What the films are, for the weights' header.")
@click.option("--licence", default="", help="Terms of the weights, for their header.")
@workers_option
@verbose_option
def train_segmenter(
    cohort: Cohort,
    out: Path,
    cutouts: Path | None,
    config: Path | None,
    exclude: Path | None,
    about: str,
    licence: str,
    workers: int,
) -> None:
    """Train the hand segmenter on DATA, without hand-drawn masks.

    A run that stopped goes on with its next round when the same command is given again.

    \b
    Example:
      boneage train-segmenter rsna/ --cutouts hand-masks/ -o segmenter/
    """
    from ..data.config import load_config
    from ..data.split import refuse_test_ids
    from ..handseg.config import SegmenterConfig

    settings = load_config(SegmenterConfig, config)
    excluded = _read_ids(exclude)
    refuse_test_ids(film.id for film in cohort if film.id not in excluded)

    from .train import train_segmenter_on

    about_data = {"data": about, "licence": licence}
    weights = train_segmenter_on(
        cohort, out, settings, cutouts=cutouts, exclude=excluded, workers=workers, **about_data
    )
    click.echo(weights)


@main.command()
@cohort_options
@out_option
@click.option("--segmenter", default="default", show_default=True, help=SEGMENTER_HELP)
@click.option("--config", type=PATH, metavar="YAML", help="Settings that differ from the defaults; options win.")
@click.option("--backbone", show_default=DEFAULTS.net.backbone, help="Any timm backbone.")
@click.option(
    "--fusion", type=click.Choice(get_args(Fusion)), show_default=DEFAULTS.net.fusion, help="Where sex joins."
)
@click.option("--loss", type=click.Choice(get_args(Loss)), show_default=DEFAULTS.loss, help="On z-scored labels.")
@click.option("--augmentation", show_default=DEFAULTS.augmentation, help="none, light, randaugment or uniformaugment.")
@training_options
@click.option("--about", default="", help="What the films are, for the weights' header.")
@click.option("--licence", default="", help="Terms of the weights, for their header.")
@verbose_option
def train_regressor(
    cohort: Cohort,
    out: Path,
    segmenter: str,
    config: Path | None,
    backbone: str | None,
    fusion: str | None,
    loss: str | None,
    augmentation: str | None,
    split: str | None,
    about: str,
    licence: str,
    **run: Any,
) -> None:
    """Train the bone-age regressor on DATA's crops, which are cut once and kept in OUT/crops.

    \b
    Example:
      boneage train-regressor rsna/ --split rsna --backbone tf_efficientnetv2_s -o regressor/
    """
    from ..data.config import load_config

    settings = load_config(RegressorConfig, config, {"loss": loss, "augmentation": augmentation})
    net = {name: value for name, value in (("backbone", backbone), ("fusion", fusion)) if value}
    settings = dataclasses.replace(settings, net=dataclasses.replace(settings.net, **net))
    parts = _training_split(cohort, split, out)

    from ..regressor.train import is_first_process
    from .train import train_regressor_on

    trained = train_regressor_on(
        cohort, parts, out, settings, segmenter=_segmenter_file(segmenter), data=about, licence=licence, **run
    )
    if is_first_process():
        click.echo(f"{trained.weights}: validation MAE {trained.validation_mae:.2f} months", err=True)
        click.echo(trained.weights)


@main.command()
@cohort_options
@out_option
@click.option("--recipe", type=PATH, metavar="YAML", help="Settings of every step that differ from the defaults.")
@click.option("--cutouts", type=PATH, help="Folder of hands without background for the segmenter: images/ and masks/.")
@click.option("--segmenter", help=f"Use this one instead of training one. {SEGMENTER_HELP}")
@click.option("--exclude", type=PATH, metavar="CSV", help="Ids (column id) that the segmenter is not trained on.")
@click.option("--finer", type=PATH, metavar="DATA", help="Sharper copies of films of DATA, learned from beside them.")
@training_options
@verbose_option
def train(
    cohort: Cohort,
    out: Path,
    recipe: Path | None,
    cutouts: Path | None,
    segmenter: str | None,
    exclude: Path | None,
    finer: Path | None,
    split: str | None,
    **run: Any,
) -> None:
    """Train everything on DATA: segmenter, crops, regressor, calibration, evaluation, one bundle of weights.

    DATA is a folder as RSNA publishes it, or a CSV with path or id, sex and bone age.

    \b
    Example:
      boneage train rsna/ --split rsna --cutouts hand-masks/ -o run/
      boneage predict hand.png --sex F --weights run/own
    """
    from ..data.cohort import read_cohort
    from ..data.config import load_config
    from .recipe import Recipe

    settings = load_config(Recipe, recipe)
    excluded = _read_ids(exclude)
    parts = _training_split(cohort, split, out)

    from ..regressor.train import is_first_process
    from .train import train_bundle

    run["segmenter"] = _segmenter_file(segmenter) if segmenter else None
    run["finer"] = read_cohort(finer) if finer else None
    bundle = train_bundle(cohort, parts, out, settings, cutouts=cutouts, exclude=excluded, **run)
    if is_first_process():
        click.echo(bundle)


def _read_split(name: str) -> Split:
    from ..data.split import read_split, rsna_split

    return rsna_split() if name == "rsna" else read_split(name)


def _training_split(cohort: Cohort, name: str | None, out: Path) -> Split:
    """The split asked for, else the one stored in `out`, else a new one stored there; never RSNA's test films."""
    from ..data.split import make_split, read_split, refuse_test_ids, write_split

    stored = out / "split.csv"
    if name:
        split = _read_split(name)
    elif stored.exists():
        split = read_split(stored)
    else:
        split = make_split(cohort)
    refuse_test_ids(film.id for film in cohort if split.parts.get(film.id) != "report")
    write_split(split, stored)
    return split


def _read_ids(path: Path | None) -> frozenset[str]:
    from ..data.table import read_table

    if path is None:
        return frozenset()
    sheet = read_table(path, {"id": {"id": ("id",)}})
    sheet.faults.raise_any()
    if "id" not in sheet.roles:
        raise CohortError(f"{path}: no column called id among {', '.join(sheet.header)}; expected a CSV of ids")
    return frozenset(row.cells["id"] for row in sheet.rows)


def _segmenter_file(segmenter: str) -> Path:
    from ..weights.bundle import resolve_bundle

    path = Path(segmenter)
    return path if path.is_file() else resolve_bundle(segmenter) / "segmenter.safetensors"


def _conclude(ctx: click.Context, statuses: list[str], done: str) -> None:
    from .output import conclude

    summary, code = conclude(statuses, done)
    if summary:
        click.echo(summary, err=True)
    ctx.exit(code)
