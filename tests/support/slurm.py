"""Stand-ins for SLURM: nodes are sessions of processes on this machine, named 127.0.0.2, ....3, ...

``install(folder)`` writes ``sbatch``, ``srun``, ``scancel``, ``preempt`` (a SLURM that needs the
nodes for another job, and requeues this one) and ``hostname`` into a folder for the path. They do
what the manuals of SLURM say of the options that batch scripts of this package use, and refuse
others. What SLURM keeps of a job is in ``$SLURM_STATE/<number>``: ``script``, ``nodes``, and
``exit`` with its exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
KILL_WAIT = 30  # seconds between SIGTERM and SIGKILL, of the default configuration
HASTY_SLEEP = """\
case $1 in
0.5 | 1) /bin/sleep 0.1 && echo >>"$SLURM_STATE.pauses" ;;
*) exec /bin/sleep "$1" ;;
esac"""


def install(folder, *, hasty=False):
    """Write the commands; returns the environment variables with which they are found.

    Pauses of up to a second are a tenth of one on `hasty` nodes, whose ``sleep`` adds a line to
    ``$SLURM_STATE.pauses`` after each of them.
    """
    (folder / "bin").mkdir(parents=True)
    (folder / "state").mkdir()
    commands = {
        "hostname": 'printf "%s\\n" "${SLURMD_NODENAME:-login}"',
        **{
            name: f'exec {shlex.quote(sys.executable)} -IS {shlex.quote(__file__)} {name} "$@"'
            for name in ("sbatch", "srun", "scancel", "preempt")
        },
    }
    if hasty:
        commands["sleep"] = HASTY_SLEEP
        (folder / "state.pauses").touch()
    for name, line in commands.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / "bin" / name).chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "SLURM_STATE": str(folder / "state")}


def state(number):
    return Path(os.environ["SLURM_STATE"], str(number))


def in_session(leader):
    """The processes of a session."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                yield int(place.name)


