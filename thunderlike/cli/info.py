"""``thunderlike info``: format, shape and metadata of files, from their headers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from thunderlike.cli.options import positive, shape, show
from thunderlike.formats.registry import FORMATS

if TYPE_CHECKING:
    import argparse

    from thunderlike.cli.options import Commands
    from thunderlike.engines import Spec

__all__ = ["add", "options", "reading", "run"]

_READING = (
    *(
        "format",
        "nplanes",
        "channel",
        "discard_extra",
        "recursive",
        "dataset",
        "axis",
        "shape",
        "dtype",
    ),
    "order",
)

DESCRIPTION = """\
Print what is at a path: format, shape, dtype, size, metadata, and the engine that suits the size.
Only headers are read.
"""

EPILOG = """\
examples:
  thunderlike info day1.tif
  thunderlike info s3://bucket/day1 --nplanes 1
  thunderlike info day2.ome.tif --channel 0
  thunderlike info day1.h5 --dataset /acquisition/movie --json

exit codes: 0 done; 2 nothing could be read (with the reason in one line)
"""


def add(commands: Commands) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "info",
        help="print what is at a path: format, shape, dtype, size",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("path", metavar="PATH", help="a file, a folder or a pattern")
    reading(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=run)


def reading(parser: argparse.ArgumentParser) -> None:
    """Add the options for reading files."""
    group = parser.add_argument_group("how the files are read")
    group.add_argument(
        "--format",
        metavar="NAME",
        help=f"format of the files: {' '.join(FORMATS)}; by their names if not given",
    )
    group.add_argument(
        "--series", action="store_true", help="read arrays as series, time last, instead of images"
    )
    group.add_argument(
        "--nplanes",
        type=positive,
        metavar="N",
        help="TIFF, raw: an image every N pages, 1 for a movie in one file; by default the axes "
        "that a TIFF file states decide, and all pages of one that states none are one volume",
    )
    group.add_argument(
        "--channel", type=int, metavar="N", help="TIFF: which channel to read, from 0"
    )
    group.add_argument(
        # None if not given: `look` refuses options that the format does not have.
        "--discard-extra",
        action="store_const",
        const=True,
        help="leave out what N does not divide",
    )
    group.add_argument(
        "--recursive", action="store_const", const=True, help="files in folders below PATH as well"
    )
    group.add_argument("--dataset", metavar="NAME", help="HDF5, Zarr: path of the array")
    group.add_argument("--axis", type=int, metavar="N", help="npy, HDF5, Zarr: counts the images")
    group.add_argument("--shape", type=shape, metavar="H,W", help="raw: of an image")
    group.add_argument("--dtype", metavar="NAME", help="raw, text: of the values")
    group.add_argument(
        "--order",
        choices=("C", "F", "text", "natural"),
        help="of files: by their names as text, or with numbers as numbers; raw: or which index "
        "runs fastest",
    )


def options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options for reading as arguments of `look`."""
    # None for those that were not given, which `look` leaves to the reader.
    return {"as_series": args.series, **{name: getattr(args, name) for name in _READING}}


def run(args: argparse.Namespace) -> int:
    """Inspect the path and print the result."""
    from thunderlike.jobs.contents import look

    contents = look(args.path, **options(args))
    facts = {**contents.description(), **_engine(contents.source.spec)}
    show(*(json.dumps(facts, indent=2).split("\n") if args.json else _lines(facts)))
    return 0


def _engine(spec: Spec) -> dict[str, Any]:
    """Return the engine that reads the records where none is given, and the free memory."""
    from thunderlike.config import current
    from thunderlike.engines import engine_for
    from thunderlike.util.memory import available

    setting = current().engine
    # Spark need not be started for its name.
    name = setting if setting == "spark" else engine_for().sized(spec).name
    return {"engine": name, "available_bytes": available()}


def _lines(facts: dict[str, Any]) -> list[str]:
    rows = {
        "path": facts["path"],
        "format": f"{facts['format']}, read as {facts['kind']}",
        "shape": " x ".join(map(str, facts["shape"])),
        "dtype": facts["dtype"],
        "values": _size(facts["bytes"]),
        "engine": f"{facts['engine']}; {_fits(facts['bytes'], facts['available_bytes'])}",
        "files": f"{facts['files']}, {_size(facts['file_bytes'])}",
        "first": facts["first"],
        **{name: _short(value) for name, value in facts["attrs"].items()},
    }
    width = max(map(len, rows))
    return [f"{name:<{width}}  {value}" for name, value in rows.items()]


def _fits(nbytes: int, available: int) -> str:
    does = "fit" if nbytes <= available // 2 else "do not fit"
    return f"the values {does} in half of the {_size(available)} of free memory"


def _size(nbytes: int) -> str:
    size = float(nbytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def _short(value: object) -> str:
    text = " ".join(str(value).split())  # OME-XML and other metadata have many lines
    return text if len(text) <= 80 else f"{text[:77]}..."
