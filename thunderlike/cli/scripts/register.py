"""Correct the motion of a movie; with and without Spark.

    python spark-submit/register.py --images MOVIE --output OUT
    spark-submit spark-submit/register.py --images MOVIE --output OUT

The computation is in thunderlike/jobs/register.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.cli import scripts
from thunderlike.jobs import register

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from thunderlike.engines import Engine

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Correct the motion of a movie (image registration, motion correction).

Frames, or volumes, are registered to a reference that is built from a sample of them, by shifts of
whole frames or by smooth fields, and resampled. OUTPUT then holds

  movie.h5        the corrected movie, or movie.npy, movie.zarr, or a folder movie of files
  shifts.csv      shift along each axis in pixels, and whether the frame is bad, a line a frame
  model.h5        the motion, for tl.registration.load; also fields, reference, variance
  summary.png     the mean before and after, and the shifts
  summary.json    input, results, engine and duration
"""

EXAMPLES = """\
examples:
  a folder of TIFF files:
    python spark-submit/register.py --images movie --output corrected

  one TIFF file with a page for each frame; smooth fields; Zarr:
    python spark-submit/register.py --images movie.tif --nplanes 1 --kind piecewise --to zarr \\
        --output corrected

  channel 0, by the motion of channel 1:
    python spark-submit/register.py --images two.tif --channel 0 --structural 1 --output corrected

  to the reference of another session:
    python spark-submit/register.py --images day2 --reference day1/model.h5 --output corrected

  a file of any size in 1 GB of memory:
    THUNDERLIKE_MEMORY=1000000000 python spark-submit/register.py --engine disk \\
        --images movie.h5 --output corrected

  on Spark, all cores of this machine:
    spark-submit --master 'local[*]' spark-submit/register.py --images movie --output corrected
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    scripts.movie(options)
    add = options.add_argument
    add(
        "--kind",
        choices=("rigid", "piecewise"),
        default="rigid",
        help="shifts of whole frames, which is the default, or smooth fields of shifts",
    )
    add(
        "--reference",
        metavar="PATH",
        help="what frames are registered to: an image, images, of which the mean is taken, or "
        "model.h5 of an earlier run; by default built from a sample of the frames",
    )
    add(
        "--structural",
        type=int,
        metavar="N",
        help="TIFF: channel to estimate the motion on; that of --channel is corrected",
    )
    add(
        "--max-shift",
        type=float,
        default=0.1,
        metavar="PX",
        help="largest shift in pixels, or below 1 as a share of each side (0.1)",
    )
    add(
        "--bidirectional",
        metavar="PX",
        help="displacement of odd rows, which is corrected first; auto estimates it",
    )
    add(
        "--interpolation",
        type=int,
        choices=(0, 1, 3),
        default=3,
        help="nearest pixel, linear, or cubic, which is the default",
    )
    add(
        "--to",
        choices=tuple(register.FORMATS_OF_MOVIES),
        default="hdf5",
        help="format of the corrected movie",
    )
    scripts.frames(options)
    return options


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    plan = register.plan(
        options.images,
        options.output,
        kind=options.kind,
        reference=options.reference,
        structural=options.structural,
        max_shift=options.max_shift,
        bidirectional=options.bidirectional,
        interpolation=options.interpolation,
        to=options.to,
        **scripts.chosen(options),
    )
    return scripts.run(options, register.run, plan, partial(_rows, options, plan), _found)


def _found(found: register.Corrected, summary: Mapping[str, Any]) -> str:
    count, bad = len(found.model), len(summary["bad_frames"])
    return f"{count} frames, shifts of up to {found.largest:.1f} pixels, {bad} bad frames"


def _rows(options: argparse.Namespace, plan: register.Plan, engine: Engine) -> dict[str, str]:
    steering = "" if options.structural is None else f", on channel {options.structural}"
    return {
        "images": scripts.contained(options.images, plan.movie),
        "engine": scripts.spread(engine, plan.movie.source, plan.npartitions),
        "method": f"{plan.algorithm!r}{steering}",
        "reference": options.reference or "the mean of a sample",
        "output": f"{scripts.placed(options)}: {register.FORMATS_OF_MOVIES[plan.to]}",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
