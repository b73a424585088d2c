"""``thunderlike doctor``: what of the package can run here, and what mends the rest."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from thunderlike.cli.checks import guarded
from thunderlike.cli.options.output import show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from thunderlike.cli.checks import Finding

__all__ = ["add", "examine", "run"]

_CODES = {"ok": 0, "warn": 1, "FAIL": 2}

_EPILOG = """\
Every line is ok, warn (an optional part is missing, or may disappoint) or FAIL (something needed is
missing, or does not work), and ends with the command that mends it.

  thunderlike doctor
  thunderlike doctor --json > doctor.json        for a bug report: no secret is ever shown
  thunderlike doctor --spark-master spark://head:7077

exit codes: 0 all is well, 1 an optional part is missing, 2 something cannot work
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    parser = commands.add_parser(
        "doctor",
        help="check Python, libraries, Java, Spark, memory, disk, files",
        description="Check what of thunderlike can run on this machine, and how to mend the rest.",
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.add_argument("--spark-master", metavar="URL", help="try this Spark, and require it")


def run(args: argparse.Namespace) -> int:
    """Print what was found; return 0 when all is well, 1 for a warning, 2 for a failure."""
    findings = examine(args.spark_master, debug=args.debug)
    seen = _as_json(list(findings)) if args.json else _as_table(findings)
    return max(_CODES[finding.level] for finding in seen)


def examine(master: str | None = None, *, debug: bool = False) -> Iterator[Finding]:
    """Make every check, one after the other; none that breaks keeps the next from being made.

    Parameters
    ----------
    master : str, optional
        Spark to try; without it, the one that ``engine='spark'`` would use.
    debug : bool
        Let Spark, and checks that break, speak on standard error.
    """
    from thunderlike.cli.checks import files, libraries, machine, s3, settings, spark

    look = partial(guarded, debug=debug)
    yield look("thunderlike", libraries.package)
    yield look("python", libraries.python)
    for name, declared in libraries.requirements().items():
        yield look(name, partial(libraries.library, declared))
    yield look("settings", settings.settings)
    yield look("s3", s3.s3)
    for name in files.FORMATS:
        yield look(name, partial(files.round_trip, name))
    yield look("temp", machine.temp)
    yield look("java", spark.java)
    yield look("SPARK_HOME", spark.spark_home)
    yield (ran := look("spark", partial(spark.spark, master, debug=debug)))
    # What a running Spark says of its own settings is the truth about them.
    yield look("spark temp", partial(machine.spark_temp, ran.details.get("local_dir")))
    yield look("memory", partial(machine.memory, ran.details.get("driver_memory")))


def _as_table(findings: Iterator[Finding]) -> list[Finding]:
    """Print each as soon as it is known: Spark takes its time."""
    seen = []
    for finding in findings:
        show(f"{finding.level:<4}  {finding.name:<13}  {finding.line}")
        seen.append(finding)
    show("", _sentence(seen))
    return seen


def _as_json(findings: list[Finding]) -> list[Finding]:
    found = json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2)
    show(*found.split("\n"))
    return findings


def _sentence(findings: Sequence[Finding]) -> str:
    """What it comes to."""
    levels = [finding.level for finding in findings]
    if "FAIL" in levels:
        return f"marked FAIL: {levels.count('FAIL')}; they need mending"
    if "warn" in levels:
        return f"thunderlike works; marked warn: {levels.count('warn')}"
    return "all is well"
