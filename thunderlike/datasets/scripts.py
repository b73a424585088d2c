"""What scripts that make datasets share: arguments, progress, questions; named as in datadings."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from thunderlike.errors import NonInteractiveError
from thunderlike.progress import progress, track

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = [
    "ARGUMENTS",
    "MinMaxAction",
    "ProgressPrinter",
    "YesNoAction",
    "argument",
    "argument_threads",
    "document_keys",
    "make_parser",
    "make_parser_simple",
    "make_printer",
    "print_over",
    "query_user",
]

# Arguments


class YesNoAction(argparse.Action):
    """Stores whether the value is ``yes``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:  # noqa: ARG002
        """Store it."""
        setattr(namespace, self.dest, values == "yes")


class MinMaxAction(argparse.Action):
    """Stores a number, moved into ``min_value .. max_value`` of a subclass; the largest for 0."""

    min_value: int
    max_value: int

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:  # noqa: ARG002
        """Store it."""
        chosen = max(self.min_value, values or self.max_value)
        setattr(namespace, self.dest, min(chosen, self.max_value))


_PATH = {"metavar": "PATH"}
_SWITCH = {"action": "store_true"}

# The flags of each argument, and what argparse is told of it.
ARGUMENTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "indir": (
        ("indir",),
        {"metavar": "INDIR", "nargs": "?", "default": ".", "help": "folder of the source files"},
    ),
    "outdir": (("-o", "--outdir"), {**_PATH, "help": "where to write; INDIR if not given"}),
    "infile": (("infile",), {"help": "to read"}),
    "outfile": (("-o", "--outfile"), {**_PATH, "help": "to write"}),
    "outfile_positional": (("outfile",), {"help": "to write"}),
    "outfiles": (("-o", "--outfiles"), {**_PATH, "nargs": "+", "help": "to write"}),
    "no_confirm": (("-y", "--no-confirm"), {**_SWITCH, "help": "replace files without asking"}),
    "skip_verification": (
        ("-s", "--skip-verification"),
        {**_SWITCH, "help": "do not look whether source files are the right ones"},
    ),
    "shuffle": (
        ("--shuffle",),
        {
            "choices": ["yes", "no"],
            "default": True,
            "action": YesNoAction,
            "help": "write samples in random order (default: yes)",
        },
    ),
    "calculate_weights": (
        ("--calculate-weights",),
        {**_SWITCH, "help": "weigh classes by the median of their frequencies"},
    ),
}


def argument(parser: argparse.ArgumentParser, name: str, **overrides: Any) -> None:
    """Add one of ``ARGUMENTS`` to a parser; keywords replace what argparse is told of it.

    ``argument_indir(parser)`` is ``argument(parser, "indir")``, and so for each of them.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> argument(parser, "shuffle")
    >>> argument(parser, "indir", default="there")
    >>> parser.parse_args(["--shuffle", "no"])
    Namespace(shuffle=False, indir='there')
    """
    flags, settings = ARGUMENTS[name]
    parser.add_argument(*flags, **settings | overrides)


def _adder(name: str) -> Callable[..., None]:
    def add(parser: argparse.ArgumentParser, **overrides: Any) -> None:
        argument(parser, name, **overrides)

    add.__name__ = add.__qualname__ = f"argument_{name}"
    add.__doc__ = f"Add ``{' '.join(ARGUMENTS[name][0])}``: {ARGUMENTS[name][1]['help']}."
    return add


globals().update({f"argument_{_name}": _adder(_name) for _name in ARGUMENTS})
__all__ += [f"argument_{_name}" for _name in ARGUMENTS]


def argument_threads(
    parser: argparse.ArgumentParser, default: int = 1, max_threads: int = 0
) -> None:
    """Add ``-t``, a number of threads from 1 to `max_threads`; 0 chooses the largest.

    A `max_threads` of 0 is one for each core, a negative one so many times as many.
    """
    cores = os.cpu_count() or 1
    most = max_threads if max_threads > 0 else cores * max(1, -max_threads)
    action = type("_Threads", (MinMaxAction,), {"min_value": 1, "max_value": most})
    told = f"threads that convert, 0 for all (default: {min(default, most)})"
    settings: dict[str, Any] = {"metavar": f"0-{most}", "type": int, "action": action, "help": told}
    parser.add_argument("-t", "--threads", default=min(default, most), **settings)


