"""``datadings.tools.argparse``: the usual arguments of scripts."""

from __future__ import annotations

from thunderlike.datasets import scripts
from thunderlike.datasets.scripts import (
    MinMaxAction,
    YesNoAction,
    argument_threads,
    make_parser,
    make_parser_simple,
)

__all__ = ["MinMaxAction", "YesNoAction", "argument_threads", "make_parser", "make_parser_simple"]

# A function for each row of the table of arguments.
globals().update(
    {f"argument_{name}": getattr(scripts, f"argument_{name}") for name in scripts.ARGUMENTS}
)
__all__ += [f"argument_{name}" for name in scripts.ARGUMENTS]
