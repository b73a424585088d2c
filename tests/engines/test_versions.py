"""Versions of a driver and its workers: refused, reported once, or equal."""

from __future__ import annotations

import pickle
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import versions
from thunderlike.engines.versions import mismatch
from thunderlike.errors import EngineError


def total(context):
    return tl.series.fromarray(np.ones((4, 3)), engine=context).sum().toarray().sum()


@pytest.fixture
def worker(monkeypatch):
    """Workers compare with these versions of the driver."""

    def pretend(numpy=np.__version__, package=versions.__version__):
        monkeypatch.setattr(versions, "np", SimpleNamespace(__version__=numpy))
        monkeypatch.setattr(versions, "__version__", package)

    return pretend


@pytest.mark.spark
def test_workers_of_another_python_are_an_error_of_one_line(spark_context, monkeypatch):
    monkeypatch.setattr(spark_context, "pythonVer", "3.6")
    with pytest.raises(EngineError, match=r"the workers run Python 3\.\d+ and the driver 3\.6"):
        total(spark_context)


@pytest.mark.spark
@pytest.mark.parametrize("given", [{"numpy": "1.26.4"}, {"package": "0.0.1"}])
def test_workers_that_cannot_run_the_tasks_of_the_driver(given, spark_context, worker):
    worker(**given)
    name, version = ("numpy" if "numpy" in given else "thunderlike"), *given.values()
    with pytest.raises(EngineError, match=rf"the workers have {name} \S+ and the driver {version}"):
        total(spark_context)


@pytest.mark.spark
def test_workers_of_another_minor_version_of_numpy_are_reported_once(spark_context, worker):
    worker(numpy=f"{np.__version__}.dev0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        assert total(spark_context) == 12
    (warning,) = [one for one in caught if one.category is UserWarning]
    assert re.search(r"last digits may differ.*--ship env", str(warning.message))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert total(spark_context) == 12


@pytest.mark.spark
def test_equal_versions_send_nothing(spark_context):
    made = versions.DriverVersions(spark_context, RuntimeError)
    assert pickle.loads(pickle.dumps(made)) is None


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Python in worker has different version (3, 12) than that in driver 3.11, PySp", "3.12"),
        ("Python in worker has different version: 3.12 than that in driver: 3.11, Py", "3.12"),
        ("Traceback\nModuleNotFoundError: No module named 'numpy'\n", "has no module numpy,"),
        (
            "Traceback\nModuleNotFoundError: No module named 'numpy._core'\n",
            "a numpy without numpy._core, of another version than the driver's 2",
        ),
    ],
)
def test_messages_of_every_spark(said, names):
    assert names in mismatch(said)
    assert "--" in mismatch(said)


def test_other_failures_are_no_mismatch():
    assert mismatch("ValueError: no") is None
