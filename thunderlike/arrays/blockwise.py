"""Blockwise execution: run a kernel on each box of an array, from sources to a sink."""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from thunderlike.arrays._boxes import MOST, Box, axes_by_stride, boxes, size_of
from thunderlike.arrays._sinks import Sink, allocated, opened
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._validation import checked_arguments
from thunderlike.parallel.threads import tmap
from thunderlike.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from thunderlike._typing import Array

    Compute = Callable[[Box, Array], None]

__all__ = [
    "Verbose",
    "Work",
    "counts",
    "cutoff_of",
    "fill",
    "finalize_processing",
    "initialize_processing",
    "most_of",
    "reported",
    "run",
]


Verbose: TypeAlias = "bool | Callable[[int, int], Any]"
Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger("thunderlike.arrays")


def counts(processes: object, blocks: object = None) -> tuple[int, int]:
    """Return the numbers of threads and blocks for the arguments of these names.

    Raises
    ------
    SpecError, WrongTypeError
        For a number below 1, or a value that is not a whole number.

    Examples
    --------
    >>> counts("serial"), counts(2), counts(2, 7)
    ((1, 10), (2, 20), (2, 7))
    """
    from thunderlike import arrays

    workers = arrays.default_processes if processes is None else processes
    workers = 1 if workers == "serial" else _whole("processes", workers, ", None or 'serial'")
    if blocks is None:
        blocks = workers * arrays.default_blocks_per_process
    return workers, _whole("blocks", blocks, " or None")


def cutoff_of(cutoff: object) -> int:
    """Return the number of elements below which one numpy call is used."""
    from thunderlike import arrays

    return arrays.default_cutoff if cutoff is None else _whole("cutoff", cutoff, " or None", 0)


def _whole(name: str, value: object, others: str, least: int = 1) -> int:
    # True is an int for Python, but not a number of threads.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise WrongTypeError(f"{name} must be a whole number >= {least}{others}, not {value!r}")
    number: int = value.__index__()
    if number < least:
        raise SpecError(f"{name} must be a whole number >= {least}{others}, not {value!r}")
    return number


def run(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    *,
    label: str,
    verbose: Verbose = False,
) -> Generator[Result, None, None]:
    """Yield the results of a function over blocks, in order, from threads.

    When it ends, also by an error or a Ctrl-C, no thread runs the function any more, so that the
    caller may close files and free memory. This waits for the running blocks.

    Parameters
    ----------
    label : str
        Label of the progress events.
    verbose : bool or callable
        A callable is called with ``(done, total)`` after each block.
    """
    guard = _Guard(function)
    with track(label, len(items), "blocks") as work, guard:
        for done, result in enumerate(tmap(guard.call, items, workers=workers), 1):
            yield result
            work.advance()
            if callable(verbose):
                verbose(done, len(items))


class _Guard:
    """Context in which calls may start; its exit waits for the running ones."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._changed = threading.Condition()
        self._under_way, self._closed = 0, False

    def call(self, item: object) -> Any:
        with self._changed:
            if self._closed:
                return None
            self._under_way += 1
        try:
            return self._function(item)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_raised: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._under_way == 0)


@contextmanager
def reported(function: str, verbose: Verbose) -> Iterator[None]:
    """Log the start and the elapsed time of a block, if `verbose` is True."""
    _, timer = initialize_processing(verbose=verbose, function=function)
    try:
        yield
    finally:
        finalize_processing(verbose=verbose, function=function, timer=timer)


@checked_arguments
def initialize_processing(
    processes: int | str | None = None,
    verbose: Verbose = False,
    function: str | None = None,
    blocks: int | None = None,
    return_blocks: bool = False,
) -> tuple[Any, ...]:
    """Return the number of threads, a start time and the number of blocks of a call.

    Parameters
    ----------
    processes : int, 'serial' or None
        Number of threads; None for :data:`default_processes`.
    verbose : bool
        Log ``NAME: initialized!`` and start a timer.
    function : str, optional
        Name in that message.
    blocks : int, optional
        By default :data:`default_blocks_per_process` for each thread.
    return_blocks : bool
        Also return the number of blocks.

    Returns
    -------
    processes : int
    timer : float or None
        None unless verbose.
    blocks : int
        Only with `return_blocks`.

    Raises
    ------
    SpecError, WrongTypeError
        For numbers below 1, or values of another type.

    Examples
    --------
    >>> initialize_processing(3, blocks=5, return_blocks=True)
    (3, None, 5)
    """
    workers, parts = counts(processes, blocks)
    timer = None
    if verbose is True:
        _say(f"{function}: initialized!")
        timer = time.perf_counter()
    return (workers, timer, parts) if return_blocks else (workers, timer)


@checked_arguments
def finalize_processing(
    verbose: Verbose = False, function: str | None = None, timer: float | None = None
) -> None:
    """Log ``NAME: elapsed time: h:mm:ss.mmm``, if `verbose` is True.

    Parameters
    ----------
    timer : float or None
        Result of :func:`initialize_processing`.

    Examples
    --------
    >>> finalize_processing(verbose=False)
    """
    if verbose is True and timer is not None:
        elapsed = timedelta(milliseconds=round(1000 * (time.perf_counter() - timer)))
        whole, _, rest = str(elapsed).partition(".")
        _say(f"{function}: elapsed time: {whole}.{rest[:3] or '000'}")


def _say(text: str) -> None:
    """Log a message; write it to standard error when INFO is disabled, as it was requested."""
    if log.isEnabledFor(logging.INFO):
        log.info(text)
        return
    record = log.makeRecord(log.name, logging.INFO, __file__, 0, text, (), None)
    with closing(logging.StreamHandler(sys.stderr)) as handler:
        handler.handle(record)


class Work:
    """Execution options of a call, validated before anything is opened.

    Parameters
    ----------
    label : str
        Name of the function.
    blocks, processes, verbose
        Arguments of the functions.
    """

    def __init__(self, label: str, blocks: object, processes: object, verbose: Verbose) -> None:
        self.label, self.verbose = label, verbose
        self.workers, self.blocks = counts(processes, blocks)

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """Yield the results of a function over items, from threads."""
        return run(function, list(items), self.workers, label=self.label, verbose=self.verbose)

    def each(self, function: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Call a function on each item, in threads."""
        for _ in self.run(function, items):
            pass


