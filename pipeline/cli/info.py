"""The commands about weights: `info` shows what they are, `export` writes them as ONNX files."""

from __future__ import annotations

from pathlib import Path

import click

from .options import command, out_option, weights_option


@command()
@weights_option
@click.option("--all", "everything", is_flag=True, help="Everything that the files of the weights state, as YAML.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything instead of text.")
def info(weights: str, everything: bool, as_json: bool) -> None:
    """Show versions, device and weights.

    What the files of the weights state is shown in short, or with --all in full.

    \b
    Example:
      boneage info --json
    """
    import json

    import yaml

    from ..info import information, summary

    found = information(weights)
    if as_json:
        click.echo(json.dumps(found))
        return
    shown = found if everything else summary(found)
    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100).rstrip())


@command()
@weights_option
@out_option
def export(weights: str, out: Path) -> None:
    """Write the nets of a bundle as ONNX files.

    They are for programs that run nets without this one, which needs no such files. Their names are printed.

    \b
    Example:
      boneage export --weights fast -o nets/
    """
    from ..export import export_bundle

    for file in export_bundle(weights, out):
        click.echo(file)
