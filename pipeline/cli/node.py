"""The command `node`: films come in by DICOM, and results go on."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from .group import Output
from .options import (
    MOST_WORKERS,
    YEAR,
    Number,
    command,
    net_options,
    one_hand_option,
    weights_option,
)

if TYPE_CHECKING:
    from ..node.destinations import Destination


@command()
@click.option("--aet", default="BONEAGE", show_default=True, help="Our AE title, which senders must call.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all.")
@click.option("--port", type=click.IntRange(0, 65535), default=11112, show_default=True, help="Port to listen at.")
@click.option(
    "--allow",
    multiple=True,
    metavar="CALLING@NET",
    help="Who may send, such as ORTHANC@10.0.0.0/8; * is any title. May be repeated.",
)
@click.option("--send-to", metavar="AET@HOST:PORT", help="Send results to this node by C-STORE.")
@click.option("--stow", metavar="URL", help="Send results to this DICOMweb service by STOW-RS.")
@click.option("--out", type=Output(), metavar="DIR", help="Write results to this folder.")
@click.option(
    "--authorization",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Of --stow: a file with the value of the header Authorization, such as Bearer and a token.",
)
@click.option(
    "--result",
    "kinds",
    type=click.Choice(("sr", "sc", "seg")),
    multiple=True,
    default=("sr", "sc", "seg"),
    show_default=True,
    help="What is made of a film: report, picture, hand mask. May be repeated.",
)
@click.option(
    "--spool", type=Output(), default=Path("boneage-spool"), show_default=True, help="Folder of what is under way."
)
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Films read at the same time.  [default: one for each core]"
)
@click.option(
    "--timeout", type=Number(1, YEAR), default=60, show_default=True, help="Seconds that a silent peer is waited for."
)
@one_hand_option
@weights_option
@net_options
def node(
    aet: str,
    host: str,
    port: int,
    allow: tuple[str, ...],
    send_to: str | None,
    stow: str | None,
    out: Path | None,
    authorization: Path | None,
    kinds: tuple,
    spool: Path,
    workers: int | None,
    timeout: float,
    hand: Literal["left", "right"],
    weights: str,
    device: str,
    engine: str,
) -> None:
    """Read films sent by DICOM, and send the results on.

    Films of CR, DX and secondary capture come in by C-STORE, and C-ECHO is answered. Each is on disk before its sender
    has the answer. Sex comes from the DICOM; a film without it is kept in the spool's folder failed/, with
    the reason beside it. Results go into the study of their film, to one place: --send-to, --stow or --out. While it is
    away they wait in the spool, and after a stop, of whatever kind, the same command goes on.

    \b
    Examples:
      boneage node --send-to ORTHANC@127.0.0.1:4242
      boneage node --host 0.0.0.0 --allow ORTHANC@10.1.0.0/16 --stow https://archive.example/dicom-web
    """
    if sum(value is not None for value in (send_to, stow, out)) != 1:
        raise click.UsageError("results go to one place; give --send-to, --stow or --out")
    if authorization and not stow:
        raise click.UsageError("--authorization is of --stow; give both, or neither")
    if not allow and not _loopback(host):
        raise click.UsageError(
            f"--host {host} can be reached from elsewhere; say who may send with --allow, *@0.0.0.0/0 for anyone"
        )
    from ...data.progress import shown_by
    from ..node.node import Settings
    from ..node.node import node as running
    from ..node.peers import Sender, parse_title
    from ..predict.bone_age import BoneAge

    senders = [Sender.parse(text) for text in allow]
    settings = Settings(parse_title(aet), host, port, senders, spool, kinds, workers, timeout)
    where = _destination(send_to, stow, out, authorization, aet, timeout)
    quiet = shown_by(lambda *_: nullcontext(lambda: None))  # no bar for each film
    with quiet, running(settings, lambda: BoneAge.load(weights, device, engine, hand), where):
        threading.Event().wait()  # until a signal


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _destination(
    send_to: str | None, stow: str | None, out: Path | None, authorization: Path | None, aet: str, timeout: float
) -> Destination:
    if send_to is not None:
        from ..node.cstore import CStore
        from ..node.peers import Peer

        return CStore(Peer.parse(send_to), aet, timeout)
    if stow is not None:
        from ..node.stow import Stow

        return Stow(stow, authorization.read_text("utf-8", "replace").strip() if authorization else "", timeout)
    from ..node.destinations import Folder

    assert out is not None
    return Folder(out)
