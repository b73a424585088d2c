"""Checks of Java, Spark and its workers.

``python -m thunderlike.cli.doctor.spark [MASTER]`` starts Spark and prints its versions as JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import metadata, util
from pathlib import Path
from typing import Any

from thunderlike.cli.doctor.finding import SEE_ALL, Finding, Level
from thunderlike.cli.doctor.installation import library, requirements

__all__ = ["java", "judged", "probe", "spark", "spark_home"]


def probe(context: Any) -> dict[str, Any]:
    """Run numpy in two tasks of a SparkContext, and report the versions.

    Returns
    -------
    dict
        ``version``, ``master`` and ``slots`` of Spark; ``driver`` and each of ``workers`` with the
        versions of ``python``, ``numpy`` and ``thunderlike``, None if missing; ``ran``, in
        seconds; ``driver_memory`` and ``local_dir`` as set, or None.
    """
    from thunderlike.engines import engine_for
    from thunderlike.engines.jobs import job

    engine_for(context)  # sets the Python of local workers

    def versions(_: object = None) -> dict[str, Any]:
        # Nested, so that it is pickled by value: the workers may have no thunderlike.
        import platform
        import sys
        from importlib import metadata

        def version(name: str) -> str | None:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                return None

        found = {name: version(name) for name in ("numpy", "thunderlike")}
        if found["numpy"]:
            import numpy as np

            assert np.arange(4.0).sum() == 6
        return {"python": platform.python_version(), "executable": sys.executable, **found}

    began = time.monotonic()
    with job(context, "doctor"):
        workers = context.parallelize(range(2), 2).map(versions).collect()
    return {
        "version": context.version,
        "master": context.master,
        "slots": context.defaultParallelism,
        "driver": versions(),
        "workers": workers,
        "ran": time.monotonic() - began,
        "driver_memory": context.getConf().get("spark.driver.memory"),
        "local_dir": context.getConf().get("spark.local.dir"),
    }


def _report(master: str | None = None) -> None:
    from thunderlike.engines.session import context

    began = time.monotonic()
    spark = context(master, spark__ui__enabled="false")
    started = time.monotonic() - began
    print(json.dumps({**probe(spark), "started": started}))
    spark.stop()


if __name__ == "__main__":
    _report(*sys.argv[1:])


_JAVA_PACKAGES = {
    "apt-get": "apt-get install default-jre-headless",
    "dnf": "dnf install java-21-openjdk-headless",
    "brew": "brew install openjdk@21",
}
_JAVA_HOMES = ("usr/lib/jvm/*", "opt/homebrew/opt/openjdk*", "Library/Java/*/*/Contents/Home")
_VARIABLES = (
    "SPARK_HOME",
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_DIRS",
    "PYSPARK_PYTHON",
    "PYSPARK_SUBMIT_ARGS",
)
_SECONDS = 240  # a cluster may have to start machines for the executors first


def java() -> Finding:
    """Check that a Java of a supported version is installed."""
    from thunderlike.engines.session import LEAST_JAVA, find_java, java_version

    path = find_java()
    version = java_version(path) if path else 0
    details = {"path": str(path) if path else None, "version": version, "wanted": f">={LEAST_JAVA}"}
    if version >= LEAST_JAVA:
        return Finding("java", "ok", f"{version} at {path}", details=details)
    where = "in JAVA_HOME" if "JAVA_HOME" in os.environ else "on PATH or in JAVA_HOME"
    found = f"{path} is version {version}" if path else f"not found {where}"
    # Without pyspark nothing uses Java.
    level: Level = "warn" if util.find_spec("pyspark") else "ok"
    return Finding("java", level, f"{found}; Spark needs {LEAST_JAVA}", _get_java(), details)


def spark_home() -> Finding:
    """Check that the Spark in ``SPARK_HOME`` has the version of pyspark."""
    given, ours = os.environ.get("SPARK_HOME"), util.find_spec("pyspark")
    if given is None:
        return Finding("SPARK_HOME", "ok", "is not set: Spark is the one within pyspark")
    home, unset = Path(given), "unset SPARK_HOME"
    if not (home / "bin" / "spark-submit").is_file():
        return Finding("SPARK_HOME", "FAIL", f"is {given}, which has no Spark", unset)
    # The name of a jar, since starting spark-submit --version takes seconds.
    version = metadata.version("pyspark") if ours else None
    names = [path.name for path in home.glob("jars/spark-core_*.jar")]
    matched = re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", names[0]) if names else None
    there = matched.group(1) if matched else None
    details = {"path": given, "version": there, "pyspark": version}
    if version is None or there == version:
        return Finding("SPARK_HOME", "ok", f"is {given}, Spark {there}", details=details)
    found = f"is {given}, Spark {there or 'of unknown version'}, while pyspark is {version}"
    return Finding("SPARK_HOME", "FAIL" if there else "warn", found, unset, details)


def spark(master: str | None = None, *, debug: bool = False) -> Finding:
    """Run numpy on two workers of Spark, and compare their versions with the driver's.

    Parameters
    ----------
    master : str, optional
        Spark master; by default the one that ``engine='spark'`` uses.
    debug : bool
        Show the output of Spark on standard error.

    Notes
    -----
    Spark is started and stopped in a process of its own, which takes about 10 seconds.
    """
    lacking = _lacking()
    if lacking is not None:
        # Spark is optional, unless a master was given.
        level: Level = "FAIL" if master else "warn" if util.find_spec("pyspark") else "ok"
        return Finding("spark", level, f"was not tried without {lacking.name}", lacking.fix)
    try:
        answer = _ask(master, debug=debug)
    except subprocess.TimeoutExpired:
        return Finding("spark", "FAIL", f"did not answer within {_SECONDS} s", _fix(master))
    except ValueError as said:
        return Finding("spark", "FAIL", str(said), _fix(master))
    return judged(answer)


def judged(answer: dict[str, Any]) -> Finding:
    """Judge the result of :func:`probe`.

    Examples
    --------
    >>> driver = {"python": "3.11.7", "numpy": "2.4.6", "thunderlike": "0.1.0"}
    >>> answer = {"version": "4.3.0", "master": "yarn", "started": 9.0, "ran": 3.0}
    >>> judged({**answer, "driver": driver, "workers": [driver, {**driver, "numpy": None}]}).found
    'the workers have numpy none, the driver 2.4.6'
    """
    driver = answer["driver"]
    for name in ("numpy", "thunderlike", "python"):
        theirs = {worker[name] for worker in answer["workers"]} - {driver[name]}
        if theirs:
            seen = ", ".join(sorted(version or "none" for version in theirs))
            found = f"the workers have {name} {seen}, the driver {driver[name]}"
            # Another version may do; without the library every task fails.
            level: Level = "FAIL" if None in theirs else "warn"
            return Finding("spark", level, found, _equip(answer["master"], driver), answer)
    found = (
        f"{answer['version']} on {answer['master']}, started in {answer['started']:.1f} s; "
        f"2 tasks in {answer['ran']:.1f} s "
        f"on Python {driver['python']} and numpy {driver['numpy']}, as here"
    )
    return Finding("spark", "ok", found, details=answer)


def _lacking() -> Finding | None:
    """Return the finding of a missing requirement of Spark, or None."""
    pyspark = library(requirements().get("pyspark", "pyspark; extra == 'spark'"))
    return next((part for part in (pyspark, java()) if part.fix), None)


def _ask(master: str | None, *, debug: bool) -> dict[str, Any]:
    """Run `probe` in a process of its own, since a JVM may crash, hang or fill the terminal.

    Raises
    ------
    ValueError
        If it gives no answer, with its last error message.
    """
    command = [sys.executable, "-m", "thunderlike.cli.doctor.spark", *([master] if master else [])]
    stderr = None if debug else subprocess.PIPE
    # Only the last line of the output is ours: Spark may print before it.
    done = subprocess.run(  # noqa: S603  # ourselves
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise ValueError(_last_words(done.stderr or "") or "gave no answer, and said why above")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _last_words(said: str) -> str:
    r"""Return the line with the cause: an error or cause of Java, else Python's last line.

    Examples
    --------
    >>> _last_words("12:00:01 ERROR DiskBlockManager: no room\nTraceback:\nValueError: so")
    'DiskBlockManager: no room'
    """
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    last = last.removeprefix("thunderlike.errors.EngineError: ")
    if last.startswith("the workers"):
        return last  # names what differs from the driver
    causes: list[str] = re.findall(r"^(?:\S+ ERROR|Caused by:) (.+(?<!:))$", said, re.MULTILINE)
    if causes:
        return max(causes, key=len)  # one failure is logged at several lengths
    return last


def _fix(master: str | None) -> str:
    """Return the command that unsets variables that change Spark, else one that shows its log."""
    set_here = [name for name in _VARIABLES if name in os.environ]
    if set_here:
        return "unset " + " ".join(set_here)
    return f"{SEE_ALL} --spark-master '{master}'" if master else SEE_ALL


def _equip(master: str, driver: dict[str, str]) -> str:
    """Return the command that installs the driver's versions on workers."""
    if master.startswith("local"):
        return f"export PYSPARK_PYTHON={sys.executable}"
    libraries = " ".join(f"{name}=={driver[name]}" for name in ("numpy", "thunderlike"))
    return f"on each worker, with Python {driver['python']}: pip install {libraries}"


def _get_java() -> str:
    """Return the command that selects an installed Java, or installs one."""
    from thunderlike.engines.session import LEAST_JAVA, java_version

    for home in (home for place in _JAVA_HOMES for home in sorted(Path("/").glob(place))):
        java = home / "bin" / "java"
        if java.is_file() and java_version(java) >= LEAST_JAVA:
            return f"export JAVA_HOME={home}"
    commands = (line for name, line in _JAVA_PACKAGES.items() if shutil.which(name))
    return next(commands, f"export JAVA_HOME=<where a Java {LEAST_JAVA} is>")
