"""Spark session: Java, the Spark context and its settings."""

from __future__ import annotations

import atexit
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike.config import home
from thunderlike.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark import SparkConf, SparkContext

__all__ = [
    "LEAST_JAVA",
    "context",
    "context_of",
    "find_java",
    "java_version",
    "quiet",
    "settings_of",
    "use_our_python",
    "user_of_java",
]

LEAST_JAVA = 17  # of Spark 4; Spark 3.5 also runs on 8 and 11
# What errors say on a Java without a module that Spark 4 needs, or too new for Spark 3.5.
_UNFIT_JAVA = ("JAVA_GATEWAY_EXITED", "getSubject is not supported")

# Settings of a local master; those of all masters are in conf/spark-defaults.conf.
_LOCAL = {
    "spark.driver.host": "127.0.0.1",  # needs no network and no lookup of a name
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "2g",  # includes the cache, for which Spark's 1g is too little
    # Cached arrays are stored in pieces of 1 MB. In regions of 1 MB, Java's default for this heap,
    # each piece occupies two, and the heap is exhausted when Spark takes it for half full.
    "spark.driver.extraJavaOptions": "-XX:G1HeapRegionSize=16m",
    "spark.driver.maxResultSize": "0",  # driver and workers share one memory
    "spark.locality.wait": "0s",  # all slots are on this machine: waiting for a local one is wasted
    "spark.ui.showConsoleProgress": "false",  # thunderlike shows its own
    "spark.python.unix.domain.socket.enabled": "true",  # halves the latency of an empty task
}
_MAX_FOLDER = 64  # bytes: the path of a socket has at most 107, of which its name takes 43


def find_java() -> Path | None:
    """Return the Java that Spark uses: of ``JAVA_HOME``, else of the path; None without one."""
    given = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(given) / "bin") if given else None)
    return Path(java) if java else None


def java_version(java: Path) -> int:
    """Return the major version of a Java, 0 if it prints no version."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found else 0


def user_of_java() -> dict[str, str]:
    """Return the environment variables that Spark needs for a user without a name or home.

    Hadoop cannot log in a user that the system has no name for, and Ivy needs a home directory.
    Empty for all other users.
    """
    number = os.getuid()
    try:
        pwd.getpwuid(number)
    except KeyError:
        name, given = f"uid{number}", os.environ.get("SPARK_SUBMIT_OPTS", "")
        options = f"-Duser.name={name} '-Duser.home={home() or tempfile.gettempdir()}' {given}"
        return {"SPARK_USER": os.environ.get("SPARK_USER", name), "SPARK_SUBMIT_OPTS": options}
    return {}


def context(master: str | None = None, **conf: str) -> SparkContext:
    """The active Spark context, or a new one with thunderlike's settings.

    Parameters
    ----------
    master : str, optional
        Master of a new context; by default that of ``spark-submit``, else ``local[*]``.
    **conf
        Further settings of a new context, dots written as double underscores:
        ``spark__driver__memory="8g"``.

    Returns
    -------
    pyspark.SparkContext

    Raises
    ------
    EngineError
        Without Java, and when settings are given although a context is active already.
    """
    from pyspark import SparkContext

    active = SparkContext._active_spark_context
    if active is None:
        return _start(master, {k.replace("__", "."): v for k, v in conf.items()})
    if master or conf:
        raise EngineError(f"a Spark context on {active.master} is active: stop it, or use it as is")
    return active


def context_of(engine: Any) -> SparkContext:
    """Return the Spark context that a value of ``engine=`` stands for."""
    from pyspark import SparkContext

    if engine == "spark":
        return context()
    if isinstance(engine, SparkContext):
        return engine
    if type(engine).__module__.startswith("pyspark.sql.connect"):
        raise EngineError(
            "a Spark Connect session has no RDDs: pass a classic session or a SparkContext, "
            "made on the cluster itself (SparkSession.builder.master(...), not .remote(...))"
        )
    found = getattr(engine, "sparkContext", None)
    if not isinstance(found, SparkContext):
        raise EngineError(
            f"unknown engine={engine!r}: expected 'local', 'disk', 'spark', a SparkContext or a "
            "SparkSession"
        )
    return found


@lru_cache(maxsize=1)
def settings_of(context: SparkContext) -> SparkConf:
    """Return the settings of a context, cached: PySpark copies them in 300 calls of Java."""
    return context.getConf()


def use_our_python(context: SparkContext) -> None:
    """Run local workers in the Python of this process, unless another was configured.

    Spark starts the first ``python3`` on the path, which outside of an activated environment has
    no numpy.
    """
    chosen = "PYSPARK_PYTHON" in os.environ or settings_of(context).get("spark.pyspark.python")
    if (context.master or "").startswith("local") and not chosen:
        context.pythonExec = sys.executable


def quiet(context: SparkContext) -> None:
    """Silence the log of failed tasks: their errors are raised on the driver, with tracebacks."""
    jvm: Any = context._jvm
    log4j = jvm.org.apache.logging.log4j
    names = ("executor.Executor", "scheduler.TaskSetManager", "scheduler.TaskResultGetter")
    for name in names:
        log4j.core.config.Configurator.setLevel(f"org.apache.spark.{name}", log4j.Level.OFF)


def _start(master: str | None, settings: dict[str, str]) -> SparkContext:
    from pyspark import SparkConf, SparkContext

    # spark-submit has started Java already, and its settings take precedence.
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if submitted:
        SparkContext._ensure_initialized()
    else:
        _prepare()
    conf = SparkConf()
    if master:
        conf.setMaster(master)
    conf.setIfMissing("spark.master", "local[*]").setIfMissing("spark.app.name", "thunderlike")
    local = str(conf.get("spark.master")).startswith("local")
    for name, value in settings.items():
        conf.set(name, value)
    for name, value in (_local() if local else {}).items():
        conf.setIfMissing(name, value)
    given = dict(conf.getAll())
    with _start_errors(str(conf.get("spark.master"))):
        try:
            started = SparkContext(conf=conf)
        except BaseException:
            if not submitted:
                _forget(given)
            raise
    atexit.register(started.stop)  # workers log errors if Java exits before them
    return started


def _forget(settings: dict[str, str]) -> None:
    """Remove the settings of a context that did not start from Java, which keeps them for all."""
    from pyspark import SparkContext

    java: Any = SparkContext._jvm
    for name in settings if java is not None else ():
        java.java.lang.System.clearProperty(name)


@contextmanager
def _start_errors(master: str) -> Iterator[None]:
    """Convert a failure of Spark to start to EngineError, with the message of Java in one line."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkRuntimeError

    try:
        yield
    except (Py4JError, PySparkRuntimeError) as error:
        java = getattr(error, "java_exception", None)
        why = " ".join(str(java.getMessage() if java is not None else error).split())
        raise EngineError(f"Spark on {master} cannot be started: {why}{_advice(why)}") from error