def send(leader, number):
    """Send a signal to all processes of a session."""
    for pid in list(in_session(leader)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def sessions(job):
    """The leaders of the sessions of a job: those of its steps, and that of the script."""
    return [int(line.split()[1]) for line in (job / "nodes").read_text().splitlines()]


def clean():
    """End all processes of all jobs."""
    for job in state("").iterdir():
        (job / "requeue").unlink(missing_ok=True)
        for leader in sessions(job):
            send(leader, signal.SIGKILL)


# ---- sbatch

SBATCH = argparse.ArgumentParser("sbatch", allow_abbrev=False)
for option in ("job-name", "output", "open-mode", "mem", "time", "partition", "account", "signal"):
    SBATCH.add_argument(f"--{option}")
for option in ("nodes", "ntasks-per-node", "cpus-per-task"):
    SBATCH.add_argument(f"--{option}", type=int, default=1)
for option in ("no-kill", "requeue", "wait"):
    SBATCH.add_argument(f"--{option}", action="store_true")


def sbatch(*words):
    given, (script, *_) = SBATCH.parse_known_args(words)
    text = Path(script).read_text()
    head = text[: re.search(r"^[^#\n]", text, re.MULTILINE).start()]
    found = [
        word
        for line in re.findall(r"^#SBATCH (.*)", head, re.MULTILINE)
        for word in shlex.split(line)
    ]
    options = SBATCH.parse_args([*found, *words[: words.index(script)]])
    number = 1 + len(list(state("").iterdir()))
    state(number).mkdir()
    (state(number) / "script").write_text(text)  # what is changed afterwards does not count
    (state(number) / "nodes").touch()
    print(f"Submitted batch job {number}", flush=True)
    command = [sys.executable, "-IS", __file__, "supervise", str(number), repr(vars(options))]
    with Path(os.devnull).open("r+b") as null:
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
    if not given.wait:
        return 0
    while not (state(number) / "exit").exists():
        time.sleep(0.02)
    return int((state(number) / "exit").read_text())


def supervise(number, options):
    """Run the script of a job on its first node, and end what is left of the job after it."""
    options = eval(options)  # ours
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    job, cpus = state(number), str(options["cpus_per_task"])
    environment = {
        **os.environ,
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NUM_NODES": str(options["nodes"]),
        "SLURM_CPUS_PER_TASK": cpus,
        "SLURM_CPUS_ON_NODE": cpus,
        "SLURMD_NODENAME": "127.0.0.2",
        "SLURM_NO_KILL": str(int(options["no_kill"])),
    }
    if options["mem"]:
        units = {"M": 1, "G": 1024}
        memory = int(options["mem"][:-1]) * units[options["mem"][-1]]
        environment["SLURM_MEM_PER_NODE"] = str(memory)
    for restart in range(2):
        with Path(options["output"].replace("%j", number)).open("ab") as log:
            script = subprocess.Popen(
                ["bash", job / "script"], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        with (job / "nodes").open("a") as file:
            file.write(f"script {script.pid}\n")
        code = reaped(script.pid)
        for leader in sessions(job):
            send(leader, signal.SIGKILL)
        if not (job / "requeue").exists():
            break
        (job / "requeue").unlink()
        environment["SLURM_RESTART_COUNT"] = str(restart + 1)
    (job / "exit.partial").write_text(str(code if code >= 0 else 128 - code))
    (job / "exit.partial").rename(job / "exit")
    return 0


def reaped(pid):
    """Reap processes of a job until its script ended; returns the exit code of that.

    Left to the first process of the machine, which may take its time, processes that ended still
    count as running: the script would wait for them.
    """
    while True:
        ended, status = os.wait()
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


# ---- srun

SRUN = argparse.ArgumentParser("srun", allow_abbrev=False)
for option in ("nodes", "ntasks", "ntasks-per-node", "cpus-per-task"):
    SRUN.add_argument(f"--{option}", type=int, required=True)
for option in ("kill-on-bad-exit", "wait"):
    SRUN.add_argument(f"--{option}", type=int)
for option in ("input", "output"):
    SRUN.add_argument(f"--{option}")
SRUN.add_argument("--no-kill", action="store_true")
SRUN.add_argument("command", nargs=argparse.REMAINDER)


def srun(*words):
    given = SRUN.parse_args(words)
    job = state(os.environ["SLURM_JOB_ID"])
    tasks = []
    for number in range(given.ntasks):
        node = f"127.0.0.{2 + number}"
        environment = {**os.environ, "SLURMD_NODENAME": node, "SLURM_PROCID": str(number)}
        with Path(given.output.replace("%N", node)).open("ab") as log:
            task = subprocess.Popen(
                given.command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        tasks.append(task)
        with (job / "nodes").open("a") as file:
            file.write(f"{node} {task.pid}\n")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: [send(task.pid, number) for task in tasks])
    # Without these, SLURM ends a step that loses a node, and a site may end it after a failure.
    patient = given.no_kill and os.environ["SLURM_NO_KILL"] == "1" and given.kill_on_bad_exit == 0
    while any(task.poll() is None for task in tasks):
        if not patient and any(task.poll() for task in tasks):
            for task in tasks:
                send(task.pid, signal.SIGKILL)
        time.sleep(0.02)
    return max(code if code >= 0 else 128 - code for code in (task.wait() for task in tasks))


def scancel(number):
    """Ask all processes of a job to end, and end them where that takes too long."""
    end_all(number, KILL_WAIT, requeue=False)
    return 0


def preempt(number, grace):
    """Ask a script to end; after the time of grace, end its processes and requeue the job.

    The time of grace is over sooner if the file ``$SLURM_STATE/<number>/grace-is-over`` exists.
    """
    end_all(number, float(grace), requeue=True)
    return 0


def end_all(number, seconds, *, requeue):
    job, end = state(number), time.monotonic() + seconds
    over = job / "grace-is-over"
    for leader in sessions(job)[: 1 if requeue else None]:
        send(leader, signal.SIGTERM)
    while time.monotonic() < end and not any(map(Path.exists, (job / "exit", over))):
        time.sleep(0.02)
    if requeue and not (job / "exit").exists():
        (job / "requeue").touch()
    for leader in sessions(job):
        send(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(
        {f.__name__: f for f in (sbatch, supervise, srun, scancel, preempt)}[sys.argv[1]](
            *sys.argv[2:]
        )
    )
