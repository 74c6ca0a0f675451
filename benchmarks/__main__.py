"""The command: `python -m benchmarks`, from the top of the repository."""

from __future__ import annotations

import os
import tempfile
import time
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from . import machine, report
from .setting import Setting

# training last: it changes the process
PARTS = ("cold", "cluster", "film", "folder", "floor", "install", "parity", "rivals", "service", "training")
PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "parts", multiple=True, type=click.Choice(PARTS), help="A part to measure; may be repeated.")
@click.option("--rsna", type=PATH, metavar="DATA", help="RSNA's films, for the part parity, left out without them.")
@click.option("--quick", is_flag=True, help="Few films and rounds: to see that it runs. The figures mean little.")
@click.option(
    "-o",
    "--out",
    type=PATH,
    default=Path("runs/benchmarks"),
    show_default=True,
    help="Folder for results.md and .json.",
)
@click.option("--write", type=PATH, metavar="PAGE", help="Also fill the marked places of this Markdown page.")
def main(parts: tuple[str, ...], rsna: Path | None, quick: bool, out: Path, write: Path | None) -> None:
    """Measure how fast boneage is on this machine, beside the machine's floor and what people would use instead.

    Medians over rounds in which everything compared takes its turn. Let nothing else run meanwhile.
    """
    if write and quick:
        raise click.UsageError("--quick and --write were given; a page takes figures of a whole run")
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    if "parity" in parts and rsna is None:
        raise click.UsageError("--only parity was given without films; name RSNA's with --rsna DATA")
    chosen = [part for part in PARTS if part in (parts or PARTS) and (part != "parity" or rsna)]
    terminal, facts = Console(), machine.facts()
    if not terminal.is_terminal:
        terminal.width = 132
    for name, value in facts.items():
        terminal.print(f"{name}: {value}", highlight=False)
    found: dict[str, report.Findings] = {}
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(Path(folder), quick, rsna)
        for part in chosen:
            start, busy = time.monotonic(), machine.load()
            with terminal.status(f"measuring: {part}"):
                found[part] = import_module(f".{part}", __package__).measure(setting)
            report.show(part, found[part], terminal)
            took = time.monotonic() - start
            terminal.print(f"{part}: {took:.0f} s; {busy:.1f} processes wanted a core before\n", highlight=False)
            # after each part, so that a part that fails loses no other's figures
            report.write(out / "results.md", report.to_markdown(facts, found))
            report.write(out / "results.json", report.to_json(facts, found))
            if write:
                page = report.fill(write.read_text("utf-8"), {part: found[part]}, _line(facts, busy))
                report.write(write, page)
    unmet = sum(not bar.met for findings in found.values() for bar in findings.bars)
    terminal.print(f"{unmet} of {len(report.bar_rows(found))} bars are not met; written to {out}", highlight=False)


def _line(facts: dict[str, str], busy: float) -> str:
    """What a part's figures were measured on, in a line."""
    versions = ", ".join(f"{name} {facts[name]}" for name in machine.PACKAGES)
    return (
        f"*Measured on {facts['date']}: {facts['processor']}, {facts['cores']} cores, {facts['vector instructions']}, "
        f"python {facts['python']}, {versions}; {busy:.1f} processes wanted a core before.*"
    )


if __name__ == "__main__":
    main()
