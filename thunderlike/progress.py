"""Progress as a stream of events, which running work emits and listeners receive.

Loading, maps, writers and Spark stages all emit the same :class:`Event`. Work of more than two
seconds is shown: by a bar on a terminal and in a notebook, by one line every ten seconds elsewhere
(a log, a cluster). ``tl.progress(False)`` and the setting ``progress`` turn this off.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, Protocol

from thunderlike._text import printable, without_secrets
from thunderlike.config import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

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

    Work is then not shown, except inside of ``with tl.progress():``.

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
    """Check whether anyone sees events, before work is polled for its progress.

    Examples
    --------
    >>> with progress(False):
    ...     before = watched()
    ...     with subscribe(print):
    ...         before, watched()
    (False, True)
    """
    return bool(_listeners) or _displays != [None]


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
        self._due = 0.0  # of the next event for a display
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
        (display,) = _displays
        if not _listeners:
            if display is None:
                return
            # Listeners get all events; one takes as long as a small task.
            now = time.monotonic()
            if now < self._due and not finished:
                return
            self._due = now + _REFRESH
        event = Event(self._work, self._label, self._done, self._total, self._unit, finished)
        for listener in tuple(_listeners):  # a copy: another thread may remove its own meanwhile
            listener(event)
        if display is not None:
            display.show(event)


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


class progress:  # noqa: N801  # called like a function
    """Show or hide the progress of work: from the call on, or inside a ``with`` block.

    Without a call, work of more than two seconds is shown on standard error. The setting
    ``progress`` (``THUNDERLIKE_PROGRESS=0``) turns this off as well.

    Parameters
    ----------
    shown : bool or file, optional
        True for standard error and work of more than half a second; False to hide all work; or a
        file to write to. A terminal or a notebook gets bars, anything else one line every ten
        seconds for work that takes that long.

    Examples
    --------
    >>> import io
    >>> with progress(io.StringIO()), track("quick work", 3) as work:
    ...     work.advance(3)
    >>> with progress(False):
    ...     watched()
    False
    """

    def __init__(self, shown: bool | IO[str] = True) -> None:
        (self._before,) = _displays
        self._mine: _Renderer | None = None
        if shown is not False:
            self._mine = _renderer(sys.stderr if shown is True else shown, _MOMENT)
        _displays[:] = [self._mine]

    def __enter__(self) -> None:
        """Do nothing: the display was changed by the call."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the display from before the call."""
        _displays[:] = [self._before]
        if self._mine is not None:
            self._mine.close()


_REFRESH = 0.05  # seconds between two events for a display
_MOMENT, _LONG = 0.5, 2.0  # seconds after which work is shown: where asked for, and by default


class _Default:
    """Display of long work in the process of the user, unless a listener or a setting is there.

    Workers (forks, processes of pools) show nothing: their parent counts what they return.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._shown: dict[int, _Renderer] = {}

    def show(self, event: Event) -> None:
        renderer = self._shown.get(event.work)
        if renderer is None:
            if event.finished or event.done or not self._wanted():
                return
            renderer = self._shown[event.work] = _renderer(sys.stderr, _LONG)
        renderer.show(event)
        if event.finished:
            del self._shown[event.work]

    def _wanted(self) -> bool:
        """Decide for a piece of work when it begins."""
        pools = sys.modules.get("multiprocessing")  # of a worker, which was started by it
        is_worker = os.getpid() != self._process or (pools and pools.parent_process())
        if _listeners or is_worker or sys.stderr is None:
            return False
        return current().progress

    def close(self) -> None:
        self._shown.clear()


def _renderer(stream: IO[str], after: float) -> _Renderer:
    """Return bars for a terminal or a notebook, else lines; bars for work of so many seconds."""
    return _Bars(stream, after) if stream.isatty() or _notebook() else _Lines(stream)


class _Renderer(Protocol):
    def show(self, event: Event) -> None: ...
    def close(self) -> None: ...


class _Bars:
    """One tqdm bar for each piece of work that takes longer than `after` seconds."""

    def __init__(self, stream: IO[str], after: float) -> None:
        self._stream, self._after = stream, after
        self._began: dict[int, float] = {}
        self._bars: dict[int, Any] = {}
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        with self._lock:
            began = self._began.setdefault(event.work, time.time())
            bar = self._bars.get(event.work)
            if bar is None and not event.finished and time.time() - began >= self._after:
                bar = self._bars[event.work] = self._open(event, began)
            if bar is not None:
                if event.total and bar.total != event.total:
                    _set_total(bar, event.total)
                bar.update(event.done - bar.n)
            if event.finished:
                del self._began[event.work]
                self._bars.pop(event.work, None)
                if bar is not None:
                    bar.close()

    def _open(self, event: Event, began: float) -> Any:
        # `leave` keeps finished bars on the screen.
        shown = {"desc": event.label, "unit": f" {event.unit}", "total": event.total or None}
        # Drawn first with the steps done so far, and then at every event, with the mean rate.
        bar = _tqdm()(**shown, file=self._stream, delay=1e-9, miniters=0, smoothing=0)
        bar.start_t = bar.last_print_t = began
        return bar

    def close(self) -> None:
        with self._lock:
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
            self._began.clear()


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
        self._times: dict[int, tuple[float, float]] = {}  # of the start, of the last line
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            began, last = self._times.setdefault(event.work, (now, now))
            if event.finished:
                del self._times[event.work]
            elif now - last >= self.every:
                self._times[event.work] = began, now
                self._stream.write(f"{_described(event, now - began)}\n")
                self._stream.flush()

    def close(self) -> None:
        with self._lock:
            self._times.clear()


def _described(event: Event, seconds: float) -> str:
    """Describe work that goes on: its step, share, rate and the time left.

    Examples
    --------
    >>> _described(Event(1, "reading", 50, 200, "files"), 10.0)
    'reading: 50 of 200 files (25 %), 5 files/s, 0:00:30 left'
    >>> _described(Event(1, "reading", 50, 0, "files"), 10.0)
    'reading: 50 files, 5 files/s'
    """
    rate = event.done / seconds
    speed = f", {rate:.3g} {event.unit}/s"
    if not event.total:
        return f"{event.label}: {event.done} {event.unit}{speed}"
    share = f"{event.done} of {event.total} {event.unit} ({event.done / event.total:.0%})"
    left = timedelta(seconds=round((event.total - event.done) / rate)) if rate else None
    return f"{event.label}: {share.replace('%', ' %')}{speed}" + (f", {left} left" if rate else "")


def _notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


_displays: list[_Renderer | None] = [_Default()]  # always one
