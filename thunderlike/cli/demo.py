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
Make a synthetic two-photon movie of neurons, map which pixels follow the animal's running speed,
with numpy in memory, with numpy on a part at a time (disk) and with Spark, and check that all find
the same and correct cells.
"""

EXAMPLES = """\
examples:
  thunderlike demo                        every engine; about half a minute
  thunderlike demo --engine local         without Spark and Java
  thunderlike demo --frames 3000 --seed 7 --output /tmp/demo

exit codes: 0 done; 1 the engines differ; 2 failed (with the reason in one line)
"""

_SEVERAL = {"all": ("local", "disk", "spark"), "both": ("local", "spark")}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to argparse."""
    parser = commands.add_parser(
        "demo",
        help="map which neurons of a made-up movie follow a behaviour, on every engine",
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
        default=600,
        metavar="N",
        help="images of 128 x 128 pixels, 30 a second (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the movie (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration and print the results."""
    from thunderlike.jobs.demo import TOLERANCE, demo, largest_difference
    from thunderlike.progress import progress

    engines = _SEVERAL.get(args.engine, (args.engine,))
    with progress():
        outcomes, picture = demo(args.output, engines, frames=args.frames, seed=args.seed, say=_say)
    apart = [largest_difference(outcomes[0].map, outcome.map) for outcome in outcomes]
    _say("\n" + "\n".join(_table(outcomes, apart)) + f"\n\nThe picture: {picture}")
    if max(apart) <= TOLERANCE:
        return 0
    _say(f"The engines differ by more than {TOLERANCE:g}: that is a bug, please report it.")
    return 1


def _say(text: str) -> None:
    show(*text.split("\n"))


_COLUMNS = "{:<8} {:>8} {:>14} {:>6} {:>6} {:>8} {:>14} {:>16}"


def _table(outcomes: Sequence[Outcome], apart: Sequence[float]) -> list[str]:
    header = (
        "engine",
        "seconds",
        "best pixel",
        "r",
        "hits",
        "misses",
        "false alarms",
        "difference",
    )
    rows = [_COLUMNS.format(*header)]
    for outcome, difference in zip(outcomes, apart, strict=True):
        # Two images have no best pixel: without their trend nothing is left to correlate.
        r = outcome.map.best_correlation
        row = (
            outcome.engine,
            f"{outcome.seconds:.1f}",
            *(("-", "-") if r is None else (str(outcome.map.best), f"{r:.3f}")),
            outcome.cells.hits,
            outcome.cells.misses,
            outcome.cells.false_alarms,
            "-" if outcome is outcomes[0] else f"{difference:.1e}",
        )
        rows.append(_COLUMNS.format(*row))
    return rows
