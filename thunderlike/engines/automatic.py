"""Choice between the local and the disk engine by the size of records."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from thunderlike.engines.base import Engine
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from thunderlike.engines.base import Records, Source, Spec

__all__ = ["AutomaticEngine"]

log = logging.getLogger(__name__)

_SMALL = 2**28  # bytes that are loaded without a look at the memory


class AutomaticEngine(Engine):
    """Local engine for records that fit in half of the available memory, else the disk engine.

    Parameters
    ----------
    small, large : Engine
        Engine of records that fit, and of others.
    """

    name = "auto"
    in_process = True

    def __init__(self, small: Engine, large: Engine) -> None:
        self._small, self._large = small, large

    def load(self, source: Source, npartitions: int | None = None) -> Records:
        """Load the source on the engine of its size."""
        in_memory = source.array is not None  # takes no more, whatever its size
        engine = self._small if in_memory else self.sized(source.spec)
        return engine.load(source, npartitions)

    def sized(self, spec: Spec) -> Engine:
        """Return the engine of records of this size, for the memory that is available now."""
        nbytes = spec.nbytes
        if nbytes <= _SMALL or nbytes <= (free := available()) // 2:
            return self._small
        log.info(
            "%s of records and %s of available memory: they stay on the %s engine",
            humanize_bytesize(nbytes), humanize_bytesize(free), self._large.name,
        )  # fmt: skip
        return self._large

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> Records:
        """Adopt pairs, which are in memory, on the engine of small records."""
        return self._small.adopt(native, key_shape, spec, ordered=ordered)

    def __repr__(self) -> str:
        return f"AutomaticEngine({self._small}, {self._large})"
