"""Progress as a stream of events, which running work emits and listeners receive.

Loading, maps, writers and Spark stages all emit the same :class:`Event`. Without a listener an
event costs one check of an empty list. ``with tl.progress():`` shows a bar on a terminal, and one
line every ten seconds elsewhere (a log, a cluster).
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

from thunderlike._text import printable, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Event", "Tracker", "progress", "subscribe", "track", "watched"]


@dataclass(frozen=True)
class Event:
    """State of one piece of work.

    Parameters
    ----------
    work : int
        Identifies the piece of work within this process.
    label : str
        Description of the work in a few words.
    done, total : int
        Completed and total steps, in `unit`; `total` is 0 while unknown.
    finished : bool
        True in the last event of the work, also when it failed.

    Examples
    --------
    >>> Event(work=0, label="reading", done=3, total=10, unit="files").finished
    False
    """

    work: int
    label: str
    done: int
    total: int
    unit: str
    finished: bool = False


_listeners: list[Callable[[Event], None]] = []
_numbers = itertools.count()


@contextmanager
def subscribe(listener: Callable[[Event], None]) -> Iterator[None]:
    """Call a listener for every event emitted inside a ``with`` block, from any thread.

    Examples
    --------
    >>> seen = []
    >>> with subscribe(seen.append), track("counting", 2) as work:
    ...     work.advance(2)
    >>> [(event.label, event.done, event.finished) for event in seen]
    [('counting', 0, False), ('counting', 2, False), ('counting', 2, True)]
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def watched() -> bool:
    """Check for listeners, before work is polled for its progress.

    Examples
    --------
    >>> before = watched()
    >>> with subscribe(print):
    ...     before, watched()
    (False, True)
    """
    return bool(_listeners)


class Tracker:
    """Counter of one piece of work that emits an event at each step; safe to share between threads.

    Examples
    --------
    >>> events = []
    >>> with subscribe(events.append):
    ...     work = Tracker("reading", total=10, unit="files")
    ...     work.advance(3)
    ...     work.reach(8)
    >>> [(event.done, event.total) for event in events]
    [(3, 10), (8, 10)]
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._work, self._unit = next(_numbers), unit
        self._label = printable(without_secrets(label))  # it may name a file
        self._done, self._total = 0, total
        self._lock = threading.Lock()

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""
        with self._lock:
            self._done += steps
            self._emit()

    def reach(self, done: int, total: int | None = None) -> None:
        """Set the number of completed steps, for work that is polled."""
        with self._lock:
            self._done, self._total = done, self._total if total is None else total
            self._emit()

    def complete(self) -> None:
        """Set all steps as completed, for work that was polled until its end."""
        self.reach(self._total)

    def _emit(self, *, finished: bool = False) -> None:
        if not _listeners:
            return
        event = Event(self._work, self._label, self._done, self._total, self._unit, finished)
        for listener in tuple(_listeners):  # a copy: another thread may remove its own meanwhile
            listener(event)


@contextmanager
def track(label: str, total: int = 0, unit: str = "records") -> Iterator[Tracker]:
    """Emit events for a piece of work: one at its start, one at its end, one at each advance.

    Examples
    --------
    >>> with subscribe(lambda event: print(event.done, event.finished)), track("sums", 2) as work:
    ...     work.advance()
    0 False
    1 False
    1 True
    """
    tracker = Tracker(label, total, unit)
    tracker._emit()
    try:
        yield tracker
    finally:
        tracker._emit(finished=True)


@contextmanager
def progress(stream: IO[str] | None = None) -> Iterator[None]:
    """Show the progress of everything that runs inside a ``with`` block.

    Parameters
    ----------
    stream : file, optional
        Where to; standard error by default. A terminal or a notebook gets bars, anything else
        one line every ten seconds for work that takes that long.

    Examples
    --------
    >>> import io
    >>> with progress(io.StringIO()), track("quick work", 3) as work:
    ...     work.advance(3)
    """
    stream = stream or sys.stderr
    renderer: _Renderer = _Bars(stream) if stream.isatty() or _notebook() else _Lines(stream)
    with subscribe(renderer.show):
        try:
            yield
        finally:
            renderer.close()


class _Renderer(Protocol):
    def show(self, event: Event) -> None: ...
    def close(self) -> None: ...


class _Bars:
    """One tqdm bar for each piece of work under way."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._bars: dict[int, Any] = {}
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        with self._lock:
            # Not `or`: tqdm raises for the truth value of a bar without a total.
            bar = self._bars[event.work] if event.work in self._bars else self._open(event)
            if event.total and bar.total != event.total:
                _set_total(bar, event.total)
            bar.update(event.done - bar.n)
            if event.finished:
                self._bars.pop(event.work).close()

    def _open(self, event: Event) -> Any:
        # `leave` keeps finished bars on the screen; `delay` hides work of less than a moment.
        shown = {"desc": event.label, "unit": f" {event.unit}", "total": event.total or None}
        bar = _tqdm()(**shown, file=self._stream, delay=0.5)
        self._bars[event.work] = bar
        return bar

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


def _tqdm() -> Any:
    """Return the class of bars: widgets in a notebook that has them, else text.

    ``tqdm.auto`` would choose the same, and warn of every notebook without widgets.
    """
    if _notebook() and importlib.util.find_spec("ipywidgets"):
        return importlib.import_module("tqdm.notebook").tqdm
    return importlib.import_module("tqdm").tqdm


def _set_total(bar: Any, total: int) -> None:
    """Set the total of a bar, and of a widget, which reads it only when it is made."""
    bar.total = total
    if container := getattr(bar, "container", None):
        _, widget, _ = container.children
        widget.max, widget.bar_style, widget.layout.width = total, "", None


class _Lines:
    """Listener that prints a line for each piece of work, at most one every `every` seconds."""

    every = 10.0

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._last: dict[int, float] = {}
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            last = self._last.setdefault(event.work, now)
            if event.finished:
                del self._last[event.work]
            elif now - last >= self.every:
                self._last[event.work] = now
                of = f" of {event.total}" if event.total else ""
                self._stream.write(f"{event.label}: {event.done}{of} {event.unit}\n")
                self._stream.flush()

    def close(self) -> None:
        self._last.clear()


def _notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
