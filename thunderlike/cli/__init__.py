"""The command line: one ``thunderlike``, and one module of this room for each of its commands.

A command is a module ``thunderlike.cli.<name>`` that offers ``add(commands)``, which describes it
to argparse, and ``run(args)``, which does it and returns the exit code. To add one, write that
module and name it in ``COMMANDS``. It imports what is heavy inside ``run``, so that
``thunderlike --help`` answers at once. This is the one room that prints.
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
    from collections.abc import Sequence

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

_TEACH = """\
start here:
  thunderlike demo           see it work: which neurons of a movie follow an animal's speed
  thunderlike doctor         can this machine do it? with Java and Spark, or without
  thunderlike COMMAND -h     what a command does, with examples

exit codes: 0 done, 1 done with something missing, 2 could not be done (one line says why)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``thunderlike``; those of this process by default.

    Raises
    ------
    SystemExit
        For ``--help`` and ``--version``, and with 2 for words that are not understood.

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
        epilog=_TEACH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=Versions, help="say which versions this is")
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=_Command
    )
    for command in COMMANDS.values():
        command.add(commands)
    return parser


class _Command(OneLine):
    """The parser of a command: it takes ``--debug`` as well, for that is where one adds it.

    Parameters
    ----------
    passes_on : bool
        Leave what stands after ``--`` unread, in the list `passed_on`: it is for somebody else.
    """

    def __init__(self, *, passes_on: bool = False, **options: Any) -> None:
        self._passes_on = passes_on
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the words before ``--``, and keep those after it."""
        words = list(args or [])
        end = words.index("--") if self._passes_on and "--" in words else len(words)
        found, rest = super().parse_known_args(words[:end], namespace)
        if self._passes_on:
            found.passed_on = words[end + 1 :]
            if rest:
                self.error(f"{rest[0]}: is no option here; what is for the job stands after --")
        return found, rest
