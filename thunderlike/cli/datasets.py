"""``thunderlike datasets``: look at datasets of samples, check them, make new ones of them."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from thunderlike.cli import datasets_look as look
from thunderlike.cli import datasets_make as make
from thunderlike.cli import datasets_sets as sets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["add", "run"]

_EPILOG = """\
  thunderlike datasets info train.msgpack
  thunderlike datasets cat train.msgpack --start 5 --stop 8
  thunderlike datasets verify train.msgpack --samples
  thunderlike datasets shuffle train.msgpack shuffled.msgpack --seed 1
  thunderlike datasets split all.msgpack 8000 9000 -o train.msgpack val.msgpack test.msgpack
  thunderlike datasets write 'photos/{LABEL}/**' -o photos.msgpack
  thunderlike datasets write CIFAR10 downloads -o data

exit codes: 0 done, 1 a dataset is damaged, 2 could not be done (one line says why)
"""


def add(commands: Any) -> None:
    """Describe the command and its own commands to argparse."""
    parser = commands.add_parser(
        "datasets",
        help="look at, check, shuffle, merge, split and write datasets of samples",
        description="Work on datasets: keyed samples in msgpack files, those of datadings too.",
        epilog=_EPILOG,
    )
    parser.set_defaults(subcommand=None)
    below = parser.add_subparsers(title="commands", metavar="COMMAND", dest="subcommand")
    for room in (look, make, sets):
        room.add(below)
    for command in below.choices.values():
        command.add_argument("--json", action="store_true", help="print the outcome as JSON")
        command.add_argument("--quiet", action="store_true", help="print nothing, show no progress")
    parser.set_defaults(help_of=parser.print_help)


def run(args: argparse.Namespace) -> int:
    """Run one of the commands; return 1 for a damaged dataset."""
    from thunderlike.errors import DatasetError, Exists, FormatError

    if args.subcommand is None:
        args.help_of(sys.stderr)
        return 2
    act: Callable[[argparse.Namespace], int] = args.act
    try:
        with _progress(args):
            return act(args)
    except Exists as error:
        reason = str(error).partition("; give overwrite=True")[0]
        raise Exists(f"{reason}; -y replaces it") from error
    except (DatasetError, FormatError) as error:
        if args.debug:
            raise
        sys.stderr.write(f"error: {error}\n")
        return 1


def _progress(args: argparse.Namespace) -> Any:
    """Bars on a terminal only: a log of a thousand shards wants no lines."""
    from thunderlike.progress import progress

    return progress() if sys.stderr.isatty() and not args.quiet else nullcontext()
