"""The scripts of examples/: they run as a newcomer runs them, and find what they promise."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_quickstart_finds_the_cells_that_follow(capsys):
    runpy.run_path(EXAMPLES / "quickstart.py", run_name="__main__")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == "Images"
    found, truth = (line.partition(": ")[2] for line in lines[-2:])
    assert found == truth
