"""Files damaged at random, in every format: a value or an error of ours, and nothing else happens.

FUZZ_MINUTES=10 pytest tests/security/test_fuzz.py searches that long, with other damage each time.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "fuzzing.py"
SPEC = importlib.util.spec_from_file_location("seeds", SCRIPT.parent / "seeds.py")
seeds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(seeds)
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
EXAMPLES = 40  # of each format; with --slow ten times as many

pytestmark = pytest.mark.timeout(600 + 60 * MINUTES)


def fuzzed(names, examples, seed):
    """Run the script; return its output, a line with the number of outcomes for each format."""
    command = [sys.executable, SCRIPT, ",".join(names), str(examples), str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}"[-8000:]
    return ran.stdout


def test_damaged_files_are_read_or_refused_and_nothing_else(request):
    examples = EXAMPLES * (10 if request.config.getoption("--slow") else 1)
    lines = fuzzed(seeds.SEEDS, examples, seed=1).splitlines()
    assert [line.partition(":")[0] for line in lines] == list(seeds.SEEDS)
    assert all("refused=" in line for line in lines)
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        fuzzed(seeds.SEEDS, 1000, seed=time.time_ns())
