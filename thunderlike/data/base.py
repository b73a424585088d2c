"""Base class of images, series and blocks: records on an engine."""

from __future__ import annotations

import abc
import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar, Self

from thunderlike._text import printable
from thunderlike.engines import ArraySource, Records, engine_for, local
from thunderlike.engines.base import check_npartitions
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import checked_methods
from thunderlike.util.arrays import humanize_bytesize
from thunderlike.viz import notebook

if TYPE_CHECKING:
    import numpy as np

    from thunderlike._typing import Shape
    from thunderlike.engines.base import Engine

__all__ = ["Base"]

log = logging.getLogger(__name__)


@checked_methods
class Base(abc.ABC):
    """Records with keys on an engine, never changed; no method asks which engine it is."""

    _described: ClassVar[tuple[str, ...]] = ("mode", "dtype", "shape")

    def __init_subclass__(cls) -> None:
        checked_methods(cls)

    def __init__(self, records: Records, baseshape: Shape) -> None:
        self._records = records
        self._baseshape = baseshape

    @abc.abstractmethod
    def _changed(self, records: Records, **changes: Any) -> Self:
        """Other records under the same keys, with what goes along with them where it fits.

        `changes` may give another ``baseshape``, ``labels`` or ``index``.
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
        """Of every element.

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
        """The engine that holds the records.

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
        """Name of the engine: ``'local'`` or ``'spark'``.

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
        """What a notebook shows: facts, and a picture only if nothing is computed for it."""
        return notebook.summary(type(self).__name__, self._facts(), self._thumbnail())

    def _facts(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in self._described}
        facts["size"] = humanize_bytesize(math.prod(self.shape) * self.dtype.itemsize)
        facts["records"] = f"{self.count()}, in {_counted(self.npartitions(), 'part')}"
        return facts

    def _thumbnail(self) -> str:
        """A picture as HTML, of what is in this process already; else nothing."""
        return ""

    def tolocal(self) -> Self:
        """Bring all records into this process; a new object if they are here already.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromrandom((10, 4, 6))
        >>> here = movie.tolocal()
        >>> here.mode, here is movie
        ('local', False)
        """
        return self._moved(local())

    def tospark(self, engine: Any = None) -> Self:
        """Send all records to Spark.

        Parameters
        ----------
        engine : 'spark', SparkContext or SparkSession
            Where to.

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
        thunderlike.errors.SpecError: tospark needs to know where: give a SparkContext or ...
        """
        if engine is None:
            raise SpecError("tospark needs to know where: give a SparkContext or engine='spark'")
        return self._moved(engine_for(engine))

    def _moved(self, engine: Engine) -> Self:
        if engine == self.engine:
            log.warning("the records are on the %s engine already", engine.name)
            return self._changed(self._records)
        return self._changed(engine.load(ArraySource(self._records.collect())))

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
        """Keep what is computed: on Spark in memory, and on disk where that is full.

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
        """Stop keeping it.

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
        """Say whether what is computed is kept.

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
        self._records.aggregate(lambda _start, _block: None, lambda _one, _other: None)
        return self

    def npartitions(self) -> int:
        """Parts that the records are spread over; 1 locally.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).npartitions()
        1
        """
        return self._records.npartitions

    def repartition(self, npartitions: int) -> Self:
        """Spread the records over another number of parts, in the same order; a shuffle.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).repartition(4).npartitions()  # local: in any case
        1
        """
        check_npartitions(npartitions)
        return self._changed(self._records.repartition(npartitions))

    def coalesce(self, npartitions: int) -> Self:
        """Spread the records over fewer parts, in the same order, as :meth:`repartition`.

        Raises
        ------
        SpecError
            When they would be more.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((10, 4, 6)).coalesce(1).npartitions()
        1
        """
        fewer = self.repartition(npartitions)
        if fewer.npartitions() > self.npartitions():
            raise SpecError(
                f"coalesce makes fewer parts than there are, {self.npartitions()}, not "
                f"{npartitions}: call .repartition({npartitions})"
            )
        return fewer


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
