"""``thunderlike ls``: list the content of HDF5 files."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from typing import TYPE_CHECKING

from thunderlike._text import printable
from thunderlike._version import __version__
from thunderlike.cli.options import show
from thunderlike.errors import (
    GroupMissingError,
    MissingExtraError,
    SpecError,
    ThunderlikeError,
)

if TYPE_CHECKING:
    import argparse

    from thunderlike.cli.options import Commands
    from thunderlike.hdf5._pickles import Policy
    from thunderlike.hdf5.listing import Tree

__all__ = ["add", "run"]

PROTOCOL = 12  # of deepdish's layout, as `hdf5.save` writes it

_EPILOG = """\
Nothing in a file is executed, and arrays are read only with --summarize.

  thunderlike ls day1.h5
  thunderlike ls day1.h5 --depth 2 --compression
  thunderlike ls day1.h5 --inspect /motion/x
  thunderlike ls day1.h5 --json | jq .
  thunderlike ls run1.h5 run2.h5 --filter weights

exit codes: 0 done, 1 a file is missing or broken, or has no such entry
"""


def add(commands: Commands) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "ls",
        help="list the content of HDF5 files",
        description="List the content of HDF5 files, whatever program wrote them.",
        epilog=_EPILOG,
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("-d", "--depth", type=int, default=4, help="levels to show (default 4)")
    parser.add_argument("-i", "--inspect", metavar="PATH", help="print the value of one entry")
    parser.add_argument("-f", "--filter", metavar="REGEX", default="", help="paths to show")
    parser.add_argument("-l", "--leaves-only", action="store_true", help="hide what holds others")
    parser.add_argument("-a", "--all", action="store_true", help="show all of very many entries")
    parser.add_argument("-s", "--summarize", action="store_true", help="mean and std of arrays")
    parser.add_argument("-c", "--compression", action="store_true", help="how arrays are packed")
    parser.add_argument("-nc", "--no-color", action="store_true", help="no colours on a terminal")
    parser.add_argument("--raw", action="store_true", help="frames and matrices as their parts")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--column-width", type=int, metavar="N", help="width of the left column")
    help_text = "open IPython with the file, or the entry of --inspect, as `data`"
    parser.add_argument("--ipython", action="store_true", help=help_text)
    help_text = "what pickles may do with --inspect and --ipython (default refuse)"
    policies = ("refuse", "restricted", "allow")
    parser.add_argument("--pickle", choices=policies, default="refuse", help=help_text)
    help_text = f"thunderlike {__version__} (io protocol {PROTOCOL})"
    parser.add_argument("-v", "--version", action="version", version=help_text)


def run(args: argparse.Namespace) -> int:
    """Print each file; return 1 if one failed."""
    if (args.inspect or args.ipython) and len(args.files) > 1:
        raise SpecError(f"--{'inspect' if args.inspect else 'ipython'} takes one file")
    # All files are printed, also after one that failed, as `ls` of the system does.
    codes = []
    for number, file in enumerate(args.files):
        if len(args.files) > 1 and not args.json:
            show(*[""] * (number > 0), file)
        codes.append(_guarded(args, file))
    return max(codes)


def _guarded(args: argparse.Namespace, file: str) -> int:
    """Print a file; report errors, so that the other files are printed too."""
    try:
        _one(args, file)
    except GroupMissingError as error:
        what = args.inspect if args.inspect else error
        sys.stderr.write(f"Error: Could not find group: {printable(str(what))}\n")
    except ThunderlikeError as error:
        if args.debug:
            raise
        sys.stderr.write(f"error: {error}\n")
    else:
        return 0
    return 1


def _one(args: argparse.Namespace, file: str) -> None:
    from thunderlike import hdf5

    if args.ipython:
        _ipython(file, args.inspect, args.pickle)
    elif args.inspect:
        print(_shown(hdf5.load(file, args.inspect, pickle=args.pickle)))
    else:
        tree = hdf5.ls(file, raw=args.raw)
        if args.summarize:
            _summarize(file, tree)
        _print(args, file, tree)


def _print(args: argparse.Namespace, file: str, tree: Tree) -> None:
    if args.json:
        # A row for each entry, without empty fields; `entries` would repeat the rows below it.
        rows = [
            {
                key: value
                for key, value in dataclasses.asdict(entry).items()
                if key != "entries" and value not in (None, "")
            }
            for entry in tree
        ]
        show(*json.dumps({"file": file, "entries": rows}, indent=2).split("\n"))
        return
    text = tree.text(
        depth=args.depth,
        everything=args.all,
        leaves=args.leaves_only,
        compression=args.compression,
        pattern=args.filter,
        width=args.column_width,
    )
    if args.no_color or not sys.stdout.isatty():
        show(*text.split("\n"))
    else:
        # Paths in blue, as deepdish shows them.
        lines = (line.partition(" ") for line in text.splitlines())
        print("\n".join(f"\033[34m{path}\033[0m{gap}{rest}" for path, gap, rest in lines))


def _summarize(file: str, tree: Tree) -> None:
    """Replace the dtype of numeric arrays by mean and standard deviation, reading them."""
    import numpy as np

    from thunderlike import hdf5

    for entry in tree:
        # Empty arrays have no mean.
        if entry.kind == "array" and entry.dtype and np.prod(entry.shape or 0) > 0:
            values = np.asarray(hdf5.load(file, entry.path))
            if values.dtype.kind in "biuf":
                entry.text = f"array {entry.shape} {values.mean():.4g} +- {values.std():.4g}"


def _shown(value: object) -> str:
    """Format a value as Python prints it, without control characters."""
    return printable(str(value), keep="\n\t")


def _ipython(file: str, entry: str | None, pickle: Policy) -> None:
    """Load a file, or an entry of it, and open IPython with it."""
    from thunderlike import hdf5

    try:
        ipython = importlib.import_module("IPython")
    except ModuleNotFoundError:
        raise MissingExtraError("IPython is not installed: pip install ipython") from None
    data = hdf5.load(file, entry, pickle=pickle)
    ipython.start_ipython(argv=[], user_ns={"data": data, "file": file})
