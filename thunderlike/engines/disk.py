"""Disk engine: a plan of chunks, streamed on threads and regrouped through a scratch file.

Records are a plan that computes any range of them on demand: a source, and the kernels applied to
it. A verb that needs values divides the records into chunks and computes them on threads, a few
at a time. Only `regroup` and `cache` hold all values: in memory where they fit, else on the disk.

:class:`AutomaticEngine` chooses between the local and the disk engine by the size of records.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from thunderlike.engines.base import (
    ArraySource,
    Engine,
    Records,
    Spec,
    check_npartitions,
    check_range,
    detached,
)
from thunderlike.engines.local import LocalEngine
from thunderlike.engines.plan import (
    Combine,
    Concat,
    Map,
    Plan,
    Read,
    Take,
    aggregated,
    computed,
    fill,
    ranges_of,
)
from thunderlike.engines.regroup import Regroup
from thunderlike.engines.scratch import Storage, check_record
from thunderlike.engines.shuffle import Pick
from thunderlike.errors import EngineError, NotOnEngineError
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.util.memory import available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.engines.base import Chunk, Exchange, Kernel, Pairing, Source

__all__ = ["AutomaticEngine", "DiskEngine", "DiskRecords"]


Partial = TypeVar("Partial")

log = logging.getLogger(__name__)

_SMALL = 2**28  # bytes that are loaded without a look at the memory


class DiskEngine(Engine):
    """Streams records through memory, whatever their number.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = tl.images.fromrandom((10, 4, 6), engine="disk")
    >>> movie.mode, movie.toseries().zscore().shape
    ('disk', (4, 6, 10))
    """

    name = "disk"
    lazy = True
    in_process = True

    def load(self, source: Source, npartitions: int | None = None) -> DiskRecords:
        """Plan to read the source, a chunk when its records are needed."""
        check_npartitions(npartitions)
        return DiskRecords(self, Read(source))

    def adopt(
        self, native: Any, key_shape: tuple[int, ...] | None, spec: Spec | None, *, ordered: bool
    ) -> DiskRecords:
        """Stack the arrays of ``(key, array)`` pairs in memory, in the order of their keys."""
        values = LocalEngine().adopt(native, key_shape, spec, ordered=ordered).values
        return self.load(ArraySource(values))

    def copy(self, records: Records) -> Records:
        """Copy records a chunk at a time, into memory if they fit, else into a scratch file."""
        if records.in_memory:
            return super().copy(records)
        storage = Storage(records.spec)
        for start, block in records.stream():
            storage.put(start, block)
        return self.load(ArraySource(storage.array()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DiskEngine)

    def __hash__(self) -> int:
        return hash(DiskEngine)

    def __repr__(self) -> str:
        return "DiskEngine()"


class DiskRecords(Records):
    """Records of a plan, computed when they are needed."""

    npartitions = 1

    def __init__(self, engine: DiskEngine, plan: Plan) -> None:
        self.engine: DiskEngine = engine
        self.plan, self.spec = plan, plan.spec

    def __reduce__(self) -> Any:
        """Raise EngineError: records are computed from what this process holds."""
        raise EngineError(
            "records of the disk engine cannot be pickled or copied, nor models that refer to "
            "them: convert them with tolocal(), or write them to a file"
        )

    @property
    def iscached(self) -> bool:  # type: ignore[override]  # computed, where the base has a field
        """True after `cache`: the first verb over all records keeps them."""
        return self.plan.cached

    def map(self, kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DiskRecords:
        """One more step, applied to each chunk after those before."""
        spec = Spec(self.spec.count, shape, dtype)
        return DiskRecords(self.engine, Map(self.plan, detached(kernel), spec))

    def combine(
        self, other: Records, pairing: Pairing, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> DiskRecords:
        """One more step, applied to the same range of both."""
        spec = Spec(self.spec.count, shape, dtype)
        right, pairing = self._plan_of(other), copy.deepcopy(pairing)
        return DiskRecords(self.engine, Combine(self.plan, right, pairing, spec))

    def take(self, rows: NDArray[np.int64]) -> DiskRecords:
        """Without regrouping if the rows increase."""
        spec = Spec(len(rows), self.spec.shape, self.spec.dtype, self.spec.weight)
        if not (np.diff(rows) > 0).all():
            return self.regroup(Pick(spec, rows))
        return DiskRecords(self.engine, Take(self.plan, rows, spec))

    def concat(self, others: Sequence[Records]) -> DiskRecords:
        """The records of all; nothing is moved."""
        plans = [self.plan, *map(self._plan_of, others)]
        count = sum(plan.spec.count for plan in plans)
        spec = Spec(count, self.spec.shape, self.spec.dtype, self.spec.weight)
        return DiskRecords(self.engine, Concat(plans, spec))

    def regroup(self, exchange: Exchange, nbytes: int | None = None) -> DiskRecords:  # noqa: ARG002
        """New records, cut from the old ones that the first of them has computed."""
        return DiskRecords(self.engine, Regroup(self.plan, exchange))

    def aggregate(
        self,
        partial: Callable[[int, Array], Partial],
        merge: Callable[[Partial, Partial], Partial],
        nbytes: int = 0,  # noqa: ARG002
    ) -> Partial:
        """Compute partials of the tiles of the local engine, and merge them in order."""
        self._prepare()
        return aggregated(self.plan, partial, merge)

    def collect(self, start: int = 0, stop: int | None = None) -> Array:
        """Compute records into one array."""
        first, last = check_range(self.spec, start, stop)
        out = self.spec.empty(last - first)
        if first < last:
            self._prepare(whole=last - first == self.spec.count)
            fill(self.plan, first, last, out, "computing")
        return out

    def stream(self) -> Iterator[Chunk]:
        """Chunks in order, a few of them ahead."""
        self._prepare()
        ranges = ranges_of(self.plan, 0, self.spec.count)
        return computed(self.plan, ranges, lambda start, block: (start, block), "computing")

    def cache(self) -> None:
        """Have the first verb over all records keep them: in memory, or mapped from the disk."""
        self.plan.cached = True

    def uncache(self) -> None:
        """Release the kept records."""
        self.plan.uncache()

    def repartition(self, npartitions: int) -> DiskRecords:  # noqa: ARG002
        """Nothing to do: chunks are not partitions."""
        return self

    def _prepare(self, *, whole: bool = True) -> None:
        if self.spec.count:
            check_record(self.plan.record_bytes)
            self.plan.prepare(whole=whole)

    def _plan_of(self, other: Records) -> Plan:
        found = self.engine.accept(other)
        assert isinstance(found, DiskRecords)
        return found.plan

    def native(self, key_shape: tuple[int, ...]) -> NoReturn:
        """Raise NotOnEngineError: there is no RDD without Spark."""
        raise NotOnEngineError(
            f"the disk engine computes records (keys {key_shape}) in this process and has no RDD: "
            "call .tospark(sc) first, or take the array with .toarray()"
        )


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
