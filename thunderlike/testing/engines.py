"""An engine that plans everything and computes nothing: whatever is not lazy raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from thunderlike.engines.base import Engine, Records, Spec
from thunderlike.errors import EngineError, NotOnEngine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thunderlike.engines.base import Exchange, Kernel, Pairing, Source

__all__ = ["Computed", "LazyEngine"]


class Computed(EngineError):
    """Something was computed that should have waited."""


class LazyEngine(Engine):
    """Give it as ``engine=`` to prove that a method only plans.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    >>> movie.gaussian_filter(2).toseries().zscore().shape
    (4, 6, 10)
    >>> movie.mean()
    Traceback (most recent call last):
    ...
    thunderlike.testing.engines.Computed: aggregate was called on records that should wait
    """

    name = "lazy"

    def load(self, source: Source, npartitions: int | None = None) -> LazyRecords:  # noqa: ARG002
        """Remember what the records would be."""
        return LazyRecords(self, source.spec)

    def adopt(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: it has no form of its own."""
        raise NotOnEngine("the lazy engine has no pairs of its own: use fromarray")


class LazyRecords(Records):
    """Records that are nowhere."""

    npartitions = 1
    iscached = False

    def __init__(self, engine: LazyEngine, spec: Spec) -> None:
        self.engine: LazyEngine = engine
        self.spec = spec

    def _of(self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LazyRecords:
        return LazyRecords(self.engine, Spec(count, shape, dtype))

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return self._of(self.spec.count, shape, dtype)

    def combine(
        self,
        other: Records,  # noqa: ARG002
        pairing: Pairing,  # noqa: ARG002
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> LazyRecords:
        """Plan."""
        return self._of(self.spec.count, shape, dtype)

    def take(self, rows: NDArray[np.int64]) -> LazyRecords:
        """Plan."""
        return self._of(len(rows), self.spec.shape, self.spec.dtype)

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return LazyRecords(self.engine, exchange.spec)

    def repartition(self, npartitions: int) -> LazyRecords:  # noqa: ARG002
        """Plan."""
        return self

    def cache(self) -> None:
        """Plan."""

    def uncache(self) -> None:
        """Plan."""

    def aggregate(self, partial: Any, merge: Any) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise Computed("aggregate was called on records that should wait")

    def collect(self, start: int = 0, stop: int | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise Computed("collect was called on records that should wait")

    def stream(self) -> NoReturn:
        """Refuse."""
        raise Computed("stream was called on records that should wait")

    def native(self, key_shape: tuple[int, ...]) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        raise Computed("native was called on records that should wait")
