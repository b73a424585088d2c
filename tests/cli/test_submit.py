"""``thunderlike submit``: the line it prints, and that it runs what it prints."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest

from thunderlike.cli import main, scripts, submit
from thunderlike.jobs import submit as submitting


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A spark-submit that writes down its words and leaves with code 7."""
    home = tmp_path / "spark"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "spark-submit").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words\nexit 7\n')
    (home / "bin" / "spark-submit").chmod(0o755)
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return home / "bin" / "spark-submit"


def test_what_is_printed_is_run(program, tmp_path, capfd):
    with socket.create_server(("127.0.0.1", 0)) as answering:
        master = f"spark://127.0.0.1:{answering.getsockname()[1]}"
        line = ["submit", "activity_map", "--master", master, "--queue", "q", "--"]
        assert main([*line, "--images", "a b", "--", "x"]) == 7
    printed = shlex.split(capfd.readouterr().out.replace("\\\n", ""))
    assert printed[0] == str(program)
    assert printed[1:] == (tmp_path / "words").read_text().splitlines()
    assert printed[-4:] == ["--images", "a b", "--", "x"]
    assert Path(printed[-5]).read_text().startswith('"""Map which pixels')


def test_a_dry_run_prints_and_runs_nothing(program, tmp_path, capsys):
    assert main(["submit", "convert", "--master", "local", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("convert.py\n")
    assert not (tmp_path / "words").exists()


def test_a_script_of_ones_own(program, tmp_path, capsys):
    (tmp_path / "mine.py").write_text("")
    assert main(["submit", "mine.py", "--master", "local", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith(" mine.py\n")
    assert main(["submit", "s3://bucket/mine.py", "--master", "local", "--dry-run"]) == 0
    assert main(["submit", "theirs.py", "--master", "local", "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: theirs.py: no such script and no such job; the jobs are ")
    assert error.count("\n") == 1


REFUSED = {
    "no such core": (["--master", "local[x]"], "no Spark is at 'local[x]'"),
    "no port": (["--master", "spark://head"], "give local[2], spark://HOST:7077"),
    "no memory": (["--master", "local", "--driver-memory", "lots"], "such as 2g or 512m"),
    "nowhere": (["--master", "local", "--deploy-mode", "aside"], "here (client) or there"),
    "standalone": (["--master", "spark://h:1", "--deploy-mode", "cluster"], "no driver in Python"),
    "no Spark there": (["--master", "spark://127.0.0.1:9"], "127.0.0.1:9: Connection refused"),
    "no such port": (["--master", "spark://127.0.0.1:99999"], "127.0.0.1:99999: "),
    "no name": (["--master", "spark://a..b:7077"], "a..b:7077: "),
    "slurm": (["--master", "local", "--nodes", "2"], "--nodes is an option of --master slurm"),
    "no sbatch": (["--master", "slurm"], "no sbatch on the path: run this on a login node"),
    "no time": (["--master", "slurm", "--time", "soon"], "--time soon: give minutes, HH:MM:SS"),
    "no profile": (["--master", "slurm", "--profile", "emr"], "is for another master than slurm"),
    "no YARN": (["--master", "yarn"], "HADOOP_CONF_DIR is not set"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_is_said_before_anything_starts(
    wrong, program, tmp_path, monkeypatch, capsys
):
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    given, says = REFUSED[wrong]
    assert main(["submit", "convert", *given]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("error: ")
    assert says in error[-1]
    assert not (tmp_path / "words").exists()


@pytest.mark.usefixtures("program")
def test_a_dry_run_packs_no_environment(tmp_path, capsys):
    assert main(["submit", "convert", "--master", "yarn", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "--archives " in out
    assert "is not there yet; without --dry-run it is packed first" in err
    assert not list(tmp_path.rglob("*.tar.gz"))


@pytest.mark.usefixtures("program")
def test_databricks_is_explained_not_run(capsys):
    assert main(["submit", "convert", "--master", "local", "--profile", "databricks"]) == 2
    assert "Spark Submit task" in capsys.readouterr().err


@pytest.mark.usefixtures("program")
def test_a_profile_that_nobody_tried_says_so(capsys):
    line = ["submit", "convert", "--ship", "none", "--dry-run", "--master"]
    assert main([*line, "yarn"]) == 0
    assert "nobody has run a job with the profile yarn" in capsys.readouterr().err
    assert main([*line, "spark://h:1"]) == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def sbatch(program, tmp_path, monkeypatch):
    """A SLURM that keeps its words in a file, and returns 3."""
    (program.parents[1] / "jars").mkdir()
    (program.parent / "spark-class").touch()
    command = tmp_path / "commands" / "sbatch"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\necho "$@" > words\nexit 3\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    return command


@pytest.mark.usefixtures("sbatch")
def test_a_script_is_written_for_slurm(tmp_path, capfd):
    line = [
        "submit",
        "convert",
        "--master",
        "slurm",
        "-N",
        "8",
        "--mem",
        "64G",
        "--time",
        "2:00:00",
    ]
    more = ["--sbatch=--qos=high", "--setup", "module load java", "--executor-cores", "4"]
    job = ["--", "--input", "a b"]
    assert main([*line, *more, "--dry-run", *job]) == 0
    printed = capfd.readouterr().out
    assert not list(tmp_path.glob("*.sbatch"))
    assert main([*line, *more, "--wait", *job]) == 3
    assert capfd.readouterr().out == "sbatch --wait convert.sbatch\n"
    assert (tmp_path / "words").read_text() == "--wait convert.sbatch\n"
    assert (tmp_path / "convert.sbatch").read_text() == printed
    for text in ("--nodes=8", "--mem=64G", "--time=2:00:00", "--qos=high"):
        assert f"\n#SBATCH {text}\n" in printed
    assert "\nmodule load java\n" in printed
    assert "convert.py --input 'a b' &\n" in printed


def test_an_option_of_the_job_before_the_dashes(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["submit", "convert", "--master", "local", "--input", "x"])
    assert "--input: unknown option; options of the job come after --" in capsys.readouterr().err


def test_help_names_every_job_profile_and_shipment():
    ours = {file.stem for file in Path(scripts.__file__).parent.glob("[!_]*.py")}
    text = submit.DESCRIPTION + submit.EPILOG
    listed = re.search(r"a job of the package \(([^)]*)\)", text).group(1)
    assert ours == set(re.split(r",\s+", listed))
    for name in submitting.SHIPMENTS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
