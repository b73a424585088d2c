"""Java, the Spark context and its settings; errors where they are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pyspark.errors import PySparkRuntimeError

from thunderlike.engines import engine_for, session
from thunderlike.errors import EngineError, MissingExtraError


def fake_java(folder, text):
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_391"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("segmentation fault", 0),
    ],
)
def test_java_says_its_version(tmp_path, text, version):
    assert session.java_version(fake_java(tmp_path, text)) == version


def test_without_pyspark_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match=r"thunderlike\[spark\]"):
        engine_for("spark")


def test_java_home_goes_before_the_path(tmp_path, monkeypatch):
    java = fake_java(tmp_path / "home", "")
    fake_java(tmp_path / "other", "")
    monkeypatch.setenv("PATH", str(tmp_path / "other/bin"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert session.find_java() == java
    monkeypatch.delenv("JAVA_HOME")
    assert session.find_java() == tmp_path / "other/bin/java"


@pytest.mark.parametrize("text", [None, 'openjdk version "11.0.2"'])
def test_without_a_java_that_spark_can_use(tmp_path, monkeypatch, text):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if text:
        fake_java(tmp_path, text)
    with pytest.raises(EngineError, match=r"Java 17 or newer.*engine='local'"):
        session._prepare()


@pytest.mark.parametrize("given", ["sparc", 3, object()])
def test_what_is_no_engine(given):
    with pytest.raises(EngineError, match="expected 'local', 'disk', 'spark', a SparkContext"):
        engine_for(given)


def test_a_connect_session_is_refused_with_the_alternative():
    Session = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
    with pytest.raises(EngineError, match="classic session"):
        engine_for(Session())


@pytest.mark.spark
def test_context_session_and_name_mean_the_same(spark_context, spark_session):
    engines = {engine_for(spark_context), engine_for(spark_session), engine_for("spark")}
    assert len(engines) == 1
    assert session.context() is spark_context


@pytest.mark.spark
def test_settings_for_a_context_that_is_there_already(spark_context):
    with pytest.raises(EngineError, match="is active"):
        session.context(master="local[7]")


@pytest.mark.spark
def test_local_workers_run_our_python_unless_another_is_set(spark_context, monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON")
    monkeypatch.setattr(spark_context, "pythonExec", "python3")
    engine_for(spark_context)
    assert spark_context.pythonExec == sys.executable
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/python")
    spark_context.pythonExec = "/opt/python"
    engine_for(spark_context)
    assert spark_context.pythonExec == "/opt/python"


FAILED = """
import thunderlike as tl
try:
    tl.spark.context("local[x]", spark__app__name="first")
except tl.ThunderlikeError as error:
    print(error)
movie = tl.images.fromarray([[[1.0]], [[2.0]]], engine="spark")
print(movie.toarray().ravel().tolist(), tl.spark.context().master, tl.spark.context().appName)
"""


@pytest.mark.spark
def test_a_context_that_did_not_start_leaves_nothing_to_the_next():
    done = subprocess.run(
        [sys.executable, "-c", FAILED], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.splitlines() == [
        "Spark on local[x] cannot be started: Could not parse Master URL: 'local[x]'",
        "[1.0, 2.0] local[*] thunderlike",
    ]


@pytest.mark.parametrize(
    ("java", "why", "advice"),
    [
        (25, "getSubject is not supported", "a Java 17, on which all versions of Spark run"),
        (21, "[JAVA_GATEWAY_EXITED] Java exited", "bin/java is version 21, Spark "),
        (17, "[JAVA_GATEWAY_EXITED] Java exited", None),
        (25, "Could not parse Master URL", None),
    ],
)
def test_another_java_is_advised_where_it_may_be_at_fault(tmp_path, monkeypatch, java, why, advice):
    fake_java(tmp_path, f'openjdk version "{java}"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    error = PySparkRuntimeError(why)
    with pytest.raises(EngineError) as raised, session._start_errors("local"):
        raise error
    said = str(raised.value)
    assert said.startswith(f"Spark on local cannot be started: {why}")
    assert said.endswith(why) if advice is None else advice in said
