"""Fit a linear model of several signals to each pixel of a movie; with and without Spark.

    python spark-submit/regress.py --images MOVIE --design behaviour.csv --output OUT
    spark-submit spark-submit/regress.py --images MOVIE --design behaviour.csv --output OUT

The computation is in thunderlike/jobs/regress.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.cli import scripts
from thunderlike.jobs import regress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from thunderlike.engines import Engine

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Fit a linear model of several signals to each pixel of a movie.

OUTPUT then holds

  betas.tif, tvalues.tif   a page for the intercept, and one for each regressor
  rsquared.tif             the explained share of the variance
  maps.h5                  these in float64, standard errors, p-values, F
  summary.png              maps of R squared and t, and the best pixel's trace with its fit
  summary.json             input, results, engine and duration
"""

EXAMPLES = """\
examples:
  a folder of TIFF files, and all columns of a table:
    python spark-submit/regress.py --images movie --design behaviour.csv --output maps

  two columns, seen through an indicator that decays in 20 images:
    python spark-submit/regress.py --images movie --design behaviour.csv \\
        --regressors speed,place --tau 20 --output maps

  p-values for autocorrelated residuals, and predictions of fifths of the movie:
    python spark-submit/regress.py --images movie.tif --nplanes 1 --design behaviour.json \\
        --prewhiten ar1 --cv 5 --gap 30 --output maps

  print the plan without running it:
    python spark-submit/regress.py --images movie --design behaviour.csv --output maps --dry-run

  on Spark, all cores of this machine:
    spark-submit --master 'local[*]' spark-submit/regress.py --images movie \\
        --design behaviour.csv --output maps
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    scripts.movie(options)
    add = options.add_argument
    add(
        "--design",
        required=True,
        metavar="FILE",
        help="the regressors, one value for each image: columns of a text file (commas or spaces, "
        "with or without a first line of names), or JSON, a list of {name, value}",
    )
    add(
        "--regressors",
        metavar="NAME,NAME",
        help="columns to use, in this order; by default all with numbers",
    )
    add(
        "--tau",
        type=float,
        default=0,
        help="convolve the regressors with an exponential decay of so many images, as that of a "
        "calcium indicator; 0, the default, leaves them as they are",
    )
    add("--standardize", action="store_true", help="coefficients for one standard deviation")
    add("--cv", type=int, metavar="K", help="also predict each of K parts from the others")
    add(
        "--gap",
        type=int,
        default=0,
        metavar="N",
        help="leave out N images on both sides of a predicted part",
    )
    add(
        "--prewhiten",
        choices=("ar1", "ar1-each"),
        help="model residuals as autocorrelated, alike in all pixels or in each its own way",
    )
    scripts.frames(options, "; regressors for all are cut alike")
    return options


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    plan = regress.plan(
        options.images,
        options.design,
        options.output,
        regressors=options.regressors.split(",") if options.regressors else (),
        tau=options.tau,
        standardize=options.standardize,
        cv=options.cv,
        gap=options.gap,
        prewhiten=options.prewhiten,
        **scripts.chosen(options),
    )
    return scripts.run(options, regress.run, plan, partial(_rows, options, plan), _found)


def _found(found: regress.Encoding, summary: Mapping[str, Any]) -> str:
    if found.best is None:
        return "no pixel varies"
    return f"best pixel {found.best}, R squared = {summary['best_rsquared']:.3f}"


def _rows(options: argparse.Namespace, plan: regress.Plan, engine: Engine) -> dict[str, str]:
    names = ", ".join(one.name for one in plan.design)
    return {
        "images": scripts.contained(options.images, plan.movie),
        "design": f"{options.design}: {names}",
        "model": repr(plan.algorithm),
        "engine": scripts.spread(engine, plan.movie.source, plan.npartitions),
        "output": f"{scripts.placed(options)}: {', '.join(regress.OUTPUTS)}",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
