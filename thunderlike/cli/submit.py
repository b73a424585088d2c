"""``thunderlike submit``: submit a job to Spark, with the package and its environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from thunderlike._text import printable
from thunderlike.cli.options import show

if TYPE_CHECKING:
    import argparse

    from thunderlike.cli.options import Commands

__all__ = ["add", "run"]

DESCRIPTION = """\
Submit a job to Spark with everything it needs: print the command line of spark-submit and run it.

JOB is a job of the package (activity_map, convert, make_dataset, register, regress, series_stats)
or a script. Words after -- are passed to the job. The line can be pasted into a shell and shows no
secret.
"""

EPILOG = """\
examples:
  thunderlike submit activity_map --master 'local[4]' -- \\
      --images movie --signal speed.csv --output map
  thunderlike submit series_stats --master spark://head:7077 --executor-memory 4g -- \\
      --input /shared/movie --output /shared/stats
  thunderlike submit my_job.py --master yarn --profile emr --dry-run -- --input s3://bucket/movie
  thunderlike submit convert --master spark://head:7077 --ship env --conf spark.cores.max=16 -- \\
      --input /shared/day1.tif --nplanes 1 --output /shared/day1.zarr

what is shipped (--ship)
  zip    this package; the machines have Python and the libraries (default on standalone)
  env    the current environment, packed once, and this package (default elsewhere)
  none   nothing; the machines have everything (default on this machine)

exit codes: that of the job; 2 not submitted (with the reason in one line)
"""

_OPTIONS = {
    "deploy-mode": "where the driver runs: client (here, the default) or cluster",
    "name": "of the application",
    "driver-memory": "such as 2g",
    "executor-memory": "such as 4g",
    "executor-cores": "of each executor",
    "num-executors": "YARN, Kubernetes",
    "total-executor-cores": "standalone",
    "queue": "YARN",
    "files": "files to copy to each worker, separated by commas",
    "jars": "Java jars for the class path, separated by commas",
    "packages": "Maven coordinates of jars, separated by commas",
}


def add(commands: Commands) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "submit",
        help="submit a job to Spark, with everything it needs",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="thunderlike submit JOB --master URL [options] -- [arguments of the job]",
        passes_on=True,
    )
    parser.add_argument("job", metavar="JOB", help="name of a job of the package, or a script")
    parser.add_argument(
        "--master", required=True, metavar="URL", help="local[4], spark://HOST:7077, yarn, k8s://…"
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="settings: standalone yarn kubernetes emr databricks"
    )
    parser.add_argument("--ship", choices=("zip", "env", "none"), help="what is sent, see below")
    parser.add_argument("--python", metavar="PATH", help="what the workers run")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the line; pack no environment, and send nothing",
    )
    group = parser.add_argument_group("passed on to spark-submit")
    group.add_argument(
        "--conf", action="append", default=[], metavar="NAME=VALUE", help="a setting; any number"
    )
    for name, help_text in _OPTIONS.items():
        group.add_argument(f"--{name}", metavar="X", help=help_text)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the command line and run it."""
    import subprocess

    from thunderlike.engines.session import user_of_java
    from thunderlike.jobs.submit import (
        Submission,
        check_options,
        check_reachable,
        line,
        missing,
        shown,
    )
    from thunderlike.progress import progress

    _check(args)
    given = {name: getattr(args, name.replace("-", "_")) for name in _OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    job = Submission(
        _script(args.job), args.master, args.passed_on, args.profile, args.ship, args.python,
        options, args.conf,
    )  # fmt: skip
    check_options(options, args.master)
    if not args.dry_run:
        check_reachable(args.master)
    with progress():
        words = line(job, pack=not args.dry_run)  # packing takes minutes
    show(*shown(words).split("\n"))
    for archive in missing(words):
        shown_archive = printable(str(archive))
        sys.stderr.write(
            f"note: {shown_archive} is not there yet; without --dry-run it is packed first\n"
        )
    if args.dry_run:
        return 0
    return subprocess.run(words, check=False, env={**os.environ, **user_of_java()}).returncode  # noqa: S603


def _check(args: argparse.Namespace) -> None:
    """Report untested profiles; raise an error for what is not supported."""
    from thunderlike.errors import EngineError
    from thunderlike.jobs.submit import profile_for, tried

    profile = profile_for(args.master, args.profile)
    if profile == "databricks" and not args.dry_run:
        raise EngineError(
            "Databricks takes no spark-submit from outside: give --dry-run, and make the words of "
            "the line, without the first, the parameters of a job's Spark Submit task"
        )
    if profile and not tried(profile):
        sys.stderr.write(f"note: nobody has run a job with the profile {printable(profile)} yet\n")


def _script(job: str) -> str:
    """Return the file of a job of the package, or the given script."""
    from pathlib import Path

    from thunderlike.cli import scripts
    from thunderlike.errors import NotFoundError

    # A file has priority over a job of that name; Spark itself reads scripts at addresses.
    if "://" in job or Path(job).is_file():
        return job
    folder = Path(scripts.__file__).parent
    ours = {file.stem: file for file in sorted(folder.glob("[!_]*.py"))}
    if job.replace("-", "_") not in ours:
        raise NotFoundError(
            f"{job}: no such script and no such job; the jobs are {', '.join(ours)}"
        )
    return str(ours[job.replace("-", "_")])
