"""Versions of Python and libraries of a Spark driver, compared with those of its workers."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from pyspark import AccumulatorParam

from thunderlike._arguments import caller_level
from thunderlike._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark import Accumulator, SparkContext

__all__ = ["DriverVersions", "mismatch", "warn_of_differences"]

Found: TypeAlias = frozenset[str]

_PYTHONS = re.compile(
    r"Python in worker has different version:? \(?(\d+)[., ]+(\d+)\)? "
    r"than that in driver:? ([\d.]+)"
)
_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_REMEDY = (
    "install the same on both, or send the driver's environment: thunderlike submit --ship env"
)


class _Union(AccumulatorParam[Found]):
    """Accumulation of sets of versions."""

    def zero(self, value: Found) -> Found:  # noqa: ARG002  # as Spark asks for it
        return frozenset()

    def addInPlace(self, value1: Found, value2: Found) -> Found:  # noqa: N802
        return value1 | value2


class DriverVersions:
    """Versions of the driver, which workers compare with theirs when they unpickle it.

    A version of numpy that differs in its first number, and any other version of this package,
    raise what `refuse` makes of a message, before anything else of the task is unpickled. Other
    versions of numpy are reported by :func:`warn_of_differences`.

    Parameters
    ----------
    context : SparkContext
    refuse : callable
        Returns the exception for a message; a function of a module.
    """

    def __init__(self, context: SparkContext, refuse: Callable[[str], Exception]) -> None:
        if context not in _reports:
            _reports[context] = context.accumulator(frozenset(), _Union())
        # As bytes: Spark sends the values of all accumulators that a worker unpickles.
        self._report, self._refuse = pickle.dumps(_reports[context]), refuse

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Any, ...]]:
        return _compare, (np.__version__, __version__, self._report, self._refuse)


_reports: weakref.WeakKeyDictionary[SparkContext, Accumulator[Found]] = weakref.WeakKeyDictionary()
_reported: weakref.WeakKeyDictionary[SparkContext, Found] = weakref.WeakKeyDictionary()


def _compare(numpy: str, package: str, report: bytes, refuse: Callable[[str], Exception]) -> None:
    """Compare the versions of a driver with those of this worker."""
    pairs = {"thunderlike": (package, __version__), "numpy": (numpy, np.__version__)}
    for name, (theirs, here) in pairs.items():
        if here == theirs:
            continue
        if name == "thunderlike" or here.split(".")[0] != theirs.split(".")[0]:
            raise refuse(f"the workers have {name} {here} and the driver {theirs}: {_REMEDY}")
        accumulator: Accumulator[Found] = pickle.loads(report)  # noqa: S301  # of our driver
        accumulator.add(frozenset({here}))


def warn_of_differences(context: SparkContext) -> None:
    """Warn of versions of numpy of workers that differ from the driver's, once for each.

    Results may then differ between engines in their last digits.
    """
    report = _reports.get(context)
    found = (report.value if report else frozenset()) - _reported.get(context, frozenset())
    if found:
        _reported[context] = _reported.get(context, frozenset()) | found
        warnings.warn(
            f"the workers have numpy {', '.join(sorted(found))} and the driver {np.__version__}: "
            f"last digits may differ between engines; {_REMEDY}",
            stacklevel=caller_level(),
        )


def mismatch(text: str) -> str | None:
    """Return the message for a failed job, where its workers lack what the driver has.

    Examples
    --------
    >>> mismatch("Python in worker has different version: 3.12 than that in driver: 3.11, ...")
    'the workers run Python 3.12 and the driver 3.11, and PySpark needs one version: ...'
    """
    if found := _PYTHONS.search(text):
        major, minor, driver = found.groups()
        return (
            f"the workers run Python {major}.{minor} and the driver {driver}, and PySpark needs "
            "one version: set PYSPARK_PYTHON, or --python of thunderlike submit, to a Python "
            f"{driver} on the workers"
        )
    if found := _MODULE.search(text):
        name = found[1]
        if name.startswith("numpy."):
            return (
                f"the workers have a numpy without {name}, of another version than the driver's "
                f"{np.__version__}: {_REMEDY}"
            )
        driver = f"Python {sys.version_info[0]}.{sys.version_info[1]} with numpy {np.__version__}"
        return f"the workers' Python has no module {name}, the driver is {driver}: {_REMEDY}"
    return None
