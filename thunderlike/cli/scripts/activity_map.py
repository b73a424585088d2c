"""Map which pixels of a movie follow a signal; with and without Spark.

    python spark-submit/activity_map.py --images MOVIE --signal speed.csv --output OUT
    spark-submit spark-submit/activity_map.py --images MOVIE --signal speed.csv --output OUT

The computation is in thunderlike/jobs/activity_map.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.cli import scripts
from thunderlike.jobs import activity_map

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from thunderlike.engines import Engine

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Map which pixels of a movie follow a signal.

The linear trend is removed from each pixel's series, which is then correlated with the signal.
OUTPUT then holds

  correlation.npy, correlation.tif   Pearson's r of each pixel; NaN where it is constant
  mean.tif                           the mean image
  summary.png                        both, and the best pixel's trace over the signal
  summary.json                       input, results, engine and duration
"""

EXAMPLES = """\
examples:
  a folder of TIFF files, and a column of a table:
    python spark-submit/activity_map.py --images movie --signal behaviour.csv:speed --output map

  one TIFF file with a page for each image, smoothed with a Gaussian of 1.5 pixels:
    python spark-submit/activity_map.py --images movie.tif --nplanes 1 --sigma 1.5 \\
        --signal speed.txt --output map

  flat binary files in Fortran order, with their shape in conf.json in the same folder:
    python spark-submit/activity_map.py --images raw --order F --signal log.json:speed --output map

  print the plan without running it:
    python spark-submit/activity_map.py --images movie --signal speed.txt --output map --dry-run

  on Spark, all cores of this machine:
    spark-submit --master 'local[*]' spark-submit/activity_map.py --images movie \\
        --signal speed.txt --output map
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    scripts.movie(options)
    add = options.add_argument
    add(
        "--signal",
        required=True,
        metavar="FILE[:NAME]",
        help="one value for each image: a column of a text file (commas or spaces, with or without "
        "a first line of names), or JSON: a list of numbers, or of {name, value}; NAME chooses "
        "one of several, columns without a name are called 0, 1, 2 ...",
    )
    add(
        "--sigma",
        type=float,
        default=0,
        help="smooth each image, or volume, with a Gaussian of this deviation in pixels first; "
        "0, the default, takes the pixels as they were recorded",
    )
    scripts.frames(options, "; a signal for all is cut alike")
    return options


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    plan = activity_map.plan(
        options.images,
        options.signal,
        options.output,
        sigma=options.sigma,
        **scripts.chosen(options),
    )
    return scripts.run(options, activity_map.run, plan, partial(_rows, options, plan), _found)


def _found(found: activity_map.ActivityMap, summary: Mapping[str, Any]) -> str:  # noqa: ARG001
    if found.best is None:
        return "no pixel varies"
    return f"best pixel {found.best}, r = {found.best_correlation:.3f}"


def _rows(options: argparse.Namespace, plan: activity_map.Plan, engine: Engine) -> dict[str, str]:
    signal = plan.signal
    values = f"{len(signal.values)} values, {signal.values.min():g} to {signal.values.max():g}"
    return {
        "images": scripts.contained(options.images, plan.movie),
        "signal": f"{signal.path}: {signal.name}, {values}",
        "engine": scripts.spread(engine, plan.movie.source, plan.npartitions),
        "smooth": f"sigma {plan.sigma:g} pixels" if plan.sigma else "no",
        "output": f"{scripts.placed(options)}: {', '.join(activity_map.OUTPUTS)}",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
