"""What is refused of a ``spark-submit`` line, in one line and before anything is started."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

from thunderlike.errors import EngineError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MASTER", "check_no_secret", "check_options", "check_reachable"]

MASTER = re.compile(
    r"local(\[([1-9]\d*|\*)(,[1-9]\d*)?\])?|local-cluster\[\d+,\d+,\d+\]"
    r"|spark://[^:,/]+:\d{1,5}(,[^:,/]+:\d{1,5})*|yarn|k8s://.+"
)
_MEMORY = re.compile(r"[1-9]\d*[kmgt]b?", re.IGNORECASE)
# As Spark's own `spark.redaction.regex`; a setting that names a file holds no secret.
_SECRET = re.compile(r"secret|password|token|access[._]?key|credential", re.IGNORECASE)


def check_reachable(master: str) -> None:
    """Find out now, and not after minutes of retries, that there is no Spark to send a job to.

    Raises
    ------
    EngineError
        When no standalone master answers, or nothing says where YARN is.
    """
    if master.startswith("spark://"):
        tried = [_answer(place) for place in master.removeprefix("spark://").split(",")]
        if all(tried):
            raise EngineError(
                f"no Spark master answers: {'; '.join(map(str, tried))}: is it running?"
            )
    if master == "yarn" and not {"HADOOP_CONF_DIR", "YARN_CONF_DIR"} & os.environ.keys():
        raise EngineError("nothing says where YARN is: set HADOOP_CONF_DIR to its configuration")


def _answer(place: str) -> str | None:
    """Why nothing answers at a place; None if something does."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError, UnicodeError) as error:  # also: no such port, no name of a host
        return f"{place}: {getattr(error, 'strerror', None) or error}"
    return None


def check_options(options: Mapping[str, str], master: str) -> None:
    """Refuse options that Spark, or Java, would refuse with a page of text."""
    for name, value in options.items():
        if name.endswith("-memory") and not _MEMORY.fullmatch(value):
            raise SpecError(f"--{name} {value}: give an amount of memory, such as 2g or 512m")
    where = options.get("deploy-mode", "client")
    if where not in ("client", "cluster"):
        raise SpecError(f"--deploy-mode {where}: the driver runs here (client) or there (cluster)")
    if where == "cluster" and master.startswith("spark://"):
        raise SpecError("--deploy-mode cluster: a standalone master starts no driver in Python")


def check_no_secret(words: Sequence[str]) -> None:
    """Refuse a line that shows what nobody else may see."""
    for word in words:
        name, equals, value = word.partition("=")
        file = name.lower().endswith(("file", "path"))
        if equals and value and name.startswith("spark.") and _SECRET.search(name) and not file:
            raise SpecError(
                f"{name} is a secret, and everybody here can read a command line: put it into "
                "spark-defaults.conf of your SPARK_CONF_DIR"
            )
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) > 7 and any(value in word for word in words):
            raise SpecError(
                f"the line would show the value of {name}, and everybody here can read a command "
                "line: let the workers find it in their own environment, role or ~/.aws"
            )
