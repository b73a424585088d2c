"""Run the commands of docs/howto/spark-submit.md without and with Spark."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/spark-submit.md").read_text("utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"```sh\n(.+)\n```", PAGE)]


@pytest.mark.spark
def test_the_commands_print_the_same():
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    said = []
    for command in COMMANDS:
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path, "MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        said += [line for line in ran.stdout.splitlines() if "best r" in line]
    assert [line.split()[0] for line in said] == ["local", "spark"]
    assert len({line.partition(" ")[2] for line in said}) == 1
