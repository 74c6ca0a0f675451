"""The command `segment`: the hand and its crop as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .options import PATH, command, input_column_option, net_options, out_option, weights_option


@command()
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@out_option
@weights_option
@input_column_option
@net_options
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
    """Find the hand on films and cut the crop.

    INPUT is a radiograph, several, a folder, or a CSV with the column path. For each film NAME, OUT gets NAME.json
    (status, reasons, hand box and the way from the crop back to the original), NAME-mask.png (255 on 0, original
    geometry), NAME-crop.png and NAME-overlay.png. Films of one name are numbered: hand, hand-2.

    \b
    Example:
      boneage segment films/ -o segmented/
    """
    from ...data.inputs import read_inputs

    rows = read_inputs(inputs, columns=columns)

    from .. import output
    from ..segment import load_finder, segment_films

    finder, model = load_finder(weights, device, engine)
    show = output.segment_printer([str(row.path) for row in rows])
    tally = segment_films(rows, finder, out, model, on_record=show)
    if len(rows) > 1:
        click.echo(output.summary(tally, "segmented"), err=True)
    ctx.exit(tally.exit_code)