def make_parser(
    description: str,
    indir: bool = True,
    outdir: bool = True,
    no_confirm: bool = True,
    skip_verification: bool = True,
    shuffle: bool = True,
    **options: Any,
) -> argparse.ArgumentParser:
    """Make a parser with the usual arguments; keywords go to ``ArgumentParser``."""
    form = {"formatter_class": argparse.RawDescriptionHelpFormatter, **options}
    parser = argparse.ArgumentParser(description=description, **form)
    wanted = {
        "indir": indir,
        "outdir": outdir,
        "no_confirm": no_confirm,
        "skip_verification": skip_verification,
        "shuffle": shuffle,
    }
    for name in (name for name, chosen in wanted.items() if chosen):
        argument(parser, name)
    return parser


def make_parser_simple(description: str, **chosen: Any) -> argparse.ArgumentParser:
    """Make a parser with those of the usual arguments that are chosen, such as ``indir=True``."""
    usual = ("indir", "outdir", "no_confirm", "skip_verification", "shuffle")
    return make_parser(description, **dict.fromkeys(usual, False) | chosen)


# People


def print_over(
    *words: Any, file: IO[str] | None = None, flush: bool = False, end: str = "\n"
) -> None:
    """Write over the line that a terminal is at, and clear the rest of it.

    Examples
    --------
    >>> import io
    >>> terminal = io.StringIO()
    >>> print_over("3 of", 10, file=terminal, end="")
    >>> "3 of 10" in terminal.getvalue()
    True
    """
    stream = file or sys.stdout
    stream.write(f"\r{' '.join(map(str, words))}\033[K{end}")
    if flush:
        stream.flush()


class ProgressPrinter:
    """Counts what is done, and shows it where there is a terminal.

    Parameters
    ----------
    total : int
        How many steps will come; 0 when that is not known.
    desc, unit : str
        What is being done, and what a step is.
    disable : bool
        Show nothing of one's own; ``with tl.progress():`` does all the same.

    Examples
    --------
    >>> with make_printer(total=2, desc="converting") as printer:
    ...     printer()
    """

    def __init__(
        self, total: int = 0, desc: str = "working", unit: str = "samples", disable: bool = False
    ) -> None:
        self._stack = ExitStack()
        if sys.stderr.isatty() and not disable:
            self._stack.enter_context(progress())
        self._tracker = self._stack.enter_context(track(desc, total or 0, unit))

    def __call__(self, steps: int = 1) -> None:
        """Go on by some steps."""
        self._tracker.advance(steps)

    update = __call__

    def close(self) -> None:
        """Say that it is done."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


make_printer = ProgressPrinter


def query_user(
    question: str,
    default: str = "yes",
    answers: Sequence[str] = ("yes", "no", "abort"),
    *,
    stdin: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> str:
    """Ask somebody at a terminal, until the answer begins one of `answers`.

    Raises
    ------
    NonInteractiveError
        When standard input is no terminal, or ends.

    Examples
    --------
    >>> import io
    >>> class Terminal(io.StringIO):
    ...     def isatty(self):
    ...         return True
    >>> query_user("Replace it?", stdin=Terminal("N"), stderr=io.StringIO())
    'no'
    """
    asked, told = stdin or sys.stdin, stderr or sys.stderr
    if not asked.isatty():
        raise NonInteractiveError(f"{question} Nobody is there to answer")
    while True:
        told.write(f"{question} [{'/'.join(answers)}] ({default}) ")
        told.flush()
        line = asked.readline()
        if not line:
            raise NonInteractiveError(f"{question} Nobody answered")
        given = line.strip().lower() or default
        for answer in answers:
            if answer.startswith(given):
                return answer


def document_keys(
    typefun: Callable[..., Any],
    block: str = "Sample keys:",
    prefix: str = "- ",
    postfix: str = "",
) -> str:
    """List the keys that a function which makes samples takes, as text for a docstring.

    Examples
    --------
    >>> def pet(key, image, label): ...
    >>> print(document_keys(pet, block="A pet has:"))
    A pet has:
    <BLANKLINE>
    - ``key``
    - ``image``
    - ``label``
    """
    names = [f"{prefix}``{name}``" for name in inspect.signature(typefun).parameters]
    return "\n".join([block, "", *names, postfix]).rstrip()
