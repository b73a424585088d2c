"""Write images or series in another format; with and without Spark.

    python spark-submit/convert.py --input day1.tif --nplanes 1 --output day1.h5
    spark-submit spark-submit/convert.py --input day1 --output day1.zarr

The work is done by thunderlike/jobs/convert.py; this file parses the command line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from thunderlike._text import printable
from thunderlike.cli import scripts
from thunderlike.cli.info import options as reading_options
from thunderlike.cli.info import reading
from thunderlike.cli.options import show
from thunderlike.formats.registry import FORMATS
from thunderlike.jobs import convert
from thunderlike.jobs.contents import Contents, look
from thunderlike.jobs.report import as_options, started, summary_path
from thunderlike.progress import progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main", "parser", "run"]

DESCRIPTION = f"""\
Write images or series in another format, in batches.

Formats: {" ".join(FORMATS)}. The input format follows from the names or first bytes of
the files, the output format from the name of OUTPUT or --to. OUTPUT appears when it is complete.
The same command resumes an interrupted run. OUTPUT.summary.json has input, engine and duration.
"""

EXAMPLES = """\
examples:
  one TIFF file with a page for each image, to HDF5:
    python spark-submit/convert.py --input day1.tif --nplanes 1 --output day1.h5

  a folder of flat binary files without conf.json, to Zarr:
    python spark-submit/convert.py --input raw --shape 512,512 --dtype uint16 --output day1.zarr

  series in a text file, to a dataset of messages:
    python spark-submit/convert.py --input traces.txt --output traces --to msgpack

  print the plan without running it:
    python spark-submit/convert.py --input day1.tif --nplanes 1 --output day1.h5 --dry-run

  on Spark, all cores of this machine, a gigabyte at a time:
    spark-submit --master 'local[*]' spark-submit/convert.py --input day1 --output day1.zarr \\
        --batch 1000
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all options of the job."""
    options = scripts.command_line(DESCRIPTION, EXAMPLES)
    add = options.add_argument
    add("--input", required=True, metavar="PATH", help="a file, a folder or a quoted pattern")
    add("--output", required=True, metavar="PATH", help="a file for npy and HDF5, else a folder")
    add("--to", metavar="NAME", help="output format; by default that of OUTPUT's name")
    scripts.batches(options)
    reading(options)
    scripts.where(options)
    return options


def run(options: argparse.Namespace) -> int:
    """Inspect the input, and convert it unless this is a dry run."""
    to = convert.target_format(options.output, options.to)
    contents = look(options.input, **reading_options(options))
    if options.dry_run:
        show(*scripts.described(_rows(contents, to, options)).split("\n"))
        return 0
    with progress():
        summary = convert.run(
            contents, options.output, to, started(options.engine), npartitions=options.npartitions,
            batch=options.batch, overwrite=options.overwrite, resume=options.resume,
            command=scripts.command(),
        )  # fmt: skip
    if contents.advice:
        sys.stderr.write(f"note: {printable(as_options(contents.advice))}\n")
    done = f"{contents.collection.count()} records as {to}{scripts.before(summary)}"
    show(f"{options.output}: {done}; {scripts.speed(summary)}")
    return 0


def _rows(contents: Contents, to: str, options: argparse.Namespace) -> dict[str, str]:
    return {
        "input": scripts.contained(options.input, contents),
        "engine": scripts.spread(started(options.engine), contents.source, options.npartitions),
        "output": f"{scripts.placed(options)}: {to}",
        "summary": summary_path(options.output),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the job and return the exit code."""
    return scripts.main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
