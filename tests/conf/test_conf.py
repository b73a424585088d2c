"""The configuration files that ship with the package say why, and say what is true."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

import thunderlike
from thunderlike.config import Settings, config, current
from thunderlike.jobs.submit import PROFILES, settings_of, tried

CONF = Path(thunderlike.__file__).parent / "conf"
WARNINGS = (
    "WARNING: Using incubator modules: jdk.incubator.vector\n"
    "WARNING: package sun.security.action not in java.base\n"
)


def paragraphs(name: str) -> list[list[str]]:
    """Lines of a file in `conf`, parted where a line is blank."""
    return [part.splitlines() for part in (CONF / name).read_text("utf-8").split("\n\n")]


FOR_SPARK = ["spark-defaults.conf", *(f"{name}.conf" for name in PROFILES)]


@pytest.mark.parametrize("name", [*FOR_SPARK, "log4j2.properties", "thunderlike.toml"])
def test_every_setting_has_its_reason_above_it(name):
    for lines in paragraphs(name):
        assert lines[0].startswith("# "), lines


@pytest.mark.parametrize("name", FOR_SPARK)
def test_settings_of_spark_are_pairs_of_a_name_and_a_value(name):
    settings = [line for part in paragraphs(name) for line in part]
    pairs = [line.split() for line in settings if not line.startswith("#")]
    assert pairs
    assert all(len(pair) == 2 and pair[0].startswith("spark.") for pair in pairs)
    assert len({name for name, _ in pairs}) == len(pairs)


def test_every_file_for_spark_is_known():
    assert {path.name for path in CONF.glob("*.conf")} == set(FOR_SPARK)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_whether_somebody_tried_it(name):
    first = paragraphs(f"{name}.conf")[0][0]
    assert first.startswith("# Tested:" if tried(name) else "# Untested on ")


@pytest.mark.parametrize("name", FOR_SPARK)
def test_spark_knows_every_setting(name):
    pyspark = pytest.importorskip("pyspark")
    known = known_to_spark(Path(pyspark.__file__).parent / "jars")
    for setting in settings_of(name.removesuffix(".conf")):
        assert setting.encode() in known or setting.startswith("spark.executorEnv."), setting


@functools.cache
def known_to_spark(jars):
    """The classes in which Spark declares its settings."""
    declared = re.compile(r"internal/config/|deploy/yarn/config/|deploy/k8s/Config")
    found = b""
    for jar in jars.glob("spark-*.jar"):
        if re.match(r"spark-(core|yarn|kubernetes)_", jar.name):
            with zipfile.ZipFile(jar) as classes:
                names = [name for name in classes.namelist() if declared.search(name)]
                found += b"".join(classes.read(name) for name in names)
    return found


def test_spark_defaults_fit_any_master():
    text = (CONF / "spark-defaults.conf").read_text("utf-8")
    for name in ("spark.master", "spark.driver.host", "spark.driver.bindAddress"):
        assert not re.search(rf"^{name}\b", text, re.MULTILINE)


def test_the_settings_file_shows_every_default(tmp_path, monkeypatch):
    text = (CONF / "thunderlike.toml").read_text("utf-8")
    shown = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(shown)
    monkeypatch.setenv("THUNDERLIKE_CONFIG", str(tmp_path / "all.toml"))
    monkeypatch.delenv("THUNDERLIKE_PROGRESS", raising=False)  # set for the tests
    assert len(re.findall(r"^\w+ = ", shown, re.MULTILINE)) == len(dataclasses.fields(Settings))
    assert current() == Settings()


def test_the_settings_file_as_it_is_changes_nothing(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_CONFIG", str(CONF / "thunderlike.toml"))
    monkeypatch.delenv("THUNDERLIKE_PROGRESS", raising=False)  # set for the tests
    assert current() == Settings()
    with config(workers=3):
        assert current().workers == 3


def spark_env(
    script: str, *, command: str = "org.apache.spark.deploy.SparkSubmit", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `script` in a shell that has read spark-env.sh as Spark's launcher of `command` does."""
    return subprocess.run(
        [
            "bash",
            "-c",
            f'set -a; . "{CONF}/spark-env.sh"; set +a; {script}',
            "spark-class",
            command,
        ],
        env={"PATH": os.environ["PATH"], "SPARK_HOME": "/", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_boot_warnings_are_left_out_and_nothing_else():
    said = f"Picked up JAVA_TOOL_OPTIONS: -Dx=y\n{WARNINGS}an error\n{WARNINGS}no newline"
    ran = spark_env('printf "%s" "$SAID" >&2; echo out', SAID=said)
    assert ran.stderr == said.replace(WARNINGS, "", 1)
    assert ran.stdout == "out\n"


def test_the_last_words_of_a_jvm_that_says_little_come_through():
    assert spark_env("printf dead >&2; exit 7").stderr.rstrip("\n") == "dead"
    assert spark_env("printf dead >&2; exit 7").returncode == 7
    assert spark_env(":").stderr == ""


def test_other_commands_keep_their_standard_error():
    ran = spark_env('printf "%s" "$SAID" >&2', command="a.daemon", SAID=WARNINGS)
    assert ran.stderr == WARNINGS


def test_a_spark_of_pip_runs_the_python_it_was_installed_for(tmp_path):
    home = tmp_path / "lib" / "python3.12" / "site-packages" / "pyspark"
    home.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "spark-distribution").symlink_to(home)
    show = 'printf "%s" "$PYSPARK_PYTHON"'
    ours = str(tmp_path.resolve() / "bin" / "python")
    assert spark_env(show, SPARK_HOME=str(home)).stdout == ours
    assert spark_env(show, SPARK_HOME=str(tmp_path / "bin" / "spark-distribution")).stdout == ours
    assert spark_env(show, SPARK_HOME=str(home), PYSPARK_PYTHON="mine").stdout == "mine"
    assert spark_env(show, SPARK_HOME=str(tmp_path)).stdout == ""


def test_the_shell_of_a_spark_of_pip_runs_the_same_python(tmp_path):
    home = tmp_path / "lib" / "python3.12" / "site-packages" / "pyspark"
    home.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    show, ours = 'printf "%s" "$PYSPARK_DRIVER_PYTHON"', f"{tmp_path.resolve()}/bin/python"
    for given, found in {"python3": ours, "jupyter": "jupyter", "": ""}.items():
        ran = spark_env(show, SPARK_HOME=str(home), PYSPARK_DRIVER_PYTHON=given)
        assert ran.stdout == found
