"""Batch scripts for SLURM: their lines, and all that they do with a Spark that is made up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slurm as stand_ins

from thunderlike.errors import EngineError, ExistsError, SpecError
from thunderlike.jobs import slurm
from thunderlike.jobs.slurm import Allocation, job_name, script, spark_home, write
from thunderlike.jobs.submit import Submission

PATIENCE = 180  # seconds for what takes ten on an idle machine
SPARK_CLASS = """\
#!/bin/bash
case $1 in
*Master)
    [[ -e $FAKE/no-master ]] && echo 'no port' && exit 1
    grep -q '^spark.authenticate.secret [0-9a-f]\\{64\\}$' "${@: -1}" || exit
    stat -c %a "${@: -1}" >"$FAKE/permissions"
    echo "25/01/01 INFO Master: Starting Spark master at spark://$3:7077"
    while sleep 0.1; do
        for file in "$FAKE"/worker-*; do
            [[ -e $file ]] && mv "$file" "$FAKE/known-${file##*-}" &&
                echo "INFO Master: Registering worker ${file##*-}:1 with 1 cores, 1.0 GiB RAM"
        done
    done
    ;;
*Worker)
    echo "$@" >"$FAKE/words-$3"
    [[ -e $FAKE/no-worker ]] && exit 1
    [[ -e $FAKE/lazy-$3 ]] || touch "$FAKE/worker-$3"
    trap 'exit 143' TERM
    sleep 100 & wait
    ;;
