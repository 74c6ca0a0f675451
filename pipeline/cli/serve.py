"""The command `serve`: readings by HTTP, and a page for them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click

from .group import Output
from .options import (
    MOST_WORKERS,
    PATH,
    YEAR,
    Number,
    command,
    net_options,
    one_hand_option,
    reference_option,
    weights_option,
)


def _seconds(name: str, default: float, text: str) -> Any:
    kind = Number(0, YEAR, min_open=True)
    return click.option(name, type=kind, default=default, show_default=True, metavar="SECONDS", help=text)


@command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: one that is free.")
@click.option("--token-file", type=PATH, help="File whose first line every request must carry as its bearer token.")
@click.option("--no-auth", is_flag=True, help="Listen on other addresses without a token: a proxy admits who may come.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another name of the service; may be repeated.")
@click.option("--prefix", default="", help="Path below which a proxy shows the service, such as /boneage.")
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Threads that read films.  [default: one for each core]"
)
@click.option("--queue", type=click.IntRange(0, 100_000), default=32, show_default=True, help="Requests that may wait.")
@click.option("--max-upload", default="64MiB", show_default=True, help="Largest body of a request.")
@click.option(
    "--max-films", type=click.IntRange(1, 1_000_000), default=200, show_default=True, help="Most films of a job."
)
@click.option("--spool", type=Output(), help="Folder that holds uploads while they wait, unnamed; default: memory.")
@_seconds("--deadline", 60.0, "Longest time from an upload to its answer.")
@_seconds("--upload-timeout", 60.0, "Longest time of an upload.")
@_seconds("--keep-alive", 5.0, "How long an idle connection is kept.")
@_seconds("--stop-timeout", 10.0, "How long what is under way may take when the service is stopped.")
@_seconds("--keep", 900.0, "How long a result can be fetched.")
@click.option("--keep-bytes", default="512MiB", show_default=True, help="Memory for results; the oldest go first.")
@click.option("--no-page", is_flag=True, help="Serve no page.")
@one_hand_option
@reference_option
@click.option("--openapi", is_flag=True, help="Print the description of the service (OpenAPI), and end.")
@weights_option
@net_options
def serve(
    reference: Path | None,
    weights: str,
    device: str,
    engine: str,
    token_file: Path | None,
    no_auth: bool,
    allow_host: tuple[str, ...],
    max_upload: str,
    keep_bytes: str,
    workers: int | None,
    no_page: bool,
    openapi: bool,
    **others: Any,
) -> None:
    """Serve readings by HTTP, and a page to get them on.

    Open the address that is printed, or send a film: POST /v1/readings answers with what predict --json prints.
    Films are held in memory, and forgotten. Without a token the service listens on this machine alone; TLS and users
    are the matter of a proxy in front.

    \b
    Examples:
      boneage serve
      boneage serve --host 0.0.0.0 --token-file token.txt --workers 4 --weights fast
    """
    from ..predict.parallel import cores
    from ..serve.settings import Settings, parse_bytes, read_token

    settings = Settings(
        token=read_token(token_file) if token_file else None,
        open_to_all=no_auth,
        hosts=allow_host,
        max_upload=parse_bytes(max_upload, "--max-upload"),
        keep_bytes=parse_bytes(keep_bytes, "--keep-bytes"),
        workers=workers or cores(),
        page=not no_page,
        **others,
    )
    from ..predict.bone_age import BoneAge
    from ..serve import run

    load = functools.partial(BoneAge.load, weights, device, engine, settings.hand, reference)
    if openapi:
        click.echo(run.description(load))
        return
    from ...weights.bundle import read_bundle
    from ..clinical.reference import read_reference
    from ..reading import DISCLAIMER

    read_bundle(weights)  # what is wrong with its name is said at once
    if reference:
        read_reference(reference)  # likewise
    click.echo(str(DISCLAIMER), err=True)
    run.serve(settings, load, lambda address: click.echo(f"boneage listens on {address}", err=True))
