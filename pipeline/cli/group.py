"""A group of commands that imports each command when it is called, and ends expected errors in one line."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ...data.errors import BoneAgeError, with_remedy
from ...data.files import inputs_kept, refuse_inputs
from ...data.processes import end_children, is_first
from ...data.progress import shown_by
from ...data.text import for_lines, shortened
from ...data.url import Url, as_path, is_url
from ..extras import extra_of
from .bars import Bars
from .streams import drop_output, have_streams, lasting_stderr, print_anything, say_amid

_LONGEST = 10_000  # characters of a message
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Failure(click.ClickException):
    """A message on stderr, exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        """`message`: is made harmless for a terminal, and cut where it is very long."""
        super().__init__(shortened(for_lines(shortened(message, _LONGEST)), _LONGEST))


class Output(click.Path):
    """The type of each option for a file or folder that is written; any other path is one that is read."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)  # what may not be read is refused later, with a remedy

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A path of this machine, which a file:// URL may give too; a blank one (the shell's folder) is refused."""
        if not str(value).strip():
            self.fail("is blank, expected a file or a folder", param, ctx)
        if str(value) == "-":
            self.fail("- is stdout, expected a file or a folder; give a name, or ./- for one called -", param, ctx)
        if is_url(value) and isinstance(value := as_path(value), Url):
            self.fail(f"{value} is a URL, expected a path; boneage predict --on writes its table to URLs", param, ctx)
        if "\0" in str(value):  # as a URL may say it
            self.fail(f"{value} has a NUL, which no name of a file has; give another name", param, ctx)
        return super().convert(value, param, ctx)


class _OrUrl(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A URL as one, any other place as a path; a blank one is refused."""
        if not str(value).strip():
            self.fail("is blank, expected a file or a folder", param, ctx)
        return as_path(value) if is_url(value) else super().convert(value, param, ctx)


class Readable(_OrUrl):
    """The type of what is read from a path or a URL."""

    def __init__(self) -> None:
        # click would refuse what may not be read, and with it the films beside it
        super().__init__(path_type=Path, readable=False)


class Writable(_OrUrl, Output):
    """The type of an option for what is written to a path or a URL."""


class SafeCommand(click.Command):
    """A command that refuses an output that is one of its inputs, and keeps its inputs from being written over."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises OutputError where an output is an input."""
        outputs, inputs = list[tuple[str, Path]](), list[Path]()
        for param in self.params:
            given = ctx.params.get(param.name or "")
            for value in given if isinstance(given, tuple) else (given,):
                if isinstance(param.type, Output) and value is not None:
                    outputs.append((param.opts[-1], value))
                elif isinstance(value, Path) or (isinstance(value, str) and os.path.isfile(value)):  # noqa: PTH113 - False for a long text
                    inputs.append(Path(value))
        for output in outputs:  # several may be one folder
            refuse_inputs([output], inputs)
        with inputs_kept(inputs):
            return super().invoke(ctx)


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

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program. Its exit codes are the same where stderr cannot be written."""
        with lasting_stderr():
            return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command named; BoneAgeError, and a lack of files, memory or an extra become Failure."""
        have_streams()
        print_anything()
        try:
            with _stops_told(), shown_by(Bars()):
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
        except BoneAgeError as error:
            raise Failure(str(error)) from error
        except ModuleNotFoundError as error:
            extra = extra_of(error.name or "")
            if extra is None:
                raise
            raise Failure(
                f"this needs {error.name}, which is not installed; install it with: pip install 'boneage[{extra}]'"
            ) from error
        except MemoryError as error:
            raise Failure("there is not enough memory; give fewer films at a time, or --workers 1") from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # click ends a closed pipe quietly
                raise
            if error.filename is None and error.errno is not None:
                drop_output()
            raise Failure(f"{error.filename or 'the output'}: {with_remedy(error)}") from error


@contextmanager
def _stops_told() -> Iterator[None]:
    """Within the block the first SIGINT, SIGTERM or SIGHUP ends the command in good order, a second one at once.

    Exit codes are 130, 143 and 129. A signal that is ignored, as by nohup, stays ignored. In threads of other programs
    Python cannot handle signals, and nothing changes.
    """
    before: dict[signal.Signals, Any] = {}
    stop, hook = _Stop(), sys.unraisablehook
    with suppress(ValueError):
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    except BaseException as error:  # what a stop interrupts may fail in its own way, as does a native library's import
        number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else stop.asked
        if number is None:
            raise
        raise click.exceptions.Exit(_code(number)) from None
    finally:
        if stop.asked is not None:
            end_children()  # once more: a signal that is not yet handled takes in a second one
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.asked is None:  # what a stop broke off may fail until Python has deleted the last of it
            sys.unraisablehook = hook


class _Stop:
    """Handles signals: reports the first one, and raises SystemExit.

    Lightning and Python itself end KeyboardInterrupt with other codes and messages.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.asked: int | None = None  # the first signal

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Stop; at once if this is the second signal. The processes that this one started end first."""
        if os.getpid() != self._process:  # a fork that prepares batches; what reaches the group is its parent's matter
            if number == signal.SIGTERM:
                os._exit(_code(number))
            return
        if hasattr(signal, "SIGCHLD"):  # torch's handler raises an error when a process of its own ends
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        end_children()
        if self.asked is not None:
            os._exit(_code(number))
        self.asked = number
        if is_first():
            say_amid(f"stopping ({signal.Signals(number).name}); once more to stop at once")
        sys.unraisablehook = self._ignored
        raise SystemExit(_code(number))

    def _ignored(self, error: Any) -> None:
        """End the program where Python ignores what was raised, as in a callback of an object that is deleted."""
        if isinstance(error.exc_value, SystemExit):
            os._exit(_code(self.asked or 0))


def _code(number: int) -> int:
    return 128 + number
