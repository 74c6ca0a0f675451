"""The command `predict`: films to readings, with a table and files about each film."""

# ruff: noqa: D301 - \b, which is no raw string's, is click's mark of a paragraph to leave as it is

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ...data.child import Child, parse_age, parse_date, parse_height
from ...data.sex import parse_sex
from ..report.language import LANGUAGES, preferred_language
from .group import Failure
from .options import PATH, F, device_option, engine_option, input_column_option, verbose_option, weights_option


def _by(parse: Callable[[str, str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """An option's callback that reads its text, if it was given, with a parser that names the option in its error."""
    return lambda _, option, text: None if text is None else parse(text, option.opts[0])


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


@click.command()
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

    from ...data.inputs import read_inputs

    rows = read_inputs(inputs, child, columns)

    from .. import output
    from ..predict.bone_age import BoneAge
    from ..predict.cohort import Tally, identity_of, read_films
    from ..predict.film_files import FilmFiles

    files = FilmFiles(rows)
    if heatmap:
        from ..report.heatmap import write_heatmap

        files.add("--heatmap", heatmap, (".png",), write_heatmap)
    if report:
        from ..report.write import SUFFIXES, write_report

        files.add("--report", report, SUFFIXES, functools.partial(write_report, language=language))
    if dicom_sr or dicom_sc or dicom_seg:
        from ..dicom.objects import DICOM_SUFFIXES, KINDS, write_dicom

        for kind, target in zip(KINDS, (dicom_sr, dicom_sc, dicom_seg), strict=True):
            write = functools.partial(write_dicom, kind=kind, heat_map=bool(heatmap))
            if target:
                files.add(f"--dicom-{kind}", target, DICOM_SUFFIXES, write)

    bone_age, tally = BoneAge.load(weights, device, engine), Tally()
    with contextlib.ExitStack() as stack:
        file = None
        if table:
            from ..predict.readings_file import ReadingsFile

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
