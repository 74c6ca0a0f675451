"""The command `predict`: films to readings, with a table and files about each film."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ...data.child import Child, parse_age, parse_height, parse_parent, parse_pseudonym, parse_weight
from ...data.dates import parse_date
from ...data.sex import parse_sex
from ...data.side import parse_side
from ...data.text import for_line
from ..report.language import LANGUAGES, preferred_language
from .group import Failure, Output, Readable, Writable
from .options import (
    MOST_WORKERS,
    F,
    add_options,
    command,
    input_column_option,
    net_options,
    reference_option,
    weights_option,
)

if TYPE_CHECKING:
    from ...data.inputs_table import InputRow
    from ...data.source import Source
    from ...handseg.pairs import Side
    from ..predict.cohort import Tally

FILES = {  # kind of a file about a film (`predict.film_files.KINDS`) -> help of its option
    "heatmap": "Also draw where the reading comes from on the film, .png.",
    "report": "Also write a report of one page, .html or .pdf.",
    "dicom-sr": "Also write the reading as a DICOM structured report.",
    "dicom-sc": "Also write the annotated film as a DICOM picture; with --heatmap, its map too.",
    "dicom-seg": "Also write the hand mask as a DICOM segmentation.",
    "fhir": "Also write the reading as a Bundle of FHIR R4, .json; with --report, the report is attached as PDF.",
}


# Parameter -> option that does not go with --on, whose table has the same
_HERE = {"as_json": "--json", "csv_file": "--csv", "parquet_file": "--parquet"}


def _by(parse: Callable[[str, str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """An option's callback that reads its text, if it was given, with a parser that names the option in its error."""
    return lambda _, option, text: None if text is None else parse(text, option.opts[0])


def _parquet(_: click.Context, __: click.Parameter, file: Path | None) -> Path | None:
    if file and file.suffix.lower() != ".parquet":
        raise click.BadParameter(f"{file} ends in {file.suffix or 'no suffix'}, expected .parquet")
    return file


def _not_parquet(_: click.Context, __: click.Parameter, file: Path | None) -> Path | None:
    if file and file.suffix.lower() == ".parquet":
        raise click.BadParameter(f"{file} ends in .parquet; give it to --parquet, or another name")
    return file


def _from_stdin() -> Source:
    """The film that stdin holds, which messages and files call stdin."""
    from ...data.source import as_source

    if sys.stdin is None:  # it was closed before the program began
        raise Failure("stdin: is closed, expected a film; pipe one in, or give its path")
    stream: Any = SimpleNamespace(name="stdin", read=sys.stdin.buffer.read, seekable=lambda: False)
    return as_source(stream)


def child_options(command: F) -> F:
    """Add the options on what is known of the child, handed on as one `child`."""

    @functools.wraps(command)
    def with_child(**others: Any) -> Any:
        facts = {fact.name: others.pop(fact.name) for fact in fields(Child)}
        return command(child=Child(**facts), **others)

    facts = (
        ("--sex", "sex", parse_sex, "F|M", "Sex of the child; default: from the DICOM or the CSV."),
        ("--age", "age", parse_age, "AGE", "Age at the film: 10y3m, 10.25y or 123mo; default: from the DICOM."),
        ("--birth-date", "birth_date", parse_date, "DATE", "Birth date, 2010-01-15; with the film's, the age."),
        ("--exam-date", "exam_date", parse_date, "DATE", "Date of the film, 2020-04-15; default: from the DICOM."),
        ("--height", "height_cm", parse_height, "CM", "Height at the film, 140.5cm: adds predicted adult heights."),
        ("--weight", "weight_kg", parse_weight, "KG", "Weight at the film, 32.5kg: two of them need it."),
        ("--mother", "mother_cm", parse_parent, "CM", "Height of the mother, 165cm: likewise, and target height."),
        ("--father", "father_cm", parse_parent, "CM", "Height of the father, 180cm."),
        ("--side", "side", parse_side, "left|right", "The hand that is shown; default: from the DICOM or the CSV."),
        ("--name", "pseudonym", parse_pseudonym, "TEXT", "What reports call the child, such as a pseudonym."),
    )
    return add_options(
        with_child,
        *(
            click.option(name, fact, callback=_by(parse), metavar=form, help=text)
            for name, fact, parse, form, text in facts
        ),
    )


def film_file_options(command: F) -> F:
    """Add the options for files about single films, handed on as one `files`, and for the language of a report."""

    @functools.wraps(command)
    def with_files(**others: Any) -> Any:
        files = {kind: target for kind in FILES if (target := others.pop(kind.replace("-", "_")))}
        return command(files=files, **others)

    return add_options(
        with_files,
        *(click.option(f"--{kind}", type=Output(), metavar="FILE", help=text) for kind, text in FILES.items()),
        click.option(
            "--language",
            type=click.Choice(list(LANGUAGES)),
            default=preferred_language,
            help="Of the report; default: that of the environment (LANG), or English.",
        ),
        click.option(
            "--no-heatmap",
            is_flag=True,
            help="Leave out of a report where the reading comes from, which takes longer than the reading.",
        ),
    )


