"""Who runs it: one small contract, and the engines that fulfil it.

Only this room may ask which engine it is. It knows records and blocks; it does not know what an
image or a pixel is, nor where bytes come from.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from thunderlike._lazy import optional
from thunderlike.engines.arrays import DistributedArray
from thunderlike.engines.base import ArraySource, Engine, Records, Source, Spec
from thunderlike.engines.local import LocalEngine

__all__ = [
    "ArraySource",
    "DistributedArray",
    "Engine",
    "Records",
    "Source",
    "Spec",
    "engine_for",
    "engine_of",
    "local",
]


@cache
def local() -> LocalEngine:
    """The local engine; there is one.

    Examples
    --------
    >>> local() is engine_for("local")
    True
    """
    return LocalEngine()


def engine_for(engine: Any = None) -> Engine:
    """The engine meant by ``engine=``.

    Parameters
    ----------
    engine : None, str, SparkContext, SparkSession or Engine
        None or ``'local'``; ``'spark'`` for the active Spark context, or a new local one.

    Raises
    ------
    EngineError
        For anything else; for Spark without Java; for a Spark Connect session.
    MissingExtraError
        For Spark where pyspark is not installed.

    Examples
    --------
    >>> engine_for()
    LocalEngine()
    """
    if isinstance(engine, Engine):
        return engine
    if engine is None or engine == "local":
        return local()
    optional("pyspark", extra="spark")
    from thunderlike.engines.session import context_of
    from thunderlike.engines.spark import SparkEngine

    return SparkEngine(context_of(engine))


def engine_of(items: Any) -> Engine:
    """The engine whose own form these items have: Spark for an RDD, local for any other iterable.

    Examples
    --------
    >>> engine_of([1, 2, 3])
    LocalEngine()
    """
    return engine_for(items.context) if hasattr(items, "mapPartitionsWithIndex") else local()
