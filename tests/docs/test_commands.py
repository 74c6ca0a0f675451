"""Every command that a page shows is one that the program, or the project's set-up, knows with these options."""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from collections.abc import Iterator

import click
import pytest
from pages import PAGES, ROOT, Block, blocks, name, prose

from benchmarks.__main__ import main as benchmarks
from boneage.data.errors import BoneAgeError
from boneage.pipeline.cli import main as boneage

OUR_OWN = {"boneage": boneage, "python -m benchmarks": benchmarks}
OF_OTHERS = {
    ".",
    "apt-get",
    "basedpyright",
    "codespell",
    "curl",
    "dciodvfy",
    "docker",
    "dsrdump",
    "echoscu",
    "openssl",
    "pre-commit",
    "pybabel",
    "python",
    "ruff",
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def typed(block: Block) -> Iterator[list[str]]:
    """The commands of a console block, as words; where lines have a prompt, the others are output."""
    lines = block.text.replace("\\\n", " ").splitlines()
    for line in [line[2:] for line in lines if line.startswith("$ ")] or lines:
        for part in " ".join(map(shlex.quote, shlex.split(line, comments=True))).split(" '&&' "):
            words = shlex.split(part)
            while words and re.match(r"[A-Z_]+=", words[0]):  # a variable of the environment
                del words[0]
            if words:
                yield words


def program_of(words: list[str]) -> str:
    """What is run: one word, or three for a module of Python."""
    return " ".join(words[:3]) if words[:2] == ["python", "-m"] else words[0]


def parse(command: click.Command, words: list[str]) -> None:
    """Parse words as the command does, but run nothing; raise what it would complain of."""
    while isinstance(command, click.Group):
        _, inner, words = command.resolve_command(click.Context(command), words)
        assert inner is not None
        command = inner
    with contextlib.suppress(click.exceptions.Exit):  # as after --help
        command.make_context(command.name, words)


def of_group(command: click.Command) -> dict[str, click.Command]:
    """The commands of a group by name; none where it is no group."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)
    return {name: inner for name in command.list_commands(context) if (inner := command.get_command(context, name))}


def options_of(command: click.Command) -> set[str]:
    """The options of a command and of those below it."""
    own = {
        option
        for parameter in command.get_params(click.Context(command))
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return own.union(*map(options_of, of_group(command).values()))


TYPED = [(block, words) for block in blocks("console") for words in typed(block)]
CODE = [(name(page), code) for page in PAGES for code in re.findall(r"`([^`\n]+)`", prose(page))]


@pytest.mark.parametrize(("block", "words"), TYPED, ids=[f"{block} {' '.join(words)}" for block, words in TYPED])
def test_a_command_of_a_page_is_understood(block, words):
    program = program_of(words)
    if program in OUR_OWN:
        parse(OUR_OWN[program], words[len(program.split()) :])
    elif program == "pip":
        assert words[1] == "install"
        assert set(",".join(re.findall(r"\[(.*?)\]", " ".join(words))).split(",")) <= {"", *EXTRAS}
    elif program == "pytest":
        assert all((ROOT / word).exists() for word in words[1:] if word.startswith("tests"))
    else:
        assert program.split()[0] in OF_OTHERS


def test_commands_and_options_in_the_prose_are_there():
    commands = of_group(boneage)
    everywhere = options_of(boneage) | options_of(benchmarks)
    for page, code in CODE:
        words = code.split()
        if words[0] == "boneage" and len(words) > 1 and not words[1].startswith(("-", "COMMAND")):
            assert words[1].rstrip(",") in commands, f"{page}: {code}"
            known = options_of(commands[words[1].rstrip(",")]) | {"--help"}
        elif words[0] in ("boneage", "pytest", "python") or words[0].startswith("-"):
            known = everywhere | {"--help"}
        else:
            continue
        assert {word.rstrip(":,") for word in words if word.startswith("--")} <= known, f"{page}: {code}"


@pytest.mark.parametrize(
    "words", ["predict hand.png --gender F", "predict --sex F", "predict a.png --age 10", "forecast"]
)
def test_a_command_with_a_mistake_is_noticed(words):
    with pytest.raises((click.UsageError, BoneAgeError)):
        parse(boneage, words.split())
