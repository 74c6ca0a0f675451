"""The commands that train: `train` for a whole bundle, `train-segmenter` and `train-regressor` for a part of one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ...data.policies import PolicyName
from ...regressor.config import Fusion, Loss, RegressorConfig
from .options import PATH, SEGMENTER_HELP, F, add_options, cohort_options, command, out_option, workers_option

if TYPE_CHECKING:
    from ...data.cohort import Cohort

DEFAULTS = RegressorConfig()
NEGATIVES_HELP = "Folder of pictures that are no whole hand, with pictures.csv: such pictures are then rejected."


def _number(_: click.Context, __: click.Parameter, value: str) -> int | str:
    if value != "auto" and not re.fullmatch("[1-9][0-9]{0,2}", value):
        raise click.BadParameter(f"{value!r}, expected auto or a number from 1 to 999")
    return value if value == "auto" else int(value)


def show_recipe_option(dotted: str) -> Callable[[F], F]:
    """Add --show-recipe, which prints all settings of a configuration and ends; `dotted`: module of boneage, class."""

    def show(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if not asked or ctx.resilient_parsing:
            return
        from ...data.described import described

        module, name = dotted.split(":")
        kind = getattr(import_module(f"boneage.{module}"), name)
        click.echo(described(kind()), nl=False)
        ctx.exit()

    return click.option(
        "--show-recipe",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print all settings with their defaults and meaning, as YAML for --recipe, and end.",
    )


def training_options(command: F) -> F:
    """Add what all trainings of a regressor share."""
    return add_options(
        command,
        click.option(
            "--split",
            metavar="CSV|rsna|T:C:R",
            help="A stored split (columns id and part: train, choose, report), rsna for the project's split of RSNA's "
            "training films, or percent of the films to train, choose and report, by patient.  [default: 80:10:10, "
            "stored in OUT/split.csv]",
        ),
        click.option("--keep-crops", is_flag=True, help="Keep the crops in OUT/crops when the training is done."),
        click.option("--resume", is_flag=True, help="Go on with the run that OUT holds, exactly where it stopped."),
        workers_option,
        click.option(
            "--gpus",
            "devices",
            default="auto",
            show_default=True,
            callback=_number,
            help="GPUs of each machine; without any, processes on its CPU.",
        ),
        click.option(
            "--nodes", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Machines of the run."
        ),
    )


@command()
@cohort_options
@out_option
@click.option("--recipe", type=PATH, metavar="YAML", help="Settings of every step that differ from the defaults.")
@show_recipe_option("pipeline.recipe:Recipe")
@click.option("--cutouts", type=PATH, help="Folder of hands without background for the segmenter: images/ and masks/.")
@click.option("--negatives", type=PATH, help=NEGATIVES_HELP)
@click.option("--segmenter", help=f"Use this one instead of training one. {SEGMENTER_HELP}")
@click.option("--exclude", type=PATH, metavar="CSV", help="Ids (column id) that the segmenter is not trained on.")
@click.option("--finer", type=PATH, metavar="DATA", help="Sharper copies of films of DATA, learned from beside them.")
@training_options
def train(
    cohort: Cohort,
    out: Path,
    recipe: Path | None,
    cutouts: Path | None,
    negatives: Path | None,
    segmenter: str | None,
    exclude: Path | None,
    finer: Path | None,
    split: str | None,
    **run: Any,
) -> None:
    """Train a whole bundle of weights.

    Segmenter, crops, regressor, calibration and evaluation are made of DATA, which is a folder as RSNA publishes it, or
    a table (CSV, .xlsx) with path or id, sex and bone age. Films, settings and disk are checked before anything is
    read. Prints where the bundle is, its error on the part report, and how to use it.

    \b
    Examples:
      boneage train films.csv --segmenter default -o run/
      boneage train --show-recipe > recipe.yaml
      boneage train films.csv --segmenter default --recipe recipe.yaml -o run/
      boneage predict hand.png --sex F --weights run/own
    """
    from ...data.cohort import read_cohort
    from ...data.config import load_config
    from ...data.split import training_split
    from ...data.table import read_ids
    from ..recipe import Recipe

    settings = load_config(Recipe, recipe)
    excluded = read_ids(exclude) if exclude else frozenset()
    parts = training_split(cohort, split, out)

    from ...regressor.training.train import is_first_process
    from ...weights.bundle import segmenter_of
    from ..train import outcome, train_bundle

    run["segmenter"] = segmenter_of(segmenter) if segmenter else None
    run["finer"] = read_cohort(finer) if finer else None
    bundles = train_bundle(cohort, parts, out, settings, cutouts=cutouts, negatives=negatives, exclude=excluded, **run)
    if is_first_process():
        for bundle in bundles:
            click.echo(outcome(bundle))


@command()
@cohort_options
@out_option
@click.option("--cutouts", type=PATH, help="Folder of hands without background: images/ and masks/.")
@click.option("--negatives", type=PATH, help=NEGATIVES_HELP)
@click.option(
    "--head-of",
    metavar="WEIGHTS",
    help=f"Only fit a head to this one: with --negatives for what a film shows, else for what is missing of a hand. "
    f"{SEGMENTER_HELP}",
)
@click.option(
    "--wrists",
    type=PATH,
    metavar="CSV",
    help="Marked wrists, as id, width, height, wrist_x and wrist_y in pixels: these films alone teach what is missing "
    "of a hand.",
)
@click.option("--recipe", type=PATH, metavar="YAML", help="Settings that differ from the defaults.")
@show_recipe_option("handseg.config:SegmenterConfig")
@click.option("--exclude", type=PATH, metavar="CSV", help="Ids (column id) kept out of training, to measure on later.")
@click.option("--about", default="", help="What the films are, for the weights' header.")
@click.option("--licence", default="", help="Terms of the weights, for their header.")
@workers_option
def train_segmenter(
    cohort: Cohort,
    out: Path,
    cutouts: Path | None,
    negatives: Path | None,
    head_of: str | None,
    wrists: Path | None,
    recipe: Path | None,
    exclude: Path | None,
    about: str,
    licence: str,
    workers: int,
) -> None:
    """Train the hand segmenter.

    The films of DATA need no hand-drawn masks. A run that stopped goes on with its next round when the same command is
    given again.

    \b
    Example:
      boneage train-segmenter rsna/ --cutouts hand-masks/ -o segmenter/
    """
    from ...data.config import load_config
    from ...data.split import refuse_test_ids
    from ...data.table import read_ids
    from ...handseg.config import SegmenterConfig

    settings = load_config(SegmenterConfig, recipe)
    excluded = read_ids(exclude) if exclude else frozenset()
    refuse_test_ids(film.id for film in cohort if film.id not in excluded)

    from ...handseg.training.bootstrap import add_heads
    from ...handseg.training.wrists import read_wrists
    from ...weights.bundle import segmenter_of
    from ..train import train_segmenter_on

    marks = read_wrists(wrists) if wrists else {}
    marked = {film.path: marks[film.id] for film in cohort if film.id in marks} if wrists else None
    if head_of:
        films = [film.path for film in cohort if film.id not in excluded]
        weights = add_heads(segmenter_of(head_of).path, films, negatives, out, settings, marked)
    else:
        about_data = {"data": about, "licence": licence, "cutouts": cutouts, "negatives": negatives, "wrists": marked}
        weights = train_segmenter_on(cohort, out, settings, exclude=excluded, workers=workers, **about_data)
    click.echo(weights)


@command()
@cohort_options
@out_option
@click.option("--segmenter", default="default", show_default=True, help=SEGMENTER_HELP)
@click.option("--recipe", type=PATH, metavar="YAML", help="Settings that differ from the defaults; options win.")
@show_recipe_option("regressor.config:RegressorConfig")
@click.option("--backbone", show_default=DEFAULTS.net.backbone, help="Any timm backbone.")
@click.option(
    "--fusion", type=click.Choice(get_args(Fusion)), show_default=DEFAULTS.net.fusion, help="Where sex joins."
)
@click.option("--loss", type=click.Choice(get_args(Loss)), show_default=DEFAULTS.loss, help="On z-scored labels.")
@click.option("--augmentation", type=click.Choice(get_args(PolicyName)), show_default=DEFAULTS.augmentation)
@training_options
@click.option("--about", default="", help="What the films are, for the weights' header.")
@click.option("--licence", default="", help="Terms of the weights, for their header.")
def train_regressor(
    cohort: Cohort,
    out: Path,
    segmenter: str,
    recipe: Path | None,
    backbone: str | None,
    fusion: str | None,
    loss: str | None,
    augmentation: str | None,
    split: str | None,
    about: str,
    licence: str,
    **run: Any,
) -> None:
    """Train the bone-age regressor.

    Films, settings and disk are checked before crops of DATA are cut. Prints where the regressor is, its error on the
    part choose, by which its epoch was chosen, and how to measure it.

    \b
    Example:
      boneage train-regressor rsna/ --split rsna --backbone tf_efficientnetv2_s -o regressor/
    """
    from ...data.config import load_config
    from ...data.split import training_split

    settings = load_config(RegressorConfig, recipe, {"loss": loss, "augmentation": augmentation})
    net = {name: value for name, value in (("backbone", backbone), ("fusion", fusion)) if value}
    settings = dataclasses.replace(settings, net=dataclasses.replace(settings.net, **net))
    parts = training_split(cohort, split, out)

    from ...regressor.training.train import is_first_process
    from ...weights.bundle import segmenter_of
    from ..train import train_regressor_on

    trained = train_regressor_on(
        cohort, parts, out, settings, segmenter=segmenter_of(segmenter), data=about, licence=licence, **run
    )
    if is_first_process():
        click.echo(
            f"{trained.weights}: MAE {trained.validation_mae:.2f} months on the part choose, which chose its epoch\n"
            f"  learning curve: {out / 'learning-curve.png'}\n"
            f"  measure it: boneage evaluate DATA --split {out / 'split.csv'} --weights {out} -o evaluation/"
        )
