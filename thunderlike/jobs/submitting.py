"""The ``spark-submit`` line for a job: built here, to be shown and to be run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import thunderlike
from thunderlike.errors import EngineError, SpecError
from thunderlike.jobs import shipping
from thunderlike.jobs.refusals import MASTER, check_no_secret, check_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "PROFILES",
    "SHIPMENTS",
    "Submission",
    "line",
    "missing",
    "profile_for",
    "settings_of",
    "shown",
    "spark_submit",
    "tried",
]

PROFILES = ("standalone", "yarn", "kubernetes", "emr", "databricks")
SHIPMENTS = ("zip", "env", "none")

_CONF = Path(thunderlike.__file__).parent / "conf"
_UNPACKED = "environment"  # where an archive of that name is unpacked, beside each worker


@dataclass(frozen=True)
class Submission:
    """A job to be sent to a Spark.

    Parameters
    ----------
    script : str
        A file of Python, here or at an address that Spark reads.
    master : str
        ``local[2]``, ``spark://HOST:7077``, ``yarn``, ``k8s://https://HOST:PORT``.
    arguments : sequence of str
        Of the script.
    profile : str, optional
        One of `PROFILES`; by default by the master.
    ship : str, optional
        One of `SHIPMENTS`: this package in a zip, the environment in an archive and the package
        besides, or nothing. By default nothing to a local master, a zip to a standalone one, whose
        machines have an environment, and an archive elsewhere.
    python : str, optional
        That the workers run; by default the one in the archive, else the one that runs this.
    options : mapping
        Other options of ``spark-submit``, without their dashes.
    conf : sequence of str
        Settings as ``NAME=VALUE``; they come after, and so before, those of the profile.
    """

    script: str
    master: str
    arguments: Sequence[str] = ()
    profile: str | None = None
    ship: str | None = None
    python: str | None = None
    options: Mapping[str, str] | None = None
    conf: Sequence[str] = ()


def line(job: Submission, *, pack: bool = True) -> list[str]:
    """Build the line, and make what it ships.

    Parameters
    ----------
    job : Submission
    pack : bool
        Make the archive of an environment as well, which takes minutes; else only name it.

    Returns
    -------
    list of str
        Its words.

    Raises
    ------
    SpecError
        For a master, an amount of memory or a setting that is none, and for a secret in a setting
        or argument: everybody on this machine could read it.
    EngineError
        Where there is no ``spark-submit``.
    StorageError, MissingExtra
        When what is to be shipped cannot be made.

    Examples
    --------
    >>> words = line(Submission("job.py", "local[2]", ["--input", "a b"], python="python3"))
    >>> words[1:3], words[-3:]
    (['--master', 'local[2]'], ['job.py', '--input', 'a b'])
    """
    profile = profile_for(job.master, job.profile)
    check_options(job.options or {}, job.master)
    ship = job.ship or _usual_shipment(job.master, profile)
    words = [spark_submit(), "--master", job.master]
    for name, value in (job.options or {}).items():
        words += [f"--{name}", value]
    for setting in _settings(job, profile, ship):
        words += ["--conf", setting]
    words += [*_shipped(ship, pack=pack), job.script, *job.arguments]
    check_no_secret(words)
    return words


def missing(words: Sequence[str]) -> list[Path]:
    """Archives that a line names, and that have not been made yet.

    Examples
    --------
    >>> missing(["spark-submit", "--archives", "/nowhere/env.tar.gz#environment", "job.py"])
    [PosixPath('/nowhere/env.tar.gz')]
    """
    files = [Path(word.partition("#")[0]) for word in words if word.endswith(f"#{_UNPACKED}")]
    return [file for file in files if not file.exists()]


def shown(words: Sequence[str]) -> str:
    r"""Write a line so that it reads well, and can be pasted into a shell.

    Examples
    --------
    >>> print(shown(["spark-submit", "--master", "local[2]", "job.py", "--input", "a b"]))
    spark-submit \
        --master 'local[2]' \
        job.py --input 'a b'
    """
    lines, rest = [shlex.quote(words[0])], list(words[1:])
    while rest[0].startswith("--"):
        lines.append(shlex.join(rest[:2]))
        rest = rest[2:]
    return " \\\n    ".join([*lines, shlex.join(rest)])


def profile_for(master: str, given: str | None = None) -> str | None:
    """The profile that is meant; None for a local master.

    Examples
    --------
    >>> profile_for("spark://head:7077"), profile_for("yarn"), profile_for("yarn", "emr")
    ('standalone', 'yarn', 'emr')
    """
    if given is not None and given not in PROFILES:
        raise SpecError(f"no profile {given!r}: there is {', '.join(PROFILES)}")
    kinds = {"spark://": "standalone", "yarn": "yarn", "k8s://": "kubernetes"}
    found = (kind for start, kind in kinds.items() if master.startswith(start))
    usual = next(found, None)
    if not MASTER.fullmatch(master):
        raise SpecError(
            f"no Spark is at {master!r}: give local[2], spark://HOST:7077, yarn or "
            "k8s://https://HOST:PORT as master"
        )
    return given or usual


def settings_of(name: str) -> dict[str, str]:
    """What a file of ``conf/`` sets.

    Examples
    --------
    >>> settings_of("standalone")["spark.submit.deployMode"]
    'client'
    """
    text = (_CONF / f"{name}.conf").read_text("utf-8")
    lines = [line.split(None, 1) for line in text.splitlines()]
    return {part[0]: part[1].strip() for part in lines if part and part[0] != "#"}


def tried(profile: str) -> bool:
    """Whether somebody ran a job with a profile; its first line says so."""
    return not (_CONF / f"{profile}.conf").read_text("utf-8").startswith("# Untried")


def spark_submit() -> str:
    """The program: that of ``SPARK_HOME``, else on the path, else of the pyspark that is installed.

    Raises
    ------
    EngineError
        Where there is none, or none in ``SPARK_HOME``.
    """
    if home := os.environ.get("SPARK_HOME"):
        program = Path(home) / "bin" / "spark-submit"
        if not program.is_file():
            raise EngineError(f"SPARK_HOME={home} holds no Spark: unset it, or set it to one")
        return str(program)
    if shutil.which("spark-submit"):
        return "spark-submit"
    pyspark = find_spec("pyspark")
    if pyspark is None or pyspark.origin is None:
        raise EngineError(
            "no spark-submit: set SPARK_HOME, put Spark's bin on the path, or "
            "pip install 'thunderlike[spark]'"
        )
    return str(Path(pyspark.origin).parent / "bin" / "spark-submit")


def _usual_shipment(master: str, profile: str | None) -> str:
    if master.startswith("local"):
        return "none"
    return "zip" if profile == "standalone" else "env"


def _settings(job: Submission, profile: str | None, ship: str) -> Iterator[str]:
    """All settings as ``NAME=VALUE``, each name once; the last that says anything wins."""
    found = settings_of("spark-defaults") | (settings_of(profile) if profile else {})
    if "deploy-mode" in (job.options or {}):
        found.pop("spark.submit.deployMode", None)
    found |= _pythons(job, ship)
    for setting in job.conf:
        name, equals, value = setting.partition("=")
        if not equals or not name.startswith("spark."):
            raise SpecError(f"--conf {setting}: give a setting of Spark as spark.NAME=VALUE")
        found[name] = value
    return (f"{name}={value}" for name, value in found.items())


def _pythons(job: Submission, ship: str) -> dict[str, str]:
    """Which Python the workers run, and which the driver."""
    shipped = f"./{_UNPACKED}/bin/python" if ship == "env" else None
    workers = job.python or shipped or os.environ.get("PYSPARK_PYTHON") or sys.executable
    away = (job.options or {}).get("deploy-mode") == "cluster"
    return {
        "spark.pyspark.python": workers,
        "spark.pyspark.driver.python": workers if away else sys.executable,
    }


def _shipped(ship: str, *, pack: bool) -> list[str]:
    if ship not in SHIPMENTS:
        raise SpecError(f"nothing is shipped as {ship!r}: there is {', '.join(SHIPMENTS)}")
    if ship == "none":
        return []
    # The package goes besides the environment, where it may be installed as a link to a checkout.
    archive = []
    if ship == "env":
        packed = shipping.environment() if pack else shipping.archive()
        archive = ["--archives", f"{packed}#{_UNPACKED}"]
    return [*archive, "--py-files", str(shipping.package())]
