"""Java, SPARK_HOME, and what a real Spark answers or fails to."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from thunderlike.cli.doctor import spark
from thunderlike.cli.doctor.finding import Finding
from thunderlike.cli.doctor.spark import judged, probe

DRIVER = {"python": "3.11.7", "numpy": "2.4.6", "thunderlike": "0.1.0"}
PROBED = {"version": "4.3.0", "master": "local[2]", "started": 5.0, "ran": 2.0, "driver": DRIVER}


def fake_java(folder, version):
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def everything_there(monkeypatch):
    """Neither Java nor pyspark is missing, as far as Spark's own check sees."""
    monkeypatch.setattr(spark, "_lacking", lambda: None)
    for name in spark._VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("version", "level"), [("17.0.2", "ok"), ("1.8.0_3", "warn")])
def test_java_is_the_one_in_java_home(version, level, monkeypatch, tmp_path):
    java = fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    finding = spark.java()
    assert finding.level == level
    assert finding.details["path"] == str(java)
    assert bool(finding.fix) == (level == "warn")


def test_no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    finding = spark.java()
    assert finding.level == "warn"
    assert finding.details["path"] is None
    assert finding.fix


def test_a_java_elsewhere_is_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(spark, "_JAVA_HOMES", (str(tmp_path).lstrip("/"),))
    fake_java(tmp_path, "21.0.1")
    assert spark._get_java() == f"export JAVA_HOME={tmp_path}"


def test_else_the_systems_installer_is(monkeypatch, tmp_path):
    monkeypatch.setattr(spark, "_JAVA_HOMES", ())
    monkeypatch.setattr(spark.shutil, "which", {"dnf": "/usr/bin/dnf"}.get)
    assert spark._get_java().startswith("dnf install java")


def test_spark_home_is_best_unset(monkeypatch):
    monkeypatch.delenv("SPARK_HOME", raising=False)
    assert spark.spark_home().level == "ok"


def spark_at(folder, version):
    (folder / "bin").mkdir()
    (folder / "bin" / "spark-submit").touch()
    if version:
        (folder / "jars").mkdir()
        (folder / "jars" / f"spark-core_2.13-{version}.jar").touch()


@pytest.mark.parametrize(("version", "level"), [("ours", "ok"), ("3.5.1", "FAIL"), (None, "warn")])
def test_spark_home_must_be_of_the_version_of_pyspark(version, level, monkeypatch, tmp_path):
    spark_at(tmp_path, metadata.version("pyspark") if version == "ours" else version)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    finding = spark.spark_home()
    assert finding.level == level
    assert finding.fix == ("" if level == "ok" else "unset SPARK_HOME")


def test_spark_home_without_a_spark(monkeypatch):
    monkeypatch.setenv("SPARK_HOME", "/nonexistent")
    finding = spark.spark_home()
    assert finding.level == "FAIL"
    assert finding.fix == "unset SPARK_HOME"


def test_without_pyspark_neither_java_nor_spark_is_missed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(spark.util, "find_spec", lambda name: None)
    assert spark.java().level == "ok"
    assert spark.spark().level == "ok"
    assert spark.spark("spark://head:7077").level == "FAIL"


@pytest.mark.parametrize(("master", "level"), [(None, "warn"), ("spark://head:7077", "FAIL")])
def test_without_java_spark_is_not_tried(master, level, monkeypatch):
    java = Finding("java", "warn", "there is none", "get one")
    monkeypatch.setattr(spark, "_lacking", lambda: java)
    finding = spark.spark(master)
    assert finding == Finding("spark", level, "was not tried without java", "get one")


@pytest.mark.usefixtures("everything_there")
def test_a_spark_that_does_not_start(monkeypatch, tmp_path):
    fake_java(tmp_path, "17.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", "/nonexistent")
    finding = spark.spark()
    assert finding.level == "FAIL"
    assert "/nonexistent" in finding.found
    assert finding.fix == "unset SPARK_HOME"


@pytest.mark.usefixtures("everything_there")
def test_a_spark_that_does_not_answer(monkeypatch):
    def silent(master, debug):
        raise subprocess.TimeoutExpired("probe", 240)

    monkeypatch.setattr(spark, "_ask", silent)
    finding = spark.spark("spark://head:7077")
    assert finding.level == "FAIL"
    assert finding.fix == "thunderlike --debug doctor --spark-master 'spark://head:7077'"


def test_workers_like_the_driver_are_well():
    finding = judged({**PROBED, "workers": [DRIVER, DRIVER]})
    assert finding.level == "ok"
    assert "4.3.0 on local[2]" in finding.found


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("numpy", None, "FAIL"),
        ("thunderlike", None, "FAIL"),
        ("numpy", "2.0.1", "warn"),
        ("python", "3.11.2", "warn"),
    ],
)
def test_workers_unlike_the_driver(name, version, level):
    finding = judged({**PROBED, "workers": [DRIVER, {**DRIVER, name: version}]})
    assert finding.level == level
    assert f"the workers have {name} {version or 'none'}" in finding.found
    assert finding.fix == f"export PYSPARK_PYTHON={sys.executable}"


def test_missing_packages_are_reported_before_differing_ones():
    worker = {**DRIVER, "python": "3.11.2", "thunderlike": None}
    assert judged({**PROBED, "workers": [worker, worker]}).level == "FAIL"


def test_workers_of_a_cluster_are_fixed_there():
    probed = {**PROBED, "master": "yarn", "workers": [{**DRIVER, "numpy": None}] * 2}
    assert judged(probed).fix.endswith("pip install numpy==2.4.6 thunderlike==0.1.0")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", ""),
        ("Traceback:\n  File\nthunderlike.errors.EngineError: no Java\n\n", "no Java"),
        ("12:00:00 WARN A: b\n12:00:01 ERROR B: full\nOSError: gone", "B: full"),
        (
            "Caused by: java.io.IOException: no such file\nOSError: x",
            "java.io.IOException: no such",
        ),
        (
            "Caused by: java.lang.X: a page\nthunderlike.errors.EngineError: the workers run",
            "the workers run",
        ),
        ("Caused by: org.PythonException: Traceback (most recent):\nOSError: x", "OSError: x"),
    ],
)
def test_last_words(said, why):
    assert spark._last_words(said).startswith(why)


@pytest.mark.spark
def test_a_real_spark_tells_of_two_workers(spark_context):
    probed = probe(spark_context)
    assert len(probed["workers"]) == 2
    assert probed["master"] == spark_context.master
    assert judged({**probed, "started": 0.0}).level == "ok"
