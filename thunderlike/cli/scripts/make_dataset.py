"""Make a dataset for machine learning of images; with and without Spark.

    python spark-submit/make_dataset.py --input IMAGES --labels cells.csv:kind --output OUT
    spark-submit spark-submit/make_dataset.py --input IMAGES --output OUT

The work is done by thunderlike/jobs/make_dataset.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from thunderlike.cli import scripts
from thunderlike.cli.info import options as reading_options
from thunderlike.cli.info import reading
from thunderlike.cli.options import megabytes, show
from thunderlike.jobs import make_dataset
from thunderlike.jobs.contents import look
from thunderlike.jobs.report import started, summary_path
from thunderlike.progress import progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main", "parser", "run"]

DESCRIPTION = """\
Make a dataset for machine learning of images, or of series: keyed samples in shards of messages.

OUTPUT becomes a folder of shards, each with an index of its keys, and a manifest of all. A sample
is {"key": "00012", "data": array, "label": ...}. In Python,

  reader = tl.datasets.ShardedReader("OUTPUT")

reads them in any order, tl.datasets.torch shares them among ranks and workers, and
tl.images.fromdataset makes images of them again. OUTPUT appears when it is complete. The
same command resumes an interrupted run. OUTPUT.summary.json has input, labels, engine and duration.
"""

EXAMPLES = """\
examples:
  a folder of PNG files, and a column of a table with a label for each, in the order of their names:
    python spark-submit/make_dataset.py --input cells --labels cells.csv:kind --output cells-data

  one TIFF file with a page for each image, shards of 16 MB, arrays called "image":
    python spark-submit/make_dataset.py --input movie.tif --nplanes 1 --field image \\
        --shard 16 --output movie-data

  print the plan without running it:
    python spark-submit/make_dataset.py --input cells --output cells-data --dry-run

  on Spark, all cores of this machine, a gigabyte at a time:
    spark-submit --master 'local[*]' spark-submit/make_dataset.py --input cells \\
        --output cells-data --batch 1000
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    add = options.add_argument
    add("--input", required=True, metavar="PATH", help="a file, a folder or a quoted pattern")
    add("--output", required=True, metavar="DIR", help="output folder; empty or new")
    add(
        "--labels",
        metavar="FILE[:NAME]",
        help="one for each image, in their order: a column of a text file whose first line names "
        "the columns, or JSON: a list, or of {name, value}; none is empty; numbers stay numbers",
    )
    add("--field", default="data", metavar="NAME", help="of the array in a sample (%(default)s)")
    add(
        "--shard",
        type=megabytes,
        default=64 * 10**6,
        metavar="MB",
        help="of a file of samples (64)",
    )
    scripts.batches(options)
    reading(options)
    scripts.where(options)
    return options


def run(options: argparse.Namespace) -> int:
    """Plan the job, and run it unless this is a dry run."""
    plan = make_dataset.plan(
        look(options.input, **reading_options(options)),
        options.output,
        field=options.field,
        labels=options.labels,
        shard=options.shard,
    )
    if options.dry_run:
        show(*scripts.described(_rows(plan, options)).split("\n"))
        return 0
    with progress():
        summary = make_dataset.run(
            plan, started(options.engine), batch=options.batch,
            npartitions=options.npartitions, overwrite=options.overwrite, resume=options.resume,
            command=scripts.command(),
        )  # fmt: skip
    samples = f"{summary['samples']} samples{scripts.before(summary)}"
    show(f"{options.output}: {samples}; {scripts.speed(summary)}")
    return 0


def _rows(plan: make_dataset.Plan, options: argparse.Namespace) -> dict[str, str]:
    labels = plan.description["labels"]
    named = f"{labels['different']} different: {labels['first']}" if labels else "none"
    return {
        "input": scripts.contained(options.input, plan.contents),
        "labels": named,
        "engine": scripts.spread(
            started(options.engine), plan.contents.source, options.npartitions
        ),
        "shards": f"of {plan.shard / 1e6:g} MB, arrays called {plan.field!r}",
        "output": scripts.placed(options),
        "summary": summary_path(options.output),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
