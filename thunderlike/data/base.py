"""Base class of images, series and blocks: records on an engine."""

from __future__ import annotations

import abc
import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, Unpack

from thunderlike._text import printable
from thunderlike.engines import Records, engine_for, local
from thunderlike.engines.base import check_npartitions
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import checked_methods
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.viz import notebook

if TYPE_CHECKING:
    import numpy as np

    from thunderlike._typing import Labels, Shape
    from thunderlike.engines.base import Engine

__all__ = ["Base", "Changes"]

log = logging.getLogger(__name__)


class Changes(TypedDict, total=False):
    """Metadata of a collection that a new one does not take over."""

    baseshape: Shape
    labels: Labels | None
    index: Labels | None


@checked_methods
class Base(abc.ABC):
    """Records with keys on an engine; immutable."""

    _described: ClassVar[tuple[str, ...]] = ("mode", "dtype", "shape")

    # The decorator covers the methods of this class alone.
    def __init_subclass__(cls) -> None:
        checked_methods(cls)

    def __init__(self, records: Records, baseshape: Shape) -> None:
        self._records = records
        self._baseshape = baseshape

    @abc.abstractmethod
    def _changed(self, records: Records, **changes: Unpack[Changes]) -> Self:
        """Return other records under the same keys, with the metadata that still applies.

        `changes` replace some of the metadata.
        """

    @property
    @abc.abstractmethod
    def shape(self) -> Shape:
        """Shape of all records."""

    @property
    def baseshape(self) -> Shape:
        """Shape of the keys.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6))
        >>> movie.baseshape, movie.toseries().baseshape
        ((10,), (4, 6))
        """
        return self._baseshape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6))
        >>> movie.dtype, movie.astype("int16").dtype
        (dtype('float64'), dtype('int16'))
        """
        return self._records.spec.dtype

    @property
    def engine(self) -> Engine:
        """Engine that holds the records.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie, series = tl.images.fromrandom(), tl.series.fromrandom()
        >>> movie.engine == series.engine
        True
        """
        return self._records.engine

    @property
    def mode(self) -> str:
        """Name of the engine: ``'local'``, ``'disk'`` or ``'spark'``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).mode
        'local'
        """
        return self.engine.name

    def count(self) -> int:
        """Number of records.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6))
        >>> movie.count(), movie.toseries().count(), movie.toblocks((2, 3)).count()
        (10, 24, 4)
        """
        return self._records.spec.count

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        lines = [f"{name}: {printable(str(getattr(self, name)))}" for name in self._described]
        return "\n".join([type(self).__name__, *lines])

    def _repr_html_(self) -> str:
        """Represent in a notebook: a table, with a picture if it needs no computation."""
        return notebook.summary(type(self).__name__, self._facts(), self._thumbnail())

    def _facts(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in self._described}
        facts["size"] = humanize_bytesize(math.prod(self.shape) * self.dtype.itemsize)
        parts = self.npartitions()
        facts["records"] = f"{self.count()}, in {parts} part{'s' if parts != 1 else ''}"
        return facts

    def _thumbnail(self) -> str:
        """Return a picture as HTML if the records are in memory, else an empty text."""
        return ""

    def tolocal(self) -> Self:
        """Load all records into the memory of this process; always a new object.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6))
        >>> here = movie.tolocal()
        >>> here.mode, here is movie
        ('local', False)
        """
        return self._moved(local())

    def todisk(self) -> Self:
        """Have the disk engine compute on these records, however many; always a new object.

        Those of Spark are computed, and stored in memory or in a scratch file.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).todisk().mode
        'disk'
        """
        return self._moved(engine_for("disk"))

    def tospark(self, engine: object = None) -> Self:
        """Send all records to Spark.

        Parameters
        ----------
        engine : 'spark', SparkContext or SparkSession
            The Spark context that receives them.

        Raises
        ------
        SpecError
            Without an engine.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tospark()
        Traceback (most recent call last):
            ...
        thunderlike.errors.SpecError: tospark needs an engine: give a SparkContext or ...
        """
        # Here None is not the local engine, as in `engine=`: nothing would be sent.
        if engine is None:
            raise SpecError("tospark needs an engine: give a SparkContext or engine='spark'")
        return self._moved(engine_for(engine))

    def _moved(self, engine: Engine) -> Self:
        if engine == self.engine:
            log.warning("the records are already on the %s engine", engine.name)
            return self._changed(self._records)
        return self._changed(engine.copy(self._records))

    def tordd(self) -> Any:
        """Return an RDD of ``(key, array)`` in key order; Spark only.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).tordd()
        Traceback (most recent call last):
            ...
        thunderlike.errors.NotOnEngineError: the local engine keeps ...
        """
        return self._records.native(self._baseshape)

    def cache(self) -> Self:
        """Keep computed records: in memory, and on disk where memory is full.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6)).gaussian_filter(2).cache()
        >>> movie.shape, movie.iscached()
        ((10, 4, 6), True)
        """
        self._records.cache()
        return self

    def uncache(self) -> Self:
        """Release the records that `cache` keeps.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6)).cache()
        >>> movie.uncache() is movie
        True
        """
        self._records.uncache()
        return self

    def iscached(self) -> bool:
        """Return True if computed records are kept.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).iscached()  # local: in any case
        True
        """
        return self._records.iscached

    def compute(self) -> Self:
        """Compute now and keep the result.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6)).gaussian_filter(2)
        >>> movie.compute() is movie
        True
        """
        self._records.cache()
        # On Spark `cache` only marks the records; this job computes them, and brings nothing here.
        self._records.aggregate(lambda _start, _block: None, lambda _one, _other: None)
        return self

    def npartitions(self) -> int:
        """Number of partitions of the records; 1 locally.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).npartitions()
        1
        """
        return self._records.npartitions

    def repartition(self, npartitions: int) -> Self:
        """Change the number of partitions, in the same order; a shuffle.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).repartition(4).npartitions()  # local: in any case
        1
        """
        check_npartitions(npartitions)
        return self._changed(self._records.repartition(npartitions))

    def coalesce(self, npartitions: int) -> Self:
        """Reduce the number of partitions, in the same order, as :meth:`repartition`.

        Raises
        ------
        SpecError
            When the number would increase.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).coalesce(1).npartitions()
        1
        """
        # On Spark this is a plan: nothing is shuffled if the number is refused.
        fewer = self.repartition(npartitions)
        if fewer.npartitions() > self.npartitions():
            raise SpecError(
                f"coalesce cannot increase the number of partitions from {self.npartitions()} to "
                f"{npartitions}: call .repartition({npartitions})"
            )
        return fewer
