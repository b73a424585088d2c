"""``thunderlike demo``: analyse a synthetic movie on every engine, and compare the results."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from thunderlike.cli.options import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike.jobs.demo import Outcome

__all__ = ["add", "run"]

DESCRIPTION = """\
Make a synthetic two-photon recording of 42 neurons that moves; register it, find the neurons, their
traces and their spikes, with numpy in memory, with numpy on a part at a time (disk) and with Spark;
compare with the truth, and check that all engines find the same.
"""

EXAMPLES = """\
examples:
  thunderlike demo                        every engine; less than a minute
  thunderlike demo --engine local         without Spark and Java
  thunderlike demo --frames 4000 --seed 7 --output /tmp/demo

exit codes: 0 done; 1 the engines differ; 2 failed (with the reason in one line)
"""

_SEVERAL = {"all": ("local", "disk", "spark"), "both": ("local", "spark")}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "demo",
        help="find the neurons of a made-up recording and their spikes, on every engine",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output",
        default="demo-output",
        metavar="DIR",
        help="output folder; results of an earlier demo are replaced (%(default)s)",
    )
    parser.add_argument(
        "--engine",
        choices=(*_SEVERAL, *_SEVERAL["all"]),
        default="all",
        help="all (without Java, all but spark), both for local and spark, or one (%(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=1500,
        metavar="N",
        help="images of 128 x 128 pixels, 15 a second (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the recording (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration and print the results."""
    from thunderlike import storage
    from thunderlike.jobs.demo import demo, largest_difference
    from thunderlike.progress import progress

    engines = _SEVERAL.get(args.engine, (args.engine,))
    with progress():
        outcomes, picture = demo(args.output, engines, frames=args.frames, seed=args.seed, say=_say)
    apart = [largest_difference(outcomes[0].result, outcome.result) for outcome in outcomes]
    report = storage.join(outcomes[0].result.output, "report.html")
    table = "\n".join(_table(outcomes, apart))
    _say(f"\n{table}\n\nThe report: {report}\nThe picture: {picture}")
    if max(apart) == 0:
        return 0
    _say("The engines differ: that is a bug, please report it.")
    return 1


def _say(text: str) -> None:
    show(*text.split("\n"))


_COLUMNS = "{:<8} {:>8} {:>6} {:>8} {:>14} {:>9} {:>9} {:>12} {:>12}"


def _table(outcomes: Sequence[Outcome], apart: Sequence[float]) -> list[str]:
    header = ("engine", "seconds", "hits", "misses", "false alarms")
    rows = [_COLUMNS.format(*header, "r traces", "r spikes", "motion (px)", "difference")]
    for outcome, difference in zip(outcomes, apart, strict=True):
        score = outcome.score
        row = (
            outcome.engine,
            f"{outcome.seconds:.1f}",
            *(score.hits, score.misses, score.false_alarms),
            *(f"{score.traces:.3f}", f"{score.spikes:.3f}", f"{score.motion:.3f}"),
            "-" if outcome is outcomes[0] else f"{difference:.1e}",
        )
        rows.append(_COLUMNS.format(*row))
    return rows
