"""Waiting without keeping a core busy."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patience"]

SHORT = 3e-4  # seconds of a wait that is short
SHARE, LONGEST = 8, 1e-3  # a pause is an eighth of the wait so far, a millisecond at most


class Patience:
    """Waits by asking again and again, without keeping a core busy.

    While waits are short it asks at once; after a long one it soon pauses, a little longer each
    time. Always pausing would make a small message cost ten times as much, never pausing would
    take a core from those who work.
    """

    def __init__(self) -> None:
        self._spin = SHORT

    def wait(self, ready: Callable[[], bool]) -> None:
        """Return once it is so."""
        started, waited = time.perf_counter(), 0.0
        while not ready():
            waited = time.perf_counter() - started
            if waited < self._spin:
                os.sched_yield()
            else:
                time.sleep(min(LONGEST, waited / SHARE))
        self._spin = SHORT if waited < SHORT else 0.0
