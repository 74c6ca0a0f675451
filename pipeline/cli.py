"""The command `boneage`: each command parses, calls one function of the library, and reports.

Nothing heavy is imported before a command runs, so that help answers at once.
"""

# ruff: noqa: D301 - \b, which is no raw string's, is click's mark of a paragraph to leave as it is

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from ..data.child import Child, parse_age, parse_date, parse_height
from ..data.errors import BoneAgeError, CohortError
from ..data.sex import parse_sex
from ..regressor.config import Fusion, Loss, RegressorConfig
from ..weights.engine import ENGINES
from .report.language import LANGUAGES, preferred_language

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


def _by(parse: Callable[[str, str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """An option's callback that reads its text, if it was given, with a parser that names the option in its error."""
    return lambda _, option, text: None if text is None else parse(text, option.opts[0])


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
    training = (ctx.info_name or "").startswith(("train", "compare"))
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
    "--weights", default="default", show_default=True, help="A shipped bundle, default or fast, or a folder."
)
workers_option = click.option(
    "--workers", type=click.IntRange(0), default=1, show_default=True, help="Processes that prepare batches."
)
out_option = click.option("-o", "--out", type=PATH, required=True, help="Folder to write to.")
split_option = click.option(
    "--split", metavar="CSV|rsna", help="Stored split to take a part of; default: all films are read."
)
part_option = click.option("--part", help="Part of the split to read.  [default: report]")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="What runs the nets; auto: torch on a GPU, else onnx.",
)


def _column_option(roles: str) -> Callable[[F], F]:
    text = f"Name of a column of the CSV that has no usual name; may be repeated. Roles: {roles}."
    return click.option("--column", "columns", multiple=True, callback=_columns, metavar="ROLE=NAME", help=text)


input_column_option = _column_option(
    "path, sex (words), male (True or False), age, age_months, age_years, birth_date, exam_date, height, height_cm, "
    "patient"
)


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


def child_options(command: F) -> F:
    """Add the options that say what is known of the child, handed on as one `child`."""

    @functools.wraps(command)
    def with_child(sex: Any, age: Any, birth_date: Any, exam_date: Any, height: Any, **others: Any) -> Any:
        child = Child(sex=sex, age=age, birth_date=birth_date, exam_date=exam_date, height_cm=height)
        return command(child=child, **others)

    wrapped: Any = with_child
    for name, parse, form, text in reversed(
        (
            ("--sex", parse_sex, "F|M", "Sex of the child; default: as the DICOM or the CSV says."),
            ("--age", parse_age, "AGE", "Age at the examination: 10y3m, 10.25y or 123mo; default: as the DICOM says."),
            ("--birth-date", parse_date, "DATE", "Birth date, 2010-01-15; with the examination's it gives the age."),
            ("--exam-date", parse_date, "DATE", "Date of the examination, 2020-04-15; default: as the DICOM says."),
            ("--height", parse_height, "CM", "Height at the examination, 140.5cm: adds the predicted adult height."),
        )
    ):
        wrapped = click.option(name, callback=_by(parse), metavar=form, help=text)(wrapped)
    return wrapped


def film_file_options(command: F) -> F:
    """Add the options for files about single films (`film_files`), and for the language of a report."""
    wrapped: Any = command
    for kind, text in (
        ("seg", "Also write the hand mask as a DICOM segmentation."),
        ("sc", "Also write the annotated film as a DICOM picture; with --heatmap, its map too."),
        ("sr", "Also write the reading as a DICOM structured report."),
    ):
        wrapped = click.option(f"--dicom-{kind}", type=PATH, metavar="FILE", help=text)(wrapped)
    for option in (
        click.option(
            "--language",
            type=click.Choice(list(LANGUAGES)),
            default=preferred_language,
            help="Of the report; default: as the environment says (LANG), or English.",
        ),
        click.option("--report", type=PATH, metavar="FILE", help="Also write a report of one page, .html or .pdf."),
        click.option(
            "--heatmap", type=PATH, metavar="FILE", help="Also draw where the reading comes from on the film, .png."
        ),
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
@child_options
@weights_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Also write a row for each film to this CSV.")
@click.option("--parquet", "parquet_file", type=PATH, metavar="FILE", help="The same as Parquet, instead of a CSV.")
@click.option(
    "--resume", is_flag=True, help="Keep the rows that the table has already; read only what is new or changed."
)
@click.option("--patient-ids", is_flag=True, help="Rows also carry the PatientID and the date that DICOMs state.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=None,
    help="Threads that read films, four at a time each.  [default: one for each core]",
)
@film_file_options
@input_column_option
@device_option
@engine_option
@verbose_option
@click.pass_context
def predict(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    child: Child,
    weights: str,
    as_json: bool,
    csv_file: Path | None,
    parquet_file: Path | None,
    resume: bool,
    patient_ids: bool,
    workers: int,
    heatmap: Path | None,
    report: Path | None,
    dicom_sr: Path | None,
    dicom_sc: Path | None,
    dicom_seg: Path | None,
    language: str,
    columns: Mapping[str, str],
    device: str,
    engine: str,
) -> None:
    """Predict bone age in months, and set it against the child's age.

    INPUT is a radiograph (PNG, JPEG, WebP, TIFF, BMP, DICOM), several, a folder, a quoted pattern such as
    'films/**/*.dcm', or a CSV with the column path, and where they are known sex, age, birth_date, exam_date, height
    and patient. Of a folder or pattern, what is no film (reports, other modalities) is left out and counted. Sex is
    never guessed: it comes from --sex, the CSV or the DICOM, and a film where they contradict is not aged.
    With a chronological age the reading has the difference, the SDS and its assessment; with --height, adult height.

    A table grows in FILE.partial and is there as FILE, whole, at the end. --resume goes on with a run that was stopped.

    FILE of a heat map, a report or a DICOM is that of one film. For several, give a folder, which gets hand-report.html
    for the film hand.png, or a path with {name} in it for the film's: reports/{name}.pdf.

    Exit code: 0 when every film was aged, 1 when some were not, 2 when none could be read.

    \b
    Examples:
      boneage predict hand.png --sex F --age 10y3m --height 140.5cm --report hand.pdf
      boneage predict films/ more.dcm --sex M --json --csv readings.csv
      boneage predict cohort.csv --parquet readings.parquet --workers 4 --resume
    """
    if csv_file and parquet_file:
        raise click.UsageError("--csv and --parquet were given; give one, the other is made of it in a line of pandas")
    table = csv_file or parquet_file
    if not table and (resume or patient_ids):
        raise click.UsageError(
            f"--{'resume' if resume else 'patient-ids'} is about a table; give --csv or --parquet too"
        )

    from ..data.inputs import read_inputs

    rows = read_inputs(inputs, child, columns)

    from . import output
    from .predict.bone_age import BoneAge
    from .predict.cohort import Tally, identity_of, read_films
    from .predict.film_files import FilmFiles

    files = FilmFiles(rows)
    if heatmap:
        from .report.heatmap import write_heatmap

        files.add("--heatmap", heatmap, (".png",), write_heatmap)
    if report:
        from .report.page import SUFFIXES, write_report

        files.add("--report", report, SUFFIXES, functools.partial(write_report, language=language))
    if dicom_sr or dicom_sc or dicom_seg:
        from .dicom.objects import DICOM_SUFFIXES, KINDS, write_dicom

        for kind, target in zip(KINDS, (dicom_sr, dicom_sc, dicom_seg), strict=True):
            write = functools.partial(write_dicom, kind=kind, heat_map=bool(heatmap))
            if target:
                files.add(f"--dicom-{kind}", target, DICOM_SUFFIXES, write)

    bone_age, tally = BoneAge.load(weights, device, engine), Tally()
    with contextlib.ExitStack() as stack:
        file = None
        if table:
            from .predict.readings_file import ReadingsFile

            file = stack.enter_context(ReadingsFile(table, parquet=bool(parquet_file), resume=resume))
        options = {
            "file": file,
            "model": identity_of(weights) if table else "",
            "patient_ids": patient_ids,
            "workers": workers,
        }
        options["pictures"] = bool(files.kinds)
        outcomes = files.watch(bone_age, read_films(bone_age, rows, **options))
        outcomes = output.with_progress(outcomes, len(rows), "Reading")
        readings = tally.watch(outcomes)
        if as_json:
            output.show_json(readings)
        else:
            output.show_text(readings, max(len(str(row.path)) for row in rows) if len(rows) > 1 else 0)
        if not tally.films:
            raise Failure(f"there are no radiographs: {output.left_out(tally.no_films)}")
    if len(rows) == 1 and tally.statuses["failed"]:
        raise Failure(tally.why)
    click.echo(output.DISCLAIMER, err=True)
    if len(rows) > 1:
        click.echo(output.summary(tally), err=True)
    for fault in files.faults:
        click.echo(fault, err=True)
    ctx.exit(output.conclude(tally.statuses, "aged")[1] or int(bool(files.faults)))


@main.command()
@click.argument("readings", type=PATH, metavar="READINGS")
@out_option
@_column_option(
    "patient, chronological_age_months, exam_date, bone_age_months, sex, interval_90_low, interval_90_high, file, "
    "status, model  [default: the names that predict gives them]"
)
@verbose_option
def growth(readings: Path, out: Path, columns: Mapping[str, str]) -> None:
    """Set the films of each child against its age: growth of bone age, its rate, a plot a child.

    READINGS is a table of boneage predict, made from a CSV with the column patient or with --patient-ids. OUT gets
    children.csv (a row a child, with the rate in months of bone age a year and its 90 % interval), steps.csv (from each
    film to the next) and PATIENT.png for each child with several films. The names in OUT are those of the patients.

    \b
    Examples:
      boneage predict cohort.csv --csv readings.csv
      boneage growth readings.csv -o growth/
    """
    from . import output
    from .growth.files import write_growth
    from .growth.growth import growths_of, read_readings

    films = read_readings(readings, columns)
    growths = growths_of(films)
    write_growth(growths, out)
    output.show_growth(growths)
    click.echo(output.growth_summary(growths, films), err=True)


@main.command()
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@out_option
@weights_option
@input_column_option
@device_option
@engine_option
@verbose_option
@click.pass_context
def segment(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    out: Path,
    weights: str,
    columns: Mapping[str, str],
    device: str,
    engine: str,
) -> None:
    """Find the hand and cut the crop that bone age is read from.

    INPUT is a radiograph, several, a folder, or a CSV with the column path. For each film NAME, OUT gets NAME.json
    (status, reasons, hand box and the way from the crop back to the original), NAME-mask.png (255 on 0, original
    geometry), NAME-crop.png and NAME-overlay.png. Films of one name are numbered: hand, hand-2.

    \b
    Example:
      boneage segment films/ -o segmented/
    """
    from ..data.inputs import films_among, output_names, read_inputs

    files, no_films = films_among(read_inputs(inputs, columns=columns))

    from . import output
    from .segment import load_finder, segment_file

    finder, model = load_finder(weights, device, engine)
    named = output.with_progress(zip(files, output_names(files), strict=True), len(files), "Segmenting")
    records = (segment_file(file, finder, out, name, model) for file, name in named)
    statuses = output.show_segments(records, out)
    if no_films:
        click.echo(output.left_out(no_films), err=True)
    _conclude(ctx, statuses, "segmented")


@main.command()
@cohort_options
@split_option
@part_option
@weights_option
@click.option("-o", "--out", type=PATH, help="Folder for the predictions, two plots and the table.")
@device_option
@engine_option
@verbose_option
def evaluate(
    cohort: Cohort, split: str | None, part: str | None, weights: str, out: Path | None, device: str, engine: str
) -> None:
    """Measure predicted against labelled bone age on DATA.

    DATA is a folder as RSNA publishes it, or a CSV with path or id, sex and bone age. Prints the MAE in months with
    its 95 % bootstrap interval, median error, RMSE, bias and the share within 6 and 12 months, by sex and age band.

    \b
    Examples:
      boneage evaluate rsna/ --split rsna -o evaluation/
      boneage evaluate own.csv --column bone_age=ba --age-unit years
    """
    cohort, words = _part_of(cohort, split, part)

    from . import output
    from .measure.evaluate import evaluate as measure
    from .predict.bone_age import BoneAge

    bone_age = BoneAge.load(weights, device, engine)
    follow = functools.partial(output.with_progress, total=len(cohort), what="Reading")
    output.show_evaluation(measure(bone_age, cohort, out, split=words, follow=follow))
    if out:
        click.echo(f"predictions.csv and .json, scatter.png, bland-altman.png and table.md are in {out}", err=True)


@main.command()
@cohort_options
@split_option
@part_option
@click.option("--films", type=click.IntRange(1), help="Read so many films, alike in sex and bone age; default: all.")
@weights_option
@out_option
@device_option
@engine_option
@verbose_option
def robustness(
    cohort: Cohort,
    split: str | None,
    part: str | None,
    films: int | None,
    weights: str,
    out: Path,
    device: str,
    engine: str,
) -> None:
    """Measure how much readings change when the films of DATA are turned, mirrored, inverted, re-saved and so on.

    Each film is written as a file in every such way and read back. Prints a table with the MAE and the change of the
    reading, and says which promises hold; OUT gets it as robustness.md, and every reading in robustness.csv.

    \b
    Example:
      boneage robustness rsna/ --split rsna --films 60 -o robustness/
    """
    cohort, words = _part_of(cohort, split, part)

    from . import output
    from .measure.robustness import measure_robustness, sample
    from .predict.bone_age import BoneAge

    bone_age = BoneAge.load(weights, device, engine)
    cohort = sample(cohort, films or len(cohort))
    follow = functools.partial(output.with_progress, total=len(cohort), what="Copying and reading")
    measured = measure_robustness(bone_age, cohort, out, split=words, follow=follow)
    click.echo(measured.table(), nl=False)
    click.echo(f"robustness.csv, .json and .md are in {out}", err=True)


@main.command()
@click.argument("bundle")
@click.option("--evaluation", type=PATH, required=True, metavar="DIR", help="What boneage evaluate -o wrote.")
@click.option("--robustness", type=PATH, metavar="DIR", help="What boneage robustness -o wrote.")
@device_option
@engine_option
@verbose_option
def card(bundle: str, evaluation: Path, robustness: Path | None, device: str, engine: str) -> None:
    """Write the model card of BUNDLE, a shipped bundle's name or a bundle's folder, from what was measured of it.

    No film is read, only drawn hands, whose pictures lie beside the card. `boneage train` writes it at its end.

    \b
    Example:
      boneage card run/own --evaluation run/evaluation --robustness run/robustness
    """
    from ..weights.bundle import resolve_bundle
    from .measure.card import write_card
    from .measure.evaluate import read_evaluation
    from .measure.robustness import read_robustness

    measured = read_evaluation(evaluation), read_robustness(robustness) if robustness else None
    click.echo(write_card(resolve_bundle(bundle), *measured, device=device, engine=engine))


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
@weights_option
@click.option("-o", "--out", type=PATH, help="Folder to write to.  [default: the cache, where they are looked for]")
@verbose_option
def export(weights: str, out: Path | None) -> None:
    """Make the ONNX files that the engine onnx reads with, ahead of their first use.

    They are found in the cache and in the bundle's own folder, for all who read with it; the files' names are printed.

    \b
    Example:
      boneage export --weights run/own -o run/own
    """
    from .export import export_bundle

    for file in export_bundle(weights, out):
        click.echo(file)


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
@click.option(
    "--augmentation", show_default=DEFAULTS.augmentation, help="none, light, clinic, randaugment or uniformaugment."
)
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

    from ..regressor.training.train import is_first_process
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

    from ..regressor.training.train import is_first_process
    from .train import train_bundle

    run["segmenter"] = _segmenter_file(segmenter) if segmenter else None
    run["finer"] = read_cohort(finer) if finer else None
    bundles = train_bundle(cohort, parts, out, settings, cutouts=cutouts, exclude=excluded, **run)
    if is_first_process():
        for bundle in bundles:
            click.echo(bundle)


@main.command()
@click.argument("plan", type=PATH, metavar="PLAN")
@click.argument("data", type=PATH, metavar="[DATA]", required=False)
@out_option
@click.option("--split", metavar="CSV|rsna", help="A stored split, or rsna; default: the plan's, or a new one.")
@click.option("--segmenter", default="default", show_default=True, help=SEGMENTER_HELP)
@workers_option
@verbose_option
@click.pass_context
def compare(
    ctx: click.Context, plan: Path, data: Path | None, out: Path, split: str | None, segmenter: str, workers: int
) -> None:
    """Compare ways to train the regressor: each arm of PLAN against its base, on the same films.

    PLAN is a YAML file of base settings, named arms that change some of them, and seeds;
    pipeline/recipes/experiments.yaml shows the form. DATA is as for train; default: what the plan names.
    Every arm learns from the split's part train and is measured on its part choose. OUT gets comparison.md and
    differences.png; a run that fails is a row of the table.
    The same command given again goes on where it stopped.

    Exit code: 0 when every run finished, 1 when some failed.

    \b
    Example:
      boneage compare pipeline/recipes/experiments.yaml rsna/ --split rsna -o comparison/
    """
    from ..data.cohort import read_cohort
    from ..data.config import load_config
    from .measure.plan import Plan

    settings = load_config(Plan, plan)
    if data is None and not settings.data:
        raise click.UsageError(f"{plan} names no data; give DATA too")
    planned = str(plan.parent / settings.split) if settings.split not in ("", "rsna") else settings.split
    cohort = read_cohort(data or plan.parent / settings.data)
    parts = _training_split(cohort, split or planned or None, out)

    from .measure.compare import compare as run

    result = run(cohort, parts, settings, out, segmenter=_segmenter_file(segmenter), workers=workers)
    click.echo(result.table(), nl=False)
    click.echo(f"comparison.md and differences.png are in {out}", err=True)
    ctx.exit(1 if result.failures else 0)


def _part_of(cohort: Cohort, split: str | None, part: str | None) -> tuple[Cohort, str]:
    """The films of the part asked for, else all, and in words which they are."""
    if part and not split:
        raise click.UsageError("--part names a part of a split; give --split too")
    if split is None:
        return cohort, "every film of it"
    part = part or "report"
    return _read_split(split).take(cohort, part), f"part {part} of the split {Path(split).name}"


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