esac
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a Spark that is made up; what it runs as a job is ``fake/job``."""
    spark, fake = tmp_path / "spark", tmp_path / "fake"
    for folder in (spark / "bin", spark / "jars", fake):
        folder.mkdir(parents=True)
    programs = {
        "spark-class": SPARK_CLASS,
        "spark-submit": '#!/bin/bash\nexec bash "$FAKE/job" "$@"\n',
    }
    for name, text in programs.items():
        (spark / "bin" / name).write_text(text)
        (spark / "bin" / name).chmod(0o755)
    for name, value in stand_ins.install(tmp_path / "slurm", hasty=True).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPARK_HOME", str(spark))
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path))
    monkeypatch.setenv("FAKE", str(fake))
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield fake
    stand_ins.clean()


def submitted(job, *, wait=True, nodes=2):
    """Submit a job of shell; returns the process of ``sbatch --wait``."""
    Path(os.environ["FAKE"], "job").write_text(job)
    write(script(Submission("job.py", "slurm"), Allocation(nodes, memory="8G")), Path("job.sbatch"))
    started = subprocess.Popen(["sbatch", "--wait", "job.sbatch"], stdout=subprocess.DEVNULL)
    return started.wait(PATIENCE) if wait else started


def log():
    return Path("job-1.log").read_text()


def nodes():
    lines = Path("slurm/state/1/nodes").read_text().splitlines()
    return dict(line.split() for line in lines)


def pauses():
    """Count the pauses of the script and its workers."""
    return len(Path("slurm/state.pauses").read_text().splitlines())


def waited(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def nothing_is_left():
    leaders = stand_ins.sessions(Path("slurm/state/1"))
    waited(lambda: not any(list(stand_ins.in_session(leader)) for leader in leaders))
    return not Path("spark-1").exists() and not Path("job-1/spark.conf").exists()


# ---- What the script does


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_of_the_job_is_kept(place, code):
    assert submitted(f'echo "$@"; ls -d "$SLURM_TMPDIR/spark-1"; exit {code}') == code
    words = log().splitlines()
    assert "thunderlike: Spark is at spark://127.0.0.2:7077, with 2 of 2 nodes" in words[0]
    assert "--master spark://127.0.0.2:7077 --properties-file " in words[1]
    assert "--executor-memory 2560m --total-executor-cores 2 --conf " in words[1]
    assert words[1].endswith(" job.py")
    assert words[2] == str(Path("spark-1").absolute())
    for host in ("127.0.0.2", "127.0.0.3"):
        given = (place / f"words-{host}").read_text()
        assert f"--host {host} --cores 1 --memory 8192m" in given
        assert given.endswith(" spark://127.0.0.2:7077\n")
    assert (place / "permissions").read_text() == "600\n"
    assert nothing_is_left()
    assert {path.name for path in Path("job-1").iterdir()} == {
        "master.log", "worker-127.0.0.2.log", "worker-127.0.0.3.log",
    }  # fmt: skip


def test_a_job_goes_on_without_a_node_that_was_lost(place):
    ran = submitted('touch "$FAKE/begun"; until [[ -e $FAKE/go ]]; do sleep 0.1; done', wait=False)
    waited((place / "begun").exists)
    stand_ins.send(int(nodes()["127.0.0.3"]), signal.SIGKILL)
    looked = pauses()
    waited(lambda: pauses() > looked + 3)  # the script looks at its processes after each
    (place / "go").touch()
    assert ran.wait(PATIENCE) == 0
    assert nothing_is_left()


def test_a_job_ends_when_all_nodes_are_lost(place):
    ran = submitted('touch "$FAKE/begun"; sleep 100', wait=False)
    waited((place / "begun").exists)
    for node in ("127.0.0.2", "127.0.0.3"):
        stand_ins.send(int(nodes()[node]), signal.SIGKILL)
    assert ran.wait(PATIENCE) == 1
    assert "thunderlike: all workers of Spark ended, and the job with them: see " in log()
    assert nothing_is_left()


def test_a_preempted_job_is_requeued_and_starts_again(place):
    job = '[[ -e $FAKE/again ]] && exit; trap "echo saved" TERM; >"$FAKE/begun"; sleep 100 & wait'
    ran = submitted(job, wait=False)
    waited((place / "begun").exists)
    (place / "again").touch()
    preempting = subprocess.Popen(["preempt", "1", str(PATIENCE)])
    waited(lambda: "thunderlike: stopped by a signal" in log())
    (stand_ins.state(1) / "grace-is-over").touch()
    assert preempting.wait(PATIENCE) == 0
    assert ran.wait(PATIENCE) == 0
    before, after = log().split("thunderlike: stopped by a signal: preempted")
    assert "saved" in before
    assert "with 2 of 2 nodes; logs are in" in after
    assert Path("job-1-restart-1", "master.log").exists()
    assert nothing_is_left()


def test_a_signal_ends_the_job_and_the_cluster(place, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_SLURM_GRACE", "0")
    ran = submitted('touch "$FAKE/begun"; sleep 100', wait=False)
    waited((place / "begun").exists)
    os.kill(int(nodes()["script"]), signal.SIGTERM)
    assert ran.wait(PATIENCE) == 143
    assert nothing_is_left()


def test_a_cancelled_job_leaves_nothing(place, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_SLURM_GRACE", "0")
    ran = submitted('touch "$FAKE/begun"; sleep 100', wait=False)
    waited((place / "begun").exists)
    assert subprocess.call(["scancel", "1"]) == 0
    assert ran.wait(PATIENCE) in (1, 143)
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("no-master", "the master of Spark did not start: no port"),
        ("no-worker", "the workers of Spark did not start: see "),
    ],
)
def test_a_cluster_that_does_not_start(place, file, says):
    (place / file).touch()
    assert submitted("echo never") == 1
    assert says in log()
    assert "never" not in log()
    assert nothing_is_left()


def test_a_node_that_is_late_is_not_waited_for(place, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_SLURM_WAIT", "3")
    (place / "lazy-127.0.0.3").touch()
    assert submitted("exit 0") == 0
    assert "with 1 of 2 nodes" in log()


def test_too_little_memory(place):
    Path(place, "job").write_text("echo never")
    Path("job.sbatch").write_text(script(Submission("job.py", "slurm"), Allocation(memory="3G")))
    assert subprocess.call(["sbatch", "--wait", "job.sbatch"], stdout=subprocess.DEVNULL) == 1
    assert "3072 MiB of memory on each node leave 0m for Spark: ask for more with --mem" in log()


# ---- What is in the script


def test_the_script_is_shell():
    text = script(Submission("job.py", "slurm"), Allocation())
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert not re.search(r"@[A-Z]+@", text)


def test_options_and_lines(monkeypatch):
    allocation = Allocation(
        8, 16, "64G", "1-12:00:00", "gpu,cpu", "lab", ["--qos=high"], ["module load java"]
    )
    text = script(Submission("my job.py", "slurm", ["a b"]), allocation)
    head = re.findall("^#SBATCH (.*)", text, re.MULTILINE)
    assert head[0] == "--job-name=my-job"
    assert {"--nodes=8", "--cpus-per-task=16", "--mem=64G", "--time=1-12:00:00"} < set(head)
    assert head[-1] == "--qos=high"
    assert text.index("module load java") < text.index("export SPARK_HOME")
    assert "'my job.py' 'a b' &" in text


def test_memory_of_executors():
    def line(**options):
        options = {name.replace("_", "-"): value for name, value in options.items()}
        text = script(Submission("job.py", "slurm", options=options), Allocation())
        return re.search("^executor_memory=(.*)$", text, re.MULTILINE)[1]

    assert line() == "$(((memory - 3072) / 2))m"
    assert line(driver_memory="4g") == "$(((memory - 9216) / 2))m"
    assert line(executor_cores="4") == "$(((memory - 3072) / 2 / (cores / 4)))m"
    assert line(executor_memory="20g") == "20g"


ENVIRONMENT = Path("/shared/environment")
ROOT = Path(__file__).parents[2]


def test_the_example_is_a_script_of_the_command(monkeypatch):
    """`thunderlike submit --dry-run` writes it, with other folders."""
    folder = ENVIRONMENT / "lib/python3.12/site-packages"
    monkeypatch.setattr(slurm, "spark_home", lambda: folder / "pyspark")
    monkeypatch.setattr(sys, "executable", str(ENVIRONMENT / "bin/python"))
    for name in ("PYSPARK_PYTHON", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    job = str(folder / "thunderlike/cli/scripts/series_stats.py")
    arguments = ["--input", "/shared/movie", "--output", "/shared/stats"]
    text = script(Submission(job, "slurm", arguments), Allocation(8, 16, "64G", "2:00:00"))
    assert (ROOT / "spark-submit/slurm/series_stats.sbatch").read_text("utf-8") == text


@pytest.mark.parametrize("scheduler", ["PBS", "LSF"])
def test_variants_for_other_schedulers(place, tmp_path, monkeypatch, scheduler):
    page = (ROOT / "docs/howto/slurm.md").read_text("utf-8").split(f"### {scheduler}")[1]
    head, lines = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[:2]
    text = script(Submission("job.py", "slurm"), Allocation())
    text = re.sub("(^#SBATCH .*\n)+", lambda _: head, text, flags=re.MULTILINE)
    text = re.sub("(?s)(# ---- The alloc[^\n]*\n).*(?=# ---- Settings)", lambda _: lines, text)
    Path("job.sh").write_text(text)
    (place / "job").write_text("exit 7")
    Path("hosts").write_text("127.0.0.2\n" * 3 + "127.0.0.3\n" * 3)
    remote = 'SLURMD_NODENAME=$node setsid -w "$@" & done; wait'
    programs = {
        "pbs_tmrsh": f"for node in $1; do shift; {remote}",
        "blaunch": f"[[ $1 == -no-shell ]]; hosts=$3; shift 3; for node in $hosts; do {remote}",
    }
    for name, line in programs.items():
        (tmp_path / "slurm/bin" / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / "slurm/bin" / name).chmod(0o755)
    for name in ("PBS_NODEFILE", "LSB_DJOB_HOSTFILE"):
        monkeypatch.setenv(name, str(tmp_path / "hosts"))
    for name in ("PBS_JOBID", "LSB_JOBID"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PBS_O_WORKDIR", str(tmp_path))
    monkeypatch.setenv("SLURMD_NODENAME", "127.0.0.2")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ran = subprocess.run(["bash", "job.sh"], capture_output=True, text=True, check=False)
    assert ran.returncode == 7, ran.stderr
    assert "with 2 of 2 nodes" in ran.stderr
    assert "--cores 16 --memory 65536m" in (place / "words-127.0.0.3").read_text()


@pytest.mark.parametrize(
    "given",
    [
        {"time": "soon"}, {"time": "1:2"}, {"partition": "a b"}, {"account": "a\n#SBATCH b"},
        {"memory": "64 GB"}, {"nodes": 0}, {"cpus": 0}, {"lines": ["qos=high"]},
        {"lines": ["--qos=high\nrm"]}, {"setup": ["a\nb"]}, {"setup": [" "]},
    ],
)  # fmt: skip
def test_what_slurm_would_refuse(given):
    with pytest.raises(SpecError, match="give "):
        Allocation(**given)


@pytest.mark.parametrize(
    "options",
    [{"queue": "q"}, {"num-executors": "2"}, {"executor-cores": "two"}, {"deploy-mode": "cluster"}],
)
def test_options_of_other_masters(options):
    with pytest.raises(SpecError):
        script(Submission("job.py", "slurm", options=options), Allocation())


def test_secrets_are_refused_in_every_line(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush-hush")
    with pytest.raises(SpecError, match="AWS_SECRET_ACCESS_KEY"):
        script(Submission("job.py", "slurm"), Allocation(setup=["export KEY=hush-hush-hush"]))


def test_names_of_jobs_are_names_of_files():
    assert job_name(Submission("s3://bucket/a b.py", "slurm")) == "a-b"
    assert job_name(Submission("job.py", "slurm", options={"name": "../x"})) == "x"
    assert job_name(Submission("job.py", "slurm", options={"name": "§"})) == "job"


def test_scripts_are_replaced_and_other_files_are_not(tmp_path):
    text = script(Submission("job.py", "slurm"), Allocation())
    write(text, tmp_path / "job.sbatch")
    write(text, tmp_path / "job.sbatch")
    (tmp_path / "mine.sbatch").write_text("#!/bin/sh\n")
    with pytest.raises(ExistsError, match="is not a script of thunderlike submit"):
        write(text, tmp_path / "mine.sbatch")
    assert (tmp_path / "mine.sbatch").read_text() == "#!/bin/sh\n"


def test_spark_is_that_of_the_path_or_of_pyspark(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="has no Spark"):
        spark_home()
    monkeypatch.delenv("SPARK_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (spark_home() / "bin" / "spark-submit").is_file()
    monkeypatch.setattr(slurm, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="this machine has no Spark"):
        spark_home()
