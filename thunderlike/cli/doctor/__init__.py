"""``thunderlike doctor``: check Python, libraries, Spark, memory and files on this machine.

A check is a function that returns a `Finding`; it reports faults instead of raising and never
shows a secret. To add one, write it in the module of its subject and call it in `examine`.
"""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import TYPE_CHECKING

from thunderlike.cli.doctor.finding import guarded
from thunderlike.cli.options import show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from thunderlike.cli.doctor.finding import Finding
    from thunderlike.cli.options import Commands

__all__ = ["add", "examine", "run"]

_CODES = {"ok": 0, "warn": 1, "FAIL": 2}

_EPILOG = """\
Every line is ok, warn (a part may disappoint) or FAIL (something needed is missing, or does not
work), and ends with the command that fixes it. Libraries of extras that are not installed are one
line.

  thunderlike doctor
  thunderlike doctor --json > doctor.json        for a bug report: no secret is ever shown
  thunderlike doctor --spark-master spark://head:7077

exit codes: 0 all is well, 1 a part may disappoint, 2 something cannot work
"""


def add(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = commands.add_parser(
        "doctor",
        help="check Python, libraries, Java, Spark, memory, disk, files",
        description="Check what works on this machine, and name the command that fixes the rest.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.add_argument("--spark-master", metavar="URL", help="try this Spark, and require it")


def run(args: argparse.Namespace) -> int:
    """Print the findings; return 0 without faults, 1 for a warning, 2 for a failure."""
    findings = examine(args.spark_master, debug=args.debug)
    if args.json:
        seen = list(findings)
        show(*json.dumps([dataclasses.asdict(one) for one in seen], indent=2).split("\n"))
    else:
        seen = _as_table(findings)
    return max(_CODES[finding.level] for finding in seen)


def examine(master: str | None = None, *, debug: bool = False) -> Iterator[Finding]:
    """Run all checks one after the other; an exception in one does not stop the others.

    Parameters
    ----------
    master : str, optional
        Spark master to test; by default the one that ``engine='spark'`` uses.
    debug : bool
        Show the output of Spark and the tracebacks of checks on standard error.
    """
    from thunderlike.cli.doctor import installation, machine, spark

    look = partial(guarded, debug=debug)
    yield look("thunderlike", installation.package)
    yield look("python", installation.python)
    for name, declared in installation.requirements().items():
        if installation.installed(declared):
            yield look(name, partial(installation.library, declared))
    yield look("extras", installation.extras)
    yield look("settings", installation.settings)
    yield look("s3", installation.s3)
    for name in machine.FORMATS:
        yield look(f"{name} files", partial(machine.round_trip, name))
    yield look("temp", machine.temp)
    yield look("scratch", machine.scratch)
    yield look("java", spark.java)
    yield look("SPARK_HOME", spark.spark_home)
    yield (ran := look("spark", partial(spark.spark, master, debug=debug)))
    # Only a running Spark knows its effective settings: files and arguments override each other.
    yield look("spark temp", partial(machine.spark_temp, ran.details.get("local_dir")))
    yield look("memory", partial(machine.memory, ran.details.get("driver_memory")))


def _as_table(findings: Iterator[Finding]) -> list[Finding]:
    """Print each finding as soon as it is known: starting Spark takes seconds."""
    seen = []
    for finding in findings:
        show(f"{finding.level:<4}  {finding.name:<13}  {finding.line}")
        seen.append(finding)
    show("", _sentence(seen))
    return seen


def _sentence(findings: Sequence[Finding]) -> str:
    """Summarize the findings."""
    levels = [finding.level for finding in findings]
    if "FAIL" in levels:
        return f"marked FAIL: {levels.count('FAIL')}; they need fixing"
    if "warn" in levels:
        return f"thunderlike works; marked warn: {levels.count('warn')}"
    return "fine: all that is installed works"
