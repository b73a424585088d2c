"""Engines: the contract that runs functions over records, and its implementations.

Engines handle records and blocks of them, and are independent of images, pixels and file formats.
Code outside of this package depends on the contract alone, never on a particular engine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from thunderlike._lazy import optional
from thunderlike.config import current
from thunderlike.engines.arrays import DistributedArray
from thunderlike.engines.base import ArraySource, Engine, Records, Source, Spec
from thunderlike.engines.disk import AutomaticEngine, DiskEngine
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
    """Return the local engine, a single instance.

    Examples
    --------
    >>> local() is engine_for("local")
    True
    """
    return LocalEngine()


_IN_PROCESS = {
    "local": local(),
    "disk": DiskEngine(),
    "auto": AutomaticEngine(local(), DiskEngine()),
}


def engine_for(engine: Any = None) -> Engine:
    """Return the engine that a value of ``engine=`` stands for.

    Parameters
    ----------
    engine : None, str, SparkContext, SparkSession or Engine
        ``'local'``, ``'disk'``, or ``'spark'`` for the active Spark context, or a new local one.
        None for the setting ``engine``, by default the local or the disk engine by size.

    Raises
    ------
    EngineError
        For anything else; for Spark without Java; for a Spark Connect session.
    MissingExtraError
        For Spark where pyspark is not installed.

    Examples
    --------
    >>> engine_for("local"), engine_for("disk")
    (LocalEngine(), DiskEngine())
    """
    if isinstance(engine, Engine):
        return engine
    engine = current().engine if engine is None else engine
    if isinstance(engine, str) and engine in _IN_PROCESS:
        return _IN_PROCESS[engine]
    optional("pyspark", extra="spark")
    from thunderlike.engines.session import context_of
    from thunderlike.engines.spark import SparkEngine

    return SparkEngine(context_of(engine))


def engine_of(items: Any) -> Engine:
    """Return the engine of native items: Spark for an RDD, local for any other iterable.

    Examples
    --------
    >>> engine_of([1, 2, 3])
    LocalEngine()
    """
    return engine_for(items.context) if hasattr(items, "mapPartitionsWithIndex") else local()
