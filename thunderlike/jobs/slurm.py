"""Batch scripts that run a job on a Spark cluster within an allocation of SLURM."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import thunderlike
from thunderlike.errors import EngineError, ExistsError, SpecError
from thunderlike.jobs.submit import Submission, check_no_secret, line, shown
from thunderlike.storage.filesystem import replacement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Allocation", "find_sbatch", "job_name", "script", "spark_home", "write"]

_TEMPLATE = Path(thunderlike.__file__).parent / "conf" / "slurm.sh"
_MARK = "# Written by `thunderlike submit`"
# Stands for the address of the master, which the script finds out, in the line of `submit.line`.
_MASTER = "spark://master-of-the-allocation:7077"
_MEBIBYTES = {"k": 2**-10, "m": 1, "g": 2**10, "t": 2**20}

_FORMS = {
    "time": (r"\d+|(\d+-)?\d+(:\d\d){1,2}|\d+-\d+", "minutes, HH:MM:SS or DAYS-HH:MM:SS"),
    "partition": (r"[\w.,@+-]+", "the name of a partition"),
    "account": (r"[\w.,@+-]+", "the name of an account"),
    "memory": (r"\d+[KMGT]?", "an amount such as 64G"),
}


@dataclass(frozen=True)
class Allocation:
    """Nodes of SLURM for one job.

    Parameters
    ----------
    nodes : int
        Number of nodes; each runs one worker of Spark, and the first one also the driver.
    cpus : int, optional
        Cores on each node; by default those that SLURM gives.
    memory : str, optional
        Memory of each node, such as ``64G``; by default what SLURM gives.
    time : str, optional
        Limit: minutes, ``HH:MM:SS`` or ``DAYS-HH:MM:SS``.
    partition, account : str, optional
    lines : sequence of str
        Further options of ``sbatch``, each as ``--qos=high``.
    setup : sequence of str
        Lines of shell that come first, such as ``module load java``.

    Raises
    ------
    SpecError
        For a value that ``sbatch`` would refuse or misread.

    Examples
    --------
    >>> Allocation(nodes=8, memory="64G", time="2:00:00", lines=["--qos=high"]).directives("map")
    ['--job-name=map', '--output=map-%j.log', '--open-mode=append', '--nodes=8', ...]
    """

    nodes: int = 1
    cpus: int | None = None
    memory: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    lines: Sequence[str] = ()
    setup: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, (form, wanted) in _FORMS.items():
            value = getattr(self, name)
            if value is not None and not re.fullmatch(form, value, re.ASCII):
                option = {"memory": "mem"}.get(name, name)
                raise SpecError(f"--{option} {value}: give {wanted}")
        for name, number in {"nodes": self.nodes, "cpus-per-task": self.cpus}.items():
            if number is not None and number < 1:
                raise SpecError(f"--{name} {number}: give a whole number of 1 or more")
        for text in self.lines:
            if not re.fullmatch(r"-[^\r\n]+", text):
                raise SpecError(f"--sbatch {text!r}: give one option of sbatch, such as --qos=high")
        for text in self.setup:
            if not text.strip() or re.search(r"[\r\n]", text):
                raise SpecError(
                    f"--setup {text!r}: give one line of shell, such as 'module load java'"
                )

    def directives(self, name: str) -> list[str]:
        """Options of ``sbatch`` for a job of this name; the last one of a kind counts."""
        given = {
            "nodes": str(self.nodes),
            "ntasks-per-node": "1",
            "cpus-per-task": self.cpus and str(self.cpus),
            "mem": self.memory,
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
        }
        named = [f"--{option}={value}" for option, value in given.items() if value]
        usual = [f"--job-name={name}", f"--output={name}-%j.log", "--open-mode=append"]
        # SLURM ends a job that loses a node unless asked not to, and signals steps alone.
        return [*usual, *named, "--no-kill", "--signal=B:TERM@60", *self.lines]


def script(job: Submission, allocation: Allocation, *, pack: bool = True) -> str:
    """Write the batch script of a job.

    Parameters
    ----------
    job : Submission
        Its master and profile are not used; by default nothing is shipped, as the nodes of such
        clusters share their disks.
    allocation : Allocation
    pack : bool
        Make the archive of an environment that is shipped, which takes minutes; else only name it.

    Returns
    -------
    str
        The text for ``sbatch``: it starts a master and workers of Spark, runs the job, and ends
        them.

    Raises
    ------
    SpecError
        For an invalid option, and for a secret in a setting, an argument or a line.
    EngineError
        Where Spark is not installed.

    Examples
    --------
    >>> text = script(Submission("job.py", "slurm", ["--input", "a b"]), Allocation(nodes=8))
    >>> [line for line in text.splitlines() if "job.py" in line or "nodes=8" in line]
    ['#SBATCH --nodes=8', "    job.py --input 'a b' &"]
    """
    options, name = dict(job.options or {}), job_name(job)
    for option in ("num-executors", "queue"):
        if option in options:
            raise SpecError(f"--{option} is for other masters: give --nodes, --partition to SLURM")
    words = line(
        Submission(
            job.script, _MASTER, job.arguments, "slurm", job.ship or "none", job.python, options,
            job.conf,
        ),
        pack=pack,
    )  # fmt: skip
    check_no_secret([*allocation.lines, *allocation.setup])
    places = {
        "DIRECTIVES": "\n".join(f"#SBATCH {text}" for text in allocation.directives(name)),
        "SETUP": "\n".join(_setup(allocation)),
        "NAME": name,
        "EXECUTOR": "\n".join(_executor(options)),
        "COMMAND": _command(words, options),
    }
    text = _TEMPLATE.read_text("utf-8")
    return re.sub("@([A-Z]+)@", lambda found: places[found[1]], text)


def job_name(job: Submission) -> str:
    """Name of a job, without characters that are special in names of files.

    Examples
    --------
    >>> job_name(Submission("/home/me/my job.py", "slurm"))
    'my-job'
    """
    given = (job.options or {}).get("name") or Path(job.script).stem
    return re.sub(r"[^\w.-]+", "-", given, flags=re.ASCII).strip("-.") or "job"


def spark_home() -> Path:
    """Folder of Spark: ``SPARK_HOME``, that of the ``spark-submit`` on the path, or of pyspark.

    Raises
    ------
    EngineError
        When Spark is not installed, or not in ``SPARK_HOME``.
    """
    if given := os.environ.get("SPARK_HOME"):
        homes = [Path(given)]
    else:
        found, pyspark = shutil.which("spark-submit"), find_spec("pyspark")
        homes = [Path(found).resolve().parent.parent] if found else []
        homes += [Path(pyspark.origin).parent] if pyspark and pyspark.origin else []
    for home in homes:
        if (home / "bin" / "spark-class").is_file() and (home / "jars").is_dir():
            return home
    where = f"SPARK_HOME={homes[0]}" if "SPARK_HOME" in os.environ else "this machine"
    raise EngineError(f"{where} has no Spark: set SPARK_HOME, or pip install 'thunderlike[spark]'")


def find_sbatch() -> str:
    """Path of ``sbatch``.

    Raises
    ------
    EngineError
        On a machine without it.
    """
    found = shutil.which("sbatch")
    if found is None:
        raise EngineError(
            "no sbatch on the path: run this on a login node of the SLURM cluster, or print the "
            "script with --dry-run"
        )
    return found


def write(text: str, path: Path) -> None:
    """Write a script atomically; replace an earlier one, and no other file.

    Raises
    ------
    ExistsError
        When the file exists and is not a script of this function.
    StorageError
        When it cannot be written.
    """
    if path.exists() and _MARK not in path.read_text("utf-8", errors="replace"):
        raise ExistsError(f"{path}: exists and is not a script of thunderlike submit: give --name")
    with replacement(path) as draft:
        draft.write_text(text, "utf-8")


def _setup(allocation: Allocation) -> Iterator[str]:
    yield from allocation.setup
    yield f"export SPARK_HOME={shlex.quote(str(spark_home()))}"
    if java := os.environ.get("JAVA_HOME"):
        yield f"export JAVA_HOME={shlex.quote(java)}"


def _executor(options: Mapping[str, str]) -> Iterator[str]:
    """Lines that set the memory of executors."""
    if given := options.get("executor-memory"):
        yield f"executor_memory={shlex.quote(given)}"
        return
    driver = options.get("driver-memory", "1g").lower().removesuffix("b")
    reserved = int(2 * int(driver[:-1]) * _MEBIBYTES[driver[-1]]) + 1024
    cores = options.get("executor-cores")
    if cores and not re.fullmatch(r"[1-9]\d*", cores, re.ASCII):
        raise SpecError(f"--executor-cores {cores}: give a whole number of 1 or more")
    share = f" / (cores / {cores})" if cores else ""
    yield "# Java takes a half, Python the other, after twice the memory of the driver and 1 GiB."
    yield f"executor_memory=$(((memory - {reserved}) / 2{share}))m"


def _command(words: Sequence[str], options: Mapping[str, str]) -> str:
    """Return the command of the job for the script, where variables have what it finds out."""
    first = ['--master "$master_url"', '--properties-file "$conf"']
    if "executor-memory" not in options:
        first.append('--executor-memory "$executor_memory"')
    if "total-executor-cores" not in options:
        first.append('--total-executor-cores "$((nodes * cores))"')
    submit = '"$SPARK_HOME/bin/spark-submit"'
    rest = shown([words[0], *words[3:]]).split(" \\\n    ")[1:]
    return " \\\n    ".join([submit, *first, *rest])
