"""Run the commands of docs/howto/spark-submit.md without and with Spark."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/spark-submit.md").read_text("utf-8")
LOCAL, SUBMITTED = (shlex.split(line) for line in re.findall(r"```sh\n(.+)\n```", PAGE))


def submitted():
    """Return the output of the command with Spark."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        SUBMITTED,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


@pytest.mark.spark
def test_the_commands_print_the_same(monkeypatch, capsys):
    """Run the script without Spark in this process, which has imported what it needs."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    program, script = LOCAL
    assert program == "python"
    monkeypatch.setattr(sys, "argv", [script])
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    runpy.run_path(str(ROOT / script))
    output = capsys.readouterr().out + submitted()
    said = [line for line in output.splitlines() if "best r" in line]
    assert [line.split()[0] for line in said] == ["local", "spark"]
    assert len({line.partition(" ")[2] for line in said}) == 1
