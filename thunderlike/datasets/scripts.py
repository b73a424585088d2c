"""Arguments, progress and questions of dataset scripts, with datadings' names."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import textwrap
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from tqdm import tqdm

from thunderlike._arguments import checked_arguments
from thunderlike.errors import NonInteractiveError, SpecError, WrongTypeError
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from thunderlike.progress import Tracker

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

Formatter: TypeAlias = "Callable[..., argparse.HelpFormatter]"  # a class, or a function of `prog`

# Arguments


class YesNoAction(argparse.Action):
    """Stores whether the value is ``yes``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Store it."""
        setattr(namespace, self.dest, values == "yes")


class MinMaxAction(argparse.Action):
    """Stores a number, moved into ``min_value .. max_value`` of a subclass; the largest for 0."""

    min_value: int | None = None
    max_value: int | None = None

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Store it."""
        given = cast("int", values)  # by the type=int of the argument
        chosen = self.max_value if given == 0 and self.max_value is not None else given
        if self.min_value is not None:
            chosen = max(self.min_value, chosen)
        if self.max_value is not None:
            chosen = min(self.max_value, chosen)
        setattr(namespace, self.dest, chosen)


_PATH = {"metavar": "PATH"}
_SWITCH = {"action": "store_true"}

# The flags of each argument, and its options in argparse.
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
        {**_SWITCH, "help": "do not compare the md5 of source files"},
    ),
    "shuffle": (
        ("--shuffle",),
        {
            "choices": ["yes", "no"],
            "default": True,  # as the action stores it, not as it is spelled
            "action": YesNoAction,
            "help": "write samples in random order (default: yes)",
        },
    ),
    "calculate_weights": (
        ("--calculate-weights",),
        {**_SWITCH, "help": "weigh classes by the median of their frequencies"},
    ),
}


@checked_arguments
def argument(parser: argparse.ArgumentParser, name: str, *flags: str, **overrides: Any) -> None:
    """Add one of ``ARGUMENTS`` to a parser; keywords replace those that ``add_argument`` gets.

    Further spellings of an option are given by position, as for ``add_argument``.

    ``argument_indir(parser)`` is ``argument(parser, "indir")``, and so for each of them.

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> argument(parser, "shuffle")
    >>> argument(parser, "indir", default="there")
    >>> parser.parse_args(["--shuffle", "no"])
    Namespace(shuffle=False, indir='there')
    """
    own, settings = ARGUMENTS[name]
    parser.add_argument(*own, *flags, **settings | overrides)


def _adder(name: str) -> Callable[..., None]:
    def add(parser: argparse.ArgumentParser, *args: str, **kwargs: Any) -> None:
        argument(parser, name, *args, **kwargs)

    add.__name__ = add.__qualname__ = f"argument_{name}"
    add.__doc__ = f"Add ``{' '.join(ARGUMENTS[name][0])}``: {ARGUMENTS[name][1]['help']}."
    return add


globals().update({f"argument_{_name}": _adder(_name) for _name in ARGUMENTS})
__all__ += [f"argument_{_name}" for _name in ARGUMENTS]


@checked_arguments
def argument_threads(
    parser: argparse.ArgumentParser, default: int = 1, max_threads: int = 0
) -> None:
    """Add ``-t``, a number of threads from 1 to `max_threads`; 0 chooses the largest.

    A `max_threads` of 0 is one for each core, a negative one so many times as many.
    """
    cores = os.cpu_count() or 1
    most = max_threads if max_threads > 0 else cores * max(1, -max_threads)
    # argparse takes a class, whose limits depend on this machine.
    action = type("_Threads", (MinMaxAction,), {"min_value": 1, "max_value": most})
    text = f"threads that convert, 0 for all (default: {min(default, most)})"
    settings: dict[str, Any] = {"metavar": f"0-{most}", "type": int, "action": action, "help": text}
    parser.add_argument("-t", "--threads", default=min(default, most), **settings)


