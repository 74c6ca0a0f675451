"""The commands that measure: `evaluate`, `robustness`, `screen`, `card`, `calibrate` and `compare`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...data.ranges import FILMS
from .group import Output
from .options import (
    PATH,
    SEGMENTER_HELP,
    F,
    add_options,
    cohort_options,
    command,
    net_options,
    out_option,
    reading_options,
    weights_option,
    workers_option,
)

if TYPE_CHECKING:
    from ...data.cohort import Cohort


def part_options(command: F) -> F:
    """Add DATA with its options, --split and --part, handed on as the part's `cohort` and as `words` that name it."""

    @functools.wraps(command)
    def with_part(cohort: Cohort, split: str | None, part: str | None, **others: Any) -> Any:
        from ...data.split import part_of

        films, words = part_of(cohort, split, part)
        return command(cohort=films, words=words, **others)

    return add_options(
        with_part,
        cohort_options,
        click.option(
            "--split", metavar="CSV|rsna", help="Stored split to take a part of; default: all films are read."
        ),
        click.option("--part", help="Part of the split to read.  [default: report]"),
    )


@command()
@part_options
@click.option(
    "--weights",
    multiple=True,
    default=["default"],
    show_default="default",
    help="A shipped bundle, default or fast, or a folder; give it again to compare others with the first.",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Column of the table that makes groups; may be repeated.")
@click.option("-o", "--out", type=Output(), help="Folder for the predictions, two plots and the table.")
@net_options
def evaluate(
    cohort: Cohort,
    words: str,
    weights: tuple[str, ...],
    by: tuple[str, ...],
    out: Path | None,
    device: str,
    engine: str,
) -> None:
    """Measure the error of models on labelled films.

    DATA is a folder as RSNA publishes it, or a table with path or id, sex and bone age. Prints the MAE in months with
    its 95 % bootstrap interval, median error, RMSE, bias and the share within 6 and 12 months, then R², ICC and
    concordance, and how often the 90 % intervals held the label: by sex, age band and columns of your own. Of several
    bundles each has a folder in OUT, and comparison.md has the paired differences.

    \b
    Examples:
      boneage evaluate rsna/ --split rsna -o evaluation/
      boneage evaluate own.csv --column bone_age=ba --age-unit years --by scanner
      boneage evaluate own.csv --weights default --weights run/own -o comparison/
    """
    from .. import output
    from ..measure.bundles import PAGE, compare_bundles
    from ..measure.evaluate import evaluate as measure
    from ..measure.markdown import write_markdown
    from ..predict.bone_age import BoneAge

    models = [BoneAge.load(name, device, engine) for name in weights]  # all are there before the first is measured
    alike = len({model.model for model in models}) < len(models)
    names = [f"{model.model} ({name})" if alike else model.model for name, model in zip(weights, models, strict=True)]
    measured = []
    for number, model in enumerate(models, 1):
        place = out / f"{number}-{model.model}" if out and len(models) > 1 else out
        measured.append(measure(model, cohort, place, split=words, by=by))
        output.show_markdown(measured[-1].page())
    if len(models) > 1:
        text = compare_bundles(measured, names)
        output.show_markdown(text)
        if out:
            write_markdown(out / PAGE, text)
    if out:
        each = "comparison.md, and for each bundle " if len(models) > 1 else ""
        click.echo(
            f"{each}predictions.csv and .json, scatter.png, bland-altman.png and table.md are in {out}", err=True
        )


@command()
@part_options
@click.option(
    "--films", type=click.IntRange(*FILMS), help="Sample N films, stratified by sex and bone age; default: all."
)
@click.option(
    "--protocol",
    metavar="NAME",
    help="A published benchmark in place of this project's copies, santomartino-2024: how often assessments change.",
)
@click.option(
    "--age",
    "by",
    metavar="COLUMN",
    callback=lambda *values: (values[2],) if values[2] else (),
    help="Column with the chronological age, for --protocol; default: each child is taken to be as old as its label.",
)
@weights_option
@out_option
@net_options
def robustness(
    cohort: Cohort,
    words: str,
    films: int | None,
    protocol: str | None,
    by: tuple[str, ...],
    weights: str,
    out: Path,
    device: str,
    engine: str,
) -> None:
    """Measure how altered copies of films change readings.

    Each film of DATA is rotated, mirrored, inverted, re-saved and so on, written as a file and read back. Prints a
    table with the MAE and the change of the reading, and which promises hold; OUT gets it as robustness.md, and every
    reading in robustness.csv. With --protocol the copies are those of a published benchmark, and OUT gets NAME.md,
    NAME.csv and NAME.png.

    \b
    Examples:
      boneage robustness rsna/ --split rsna --films 60 -o robustness/
      boneage robustness own.csv --protocol santomartino-2024 --age age_months -o robustness/
    """
    if by and not protocol:
        raise click.UsageError("--age is for --protocol; this project's own copies need no age")

    from .. import output
    from ..measure.protocol import ages_of, measure_protocol, protocol_of
    from ..measure.robustness import measure_robustness, sample
    from ..predict.bone_age import BoneAge

    chosen = protocol_of(protocol) if protocol else None
    ages = ages_of(cohort, by[0]) if by else None
    bone_age = BoneAge.load(weights, device, engine)
    cohort = sample(cohort, films or len(cohort))
    if chosen:
        measured, files = measure_protocol(bone_age, cohort, chosen, out, split=words, ages=ages), ".json, .md and .png"
    else:
        measured, files = measure_robustness(bone_age, cohort, out, split=words), ".json and .md"
    output.show_markdown(measured.table())
    click.echo(f"{protocol or 'robustness'}.csv, {files} are in {out}", err=True)


@command()
@click.argument("folder", type=PATH, metavar="FOLDER")
@weights_option
@out_option
@net_options
def screen(folder: Path, weights: str, out: Path, device: str, engine: str) -> None:
    """Measure which pictures would get a bone age.

    FOLDER holds pictures and pictures.csv with the columns file, kind and repo (where it comes from). Prints how many
    pictures of each kind come back with each status.

    \b
    Example:
      boneage screen pictures/ -o screening/
    """
    from .. import output
    from ..measure.screening import screen as measure
    from ..measure.screening import write_screened
    from ..segment import load_finder

    finder, _ = load_finder(weights, device, engine)
    output.show_markdown(write_screened(out, measure(folder, finder)))


@command()
@click.argument("bundle")
@click.option("--evaluation", type=PATH, required=True, metavar="DIR", help="What boneage evaluate -o wrote.")
@click.option("--robustness", type=PATH, metavar="DIR", help="What boneage robustness -o wrote.")
@net_options
def card(bundle: str, evaluation: Path, robustness: Path | None, device: str, engine: str) -> None:
    """Write the model card of a bundle.

    BUNDLE is the name of a shipped bundle, or a bundle's folder. The card has what was measured of it. No film is read,
    only drawn hands, whose pictures lie beside the card. `boneage train` writes it at its end.

    \b
    Example:
      boneage card run/own --evaluation run/evaluation --robustness run/robustness
    """
    from ...weights.bundle import read_bundle
    from ..measure.card import write_card
    from ..measure.evaluate import read_evaluation
    from ..measure.robustness import read_robustness

    measured = read_evaluation(evaluation), read_robustness(robustness) if robustness else None
    click.echo(write_card(read_bundle(bundle), *measured, device=device, engine=engine))


@command()
@part_options
@weights_option
@out_option
@net_options
def calibrate(cohort: Cohort, words: str, weights: str, out: Path, device: str, engine: str) -> None:
    """Fit a bundle to the films of a site.

    DATA is as for evaluate: films with sex and the bone age that the site's readers gave. Correction, a line for each
    sex, and 90 % intervals are fitted to them, and OUT is a bundle that `--weights OUT` reads with. Prints the MAE
    before and after on films held back. It takes 30 films of each sex, and better 120 in all; it warns where the films
    are unlike those that the bundle was measured on.

    \b
    Examples:
      boneage calibrate own.csv -o weights/our-clinic
      boneage predict hand.png --sex F --weights weights/our-clinic
    """
    from ...weights.bundle import read_bundle
    from .. import output
    from ..measure.calibrate import calibrate as fit
    from ..predict.bone_age import BoneAge

    bundle = read_bundle(weights)
    result = fit(BoneAge.load(bundle, device, engine), bundle, cohort, out, split=words)
    output.show_markdown(result.table())
    click.echo(
        f"the bundle, its MODEL_CARD.md, and calibration/ with table, plot and films are in {out}; read with it: "
        f"boneage predict hand.png --sex F --weights {out}",
        err=True,
    )


@command()
@click.argument("plan", type=PATH, metavar="PLAN")
@click.argument("data", type=PATH, metavar="[DATA]", required=False)
@reading_options
@out_option
@click.option("--split", metavar="CSV|rsna|T:C:R", help="As for train; default: the plan's, or a new one.")
@click.option("--segmenter", default="default", show_default=True, help=SEGMENTER_HELP)
@workers_option
@click.pass_context
def compare(
    ctx: click.Context,
    plan: Path,
    data: str | Path | None,
    reading: Mapping[str, Any],
    out: Path,
    split: str | None,
    segmenter: str,
    workers: int,
) -> None:
    """Compare ways to train the regressor.

    Each arm of PLAN is compared with its base, on the same films. PLAN is a YAML file of base settings, named arms that
    change some of them, and seeds; pipeline/recipes/experiments.yaml shows the form. DATA is as for train; default:
    what the plan names. Every arm learns from the split's part train and is measured on its part choose. OUT gets
    comparison.md and, where an arm can be compared, differences.png; a run that fails is a row of the table. The same
    command given again goes on where it stopped.

    Exit code: 0 when every run finished, 1 when some failed.

    \b
    Example:
      boneage compare pipeline/recipes/experiments.yaml rsna/ --split rsna -o comparison/
    """
    from ...data.cohort import read_cohort
    from ...data.split import training_split
    from ..measure.plan import read_plan

    settings = read_plan(plan)
    if not (data := data or settings.data):
        raise click.UsageError(f"{plan} names no data; give DATA too")
    cohort = read_cohort(data, **reading)
    parts = training_split(cohort, split or settings.split, out)

    from ...weights.bundle import segmenter_of
    from .. import output
    from ..measure.compare import compare as run

    result = run(cohort, parts, settings, out, segmenter=segmenter_of(segmenter), workers=workers)
    output.show_markdown(result.table())
    names = [file.name for file in result.files]
    click.echo(f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'} in {out}", err=True)
    ctx.exit(1 if result.failures else 0)