def most_of(size: int, blocks: int, most: int = MOST) -> int:
    """Return the elements of a block, for at least `blocks` blocks of at most `most` elements."""
    return max(1, min(most, -(-size // max(blocks, 1))))


def fill(
    compute: Compute,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    sink: object,
    work: Work,
    *,
    order: str = "C",
    casting: str = "same_kind",
    memory: str | None = None,
    sources: tuple[Array | None, ...] = (),
    alias: Callable[[Array], bool] = lambda _array: False,
    most: int = MOST,
) -> Any:
    """Compute an array box by box into a sink.

    Parameters
    ----------
    compute : callable
        Writes the values of a box into an array; called from several threads.
    shape, dtype, order
        Of the result.
    sink, casting, memory
        As in :func:`~thunderlike.arrays._sinks.opened`.
    sources : tuple of ndarray
        Arrays that `compute` reads; a sink that shares their memory is written at the end.
    alias : callable
        Whether a sink that shares their memory can be written directly.
    most : int
        Maximum number of elements of a box.
    """
    with (
        reported(work.label, work.verbose),
        opened(sink, shape, dtype, order, casting=casting, memory=memory) as place,
    ):
        array = place.array
        if array is None:
            _in_rows(compute, shape, place, work, most)
        elif _overlaps(array, sources) and not alias(array):
            # Other threads still read what one would overwrite, so the result is made elsewhere.
            apart = allocated(array.shape, array.dtype)
            _anywhere(compute, apart, work, most)
            array[...] = apart
        else:
            _anywhere(compute, array, work, most)
    return place.result()


def _anywhere(compute: Compute, array: Array, work: Work, most: int) -> None:
    # Boxes of consecutive bytes: threads that share a page or a cache line wait for each other.
    axes = axes_by_stride(array)
    inner = array.transpose(axes)

    def one(box: Box) -> None:
        at = tuple(box[axes.index(axis)] for axis in range(array.ndim))
        compute(at, array[at] if array.ndim else array)

    work.each(one, boxes(inner.shape, most_of(array.size, work.blocks, most)))


def _in_rows(compute: Compute, shape: tuple[int, ...], place: Sink, work: Work, most: int) -> None:
    def one(box: Box) -> tuple[int, Array]:
        out = np.empty(size_of(box), place.dtype)
        compute(box, out)
        return box[0].start, out

    put: Any = place.put
    # Boxes in C order divide only the first axis here: each result is the next rows of the file.
    for start, slab in work.run(one, boxes(shape, most, place.rows)):
        for row in range(0, len(slab), place.rows):
            put(start + row, slab[row : row + place.rows])


def _overlaps(array: Array, sources: tuple[Array | None, ...]) -> bool:
    """Return whether an array may share memory, or the file that it maps, with a source."""
    file = getattr(array, "filename", None)
    for source in sources:
        if source is None:
            continue
        if np.may_share_memory(array, source):
            return True
        # Two maps of one file are at different addresses.
        other = getattr(source, "filename", None)
        if file is not None and other is not None and Path(str(file)).samefile(str(other)):
            return True
    return False