def cluster_options(command: F) -> F:
    """Add the options on a cluster, handed on as one `cluster`, which is empty where the films are read here."""

    @functools.wraps(command)
    def with_cluster(on: str | None, out: Path | None, rows_per_part: int | None, **others: Any) -> Any:
        if on and not out:
            raise click.UsageError("--on was given without a folder for the readings; give -o FOLDER too")
        if not on and (out or rows_per_part):
            option = "-o" if out else "--rows-per-part"
            raise click.UsageError(f"{option} is about a cluster; give --on too, or --csv or --parquet in its place")
        parts = {"rows_per_part": rows_per_part} if rows_per_part else {}
        return command(cluster={"on": on, "out": out, **parts} if on else {}, **others)

    return add_options(
        with_cluster,
        click.option(
            "--on",
            callback=_cluster,
            metavar="CLUSTER",
            help="Read on a cluster: ray://HOST, or ray for that of RAY_ADDRESS, or else a new one of this machine.",
        ),
        click.option(
            "-o",
            "--out",
            type=Writable(),
            metavar="FOLDER",
            help="With --on: folder of the readings, a path or a URL, whose readings.parquet is the table.",
        ),
        click.option(
            "--rows-per-part",
            type=click.IntRange(1, 1_000_000),
            metavar="N",
            help="With --on: films whose rows are stored together, a multiple of 4.  [default: 500]",
        ),
    )


def _cluster(_: click.Context, __: click.Parameter, address: str | None) -> str | None:
    if address and address != "ray" and address.removeprefix("ray://") in (address, ""):
        raise click.BadParameter(f"{address}, expected ray or ray://HOST")
    return address


def _refuse_with_cluster(ctx: click.Context, files: Mapping[str, Path]) -> None:
    """Raise UsageError for options that go with films that are read in this process alone."""
    if ctx.params["device"].startswith("cuda"):
        raise click.UsageError("--device cuda does not go with --on, whose workers read on processors; leave it out")
    given = [*(f"--{kind}" for kind in files), *(option for name, option in _HERE.items() if ctx.params.get(name))]
    if given:
        raise click.UsageError(
            f"{given[0]} does not go with --on, whose result is the table in the folder of -o; leave it out, or read "
            "without --on"
        )


def _reader_on_cluster(workers: int | None, on: str, **where: Any) -> Callable[..., Tally]:
    """What reads on a cluster into a folder. Raises ConfigError where the cluster's engine is not installed."""
    from ..cluster.on_ray import on_ray
    from ..cluster.run import predict_on_cluster

    return functools.partial(predict_on_cluster, on_ray(on, workers or 1), **where)


def _table(
    csv_file: Path | None, parquet_file: Path | None, about: Mapping[str, bool], cluster: Mapping[str, Any]
) -> Path | None:
    """The table asked for. UsageError for two, for options `about` a table without one, and for options that clash."""
    if csv_file and parquet_file:
        raise click.UsageError("--csv and --parquet were given; give one, the other is made of it in a line of pandas")
    table = csv_file or parquet_file
    if not table and not cluster and (given := [f"--{name}" for name, on in about.items() if on]):
        raise click.UsageError(f"{given[0]} is about a table; give --csv or --parquet too")
    if about["resume"] and about["overwrite"]:
        raise click.UsageError("--resume adds to a table and --overwrite replaces it; give one of them")
    return table


def _refuse_files(files: Mapping[str, Path], child: Child, hand: Side) -> None:
    """UsageError for a name that no file carries, and for files about films whose hands are both read."""
    if child.pseudonym and not {"report", "fhir"} & set(files):
        raise click.UsageError("--name is what reports call the child; give --report too")
    if hand == "both" and files:
        raise click.UsageError(f"--{next(iter(files))} is about one hand of a film; give --hand left or right with it")


