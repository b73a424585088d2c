"""Engines for tests: one computes nothing and raises when asked to, one counts what it is asked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

from thunderlike.engines.base import Engine, Records, Spec
from thunderlike.engines.local import LocalEngine, LocalRecords
from thunderlike.errors import EngineError, NotOnEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from thunderlike.engines.base import Exchange, Kernel, Pairing, Source

__all__ = ["Computed", "CountingEngine", "LazyEngine", "LazyRecords"]


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

    def concat(self, others: Sequence[Records]) -> LazyRecords:
        """Plan."""
        count = self.spec.count + sum(other.spec.count for other in others)
        return self._of(count, self.spec.shape, self.spec.dtype)

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

    def aggregate(self, partial: Any, merge: Any, nbytes: int = 0) -> NoReturn:  # noqa: ARG002
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


class CountingEngine(LocalEngine):
    """The local engine, counting what it is asked: each verb that computes or moves records.

    Attributes
    ----------
    asked : Counter
        How often each of ``aggregate collect stream regroup repartition`` was called.

    Examples
    --------
    >>> import thunderlike as tl
    >>> engine = CountingEngine()
    >>> _ = tl.images.fromrandom((10, 4, 6), engine=engine).toseries().zscore(axis=0)
    >>> dict(engine.asked)
    {'regroup': 1, 'aggregate': 1}
    """

    name = "counting"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def load(self, source: Source, npartitions: int | None = None) -> LocalRecords:
        """Hold records that count."""
        return _CountingRecords(self, super().load(source, npartitions).values)


class _CountingRecords(LocalRecords):
    """Local records that count; what comes of them counts too."""

    engine: CountingEngine

    def _of(self, records: LocalRecords) -> _CountingRecords:
        return _CountingRecords(self.engine, records.values)

    def map(self, *args: Any) -> _CountingRecords:
        return self._of(super().map(*args))

    def combine(self, *args: Any) -> _CountingRecords:
        return self._of(super().combine(*args))

    def take(self, *args: Any) -> _CountingRecords:
        return self._of(super().take(*args))

    def concat(self, *args: Any) -> _CountingRecords:
        return self._of(super().concat(*args))

    def regroup(self, *args: Any) -> _CountingRecords:
        self.engine.asked["regroup"] += 1
        return self._of(super().regroup(*args))

    def repartition(self, npartitions: int) -> _CountingRecords:
        self.engine.asked["repartition"] += 1
        return self._of(super().repartition(npartitions))

    def aggregate(self, *args: Any) -> Any:
        self.engine.asked["aggregate"] += 1
        return super().aggregate(*args)

    def collect(self, *args: Any) -> Any:
        self.engine.asked["collect"] += 1
        return super().collect(*args)

    def stream(self) -> Any:
        self.engine.asked["stream"] += 1
        return super().stream()
