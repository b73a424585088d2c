"""The command line ``thunderlike``, with one module for each command.

A command is a module ``thunderlike.cli.<name>`` with ``add(commands)``, which adds it to argparse,
and ``run(args)``, which runs it and returns the exit code. To add a command, write its module and
name it in ``COMMANDS``. Heavy libraries are imported inside ``run``, so that ``thunderlike --help``
is fast. Only this package prints.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.cli import convert, datasets, demo, doctor, info, ls, submit
from thunderlike.cli.options import OneLine, Versions
from thunderlike.jobs.report import FAILED, reported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": demo,
    "doctor": doctor,
    "ls": ls,
    "info": info,
    "convert": convert,
    "datasets": datasets,
    "submit": submit,
}

_EPILOG = """\
start here:
  thunderlike demo           find the neurons of a made-up recording and their spikes
  thunderlike doctor         check this machine, with and without Java and Spark
  thunderlike COMMAND -h     describe a command, with examples

exit codes: 0 done, 1 done with something missing, 2 failed (with the reason in one line)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after ``thunderlike``; those of this process by default.

    Raises
    ------
    SystemExit
        For ``--help`` and ``--version``, and with code 2 for unknown arguments.

    Examples
    --------
    >>> main(["--version"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        # On standard error: a script that forgot the command must not take the help for output.
        parser.print_help(sys.stderr)
        return FAILED
    try:
        return reported(partial(COMMANDS[args.command].run, args), debug=args.debug)
    except BrokenPipeError:  # `thunderlike doctor | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = OneLine(
        prog="thunderlike",
        description="Images and time series too big to loop over: numpy here, the same on Spark.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=Versions, help="print the versions of the package and its libraries"
    )
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=_Command
    )
    for command in COMMANDS.values():
        command.add(commands)
    return parser


class _Command(OneLine):
    """Parser of a command, which takes ``--debug`` as well as the main parser does.

    Parameters
    ----------
    passes_on : bool
        Collect the words after ``--`` unparsed in `passed_on`, for another program.
    """

    def __init__(self, *, passes_on: bool = False, **options: Any) -> None:
        self._passes_on = passes_on
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})
        # Without a default, which would replace the value of `thunderlike --debug COMMAND`.
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: object = None
    ) -> tuple[Any, list[str]]:
        """Parse the words before ``--``, and collect those after it."""
        words = list(args or [])
        end = words.index("--") if self._passes_on and "--" in words else len(words)
        found: Any
        found, rest = super().parse_known_args(words[:end], namespace)
        if self._passes_on:
            found.passed_on = words[end + 1 :]
            if rest:
                self.error(f"{rest[0]}: unknown option; options of the job come after --")
        return found, rest
