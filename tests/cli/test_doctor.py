"""What the doctor prints, and that no check can stop the others."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from thunderlike.cli import doctor, main
from thunderlike.cli.doctor import installation, spark
from thunderlike.cli.doctor.finding import Finding

WELL = Finding("numpy", "ok", "2.4.6")
MISSING = Finding("java", "warn", "there is none", "apt-get install java", {"version": 0})
BROKEN = Finding("spark", "FAIL", "does not start", "unset SPARK_HOME")


@pytest.fixture
def found(monkeypatch):
    """Have the doctor find just this."""

    def set_to(*findings):
        monkeypatch.setattr(doctor, "examine", lambda master, debug: iter(findings))

    return set_to


@pytest.fixture
def no_spark(monkeypatch):
    """Say what Spark would have answered, instead of starting one."""
    details = {"local_dir": f"{__file__}/below", "driver_memory": "999t"}
    answer = Finding("spark", "ok", "4.3.0", details=details)
    monkeypatch.setattr(spark, "spark", lambda master, debug: answer)
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)


@pytest.mark.parametrize(
    ("findings", "code"),
    [([WELL], 0), ([WELL, MISSING], 1), ([WELL, BROKEN, MISSING], 2)],
)
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_the_exit_code_is_the_worst_that_was_found(findings, code, words, found, capsys):
    found(*findings)
    assert main(["doctor", *words]) == code
    assert capsys.readouterr().err == ""


def test_a_line_for_each_and_the_remedy_at_its_end(found, capsys):
    found(WELL, MISSING, BROKEN)
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ok", "numpy", "2.4.6"]
    assert lines[1].endswith("there is none: apt-get install java")
    assert lines[2].startswith("FAIL")
    remarks = zip(lines[:3], ("2.4", "there", "does"), strict=True)
    assert len({line.index(text) for line, text in remarks}) == 1


def test_json_is_the_same_and_more(found, capsys):
    found(WELL, MISSING)
    main(["doctor", "--json"])
    numpy, java = json.loads(capsys.readouterr().out)
    assert numpy == {"name": "numpy", "level": "ok", "found": "2.4.6", "fix": "", "details": {}}
    assert java["details"] == {"version": 0}


@pytest.mark.usefixtures("no_spark")
def test_every_part_is_looked_at_once():
    names = [finding.name for finding in doctor.examine()]
    assert len(names) == len(set(names))
    for name in (
        "python",
        "numpy",
        "pyspark",
        "java",
        "spark",
        "memory",
        "temp",
        "scratch",
        "tif files",
        "s3",
    ):
        assert name in names


@pytest.mark.usefixtures("no_spark")
def test_a_check_that_breaks_does_not_stop_the_others(monkeypatch):
    def broken():
        raise RuntimeError("no idea\nwhy")

    monkeypatch.setattr(installation, "python", broken)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["python"].level == "FAIL"
    assert "RuntimeError: no idea:" in findings["python"].line
    assert findings["numpy"].level == "ok"


@pytest.mark.usefixtures("no_spark")
def test_memory_and_disk_are_judged_by_what_spark_says_of_itself():
    findings = {finding.name: finding for finding in doctor.examine()}
    assert "999t" in findings["memory"].found
    assert findings["spark temp"].level == "FAIL"


@pytest.mark.usefixtures("no_spark")
def test_every_problem_ends_with_its_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("THUNDERLIKE_WORKERS", "many")
    bad = [finding for finding in doctor.examine() if finding.level != "ok"]
    assert {"java", "SPARK_HOME", "temp", "s3", "settings"} <= {finding.name for finding in bad}
    assert all(finding.fix and finding.line.endswith(finding.fix) for finding in bad)


@pytest.mark.spark
@pytest.mark.slow
def test_the_whole_on_a_spark_of_its_own():
    ran = subprocess.run(
        [sys.executable, "-m", "thunderlike", "doctor", "--json", "--spark-master", "local[2]"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.stderr == ""
    findings = {finding["name"]: finding for finding in json.loads(ran.stdout)}
    assert findings["spark"]["level"] == "ok", findings["spark"]
    assert findings["spark"]["details"]["master"] == "local[2]"
    assert ran.returncode in (0, 1)
