"""Mean, deviation, percentiles and dF/F of every pixel; with and without Spark.

    python spark-submit/series_stats.py --input MOVIE --output OUT
    spark-submit spark-submit/series_stats.py --input MOVIE --output OUT

The computation is in thunderlike/jobs/series_stats.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from thunderlike.cli import scripts
from thunderlike.cli.info import options as reading_options
from thunderlike.cli.info import reading
from thunderlike.cli.options import numbers, positive, show
from thunderlike.jobs import series_stats
from thunderlike.jobs.contents import look
from thunderlike.jobs.report import started
from thunderlike.jobs.series_stats import Baseline, Figures
from thunderlike.progress import progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from thunderlike.engines import Engine

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Compute the mean, the deviation, percentiles and dF/F of every pixel of a movie, or of every series.

OUTPUT then holds

  stats.h5       a map for each: mean, std, p5, p50, p95
  dff.h5         the array "data": the series of each pixel as (y - b) / (b + offset), in float32,
                 where b is its baseline
  summary.json   input, range of each map, engine and duration

tl.images.fromhdf5("OUTPUT/stats.h5", dataset="mean") and tl.series.fromhdf5("OUTPUT/dff.h5") read
them, as every HDF5 tool does. OUTPUT appears when it is complete. The same command resumes an
interrupted run.
"""

EXAMPLES = """\
examples:
  a folder of TIFF files:
    python spark-submit/series_stats.py --input movie --output stats

  one TIFF file with a page for each image; quartiles; dF/F over the median of 300 images:
    python spark-submit/series_stats.py --input movie.tif --nplanes 1 --output stats \\
        --percentiles 25,50,75 --baseline window --window 300 --perc 50

  series in a text file, maps alone:
    python spark-submit/series_stats.py --input traces.txt --output stats --no-dff

  a movie larger than the memory, a gigabyte at a time:
    python spark-submit/series_stats.py --input movie.h5 --output stats --batch 1000

  on Spark, all cores of this machine:
    spark-submit --master 'local[*]' spark-submit/series_stats.py --input movie --output stats
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    add = options.add_argument
    add("--input", required=True, metavar="PATH", help="a file, a folder or a quoted pattern")
    add("--output", required=True, metavar="DIR", help="output folder; empty or new")
    add(
        "--percentiles",
        type=numbers,
        default=Figures.percentiles,
        metavar="Q,Q",
        help="those of each pixel over time, from 0 to 100 (5,50,95)",
    )
    _baseline(options)
    scripts.batches(
        options, "values in memory at a time (256); all on disk and spark unless given", None
    )
    reading(options)
    scripts.where(options)
    return options


def _baseline(options: argparse.ArgumentParser) -> None:
    add = options.add_argument_group("dF/F").add_argument
    add(
        "--baseline",
        choices=("percentile", "mean", "window", "window-exact"),
        default=Baseline.method,
        help="a percentile of the pixel's series, its mean, or a percentile of a window around "
        "each image: 'window' by rank, and fast, 'window-exact' interpolated, and shorter at the "
        "ends (%(default)s)",
    )
    add(
        "--perc",
        type=float,
        default=Baseline.perc,
        metavar="Q",
        help="which percentile, of the series or the window, from 0 to 100 (%(default)g)",
    )
    add("--window", type=positive, metavar="N", help="images in a window; needed by both windows")
    add(
        "--offset",
        type=float,
        default=Baseline.offset,
        metavar="X",
        help="added to the baseline b in (y - b) / (b + X), lest it divide by 0 (%(default)s)",
    )
    add("--no-dff", action="store_true", help="leave dff.h5 out")


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    given = Baseline(options.baseline, options.window, options.perc, options.offset)
    figures = Figures(options.percentiles, None if options.no_dff else given)
    contents = look(options.input, **reading_options(options))
    plan = series_stats.plan(contents, options.output, figures)
    engine = started(options.engine).sized(contents.source.spec)
    # A lazy engine divides all values itself.
    batch = options.batch or (None if engine.lazy else 256 * 10**6)
    if options.dry_run:
        show(*scripts.described(_rows(plan, engine, batch, options)).split("\n"))
        return 0
    with progress():
        summary = series_stats.run(
            plan, engine, batch=batch, npartitions=options.npartitions,
            overwrite=options.overwrite, resume=options.resume, command=scripts.command(),
        )  # fmt: skip
    mean = summary["maps"]["mean"]
    found = f"mean {mean['min']:.4g} to {mean['max']:.4g}" if mean["min"] is not None else "no mean"
    show(f"{options.output}: {found}{scripts.before(summary)}; {scripts.speed(summary)}")
    return 0


def _rows(
    plan: series_stats.Plan, engine: Engine, batch: int | None, options: argparse.Namespace
) -> dict[str, str]:
    *pixels, length = plan.shape
    baseline = plan.figures.baseline
    return {
        "input": scripts.contained(options.input, plan.contents),
        "engine": scripts.spread(engine, plan.contents.source, options.npartitions),
        "pixels": f"{' x '.join(map(str, pixels))}, {length} values each",
        "maps": ", ".join(plan.figures.names),
        "dF/F": f"baseline {baseline.method}, offset {baseline.offset:g}" if baseline else "no",
        "memory": "as the engine has it" if batch is None else f"{batch / 1e6:.0f} MB at a time",
        "output": f"{scripts.placed(options)}: {', '.join(plan.outputs)}",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
