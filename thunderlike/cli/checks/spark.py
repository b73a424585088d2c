"""Java, Spark and its workers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any

from thunderlike.cli.checks.finding import SEE_ALL, Finding, Level
from thunderlike.cli.checks.libraries import library, requirements

__all__ = ["java", "judged", "spark", "spark_home"]

_JAVA_PACKAGES = {
    "apt-get": "apt-get install default-jre-headless",
    "dnf": "dnf install java-21-openjdk-headless",
    "brew": "brew install openjdk@21",
}
_JAVA_HOMES = ("usr/lib/jvm/*", "opt/homebrew/opt/openjdk*", "Library/Java/*/*/Contents/Home")
_SWAYS = (
    "SPARK_HOME",
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_DIRS",
    "PYSPARK_PYTHON",
    "PYSPARK_SUBMIT_ARGS",
)
_SECONDS = 240  # a cluster may have to find room for its executors first


def java() -> Finding:
    """Whether there is a Java that Spark runs on."""
    from thunderlike.engines.session import LEAST_JAVA, find_java, java_version

    path = find_java()
    version = java_version(path) if path else 0
    details = {"path": str(path) if path else None, "version": version, "wanted": f">={LEAST_JAVA}"}
    if version >= LEAST_JAVA:
        return Finding("java", "ok", f"{version} at {path}", details=details)
    where = "in JAVA_HOME" if "JAVA_HOME" in os.environ else "on PATH or in JAVA_HOME"
    found = f"{path} is version {version}" if path else f"there is none {where}"
    return Finding("java", "warn", f"{found}; Spark needs {LEAST_JAVA}", _get_java(), details)


def spark_home() -> Finding:
    """Whether ``SPARK_HOME`` is the Spark that the pyspark of this Python belongs to."""
    given, ours = os.environ.get("SPARK_HOME"), util.find_spec("pyspark")
    if given is None:
        return Finding("SPARK_HOME", "ok", "is not set: Spark is the one within pyspark")
    home, unset = Path(given), "unset SPARK_HOME"
    if not (home / "bin" / "spark-submit").is_file():
        return Finding("SPARK_HOME", "FAIL", f"is {given}, and no Spark is there", unset)
    version = metadata.version("pyspark") if ours else None
    there = _version_of(home)
    details = {"path": given, "version": there, "pyspark": version}
    if version is None or there == version:
        return Finding("SPARK_HOME", "ok", f"is {given}, Spark {there}", details=details)
    found = f"is {given}, Spark {there or 'of unknown version'}, while pyspark is {version}"
    return Finding("SPARK_HOME", "FAIL" if there else "warn", found, unset, details)


def spark(master: str | None = None, *, debug: bool = False) -> Finding:
    """Whether numpy runs on two workers of a real Spark, and on which versions.

    Parameters
    ----------
    master : str, optional
        Where; by default wherever ``engine='spark'`` would run.
    debug : bool
        Let Spark speak on standard error.

    Notes
    -----
    Spark is started in a process of its own and ended: some 10 seconds.
    """
    lacking = _lacking()
    if lacking is not None:
        level: Level = "FAIL" if master else "warn"
        return Finding("spark", level, f"was not tried without {lacking.name}", lacking.fix)
    try:
        told = _ask(master, debug=debug)
    except subprocess.TimeoutExpired:
        return Finding("spark", "FAIL", f"did not answer within {_SECONDS} s", _mend(master))
    except ValueError as said:
        return Finding("spark", "FAIL", str(said), _mend(master))
    return judged(told)


def judged(told: dict[str, Any]) -> Finding:
    """What to think of the answers of :func:`thunderlike.cli.checks.probe.probe`.

    Examples
    --------
    >>> driver = {"python": "3.11.7", "numpy": "2.4.6", "thunderlike": "0.1.0"}
    >>> told = {"version": "4.3.0", "master": "yarn", "started": 9.0, "ran": 3.0}
    >>> judged({**told, "driver": driver, "workers": [driver, {**driver, "numpy": None}]}).found
    'the workers have numpy none, the driver 2.4.6'
    """
    driver = told["driver"]
    for name in ("numpy", "thunderlike", "python"):
        theirs = {worker[name] for worker in told["workers"]} - {driver[name]}
        if theirs:
            seen = ", ".join(sorted(version or "none" for version in theirs))
            found = f"the workers have {name} {seen}, the driver {driver[name]}"
            level: Level = "FAIL" if None in theirs else "warn"
            return Finding("spark", level, found, _equip(told["master"], driver), told)
    found = (
        f"{told['version']} on {told['master']}, started in {told['started']:.1f} s; 2 tasks in "
        f"{told['ran']:.1f} s on Python {driver['python']} and numpy {driver['numpy']}, as here"
    )
    return Finding("spark", "ok", found, details=told)


def _lacking() -> Finding | None:
    """What Spark cannot be tried without, if it is not there."""
    pyspark = library(requirements().get("pyspark", "pyspark; extra == 'spark'"))
    return next((part for part in (pyspark, java()) if part.level != "ok"), None)


def _ask(master: str | None, *, debug: bool) -> dict[str, Any]:
    """Ask a Spark in a process of its own: a JVM may die, hang or shout.

    Raises
    ------
    ValueError
        With what it said last, when it gave no answer.
    """
    command = [sys.executable, "-m", "thunderlike.cli.checks.probe", *([master] if master else [])]
    stderr = None if debug else subprocess.PIPE
    done = subprocess.run(  # noqa: S603  # ourselves
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise ValueError(_last_words(done.stderr or "") or "gave no answer, and said why above")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _last_words(said: str) -> str:
    r"""The line that says why: what Java logs or names as a cause, else Python's last.

    Examples
    --------
    >>> _last_words("12:00:01 ERROR DiskBlockManager: no room\nTraceback:\nValueError: so")
    'DiskBlockManager: no room'
    """
    causes = re.findall(r"^(?:\S+ ERROR|Caused by:) (.+(?<!:))$", said, re.MULTILINE)
    if causes:
        return max(causes, key=len)  # one failure is told at several lengths
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    return last.removeprefix("thunderlike.errors.EngineError: ")


def _mend(master: str | None) -> str:
    """Without what sways it Spark is as it was installed; else see what it says."""
    set_here = [name for name in _SWAYS if name in os.environ]
    if set_here:
        return "unset " + " ".join(set_here)
    return f"{SEE_ALL} --spark-master '{master}'" if master else SEE_ALL


def _equip(master: str, driver: dict[str, str]) -> str:
    """The command that gives workers what the driver has."""
    if master.startswith("local"):
        return f"export PYSPARK_PYTHON={sys.executable}"
    libraries = " ".join(f"{name}=={driver[name]}" for name in ("numpy", "thunderlike"))
    return f"on each worker, with Python {driver['python']}: pip install {libraries}"


def _version_of(home: Path) -> str | None:
    """Version of the Spark in a folder."""
    names = [path.name for path in home.glob("jars/spark-core_*.jar")]
    found = re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", names[0]) if names else None
    return found.group(1) if found else None


def _get_java() -> str:
    """The command that gets a Java: one that is here already, else from the system's installer."""
    from thunderlike.engines.session import LEAST_JAVA, java_version

    for home in (home for place in _JAVA_HOMES for home in sorted(Path("/").glob(place))):
        java = home / "bin" / "java"
        if java.is_file() and java_version(java) >= LEAST_JAVA:
            return f"export JAVA_HOME={home}"
    commands = (line for name, line in _JAVA_PACKAGES.items() if shutil.which(name))
    return next(commands, f"export JAVA_HOME=<where a Java {LEAST_JAVA} is>")