@command()
@click.argument("inputs", nargs=-1, required=True, type=Readable(), metavar="INPUT...")
@child_options
@reference_option
@weights_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option(
    "--csv",
    "csv_file",
    type=Output(),
    callback=_not_parquet,
    metavar="FILE",
    help="Also write a row for each film to this CSV.",
)
@click.option(
    "--parquet",
    "parquet_file",
    type=Output(),
    callback=_parquet,
    metavar="FILE",
    help="The same as Parquet, instead of a CSV; FILE ends in .parquet.",
)
@click.option(
    "--resume", is_flag=True, help="Keep the rows that the table has already; read only what is new or changed."
)
@click.option("--overwrite", is_flag=True, help="Replace the table that a finished run left.")
@click.option("--patient-ids", is_flag=True, help="Rows also carry the PatientID and the date that DICOMs state.")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=None,
    help="Threads that read films, four at a time each, with --on in each worker.  [default: one for each core; "
    "with --on 1]",
)
@click.option(
    "--hand",
    type=click.Choice(("left", "right", "both")),
    default="left",
    show_default=True,
    help="What is read where a film shows two hands and the DICOM or the thumbs show the sides; else the larger one. "
    "Both have a reading and a row each.",
)
@film_file_options
@input_column_option
@cluster_options
@click.option("--images", type=Readable(), help="Folder of the radiographs that a CSV names; default: beside the CSV.")
@net_options
@click.pass_context
def predict(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    child: Child,
    reference: Path | None,
    weights: str,
    as_json: bool,
    csv_file: Path | None,
    parquet_file: Path | None,
    resume: bool,
    overwrite: bool,
    patient_ids: bool,
    workers: int | None,
    hand: Side,
    files: Mapping[str, Path],
    language: str,
    no_heatmap: bool,
    cluster: Mapping[str, Any],
    columns: Mapping[str, str],
    images: Path | None,
    device: str,
    engine: str,
) -> None:
    """Read bone age from films.

    INPUT is a radiograph (PNG, JPEG, WebP, TIFF, BMP, DICOM), several, a folder, a quoted pattern such as
    'films/**/*.dcm', - for a film from stdin, or a table (.csv, .parquet, .xlsx) with the column path, and where they
    are known sex, age, birth_date, exam_date, height, weight, mother, father, side and patient. Of a folder or pattern,
    what is no film (reports, other modalities) is left out and counted. Sex is never guessed: it comes from --sex, the
    table or the DICOM, and a film where they contradict is not assessed. Left and right hand of one patient and day are
    compared.
    With a chronological age the reading has the difference, the SDS and its assessment; with --height, adult height
    by Bayley-Pinneau; with --weight, --mother and --father too, by RWT and Khamis-Roche. Methods are never averaged.

    A table grows in FILE.partial and is there as FILE, whole, at the end. --resume goes on with a run that was stopped.
    So it does with --on, where the machines of a cluster read the films and the table grows in parts within FOLDER.

    FILE of a heat map, a report, a DICOM or a Bundle is that of one film. For several, give a folder, which gets
    hand-report.html for the film hand.png, or a path with {name} in it for the film's: reports/{name}.pdf.

    Exit code, of one film as of many: 0 when every film was assessed and every file written; 2 when no film could be
    read, or the command is wrong; 1 otherwise.

    \b
    Examples:
      boneage predict hand.png --sex F --age 10y3m --height 140.5cm --report hand.pdf
      boneage predict films/ more.dcm --sex M --json --csv readings.csv
      boneage predict cohort.csv --parquet readings.parquet --workers 4 --resume
      boneage predict films.parquet --on ray://head.example.org -o s3://bucket/readings/ --resume
    """
    _refuse_files(files, child, hand)
    read_on_cluster = None
    if cluster:
        _refuse_with_cluster(ctx, files)
        read_on_cluster = _reader_on_cluster(workers, **cluster)
    table = _table(
        csv_file, parquet_file, {"resume": resume, "overwrite": overwrite, "patient-ids": patient_ids}, cluster
    )

    from ...data.inputs import read_inputs

    listed = [_from_stdin() if str(item) == "-" else item for item in inputs]
    rows = read_inputs(listed, child, columns, images)
    if read_on_cluster:
        reader = {"weights": weights, "device": device, "net_engine": engine, "hand": hand, "reference": reference}
        about = {"patient_ids": patient_ids, "resume": resume, "overwrite": overwrite}
        _end(ctx, rows, read_on_cluster(rows, **reader, **about))

    from .. import output
    from ..predict.bone_age import BoneAge
    from ..predict.cohort import predict_cohort

    show = output.show_json if as_json else output.text_printer([str(row.path) for row in rows])
    tally = predict_cohort(
        functools.partial(BoneAge.load, weights, device, engine, hand, reference),
        rows,
        table=table,
        resume=resume,
        overwrite=overwrite,
        patient_ids=patient_ids,
        files=files,
        language=language,
        report_heatmap=not no_heatmap,
        workers=workers,
        on_reading=show,
    )
    _end(ctx, rows, tally)


def _end(ctx: click.Context, rows: Sequence[InputRow], tally: Tally) -> NoReturn:
    """Say what there is to say of all films, and end the command."""
    from .. import output

    if len(rows) == 1 and tally.statuses["failed"]:
        raise Failure(tally.why)
    click.echo(output.DISCLAIMER, err=True)
    if len(rows) > 1:
        for caveat in tally.caveats:
            click.echo(f"Note: {caveat}.", err=True)
        click.echo(output.summary(tally), err=True)
    for sentence in (*tally.hands.compared(), *tally.sexes.contradictions()):
        click.echo(for_line(f"{sentence}."), err=True)
    for fault in tally.faults:
        click.echo(for_line(str(fault)), err=True)
    ctx.exit(tally.exit_code)