@checked_arguments
def make_parser(
    description: str | None,
    indir: bool = True,
    outdir: bool = True,
    no_confirm: bool = True,
    skip_verification: bool = True,
    shuffle: bool = True,
    formatter_class: Formatter = argparse.RawDescriptionHelpFormatter,
    **kwargs: Any,
) -> argparse.ArgumentParser:
    """Make a parser with the usual arguments; keywords go to ``ArgumentParser``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=formatter_class, **kwargs
    )
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


@checked_arguments
def make_parser_simple(
    description: str | None,
    indir: bool = False,
    outdir: bool = False,
    no_confirm: bool = False,
    skip_verification: bool = False,
    shuffle: bool = False,
    formatter_class: Formatter = argparse.RawDescriptionHelpFormatter,
    **kwargs: Any,
) -> argparse.ArgumentParser:
    """Make a parser with those of the usual arguments that are chosen, such as ``indir=True``."""
    return make_parser(
        description,
        indir,
        outdir,
        no_confirm,
        skip_verification,
        shuffle,
        formatter_class,
        **kwargs,
    )


# Terminals


@checked_arguments
def print_over(
    *words: object,
    sep: str = " ",
    end: str = "\n",
    file: IO[str] | None = None,
    flush: bool = False,
) -> None:
    """Overwrite the current line of a terminal, and clear the rest of it.

    Examples
    --------
    >>> import io
    >>> terminal = io.StringIO()
    >>> print_over("3 of", 10, file=terminal, end="")
    >>> "3 of 10" in terminal.getvalue()
    True
    """
    stream = file or sys.stdout
    stream.write(f"\r{sep.join(map(str, words))}\033[K{end}")
    if flush:
        stream.flush()


class ProgressPrinter(tqdm):  # type: ignore[misc]  # tqdm has no types
    """Progress bar of tqdm that is advanced by a call, and reports to ``tl.progress()`` as well.

    Parameters
    ----------
    *args, **options
        As for ``tqdm.tqdm``.
    desc, unit : str
        Label of the bar, and unit of its steps.
    disable : bool or None
        None, the default, draws a bar only on a terminal; ``with tl.progress():`` shows the steps
        anywhere.

    Examples
    --------
    >>> with make_printer(total=2, desc="converting") as printer:
    ...     printer()
    ...     printer.update(1)
    ...     printer.n
    2
    >>> [letter for letter in ProgressPrinter("ab")]
    ['a', 'b']
    """

    monitor_interval = 0  # tqdm starts no thread

    def __init__(self, *args: object, **options: object) -> None:
        self._work: Tracker | None = None  # tqdm closes what it did not finish making
        super().__init__(*args, **{"disable": None, "unit": "samples", **options})
        label = options.get("desc") or "working"
        self._stack = ExitStack()
        self._work = self._stack.enter_context(track(str(label), int(self.total or 0), "samples"))

    def __call__(self, steps: float = 1) -> bool | None:
        """Advance by some steps."""
        return self.update(steps)

    def update(self, n: float | None = 1) -> bool | None:
        """Advance by some steps; they are counted in ``n`` also where no bar is drawn."""
        steps = 1 if n is None else n
        if self._work is not None:
            self._work.advance(int(steps))
        if self.disable:  # tqdm returns before it counts
            self.n += steps
            return None
        drawn: bool | None = super().update(steps)
        return drawn

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items of the iterable, each a step."""
        try:
            for item in self.iterable:
                yield item
                self.update()
        finally:
            self.close()

    def close(self) -> None:
        """Finish the bar and the reported progress; a second call has no effect."""
        if self._work is not None:  # tqdm closes itself again when it is deleted
            self._work = None
            self._stack.close()
        super().close()


@checked_arguments
def make_printer(
    bar_format: str | None = "{desc} {percentage:3.0f}% {elapsed}<{remaining}, {rate_fmt}{postfix}",
    miniters: float | None = 0,
    mininterval: float = 0.5,
    smoothing: float = 0.1,
    **kwargs: object,
) -> ProgressPrinter:
    """Make a :class:`ProgressPrinter` with the usual format; keywords are those of tqdm.

    Raises
    ------
    WrongTypeError
        For a keyword that tqdm does not know.

    Examples
    --------
    >>> printer = make_printer(total=3, unit="images")
    >>> printer(2)
    >>> printer.n, printer.total
    (2, 3)
    >>> printer.close()
    """
    # Checked here, because tqdm ignores unknown options where it draws no bar.
    known = inspect.signature(tqdm.__init__).parameters
    if unknown := sorted(set(kwargs) - set(known)):
        raise WrongTypeError(
            f"unknown option {unknown[0]!r} for a progress bar; tqdm lists those it has"
        )
    given = {
        "bar_format": bar_format,
        "miniters": miniters,
        "mininterval": mininterval,
        "smoothing": smoothing,
    }
    return ProgressPrinter(**given, **kwargs)


@checked_arguments
def query_user(
    question: str,
    default: str | None = "yes",
    answers: Sequence[str] = ("yes", "no", "abort"),
    *,
    stdin: IO[str] | None = None,
    stderr: IO[str] | None = None,
) -> str:
    """Ask a question on a terminal, until the reply is the start of one of `answers`.

    Parameters
    ----------
    default : str or None
        The answer to an empty line; None asks again.

    Raises
    ------
    NonInteractiveError
        When standard input is not a terminal, or ends.
    SpecError
        For a default that is not one of the answers.

    Examples
    --------
    >>> import io
    >>> class Terminal(io.StringIO):
    ...     def isatty(self):
    ...         return True
    >>> query_user("Replace it?", stdin=Terminal("N"), stderr=io.StringIO())
    'no'
    """
    if default is not None and default not in answers:
        raise SpecError(f"the default {default!r} is not one of the answers {', '.join(answers)}")
    source, target = stdin or sys.stdin, stderr or sys.stderr
    prompt = f"{question} [{'/'.join(answers)}] "
    if not source.isatty():
        raise NonInteractiveError(f"{question} standard input is not a terminal")
    while True:
        target.write(prompt if default is None else f"{prompt}({default}) ")
        target.flush()
        line = source.readline()
        if not line:
            raise NonInteractiveError(f"{question} standard input ended without an answer")
        given = line.strip().lower() or default
        for answer in answers:
            if given and answer.startswith(given):
                return answer


@checked_arguments
def document_keys(
    typefun: Callable[..., Any],
    block: str = "Important:",
    prefix: str = "Samples have the following keys:",
    postfix: str = "",
) -> str:
    """List the keys that a function which makes samples takes, as a block for a docstring.

    Parameters
    ----------
    typefun : callable
        Its arguments are the keys.
    block : str
        Kind of the block.
    prefix, postfix : str
        Text before and after the list.

    Examples
    --------
    >>> def pet(key, image): ...
    >>> print(document_keys(pet, prefix="A pet has:"))
    Important:
        A pet has:
    <BLANKLINE>
        - ``"key"``
        - ``"image"``
    """
    names = [f'- ``"{name}"``' for name in inspect.signature(typefun).parameters]
    parts = [prefix, "\n".join(names), postfix]
    return f"{block}\n" + textwrap.indent("\n\n".join(filter(None, parts)), "    ")
