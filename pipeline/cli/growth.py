"""The command `growth`: the bone age of each child over its films."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ..report.language import LANGUAGES, preferred_language
from .options import PATH, column_option, command, out_option, reference_option


@command()
@click.argument("readings", type=PATH, metavar="READINGS")
@out_option
@column_option(
    "patient, chronological_age_months, exam_date, bone_age_months, sex, interval_90_low, interval_90_high, file, "
    "status, model, height_cm, adult heights  [default: the names that predict gives them]"
)
@reference_option
@click.option(
    "--report", type=click.Choice(("html", "pdf")), help="Also write a report on each child, PATIENT.html or .pdf."
)
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    default=preferred_language,
    help="Of the reports; default: that of the environment (LANG), or English.",
)
def growth(
    readings: Path, out: Path, columns: Mapping[str, str], reference: Path | None, report: str | None, language: str
) -> None:
    """Follow the bone age of each child over several films.

    READINGS is a table of boneage predict, made from a CSV with the column patient or with --patient-ids. OUT gets
    children.csv (a row a child, with the rate in months of bone age a year and its 90 % interval), steps.csv (from each
    film to the next) and PATIENT.png for each child with several films: bone age, how fast it grows, and predicted
    adult heights where the table has any. The names in OUT are those of the patients.

    \b
    Examples:
      boneage predict cohort.csv --csv readings.csv
      boneage growth readings.csv -o growth/ --report pdf --language de
    """
    from .. import output
    from ..clinical.reference import read_reference
    from ..growth.files import write_growth
    from ..growth.films import read_readings
    from ..growth.growth import growths_of

    compared = read_reference(reference) if reference else None
    films = read_readings(readings, columns)
    growths = growths_of(films)
    write_growth(growths, out, reference=compared, report=report, language=language)
    output.show_growth(growths)
    click.echo(output.growth_summary(growths, films), err=True)
