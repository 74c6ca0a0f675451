"""A group of commands that imports each command when it is called, and ends expected errors in one line."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ...data.errors import BoneAgeError


class Failure(click.ClickException):
    """One line on stderr, exit code 2."""

    exit_code = 2


class LazyCommands(click.Group):
    """Commands that are imported when called, and whose expected errors end in one line instead of a traceback."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        """`modules`: command -> dotted name of the module that holds it, as a function of the command's name."""
        super().__init__(*args, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in alphabetical order."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; None for a name that is no command."""
        if cmd_name not in self._modules:
            return None
        return getattr(import_module(self._modules[cmd_name]), cmd_name.replace("-", "_"))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command named; BoneAgeError and errors of the file system become Failure."""
        try:
            return super().invoke(ctx)
        except BoneAgeError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:  # click ends a closed pipe quietly
                raise
            raise Failure(f"{error.filename}: {error.strerror}") from error
