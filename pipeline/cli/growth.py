"""The command `growth`: the bone age of each child over its films."""

# ruff: noqa: D301 - \b, which is no raw string's, is click's mark of a paragraph to leave as it is

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .group import command
from .options import PATH, column_option, out_option, verbose_option


@command()
@click.argument("readings", type=PATH, metavar="READINGS")
@out_option
@column_option(
    "patient, chronological_age_months, exam_date, bone_age_months, sex, interval_90_low, interval_90_high, file, "
    "status, model  [default: the names that predict gives them]"
)
@verbose_option
def growth(readings: Path, out: Path, columns: Mapping[str, str]) -> None:
    """Follow the bone age of each child over several films.

    READINGS is a table of boneage predict, made from a CSV with the column patient or with --patient-ids. OUT gets
    children.csv (a row a child, with the rate in months of bone age a year and its 90 % interval), steps.csv (from each
    film to the next) and PATIENT.png for each child with several films. The names in OUT are those of the patients.

    \b
    Examples:
      boneage predict cohort.csv --csv readings.csv
      boneage growth readings.csv -o growth/
    """
    from .. import output
    from ..growth.files import write_growth
    from ..growth.growth import growths_of, read_readings

    films = read_readings(readings, columns)
    growths = growths_of(films)
    write_growth(growths, out)
    output.show_growth(growths)
    click.echo(output.growth_summary(growths, films), err=True)
