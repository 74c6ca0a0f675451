"""The commands about weights: `info` shows what they are, `export` makes their ONNX files."""

# ruff: noqa: D301 - \b, which is no raw string's, is click's mark of a paragraph to leave as it is

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, verbose_option, weights_option


@click.command()
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

    from ..info import information

    seen = information(weights)
    click.echo(json.dumps(seen) if as_json else yaml.safe_dump(seen, sort_keys=False, allow_unicode=True).rstrip())


@click.command()
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
    from ..export import export_bundle

    for file in export_bundle(weights, out):
        click.echo(file)