def _advice(why: str) -> str:
    """Name the Java that Spark did not start on, if it is another than the one of all versions."""
    import pyspark

    java = find_java()
    version = java_version(java) if java else LEAST_JAVA
    if version == LEAST_JAVA or not any(text in why for text in _UNFIT_JAVA):
        return ""
    return (
        f" ({java} is version {version}, Spark {pyspark.__version__}): set JAVA_HOME to a Java "
        f"{LEAST_JAVA}, on which all versions of Spark run"
    )


def _local() -> dict[str, str]:
    """Return the settings of a local master, with a temporary folder for its sockets."""
    folder = tempfile.mkdtemp(prefix="thunderlike-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if len(os.fsencode(folder)) > _MAX_FOLDER:
        return _LOCAL  # sockets are then in the temporary folder of Java, whose path is short
    return {**_LOCAL, "spark.python.unix.domain.socket.dir": folder}


def _prepare() -> None:
    """Check the version of Java and set the variables that Spark reads when it starts."""
    java = find_java()
    version = java_version(java) if java else 0
    if version < LEAST_JAVA:
        found = f"{java} is version {version}" if java else "no java on the path or in JAVA_HOME"
        raise EngineError(
            f"Spark needs Java {LEAST_JAVA} or newer, found {found}: install one (Debian: "
            f"apt-get install openjdk-{LEAST_JAVA}-jre-headless) or use engine='local'"
        )
    os.environ.update(user_of_java())
    spark = os.environ.get("SPARK_HOME")
    if spark and not (Path(spark) / "bin" / "spark-submit").is_file():
        raise EngineError(f"SPARK_HOME={spark} contains no Spark: unset it to use that of pyspark")
    if not spark or not (Path(spark) / "conf").is_dir():
        ours = Path(__file__).parent.parent / "conf"
        os.environ.setdefault("SPARK_CONF_DIR", str(ours))
