"""The line for spark-submit: every word of it, and none that nobody may see."""

from __future__ import annotations

import subprocess
import sys

import pytest

from thunderlike.errors import EngineError, SpecError
from thunderlike.jobs import submit
from thunderlike.jobs.submit import Submission, line, profile_for, settings_of, shown


@pytest.fixture(autouse=True)
def made(monkeypatch, tmp_path):
    """Archives that are made at once, and a spark-submit that is the same everywhere."""
    monkeypatch.setattr(submit, "package", lambda: tmp_path / "ours.zip")
    monkeypatch.setattr(submit, "environment", lambda: tmp_path / "env.tar.gz")
    monkeypatch.setattr(submit, "spark_submit", lambda: "spark-submit")
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    return tmp_path


def pairs(words):
    """The options of a line, those named --conf by the name of the setting."""
    end = next(i for i, word in enumerate(words[1:], 1) if word.endswith(".py"))
    options = list(zip(words[1:end:2], words[2:end:2], strict=True))
    settings = dict(value.split("=", 1) for name, value in options if name == "--conf")
    return {name: value for name, value in options if name != "--conf"} | settings


def test_a_local_master_is_sent_nothing():
    words = line(Submission("job.py", "local[2]", ["--input", "a b"]))
    assert words[:3] == ["spark-submit", "--master", "local[2]"]
    assert words[-3:] == ["job.py", "--input", "a b"]
    settings = pairs(words)
    assert (
        settings["spark.pyspark.python"]
        == settings["spark.pyspark.driver.python"]
        == sys.executable
    )
    assert settings.items() >= settings_of("spark-defaults").items()
    assert not {"--py-files", "--archives", "spark.submit.deployMode"} & settings.keys()


@pytest.mark.parametrize("master", ["local", "local[*]", "local[2,3]", "local-cluster[2,1,1024]"])
def test_masters_of_this_machine_have_no_profile(master):
    assert profile_for(master) is None


def test_a_standalone_cluster_is_sent_the_package(made):
    settings = pairs(line(Submission("job.py", "spark://head:7077", python="/opt/python")))
    assert settings["--py-files"] == str(made / "ours.zip")
    assert settings["spark.pyspark.python"] == "/opt/python"
    assert settings["spark.submit.deployMode"] == "client"
    assert "--archives" not in settings


@pytest.mark.parametrize("master", ["yarn", "k8s://https://head:443"])
def test_other_clusters_are_sent_the_environment(made, master):
    settings = pairs(line(Submission("job.py", master)))
    assert settings["--archives"] == f"{made}/env.tar.gz#environment"
    assert settings["--py-files"] == str(made / "ours.zip")
    assert settings["spark.pyspark.python"] == "./environment/bin/python"
    assert settings["spark.pyspark.driver.python"] == sys.executable
    assert settings["spark.executor.memoryOverheadFactor"] == "1.0"


def test_a_driver_that_runs_away_from_here_has_the_python_that_was_sent():
    settings = pairs(line(Submission("job.py", "yarn", options={"deploy-mode": "cluster"})))
    assert settings["spark.pyspark.driver.python"] == "./environment/bin/python"
    assert settings["--deploy-mode"] == "cluster"
    assert "spark.submit.deployMode" not in settings


def test_what_the_user_sets_comes_before_the_profile():
    conf = ["spark.executor.memoryOverheadFactor=0.3", "spark.app.tag=a=b"]
    settings = pairs(line(Submission("job.py", "yarn", profile="emr", conf=conf)))
    assert settings["spark.executor.memoryOverheadFactor"] == "0.3"
    assert settings["spark.app.tag"] == "a=b"
    assert settings["spark.dynamicAllocation.enabled"] == "false"


def test_a_python_that_was_chosen_is_kept(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/chosen")
    assert pairs(line(Submission("job.py", "spark://h:1")))["spark.pyspark.python"] == "/opt/chosen"


def test_what_is_shown_can_be_pasted():
    words = line(Submission("my job.py", "spark://h:1", ["--images", "a*b c", "--", "$HOME"]))
    assert pasted(shown(words)) == words


def pasted(text):
    """The words that a shell makes of a text."""
    ran = subprocess.run(["sh", "-c", f"printf '%s\\n' {text}"], capture_output=True, check=True)
    return ran.stdout.decode().splitlines()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"master": "mesos://h"}, "no Spark is at 'mesos://h'"),
        ({"profile": "azure"}, "unknown profile 'azure'; expected one of standalone, slurm"),
        ({"ship": "pex"}, "unknown shipment 'pex'"),
        ({"conf": ["cores=2"]}, "--conf cores=2: give a setting of Spark"),
        ({"conf": ["spark.hadoop.fs.s3a.secret.key=x"]}, "is a secret"),
        ({"conf": ["spark.hadoop.fs.s3a.access.key=x"]}, "is a secret"),
        ({"conf": ["spark.ssl.keyPassword=x"]}, "is a secret"),
    ],
)
def test_what_cannot_be_sent(changes, says):
    with pytest.raises(SpecError, match=says):
        line(Submission(**{"script": "job.py", "master": "local"} | changes))


def test_a_secret_of_the_environment_is_not_shown(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush-hush")
    with pytest.raises(SpecError, match="AWS_SECRET_ACCESS_KEY") as caught:
        line(Submission("job.py", "local", ["--key=hush-hush-hush"]))
    assert "hush-hush" not in str(caught.value)


def test_a_file_that_holds_a_secret_may_be_named():
    name = "spark.kubernetes.authenticate.submission.oauthTokenFile"
    assert pairs(line(Submission("job.py", "local", conf=[f"{name}=/run/token"])))[name]


def test_spark_is_looked_for_in_three_places(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="is not a Spark installation"):
        submit.spark_submit()
    program = tmp_path / "bin" / "spark-submit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert submit.spark_submit() == str(program)
    monkeypatch.delenv("SPARK_HOME")
    monkeypatch.setenv("PATH", str(program.parent))
    assert submit.spark_submit() == "spark-submit"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(submit, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="no spark-submit: set SPARK_HOME"):
        submit.spark_submit()
