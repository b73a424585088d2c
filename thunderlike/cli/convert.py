"""``thunderlike convert``: write images or series in another format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thunderlike.cli.info import options, reading
from thunderlike.cli.options import megabytes, positive, show
from thunderlike.formats.registry import FORMATS
from thunderlike.jobs.report import ENGINES

if TYPE_CHECKING:
    import argparse

    from thunderlike.cli.options import Commands

__all__ = ["add", "run"]

DESCRIPTION = """\
Write the data at IN in another format at OUT, in batches. The progress is saved next to OUT, and
the same command resumes an interrupted run.
"""

EPILOG = """\
examples:
  thunderlike convert day1.tif day1.h5 --nplanes 1
  thunderlike convert s3://bucket/day1 frames --nplanes 1 --to png
  thunderlike convert day1.h5 day1.zarr --engine spark

exit codes: 0 done; 2 failed (with the reason in one line)
"""


def add(commands: Commands) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "convert", help="write data in another format", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("path", metavar="IN", help="a file, a folder or a pattern")
    parser.add_argument("out", metavar="OUT", help="a file for npy and HDF5, else a folder")
    parser.add_argument("--to", metavar="NAME", help=f"format: {' '.join(FORMATS)}; by OUT's name")
    parser.add_argument("--engine", choices=ENGINES, help="what reads and writes")
    parser.add_argument("--npartitions", type=positive, metavar="N", help="Spark: parts of a batch")
    parser.add_argument(
        "--batch",
        type=megabytes,
        default=256 * 10**6,
        metavar="MB",
        help="in memory at a time (256)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace such a file, or folder of them"
    )
    reading(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert the data and print the number of records."""
    from thunderlike.jobs.contents import look
    from thunderlike.jobs.convert import convert, target_format
    from thunderlike.jobs.report import default_engine, started
    from thunderlike.progress import progress

    # Before the engine: a wrong name or path is reported without starting Spark.
    to = target_format(args.out, args.to)
    contents = look(args.path, **options(args))
    engine = started(args.engine or default_engine())
    with progress():
        skipped = convert(
            contents, args.out, to, engine=engine, npartitions=args.npartitions,
            batch=args.batch, overwrite=args.overwrite,
        )  # fmt: skip
    again = f", {skipped} batches of them by an earlier run" if skipped else ""
    show(f"{args.out}: {contents.collection.count()} records as {to}{again}")
    return 0
