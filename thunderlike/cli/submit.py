"""``thunderlike submit``: submit a job to Spark, with the package and its environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from thunderlike._text import printable
from thunderlike.cli.options import positive, show

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from thunderlike.cli.options import Commands
    from thunderlike.jobs.submit import Submission

__all__ = ["add", "run"]

DESCRIPTION = """\
Submit a job to Spark with everything it needs: print the command line of spark-submit and run it.

JOB is a job of the package (activity_map, calcium, convert, make_dataset, register, regress,
series_stats) or a script. Words after -- are passed to the job. The line can be pasted into a shell
and shows no secret. With --master slurm, write a batch script that starts Spark on nodes of SLURM,
runs the job and stops Spark, and give it to sbatch.
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
  thunderlike submit series_stats --master slurm -N 8 --cpus-per-task 16 --mem 64G -- \\
      --input /shared/movie --output /shared/stats

what is shipped (--ship)
  zip    this package; the machines have Python and the libraries (default on standalone)
  env    the current environment, packed once, and this package (default elsewhere)
  none   nothing; the machines have everything (default on this machine and on SLURM)

exit codes: that of the job, on SLURM with --wait; 2 not submitted (with the reason in one line)
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

_SLURM = {
    "time": ("LIMIT", "minutes, HH:MM:SS or DAYS-HH:MM:SS"),
    "partition": ("NAME", "partition of nodes"),
    "account": ("NAME", "account that pays"),
    "mem": ("SIZE", "memory of each node, such as 64G"),
}
_LINES = {
    "sbatch": ("OPTION", "a further option of sbatch, as --sbatch=--qos=high; any number"),
    "setup": ("LINE", "a line of shell before Spark, such as 'module load java'; any number"),
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
        "--master",
        required=True,
        metavar="URL",
        help="local[4], spark://HOST:7077, yarn, k8s://…, slurm",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="settings: standalone slurm yarn kubernetes emr databricks",
    )
    parser.add_argument("--ship", choices=("zip", "env", "none"), help="what is sent, see below")
    parser.add_argument("--python", metavar="PATH", help="what the workers run")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the line or script; pack no environment, and send nothing",
    )
    group = parser.add_argument_group("passed on to spark-submit")
    group.add_argument(
        "--conf", action="append", default=[], metavar="NAME=VALUE", help="a setting; any number"
    )
    for name, help_text in _OPTIONS.items():
        group.add_argument(f"--{name}", metavar="X", help=help_text)
    _add_slurm(parser.add_argument_group("with --master slurm"))
    parser.set_defaults(run=run)


def _add_slurm(group: argparse._ArgumentGroup) -> None:
    """Add the options of an allocation."""
    group.add_argument("-N", "--nodes", type=positive, metavar="N", help="number of nodes; 1")
    group.add_argument(
        "--cpus-per-task", type=positive, metavar="N", help="cores of each node that are used"
    )
    for name, (metavar, help_text) in _SLURM.items():
        group.add_argument(f"--{name}", metavar=metavar, help=help_text)
    for name, (metavar, help_text) in _LINES.items():
        group.add_argument(
            f"--{name}", action="append", default=[], metavar=metavar, help=help_text
        )
    group.add_argument("--wait", action="store_true", help="wait for the end of the job")


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

    slurm = args.master == "slurm"
    _check(args, slurm=slurm)
    given = {name: getattr(args, name.replace("-", "_")) for name in _OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    job = Submission(
        _script(args.job), args.master, args.passed_on, args.profile, args.ship, args.python,
        options, args.conf,
    )  # fmt: skip
    if slurm:
        return _to_slurm(args, job)
    check_options(options, args.master)
    if not args.dry_run:
        check_reachable(args.master)
    with progress():
        words = line(job, pack=not args.dry_run)  # packing takes minutes
    show(*shown(words).split("\n"))
    _note_missing(missing(words))
    if args.dry_run:
        return 0
    return subprocess.run(words, check=False, env={**os.environ, **user_of_java()}).returncode  # noqa: S603


def _to_slurm(args: argparse.Namespace, job: Submission) -> int:
    """Write the batch script of a job, and give it to sbatch; only print it in a dry run."""
    import subprocess
    from pathlib import Path

    from thunderlike.jobs.slurm import Allocation, find_sbatch, job_name, script, write
    from thunderlike.progress import progress

    allocation = Allocation(
        args.nodes or 1, args.cpus_per_task, args.mem, args.time, args.partition, args.account,
        args.sbatch, args.setup,
    )  # fmt: skip
    if args.dry_run:
        show(*script(job, allocation, pack=False).splitlines())
        return 0
    sbatch, path = find_sbatch(), Path(f"{job_name(job)}.sbatch")
    with progress():
        text = script(job, allocation)
    write(text, path)
    words = [sbatch, *(["--wait"] if args.wait else []), str(path)]
    show(" ".join(["sbatch", *words[1:]]))
    return subprocess.run(words, check=False).returncode  # noqa: S603


def _note_missing(archives: list[Path]) -> None:
    """Report archives that a dry run names and did not pack."""
    for archive in archives:
        sys.stderr.write(
            f"note: {printable(str(archive))} is not there yet; without --dry-run it is packed "
            "first\n"
        )


def _check(args: argparse.Namespace, *, slurm: bool) -> None:
    """Report untested profiles; raise an error for what is not supported."""
    from thunderlike.errors import EngineError, SpecError
    from thunderlike.jobs.submit import profile_for, tried

    if slurm:
        if args.profile not in (None, "slurm"):
            raise SpecError(f"--profile {args.profile} is for another master than slurm")
        return
    for name in ("nodes", "cpus-per-task", *_SLURM, *_LINES, "wait"):
        if getattr(args, name.replace("-", "_")):
            raise SpecError(f"--{name} is an option of --master slurm")
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
