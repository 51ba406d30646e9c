"""The `streamfer` command. Heavy packages are imported by the sub-command that needs them."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from streamfer import __version__
from streamfer.app.cli.commands import PROGRAM
from streamfer.app.cli.groups import make_group
from streamfer.app.terminal.logs import complain
from streamfer.app.terminal.standard_streams import shield_standard_streams
from streamfer.errors import ConfigError, PipelineError, StreamferError
from streamfer.runtime.extras import install_command, is_extra

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; None for the process's own.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        program = make_group("streamfer", PROGRAM, _root)
        code = program.main(given or ["--help"], prog_name="streamfer", standalone_mode=False)
    except TyperException as error:  # bad usage
        complain(error.format_message())
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        log.debug("traceback", exc_info=error)
        told = _missing_extra(error) or _impossible_name(error) or error
        complain(_message(told))
        return told.exit_code if isinstance(told, StreamferError) else 1
    return code if isinstance(code, int) else 0


def run_process() -> NoReturn:
    """Runs the command line as a process of its own, and ends it.

    Threads that sit in a read that nothing can interrupt (a camera driver's, a name server's) would
    hold the interpreter's exit for ever; by now every output is closed.
    """
    shield_standard_streams()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


def _missing_extra(error: Exception) -> ConfigError | None:
    """What to say where a command needs a package that only some users have."""
    package = error.name if isinstance(error, ModuleNotFoundError) else None
    if package is None or not is_extra(package):
        return None
    return ConfigError(f"this needs {package}, which is not installed: {install_command(package)}")


def _impossible_name(error: Exception) -> ConfigError | None:
    """What to say where a path is longer than any can be."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{error.filename or 'a path'}: the name is too long")
    return None


def _message(error: Exception) -> str:
    """What the user needs to know of an error."""
    if isinstance(error, PipelineError) and isinstance(error.__cause__, StreamferError):
        return str(error.__cause__)  # it says itself what failed and where
    if isinstance(error, StreamferError) and not isinstance(error, PipelineError):
        return str(error)
    return f"a bug in streamfer: {error!r}; --log-level debug shows where"


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"streamfer {__version__}")
        raise typer.Exit
